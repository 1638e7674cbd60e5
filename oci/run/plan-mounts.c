/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/path.h>
#include <kshim/process.h>

#include "plan.h"

static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* Clones the source now: the parent sees the host as its operator does. */
static int plan_bind(const struct ks_create *c, const struct ks_spec_mount *sm,
		     struct ks_plan_mount *m, struct ks_err *err)
{
	ks_auto_fd int src = openat(c->bundle_fd, sm->source, O_PATH | O_CLOEXEC);

	if (src < 0)
		return ks_err_set(err, -errno, "open mount source %s", sm->source);
	m->kind = KS_PLAN_BIND;
	m->is_file = is_file(src);
	int r = ks_mount_clone(src, "", m->opts.recursive, &m->fd, err);

	/* Private unless asked for otherwise: what the container mounts stays inside. */
	if (r == 0)
		r = ks_mount_propagate(m->fd,
				       m->opts.propagation ? m->opts.propagation : MS_PRIVATE,
				       m->opts.propagation ? m->opts.propagation_rec : true, err);
	if (r == 0)
		r = ks_mount_set(m->fd, m->opts.attr_set, m->opts.attr_clr, false, err);
	if (r == 0)
		r = ks_mount_set(m->fd, m->opts.rec_set, m->opts.rec_clr, true, err);
	if (r == 0 && m->opts.copy_up)
		return ks_err_kind(err, KS_ERR_INVALID, "mount on %s: tmpcopyup needs a tmpfs",
				   sm->destination);
	if (r == 0 && m->idmap_fd >= 0)
		r = ks_mount_idmap(m->fd, m->idmap_fd, m->opts.idmap_rec, err);
	m->idmap_fd = ks_fd_close(m->idmap_fd);
	if (r == 0 && m->opts.fs.n)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "mount on %s: a bind mount takes no option \"%s\"",
				   sm->destination, m->opts.fs.v[0]);
	return r;
}

/* One directory for each hierarchy: new mounts under a cgroup namespace, else binds. */
static int plan_cgroup_v1(struct ks_arena *a, const struct ks_cgroup *cg, struct ks_plan *p,
			  struct ks_err *err)
{
	size_t n = cg->host.n_v1 + (cg->host.v2_mount != NULL);

	if (p->n_cgroups)
		return 0;
	p->cgroups = KS_ARENA_NEWV(a, struct ks_plan_cgroup, n + 1);
	if (!p->cgroups)
		return ks_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		bool v2 = i == cg->host.n_v1;
		struct ks_plan_cgroup *g = &p->cgroups[p->n_cgroups++];
		const char *controllers = v2 ? NULL : cg->host.v1[i].controllers;

		g->fd = -EBADF;
		g->name = v2 ? "unified" : cg->host.v1[i].name;
		g->type = v2 ? "cgroup2" : "cgroup";
		if (controllers)
			g->data = ks_str_prefix(controllers, "name=") ?
					  ks_arena_printf(a, "none,%s", controllers) :
					  controllers;
		if (p->new_cgroupns || p->join_fd[KS_NS_CGROUP] >= 0)
			continue;
		char dir[PATH_MAX];

		ks_fmt(dir, sizeof(dir), "/sys/fs/cgroup/%s%s", g->name, cg->path);
		int r = ks_mount_clone(AT_FDCWD, dir, false, &g->fd, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Mappings of its own, or "idmap" alone: those of the container. */
static int plan_mapping(struct ks_arena *a, const struct ks_spec *s, const struct ks_spec_mount *sm,
			struct ks_plan_mount *m, struct ks_err *err)
{
	bool own = sm->uid_mappings.n || sm->gid_mappings.n;

	if (!own && !m->opts.idmap)
		return 0;
	return ks_plan_idmap(a, own ? &sm->uid_mappings : &s->lnx.uid_mappings,
			     own ? &sm->gid_mappings : &s->lnx.gid_mappings, &m->idmap_fd, err);
}

/* Flags of the superblock are options of the file system to fsconfig(2). */
static int add_super(struct ks_arena *a, struct ks_plan_mount *m)
{
	for (size_t i = 0; i < m->opts.super.n; i++)
		if (ks_strv_append(a, &m->opts.fs, m->opts.super.v[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* Whether its file system may be changed is known when the mounts are there: remount() of the
 * child. */
static int plan_remount(struct ks_arena *a, struct ks_plan_mount *m, struct ks_err *err)
{
	m->kind = KS_PLAN_REMOUNT;
	if (m->opts.copy_up || m->idmap_fd >= 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "mount on %s: a remount takes no mapping and no copy",
				   m->target);
	return add_super(a, m) < 0 ? ks_err_oom(err) : 0;
}

static bool is_one_of(const char *s, const char *const *v)
{
	for (; *v; v++)
		if (ks_streq(s, *v))
			return true;
	return false;
}

/*
 * A context is of a whole file system. None can be given to one that is the kernel's only one, or
 * was made with the namespace; nor, in a user namespace, to one that labels could come from. Of
 * these a message queue's has a root that is labelled by itself.
 */
static int plan_label(struct ks_arena *a, const struct ks_spec *s, struct ks_plan_mount *m,
		      const struct ks_plan *p)
{
	static const char *const own[] = { "tmpfs", "ramfs", "devpts", "overlay", NULL };
	static const char *const single[] = { "proc",	     "sysfs",	  "cgroup",   "cgroup2",
					      "mqueue",	     "debugfs",	  "tracefs",  "configfs",
					      "securityfs",  "pstore",	  "fusectl",  "efivarfs",
					      "binfmt_misc", "selinuxfs", "devtmpfs", NULL };
	bool userns = ks_spec_namespace(s, KS_NS_USER) || !ks_userns_is_initial();

	if (!p->context)
		return 0;
	/* In a user namespace it belongs to whoever made that, and not to the container. */
	if (ks_streq(m->type, "mqueue") && !userns)
		m->label = s->lnx.mount_label;
	if (!is_one_of(m->type, own) && (userns || is_one_of(m->type, single)))
		return 0;
	for (size_t i = 0; i < m->opts.fs.n; i++)
		if (ks_str_prefix(m->opts.fs.v[i], "context=") ||
		    ks_str_prefix(m->opts.fs.v[i], "defcontext="))
			return 0;
	return ks_strv_append(a, &m->opts.fs, p->context);
}

static int plan_mount(struct ks_arena *a, const struct ks_create *c, const struct ks_spec *s,
		      const struct ks_spec_mount *sm, const struct ks_cgroup *cg, struct ks_plan *p,
		      struct ks_err *err)
{
	struct ks_plan_mount *m = &p->mounts[p->n_mounts];
	char target[PATH_MAX];

	*m = (struct ks_plan_mount){
		.fd = -EBADF, .idmap_fd = -EBADF, .source = sm->source, .type = sm->type
	};
	if (ks_path_clean(sm->destination, target, sizeof(target)) < 0)
		return ks_err_set(err, -ENAMETOOLONG, "mounts: destination");
	if (ks_streq(target, "/"))
		return ks_err_kind(err, KS_ERR_INVALID, "mounts: a mount on / is not allowed");
	m->target = ks_arena_strdup(a, target);
	if (!m->target)
		return ks_err_oom(err);
	p->n_mounts++;
	int r = ks_mount_parse_options(a, &sm->options, &m->opts, err);

	if (r == 0)
		r = plan_mapping(a, s, sm, m, err);
	if (r < 0)
		return ks_err_prefix(err, r, "mount on %s", m->target);
	if (m->opts.remount)
		return plan_remount(a, m, err);
	if (m->opts.bind || ks_streq(sm->type ? sm->type : "", "bind")) {
		if (ks_streq(m->target, "/dev"))
			p->make_dev = false;
		r = plan_bind(c, sm, m, err);
		return r < 0 ? ks_err_prefix(err, r, "mount on %s", m->target) : 0;
	}
	m->kind = KS_PLAN_NEW;
	if (plan_label(a, s, m, p) < 0 || add_super(a, m) < 0)
		return ks_err_oom(err);
	if (ks_streq(sm->type, "cgroup") && !cg->host.v2) {
		m->kind = KS_PLAN_CGROUP;
		if (m->opts.copy_up || m->idmap_fd >= 0)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "mount on %s: cgroups take no mapping and no copy",
					   m->target);
		return plan_cgroup_v1(a, cg, p, err);
	}
	if (ks_streq(sm->type, "cgroup"))
		m->type = "cgroup2";
	if (m->opts.copy_up && !ks_streq(m->type, "tmpfs"))
		return ks_err_kind(err, KS_ERR_INVALID, "mount on %s: tmpcopyup needs a tmpfs",
				   m->target);
	return 0;
}

static int plan_volume(struct ks_arena *a, const struct ks_mount_request *q, struct ks_plan *p,
		       struct ks_err *err)
{
	struct ks_plan_mount *m = &p->mounts[p->n_mounts];
	char target[PATH_MAX];
	struct stat st;

	if (ks_path_clean(q->target, target, sizeof(target)) < 0 || ks_streq(target, "/"))
		return ks_err_kind(err, KS_ERR_INVALID, "volume %s: bad mount path \"%s\"", q->name,
				   q->target);
	*m = (struct ks_plan_mount){
		.kind = KS_PLAN_VOLUME,
		.target = ks_arena_strdup(a, target),
		.source = q->name,
		.type = "volume",
		.fd = fcntl(q->fd, F_DUPFD_CLOEXEC, 3),
		.idmap_fd = -EBADF,
	};
	if (!m->target || m->fd < 0)
		return ks_err_oom(err);
	p->n_mounts++;
	if (fstat(m->fd, &st) < 0)
		return ks_err_set(err, -errno, "volume %s", q->name);
	m->is_file = !S_ISDIR(st.st_mode);
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	if (q->readonly)
		return ks_mount_set(m->fd, MOUNT_ATTR_RDONLY, 0, false, err);
	return 0;
}

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* A volume below another's mount path comes behind it, in whatever order they are listed. */
static int order_volumes(struct ks_plan_mount *v, size_t n, struct ks_err *err)
{
	for (size_t i = 1; i < n; i++) {
		struct ks_plan_mount m = v[i];
		size_t k = i;

		for (size_t j = 0; j < i; j++)
			if (ks_streq(v[j].target, m.target))
				return ks_err_kind(err, KS_ERR_INVALID,
						   "volumes %s and %s are both mounted on %s",
						   v[j].source, m.source, m.target);
		for (; k > 0 && depth(v[k - 1].target) > depth(m.target); k--)
			v[k] = v[k - 1];
		v[k] = m;
	}
	return 0;
}

int ks_plan_mounts(struct ks_arena *a, const struct ks_create *c, const struct ks_spec *s,
		   const struct ks_cgroup *cg, struct ks_plan *p, struct ks_err *err)
{
	const struct ks_spec_mount *v = s->mounts.v;
	int r = 0;

	if (s->mounts.n > KS_PLAN_MAX_MOUNTS)
		return ks_err_kind(err, KS_ERR_INVALID, "mounts: more than %d", KS_PLAN_MAX_MOUNTS);
	p->make_dev = true;
	if (!ks_str_empty(s->lnx.mount_label) && !ks_selinux_enabled())
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.mountLabel: SELinux is not enabled on this host");
	if (!ks_str_empty(s->lnx.mount_label) && strlen(s->lnx.mount_label) > 4000)
		return ks_err_kind(err, KS_ERR_INVALID, "linux.mountLabel: is too long");
	if (!ks_str_empty(s->lnx.mount_label)) {
		p->context = ks_arena_printf(a, "context=%s", s->lnx.mount_label);
		if (!p->context)
			return ks_err_oom(err);
	}
	p->mounts = KS_ARENA_NEWV(a, struct ks_plan_mount, s->mounts.n + c->volumes.n + 1);
	if (!p->mounts)
		return ks_err_oom(err);
	for (size_t i = 0; i < s->mounts.n && r == 0; i++)
		r = plan_mount(a, c, s, &v[i], cg, p, err);
	/* Volumes come last, over what the image or the caller has put there. */
	for (size_t i = 0; i < c->volumes.n && r == 0; i++)
		r = plan_volume(a, &c->volumes.v[i], p, err);
	if (r == 0 && c->volumes.n)
		r = order_volumes(&p->mounts[p->n_mounts - c->volumes.n], c->volumes.n, err);
	return r;
}

static int plan_device(const struct ks_spec_device *sd, struct ks_plan_device *d,
		       struct ks_err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} types[] = { { "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO } };
	mode_t type = 0;

	for (size_t i = 0; i < KS_ARRAY_LEN(types); i++)
		if (ks_streq(types[i].name, sd->type))
			type = types[i].mode;
	if (!type || sd->path[0] != '/')
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.devices: \"%s\" has an unknown type \"%s\" or a relative "
				   "path",
				   sd->path, sd->type);
	if (type != S_IFIFO && (!sd->major.set || !sd->minor.set || sd->major.v < 0 ||
				sd->minor.v < 0 || sd->major.v > 4095 || sd->minor.v > 1048575))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.devices: %s needs a major and a minor number", sd->path);
	/* Engines give st_mode as it is, with the type: it must be the same then. */
	if ((sd->file_mode.v & ~07777ULL && (sd->file_mode.v & ~07777ULL) != type) ||
	    sd->uid.v > UINT32_MAX || sd->gid.v > UINT32_MAX)
		return ks_err_kind(err, KS_ERR_INVALID, "linux.devices: %s: out of range",
				   sd->path);
	*d = (struct ks_plan_device){
		.path = sd->path,
		.mode = type | (sd->file_mode.set ? (mode_t)sd->file_mode.v & 07777U : 0666U),
		.rdev = type == S_IFIFO ? 0 : makedev((unsigned)sd->major.v, (unsigned)sd->minor.v),
		.uid = (uid_t)sd->uid.v,
		.gid = (gid_t)sd->gid.v,
		.has_mode = sd->file_mode.set,
		.has_owner = sd->uid.set || sd->gid.set,
		.bind_fd = -EBADF,
	};
	return 0;
}

/*
 * The host's node of that path: it must be the device that is asked for. Its mode and owner are
 * the host's, and stay.
 */
static int bind_device(struct ks_arena *a, const struct ks_create *c, struct ks_plan_device *d,
		       struct ks_err *err)
{
	struct stat st;
	int r = ks_mount_clone(AT_FDCWD, d->path, false, &d->bind_fd, err);

	if (r < 0)
		return r;
	if (fstat(d->bind_fd, &st) < 0)
		return ks_err_set(err, -errno, "look at it");
	if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) || st.st_rdev != d->rdev)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "it is another device on this host, and nodes cannot be made");
	if (!c->warnings || ((!d->has_mode || (st.st_mode & 07777) == (d->mode & 07777)) &&
			     (!d->has_owner || (st.st_uid == d->uid && st.st_gid == d->gid))))
		return 0;
	const char *text = ks_arena_printf(a,
					   "device %s is the host's in a user namespace: its mode "
					   "and owner are not changed",
					   d->path);

	return text ? ks_strv_append(a, c->warnings, text) : ks_err_oom(err);
}

int ks_plan_devices(struct ks_arena *a, const struct ks_create *c, const struct ks_spec *s,
		    struct ks_plan *p, struct ks_err *err)
{
	static const struct {
		const char *path;
		unsigned int minor, major;
	} defaults[] = {
		{ "/dev/null", 3, 1 },	 { "/dev/zero", 5, 1 },	   { "/dev/full", 7, 1 },
		{ "/dev/random", 8, 1 }, { "/dev/urandom", 9, 1 }, { "/dev/tty", 0, 5 },
	};
	const struct ks_spec_device *v = s->lnx.devices.v;
	/* In a user namespace mknod(2) is not allowed: the host's nodes are bound instead. */
	bool userns = ks_spec_namespace(s, KS_NS_USER) || !ks_userns_is_initial();

	if (s->lnx.devices.n > KS_PLAN_MAX_MOUNTS)
		return ks_err_kind(err, KS_ERR_INVALID, "linux.devices: more than %d",
				   KS_PLAN_MAX_MOUNTS);
	p->devices =
		KS_ARENA_NEWV(a, struct ks_plan_device, KS_ARRAY_LEN(defaults) + s->lnx.devices.n);
	if (!p->devices)
		return ks_err_oom(err);
	/* The spec's own first: one of a default path is a default that it has changed. */
	for (size_t i = 0; i < s->lnx.devices.n; i++) {
		int r = plan_device(&v[i], &p->devices[p->n_devices], err);

		if (r < 0)
			return r;
		/* A /dev that is bound is somebody else's, and has what it has. */
		p->n_devices += p->make_dev || !ks_str_prefix(v[i].path, "/dev/");
	}
	for (size_t i = 0; i < KS_ARRAY_LEN(defaults) && p->make_dev; i++) {
		bool given = false;

		for (size_t k = 0; k < s->lnx.devices.n; k++)
			given |= ks_streq(v[k].path, defaults[i].path);
		if (!given)
			p->devices[p->n_devices++] = (struct ks_plan_device){
				.path = defaults[i].path,
				.mode = S_IFCHR | 0666,
				.rdev = makedev(defaults[i].major, defaults[i].minor),
				.bind_fd = -EBADF,
			};
	}
	for (size_t i = 0; i < p->n_devices && userns; i++) {
		int r = bind_device(a, c, &p->devices[i], err);

		if (r < 0)
			return ks_err_prefix(err, r, "device %s in a user namespace",
					     p->devices[i].path);
	}
	return 0;
}
