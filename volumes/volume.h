/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Volumes, inside this folder. */
#include <kshim/volume.h>

#include "fs.h"
#include "store.h"

#define KS_VOLUME_RECORD "volume.json"
#define KS_VOLUME_IMAGE	 "image"

int ks_volume_open_dir(struct ks_store *s, const char *ns, const char *claim, bool make,
		       int *ret_fd, struct ks_err *err);
int ks_volume_read(struct ks_arena *a, int dirfd, struct ks_volume *ret, struct ks_err *err);
int ks_volume_decode(struct ks_arena *a, const struct ks_json *body, struct ks_volume *ret,
		     struct ks_err *err);
void ks_volume_put(const struct ks_volume *v, struct ks_json_out *o);
int ks_volume_write(int dirfd, const struct ks_volume *v, const char *file, const char *kind,
		    struct ks_err *err);

/*
 * Finishes or undoes an interrupted create or delete of one claim, whose lock
 * the caller holds. 0, or -errno; @gc may be NULL.
 */
int ks_volume_recover(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		      struct ks_gc *gc, struct ks_err *err);

/* ks_volume_create() for a caller that holds the lock of the claim by @lock_fd. */
int ks_volume_create_locked(struct ks_arena *a, struct ks_store *s,
			    const struct ks_volume_params *p, int lock_fd, struct ks_volume *ret,
			    struct ks_err *err);

/*
 * Clears the mark of an attachment that is over, when the kernel agrees or,
 * with @detached, was asked just before. The caller holds the volume's lock.
 * -EBUSY when the image is still in use.
 */
int ks_volume_clear_attached(struct ks_arena *a, struct ks_store *s, const char *ns,
			     const char *claim, const char *pod_uid, bool detached,
			     struct ks_err *err);

/*
 * Waits a little until no loop device has the image: one with autoclear goes a
 * moment after its last user. 0 also without an image; -EBUSY; -errno.
 */
int ks_volume_wait_free(int dir, struct ks_err *err);
