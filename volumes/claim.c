/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock of a claim, with everything put right that a crash left: an
 * interrupted create or delete is finished or undone, and the mark of a pod
 * that is over is cleared. Who holds the lock then knows the record is true.
 */
#include <kshim/fd.h>
#include <kshim/lock.h>

#include "pod.h"

#define RECOVER_MS 1000 /* another command that is about to be done */

static int fail_held(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		     struct ks_err *err)
{
	struct ks_volume v = { 0 };
	char who[512];
	bool known = ks_volume_load(a, s, ns, claim, &v, NULL) == 0 && v.attached_uid;

	ks_pod_describe(s, known ? v.attached_uid : "", who, sizeof(who));
	return ks_err_kind(err, KS_ERR_BUSY, "volume \"%s/%s\" is in use by %s", ns, claim, who);
}

/* 0: another command has it, which may be done in a moment; else a pod, named in @err. */
static int held_by_pod(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		       struct ks_err *err)
{
	struct ks_volume v = { 0 };

	if (ks_volume_load(a, s, ns, claim, &v, NULL) == 0 && v.attached_uid)
		return fail_held(a, s, ns, claim, err);
	return 0;
}

/* The mark of pod @uid: its recovery takes the lock itself, so the caller has let it go. */
static int recover_mark(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
			const char *uid, struct ks_err *err)
{
	ks_auto_fd int lock = -EBADF;
	int r = ks_pod_recover(a, s, uid, false, NULL, err);

	if (r == KS_POD_KEPT)
		r = ks_err_kind(err, KS_ERR_BUSY, "the pod with uid %s has it", uid);
	else if (r == KS_POD_ALIVE)
		r = -EBUSY;
	if (r < 0)
		return ks_err_prefix(err, r, "volume \"%s/%s\"", ns, claim);
	r = ks_store_lock(s, "volume", ns, claim, RECOVER_MS, &lock, err);
	/* Whoever has it now does the clearing. */
	if (r != 0)
		return r < 0 ? r : 0;
	return ks_volume_clear_attached(a, s, ns, claim, uid, false, err);
}

int ks_claim_lock(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		  unsigned int wait_ms, int *ret, struct ks_err *err)
{
	for (int i = 0; i < 3; i++) {
		ks_auto_fd int lock = -EBADF;
		struct ks_volume v = { 0 };
		int r = ks_store_lock(s, "volume", ns, claim, 0, &lock, err);

		if (r == KS_LOCK_HELD) {
			r = held_by_pod(a, s, ns, claim, err);
			if (r == 0)
				r = ks_store_lock(s, "volume", ns, claim, wait_ms, &lock, err);
		}
		if (r == KS_LOCK_HELD)
			return fail_held(a, s, ns, claim, err);
		if (r == 0)
			r = ks_volume_recover(a, s, ns, claim, NULL, err);
		if (r < 0)
			return r;
		r = ks_volume_load(a, s, ns, claim, &v, err);
		if (r == -ENOENT || (r == 0 && !v.attached_uid)) {
			*ret = KS_TAKE_FD(lock);
			return 0;
		}
		if (r < 0)
			return r;
		lock = ks_fd_close(lock);
		r = recover_mark(a, s, ns, claim, v.attached_uid, err);
		if (r < 0)
			return r;
	}
	return ks_err_kind(err, KS_ERR_BUSY, "volume \"%s/%s\" is being worked on", ns, claim);
}

int ks_claim_gc(struct ks_store *s, struct ks_gc *gc, struct ks_err *err)
{
	struct ks_volumes list = { 0 };
	int r = ks_volume_list(gc->arena, s, NULL, &list, err);

	for (size_t i = 0; i < list.n && r == 0; i++) {
		const struct ks_volume *v = &list.v[i];
		struct ks_err why = KS_ERR_INIT;
		ks_auto_fd int lock = -EBADF;

		if (!v->attached_uid || ks_volume_in_use(s, v->ns, v->claim))
			continue;
		if (ks_claim_lock(gc->arena, s, v->ns, v->claim, 0, &lock, &why) == 0)
			ks_gc_note(gc, true, "volume \"%s/%s\": freed from the pod with uid %s",
				   v->ns, v->claim, v->attached_uid);
		else
			ks_gc_note(gc, false, "%s", why.msg);
	}
	for (size_t i = 0; i < list.damaged.n && r == 0; i++)
		ks_gc_note(gc, false, "%s", list.damaged.v[i]);
	return r;
}
