/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/mount.h>

#include <sys/mount.h>

#include <kshim/compat.h>

enum action { SET, CLEAR, ATIME, NONE, PROPAGATE, BIND, COPY_UP, REMOUNT, IDMAP, SUPER };

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the rows read as columns. */
struct option {
	const char *name;
	enum action action;
	uint64_t bits;
	bool recursive;
};

static const struct option table[] = {
	{ "ro", SET, MOUNT_ATTR_RDONLY, false },
	{ "rw", CLEAR, MOUNT_ATTR_RDONLY, false },
	{ "nosuid", SET, MOUNT_ATTR_NOSUID, false },
	{ "suid", CLEAR, MOUNT_ATTR_NOSUID, false },
	{ "nodev", SET, MOUNT_ATTR_NODEV, false },
	{ "dev", CLEAR, MOUNT_ATTR_NODEV, false },
	{ "noexec", SET, MOUNT_ATTR_NOEXEC, false },
	{ "exec", CLEAR, MOUNT_ATTR_NOEXEC, false },
	{ "nodiratime", SET, MOUNT_ATTR_NODIRATIME, false },
	{ "diratime", CLEAR, MOUNT_ATTR_NODIRATIME, false },
	{ "nosymfollow", SET, MOUNT_ATTR_NOSYMFOLLOW, false },
	{ "symfollow", CLEAR, MOUNT_ATTR_NOSYMFOLLOW, false },
	{ "noatime", ATIME, MOUNT_ATTR_NOATIME, false },
	{ "relatime", ATIME, MOUNT_ATTR_RELATIME, false },
	{ "strictatime", ATIME, MOUNT_ATTR_STRICTATIME, false },
	/* The negations fall back to the kernel's default, which is relatime. */
	{ "atime", ATIME, MOUNT_ATTR_RELATIME, false },
	{ "norelatime", ATIME, MOUNT_ATTR_RELATIME, false },
	{ "nostrictatime", ATIME, MOUNT_ATTR_RELATIME, false },
	{ "rro", SET, MOUNT_ATTR_RDONLY, true },
	{ "rrw", CLEAR, MOUNT_ATTR_RDONLY, true },
	{ "rnosuid", SET, MOUNT_ATTR_NOSUID, true },
	{ "rsuid", CLEAR, MOUNT_ATTR_NOSUID, true },
	{ "rnodev", SET, MOUNT_ATTR_NODEV, true },
	{ "rdev", CLEAR, MOUNT_ATTR_NODEV, true },
	{ "rnoexec", SET, MOUNT_ATTR_NOEXEC, true },
	{ "rexec", CLEAR, MOUNT_ATTR_NOEXEC, true },
	{ "rnodiratime", SET, MOUNT_ATTR_NODIRATIME, true },
	{ "rdiratime", CLEAR, MOUNT_ATTR_NODIRATIME, true },
	{ "rnosymfollow", SET, MOUNT_ATTR_NOSYMFOLLOW, true },
	{ "rsymfollow", CLEAR, MOUNT_ATTR_NOSYMFOLLOW, true },
	{ "rnoatime", ATIME, MOUNT_ATTR_NOATIME, true },
	{ "rrelatime", ATIME, MOUNT_ATTR_RELATIME, true },
	{ "rstrictatime", ATIME, MOUNT_ATTR_STRICTATIME, true },
	{ "ratime", ATIME, MOUNT_ATTR_RELATIME, true },
	{ "rnorelatime", ATIME, MOUNT_ATTR_RELATIME, true },
	{ "rnostrictatime", ATIME, MOUNT_ATTR_RELATIME, true },
	{ "private", PROPAGATE, MS_PRIVATE, false },
	{ "rprivate", PROPAGATE, MS_PRIVATE, true },
	{ "slave", PROPAGATE, MS_SLAVE, false },
	{ "rslave", PROPAGATE, MS_SLAVE, true },
	{ "shared", PROPAGATE, MS_SHARED, false },
	{ "rshared", PROPAGATE, MS_SHARED, true },
	{ "unbindable", PROPAGATE, MS_UNBINDABLE, false },
	{ "runbindable", PROPAGATE, MS_UNBINDABLE, true },
	{ "bind", BIND, 0, false },
	{ "rbind", BIND, 0, true },
	{ "tmpcopyup", COPY_UP, 0, false },
	{ "defaults", NONE, 0, false },
	{ "idmap", IDMAP, 0, false },
	{ "ridmap", IDMAP, 0, true },
	{ "remount", REMOUNT, 0, false },
	/* Of the file system, not of the mount: a bind mount leaves them as they are. */
	{ "sync", SUPER, 0, false },
	{ "async", SUPER, 0, false },
	{ "dirsync", SUPER, 0, false },
	{ "lazytime", SUPER, 0, false },
	{ "nolazytime", SUPER, 0, false },
	/*
	 * Flags of mount(2) that change nothing any more: the kernel has no mandatory locks since
	 * 5.15, file systems have access lists and versions by themselves or by options of their
	 * own, and a context tells its errors always.
	 */
	{ "acl", NONE, 0, false },
	{ "noacl", NONE, 0, false },
	{ "mand", NONE, 0, false },
	{ "nomand", NONE, 0, false },
	{ "iversion", NONE, 0, false },
	{ "noiversion", NONE, 0, false },
	{ "silent", NONE, 0, false },
	{ "loud", NONE, 0, false },
};

static void set_bits(struct ks_mount_opts *o, const struct option *opt)
{
	uint64_t *set = opt->recursive ? &o->rec_set : &o->attr_set;
	uint64_t *clr = opt->recursive ? &o->rec_clr : &o->attr_clr;

	/* The later of two opposites counts. The atime bits are one field: cleared, then set. */
	if (opt->action == SET) {
		*set |= opt->bits;
		*clr &= ~opt->bits;
	} else if (opt->action == CLEAR) {
		*set &= ~opt->bits;
		*clr |= opt->bits;
	} else {
		*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | opt->bits;
		*clr |= MOUNT_ATTR__ATIME;
	}
}

static void apply(struct ks_mount_opts *o, const struct option *opt)
{
	switch (opt->action) {
	case SET:
	case CLEAR:
	case ATIME:
		set_bits(o, opt);
		break;
	case PROPAGATE:
		o->propagation = opt->bits;
		o->propagation_rec = opt->recursive;
		break;
	case BIND:
		o->bind = true;
		o->recursive |= opt->recursive;
		break;
	case COPY_UP:
		o->copy_up = true;
		break;
	case IDMAP:
		o->idmap = true;
		o->idmap_rec = opt->recursive;
		break;
	case REMOUNT:
		o->remount = true;
		break;
	case SUPER:
	case NONE:
	default:
		break;
	}
}

const char *ks_mount_option_name(size_t i)
{
	return i < KS_ARRAY_LEN(table) ? table[i].name : NULL;
}

int ks_mount_parse_options(struct ks_arena *a, const struct ks_strv *options,
			   struct ks_mount_opts *ret, struct ks_err *err)
{
	struct ks_mount_opts o = { 0 };

	for (size_t i = 0; i < options->n; i++) {
		const struct option *opt = NULL;

		for (size_t k = 0; k < KS_ARRAY_LEN(table) && !opt; k++)
			if (ks_streq(table[k].name, options->v[i]))
				opt = &table[k];
		const char *name = options->v[i];
		struct ks_strv *to = opt ? &o.super : &o.fs;

		if (opt)
			apply(&o, opt);
		if (opt && opt->action != SUPER)
			continue;
		if (*name && ks_strv_append(a, to, name) < 0)
			return ks_err_oom(err);
	}
	*ret = o;
	return 0;
}
