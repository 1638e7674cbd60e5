/* SPDX-License-Identifier: Apache-2.0 */
/* Where containers and the volumes of their pods meet. */
#include <unistd.h>

#include <kshim/cgroup.h>
#include <kshim/fd.h>
#include <kshim/pod.h>
#include <kshim/process.h>

#include "front.h"

/* volumes/ does not know cgroups; whether a pod's processes are gone it must know. */
static bool cgroup_populated(const char *path)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_cgroup cg = { .path = path };

	/* When it cannot be told, it is safer to say yes. */
	return ks_cgroup_open(&a, path, &cg, NULL) < 0 || ks_cgroup_populated(&cg);
}

int ks_front_open_store(struct ks_cli *cli, struct ks_store *ret, struct ks_err *err)
{
	int r = ks_store_open(cli->state_dir, ret, err);

	if (r == 0)
		ret->populated = cgroup_populated;
	return r;
}

int ks_front_open(struct ks_cli *cli, struct ks_store *store, int *root_fd, struct ks_err *err)
{
	int r = ks_cli_open_root(cli, root_fd, err);

	return r < 0 ? r : ks_front_open_store(cli, store, err);
}

static int storage_plan(void *data, struct ks_arena *a, const struct ks_spec *s, const char *id,
			const char **ret_ref, struct ks_err *err)
{
	struct ks_front *f = data;
	char uid[37];
	int r = ks_pod_parse(a, &s->annotations, id, s->hostname, &f->pod, err);

	if (r == KS_POD_NONE)
		return 0;
	if (r < 0)
		return r;
	/* A claim's disk is mounted, a keeper has root's lock: nothing that a user could undo. */
	if (ks_outer_uid() != 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "volumes and identities of pods are for root alone");
	/* Where there is no SELinux the container is refused, and says why. */
	if (!ks_str_empty(s->lnx.mount_label) && ks_selinux_enabled())
		f->pod.label = s->lnx.mount_label;
	if (!f->pod.uid) {
		if (ks_random_uuid(uid) < 0)
			return ks_err_kind(err, KS_ERR_INTERNAL, "no random numbers");
		f->pod.uid = ks_arena_strdup(a, uid);
		f->fresh = true;
	}
	*ret_ref = f->pod.uid;
	return f->pod.uid ? 0 : ks_err_oom(err);
}

static int storage_up(void *data, struct ks_arena *a, const char *ref, const char *id,
		      struct ks_mount_requests *ret, struct ks_err *err)
{
	struct ks_front *f = data;
	const struct ks_pod_who who = { .uid = ref, .id = id, .fresh = f->fresh };
	ks_auto_fd int root = -EBADF;
	struct ks_store store;
	int r = ks_front_open(f->cli, &store, &root, err);

	if (r < 0)
		return r;
	const struct ks_pod_ctx ctx = { .store = &store, .root_fd = root };

	r = ks_pod_up(a, &ctx, &f->pod, &who, ret, err);
	ks_store_close(&store);
	return r;
}

static int storage_running(void *data, const char *ref, const struct ks_container *c,
			   struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	struct ks_store store;
	struct ks_front *f = data;
	int r = ks_front_open(f->cli, &store, &root, err);

	if (r < 0)
		return r;
	struct ks_pod_ctx ctx = { .store = &store, .root_fd = root };

	r = ks_pod_running(&ctx, ref, c->id, c->pid.v, c->start_time.v, c->cgroup_path, err);
	ks_store_close(&store);
	return r;
}

static int storage_targets(void *data, struct ks_arena *a, const struct ks_spec *s, const char *id,
			   struct ks_strv *ret, struct ks_err *err)
{
	struct ks_pod_spec pod = { 0 };
	int r = ks_pod_parse(a, &s->annotations, id, s->hostname, &pod, err);

	(void)data;
	for (size_t i = 0; i < pod.n_mounts && r == 0; i++)
		if (ks_strv_append(a, ret, pod.mounts[i].path) < 0)
			r = ks_err_oom(err);
	return r < 0 ? r : 0;
}

static int storage_down(void *data, const char *ref, const char *id, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	struct ks_store store;
	struct ks_front *f = data;
	int r = ks_front_open(f->cli, &store, &root, err);

	if (r < 0)
		return r;
	struct ks_pod_ctx ctx = { .store = &store, .root_fd = root };

	r = ks_pod_down(&ctx, ref, id, err);
	ks_store_close(&store);
	return r;
}

struct ks_storage ks_front_storage(struct ks_front *f)
{
	return (struct ks_storage){
		.data = f,
		.plan = storage_plan,
		.up = storage_up,
		.running = storage_running,
		.targets = storage_targets,
		.down = storage_down,
	};
}
