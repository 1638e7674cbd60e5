/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <kshim/fd.h>

void ks_plan_empty(struct ks_plan *p)
{
	static const struct ks_strv none;
	static const struct ks_map no_map;

	*p = (struct ks_plan){
		.rootfs_fd = -EBADF,
		.start_fd = -EBADF,
		.init_pidfd = -EBADF,
		.cgroup = { .v2_fd = -EBADF },
		.masked = &none,
		.readonly = &none,
		.sysctl = &no_map,
	};
	for (size_t i = 0; i < KS_NS_COUNT; i++)
		p->join_fd[i] = -EBADF;
}

void ks_plan_done(struct ks_plan *p)
{
	for (size_t i = 0; i < KS_NS_COUNT; i++)
		p->join_fd[i] = ks_fd_close(p->join_fd[i]);
	for (size_t i = 0; i < p->n_mounts; i++) {
		p->mounts[i].fd = ks_fd_close(p->mounts[i].fd);
		p->mounts[i].idmap_fd = ks_fd_close(p->mounts[i].idmap_fd);
	}
	for (size_t i = 0; i < p->n_cgroups; i++)
		p->cgroups[i].fd = ks_fd_close(p->cgroups[i].fd);
	for (size_t i = 0; i < p->n_devices; i++)
		p->devices[i].bind_fd = ks_fd_close(p->devices[i].bind_fd);
	p->rootfs_fd = ks_fd_close(p->rootfs_fd);
	p->start_fd = ks_fd_close(p->start_fd);
	p->init_pidfd = ks_fd_close(p->init_pidfd);
	ks_cgroup_join_done(&p->cgroup);
}

/* Whether a namespace that is joined is the runtime's own: then what is set in it is the host's. */
static bool is_own_namespace(int fd, enum ks_ns type)
{
	char path[64];
	struct stat joined, own;

	ks_fmt(path, sizeof(path), "/proc/self/ns/%s", ks_ns_proc_name(type));
	return fstat(fd, &joined) < 0 || stat(path, &own) < 0 ||
	       (joined.st_dev == own.st_dev && joined.st_ino == own.st_ino);
}

/* Whether the container has a namespace of that type that is not the host's. */
static bool has_private(const struct ks_spec *s, const struct ks_plan *p, enum ks_ns type)
{
	if (!ks_spec_namespace(s, type))
		return false;
	return p->join_fd[type] < 0 || !is_own_namespace(p->join_fd[type], type);
}

/* Opens the namespace that a path names; its type must be the one that was asked for. */
static int open_namespace(const struct ks_spec_namespace *n, int *ret_fd, struct ks_err *err)
{
	enum ks_ns type = (enum ks_ns)n->type;
	/* O_NONBLOCK: the path may name anything, a FIFO too. */
	ks_auto_fd int fd = open(n->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return ks_err_set(err, -errno, "linux.namespaces: open %s namespace %s",
				  ks_ns_proc_name(type), n->path);
	struct statfs sfs;

	/* Not by its name: engines keep a namespace by a bind mount, such as /run/netns/NAME. */
	if (fstatfs(fd, &sfs) < 0 || sfs.f_type != NSFS_MAGIC ||
	    (uint64_t)ioctl(fd, NS_GET_NSTYPE) != ks_ns_flag(type))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.namespaces: %s is not a %s namespace", n->path,
				   ks_ns_proc_name(type));
	*ret_fd = KS_TAKE_FD(fd);
	return 0;
}

static int plan_namespaces(const struct ks_spec *s, struct ks_plan *p, struct ks_err *err)
{
	const struct ks_spec_namespace *v = s->lnx.namespaces.v;

	for (size_t i = 0; i < s->lnx.namespaces.n; i++) {
		enum ks_ns type = (enum ks_ns)v[i].type;

		if (ks_str_empty(v[i].path)) {
			if (type == KS_NS_CGROUP)
				p->new_cgroupns = true;
			else if (type == KS_NS_TIME)
				p->new_timens = true;
			else
				p->clone_flags |= ks_ns_flag(type);
			continue;
		}
		int r = open_namespace(&v[i], &p->join_fd[type], err);

		if (r < 0)
			return r;
		if (type == KS_NS_MOUNT)
			return ks_err_kind(err, KS_ERR_UNSUPPORTED,
					   "linux.namespaces: joining a mount namespace is not "
					   "supported");
	}
	return 0;
}

static int plan_time(struct ks_arena *a, const struct ks_spec *s, struct ks_plan *p,
		     struct ks_err *err)
{
	const struct ks_spec_time_offset *v = s->lnx.time_offsets.v;
	const char *text = "";

	for (size_t i = 0; i < s->lnx.time_offsets.n && text; i++)
		text = ks_arena_printf(a, "%s%s %lld %llu\n", text, v[i].clock,
				       (long long)v[i].secs.v, (unsigned long long)v[i].nanosecs.v);
	if (!text)
		return ks_err_oom(err);
	if (*text && !p->new_timens)
		return ks_err_kind(
			err, KS_ERR_INVALID,
			"linux.timeOffsets: a time namespace that is joined has its own");
	p->time_offsets = *text ? text : NULL;
	return 0;
}

static int plan_propagation(const struct ks_spec *s, struct ks_plan *p, struct ks_err *err)
{
	static const struct {
		const char *name;
		uint64_t flag;
		bool rec;
	} names[] = {
		{ "private", MS_PRIVATE, false },	{ "rprivate", MS_PRIVATE, true },
		{ "slave", MS_SLAVE, false },		{ "rslave", MS_SLAVE, true },
		{ "shared", MS_SHARED, false },		{ "rshared", MS_SHARED, true },
		{ "unbindable", MS_UNBINDABLE, false }, { "runbindable", MS_UNBINDABLE, true },
	};
	const char *want = s->lnx.rootfs_propagation;

	if (ks_str_empty(want))
		return 0;
	for (size_t i = 0; i < KS_ARRAY_LEN(names); i++) {
		if (ks_streq(names[i].name, want)) {
			p->root_propagation = names[i].flag;
			p->root_propagation_rec = names[i].rec;
			return 0;
		}
	}
	return ks_err_kind(err, KS_ERR_INVALID, "linux.rootfsPropagation: unknown value \"%s\"",
			   want);
}

static int plan_rootfs(const struct ks_create *c, const struct ks_spec *s, struct ks_plan *p,
		       struct ks_err *err)
{
	struct stat st;
	/* A relative path is the bundle's; it is the operator's, so links in it are followed. */
	ks_auto_fd int dir = openat(c->bundle_fd, s->root.path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return ks_err_set(err, -errno, "root.path: open %s", s->root.path);
	struct stat root;

	if (fstat(dir, &st) == 0 && stat("/", &root) == 0 && st.st_dev == root.st_dev &&
	    st.st_ino == root.st_ino)
		return ks_err_kind(err, KS_ERR_INVALID, "root.path: %s is the root of this host",
				   s->root.path);
	int r = ks_mount_clone(dir, "", true, &p->rootfs_fd, err);

	if (r == 0)
		r = ks_mount_propagate(p->rootfs_fd, MS_PRIVATE, true, err);
	return r < 0 ? ks_err_prefix(err, r, "root.path %s", s->root.path) : 0;
}

/*
 * Only what is the container's own may be set: a sysctl of the host would be changed for all.
 * Source: runtime-spec, config-linux.md, "Sysctl"; runc refuses the same.
 */
static int check_sysctl(const struct ks_spec *s, const struct ks_plan *p, struct ks_err *err)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb",
					   "kernel.msgmni", "kernel.sem",
					   "kernel.shmall", "kernel.shmmax",
					   "kernel.shmmni", "kernel.shm_rmid_forced" };
	const struct ks_map *m = &s->lnx.sysctl;

	for (size_t i = 0; i < m->n; i++) {
		const char *key = m->v[i].key;
		bool is_ipc = ks_str_prefix(key, "fs.mqueue.") != NULL;
		bool ok = false;

		for (size_t k = 0; k < KS_ARRAY_LEN(ipc); k++)
			is_ipc |= ks_streq(key, ipc[k]);
		if (is_ipc)
			ok = has_private(s, p, KS_NS_IPC);
		else if (ks_str_prefix(key, "net."))
			ok = has_private(s, p, KS_NS_NETWORK);
		else if (ks_streq(key, "kernel.domainname") || ks_streq(key, "kernel.hostname"))
			ok = has_private(s, p, KS_NS_UTS);
		if (strlen(key) > 200 || strstr(key, "..") || strchr(key, '/'))
			ok = false;
		if (!ok)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "linux.sysctl: \"%s\" is not in a namespace of the "
					   "container",
					   key);
	}
	return 0;
}

int ks_plan_hooks(struct ks_arena *a, const struct ks_list *hooks, struct ks_plan_hooks *ret,
		  struct ks_err *err)
{
	static char *no_env[] = { NULL };
	const struct ks_spec_hook *v = hooks->v;

	if (!hooks->n)
		return 0;
	ret->v = KS_ARENA_NEWV(a, struct ks_plan_hook, hooks->n);
	if (!ret->v)
		return ks_err_oom(err);
	for (size_t i = 0; i < hooks->n; i++) {
		struct ks_plan_hook *h = &ret->v[i];

		h->path = v[i].path;
		h->timeout_s = v[i].timeout_s.set ? (int)v[i].timeout_s.v : 0;
		h->env = v[i].env.n ? v[i].env.v : no_env;
		h->args = v[i].args.v;
		if (!v[i].args.n) {
			struct ks_strv one = { 0 };

			if (ks_strv_append(a, &one, v[i].path) < 0)
				return ks_err_oom(err);
			h->args = one.v;
		}
	}
	ret->n = hooks->n;
	return 0;
}

/* Never the host's own name, not even where its namespace is named by a path. */
static int plan_names(const struct ks_create *c, const struct ks_spec *s, struct ks_plan *p,
		      struct ks_err *err)
{
	if (has_private(s, p, KS_NS_UTS)) {
		p->hostname = c->volumes.hostname ? c->volumes.hostname : s->hostname;
		p->domainname = s->domainname;
		return 0;
	}
	if (!ks_str_empty(s->hostname) || !ks_str_empty(s->domainname))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "hostname: the uts namespace is that of this host");
	return 0;
}

static int plan_net_devices(const struct ks_spec *s, struct ks_plan *p, struct ks_err *err)
{
	if (!s->lnx.net_devices.n)
		return 0;
	if (!has_private(s, p, KS_NS_NETWORK))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.netDevices: the container has no network namespace of "
				   "its own");
	p->net_devices = &s->lnx.net_devices;
	return 0;
}

int ks_plan_init_container(struct ks_arena *a, const struct ks_create *c, const struct ks_spec *s,
			   const struct ks_cgroup *cg, struct ks_plan *p, struct ks_err *err)
{
	int r = plan_namespaces(s, p, err);

	if (r == 0 && p->clone_flags & CLONE_NEWUSER)
		r = ks_plan_map(a, &s->lnx.uid_mappings, &p->uid_map, err);
	if (r == 0 && p->clone_flags & CLONE_NEWUSER)
		r = ks_plan_map(a, &s->lnx.gid_mappings, &p->gid_map, err);
	if (r == 0)
		r = plan_time(a, s, p, err);
	if (r == 0)
		r = plan_net_devices(s, p, err);
	if (r == 0)
		r = plan_propagation(s, p, err);
	if (r == 0)
		r = check_sysctl(s, p, err);
	if (r == 0)
		r = ks_cgroup_open_join(cg, &p->cgroup, err);
	if (r == 0)
		r = plan_rootfs(c, s, p, err);
	if (r == 0)
		r = ks_plan_mounts(a, c, s, cg, p, err);
	if (r == 0)
		r = ks_plan_devices(a, c, s, p, err);
	if (r == 0)
		r = ks_plan_hooks(a, &s->hooks.create_container, &p->create_container, err);
	if (r == 0)
		r = ks_plan_hooks(a, &s->hooks.start_container, &p->start_container, err);
	if (r < 0)
		return r;
	p->runtime_hooks = s->hooks.prestart.n || s->hooks.create_runtime.n ||
			   s->hooks.create_container.n || s->hooks.start_container.n;
	p->root_readonly = s->root.readonly;
	p->no_pivot = c->no_pivot;
	p->masked = &s->lnx.masked_paths;
	p->readonly = &s->lnx.readonly_paths;
	p->sysctl = &s->lnx.sysctl;
	return plan_names(c, s, p, err);
}
