/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/mount.h>

#include <sys/mount.h>

#include <kshim/compat.h>

enum action { SET, CLEAR, ATIME, NONE, PROPAGATE, BIND, COPY_UP, REFUSE };

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
	{ "norelatime", ATIME, MOUNT_ATTR_STRICTATIME, false },
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
	/* Whether the kernel logs; nothing that a mount has afterwards. */
	{ "silent", NONE, 0, false },
	{ "loud", NONE, 0, false },
	{ "remount", REFUSE, 0, false },
	{ "idmap", REFUSE, 0, false },
	{ "ridmap", REFUSE, 0, false },
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

static int apply(struct ks_mount_opts *o, const struct option *opt, struct ks_err *err)
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
	case REFUSE:
		return ks_err_kind(err, KS_ERR_UNSUPPORTED, "mount option \"%s\" is not supported",
				   opt->name);
	case NONE:
	default:
		break;
	}
	return 0;
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
		if (opt) {
			int r = apply(&o, opt, err);

			if (r < 0)
				return r;
		} else if (*options->v[i]) {
			if (ks_strv_append(a, &o.fs, options->v[i]) < 0)
				return ks_err_oom(err);
		}
	}
	*ret = o;
	return 0;
}
