/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the verbs on an existing container share. */
#include <kshim/resctrl.h>
#include <kshim/run.h>

/* The state of a container as JSON, in a file that hooks read as their input; owned. */
int ks_hooks_state_file(const struct ks_container *c, enum ks_status status, int *ret_fd,
			struct ks_err *err);
/* Runs one kind of hooks in the bundle, as runc does it. */
int ks_hooks_run_list(struct ks_arena *a, const struct ks_list *list, const char *kind,
		      const char *bundle, int state_fd, struct ks_err *err);
/* Both run hooks in the host's namespaces with the container's state as their input. */
int ks_hooks_run_poststart(const struct ks_list *list, const struct ks_container *c,
			   struct ks_err *err);
/* All of them; the container is gone, so one that fails is a warning. @warnings may be NULL. */
void ks_hooks_run_poststop(struct ks_arena *a, const struct ks_list *list,
			   const struct ks_container *c, struct ks_strv *warnings);

/* The class of service that is on record. */
struct ks_resctrl ks_container_resctrl(const struct ks_container *c);

/*
 * Removes what of resctrl is the container's, and takes it off the record in @dir_fd at once: the
 * next class of that name can be somebody else's.
 */
int ks_container_remove_class(struct ks_arena *a, int dir_fd, struct ks_container *c,
			      struct ks_err *err);

/* An open container: directory, lock and record. */
struct ks_opened {
	struct ks_arena arena;
	int dir_fd, lock_fd;
	struct ks_container c;
	bool no_record;
};

/* Opens it; ks_opened_done() is due also after a failure. */
int ks_opened_open(int root_fd, const char *id, bool lock, struct ks_opened *o, struct ks_err *err);
void ks_opened_done(struct ks_opened *o);

/* Creating also without a record. */
enum ks_status ks_opened_status(const struct ks_opened *o);

/* The pidfd of init, after which the pid cannot be anybody else's. */
int ks_opened_init(const struct ks_opened *o, int *ret, struct ks_err *err);

/* Ends it and undoes all of it; @o holds its lock. */
int ks_opened_delete(struct ks_opened *o, int root_fd, const char *id,
		     const struct ks_storage *storage, const struct ks_warnings *warn,
		     struct ks_err *err);

/* Its cgroup; in the arena of @o. */
int ks_opened_cgroup(struct ks_opened *o, struct ks_cgroup *ret, struct ks_err *err);
