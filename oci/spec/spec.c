/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of config.json, its mounts and hooks, and the checks that span
 * several objects.
 */
#include <kshim/spec.h>

#include <sched.h>
#include <string.h>

#include <kshim/fd.h>

#include "tables.h"

#define SEMVER_WORD "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-."

static const struct {
	uint64_t flag;
	const char *proc_name;
} namespaces[KS_NS_COUNT] = {
	[KS_NS_USER] = { CLONE_NEWUSER, "user" },	[KS_NS_PID] = { CLONE_NEWPID, "pid" },
	[KS_NS_NETWORK] = { CLONE_NEWNET, "net" },	[KS_NS_IPC] = { CLONE_NEWIPC, "ipc" },
	[KS_NS_UTS] = { CLONE_NEWUTS, "uts" },		[KS_NS_MOUNT] = { CLONE_NEWNS, "mnt" },
	[KS_NS_CGROUP] = { CLONE_NEWCGROUP, "cgroup" }, [KS_NS_TIME] = { CLONE_NEWTIME, "time" },
};

uint64_t ks_ns_flag(enum ks_ns ns)
{
	return namespaces[ns].flag;
}

const char *ks_ns_proc_name(enum ks_ns ns)
{
	return namespaces[ns].proc_name;
}

static const struct ks_json_field root_fields[] = {
	KS_STR(struct ks_spec, root.path, "path", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_BOOL(struct ks_spec, root.readonly, "readonly"),
	KS_END,
};

static const struct ks_json_field mount_fields[] = {
	KS_STR(struct ks_spec_mount, destination, "destination",
	       KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STR(struct ks_spec_mount, type, "type", 0),
	KS_STR(struct ks_spec_mount, source, "source", 0),
	KS_STRV(struct ks_spec_mount, options, "options", 0),
	KS_LIST(struct ks_spec_mount, uid_mappings, struct ks_spec_idmap, "uidMappings",
		ks_idmap_fields),
	KS_LIST(struct ks_spec_mount, gid_mappings, struct ks_spec_idmap, "gidMappings",
		ks_idmap_fields),
	KS_END,
};

static const struct ks_json_field hook_fields[] = {
	KS_STR(struct ks_spec_hook, path, "path", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STRV(struct ks_spec_hook, args, "args", 0),
	KS_STRV(struct ks_spec_hook, env, "env", 0),
	KS_I64(struct ks_spec_hook, timeout_s, "timeout"),
	KS_END,
};

#define HOOKS(member, key) \
	KS_LIST(struct ks_spec_hooks, member, struct ks_spec_hook, key, hook_fields)

static const struct ks_json_field hooks_fields[] = {
	HOOKS(prestart, "prestart"),
	HOOKS(create_runtime, "createRuntime"),
	HOOKS(create_container, "createContainer"),
	HOOKS(start_container, "startContainer"),
	HOOKS(poststart, "poststart"),
	HOOKS(poststop, "poststop"),
	KS_END,
};

const char *const ks_spec_hook_names[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL
};

static const struct ks_json_field spec_fields[] = {
	KS_STR(struct ks_spec, oci_version, "ociVersion", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STR(struct ks_spec, hostname, "hostname", 0),
	KS_STR(struct ks_spec, domainname, "domainname", 0),
	KS_PTR(struct ks_spec, process, struct ks_spec_process, "process", ks_process_fields),
	/* "root" is an object whose members lie in struct ks_spec itself: offset 0. */
	KS_WITHIN("root", KS_FIELD_REQUIRED, root_fields),
	KS_LIST(struct ks_spec, mounts, struct ks_spec_mount, "mounts", mount_fields),
	KS_OBJ(struct ks_spec, hooks, "hooks", hooks_fields),
	KS_MAP(struct ks_spec, annotations, "annotations"),
	KS_OBJ(struct ks_spec, lnx, "linux", ks_linux_fields),
	KS_END,
};

const struct ks_spec_namespace *ks_spec_namespace(const struct ks_spec *s, enum ks_ns type)
{
	const struct ks_spec_namespace *v = s->lnx.namespaces.v;

	for (size_t i = 0; i < s->lnx.namespaces.n; i++)
		if (v[i].type == (int)type)
			return &v[i];
	return NULL;
}

static int check_namespaces(struct ks_json_ctx *ctx, const struct ks_spec *s)
{
	const struct ks_spec_namespace *v = s->lnx.namespaces.v;
	unsigned int seen = 0;

	for (size_t i = 0; i < s->lnx.namespaces.n; i++) {
		if (seen & 1U << v[i].type)
			return ks_json_fail(ctx, "linux.namespaces", "type %s stands twice",
					    ks_ns_proc_name((enum ks_ns)v[i].type));
		seen |= 1U << v[i].type;
		if (v[i].path && v[i].path[0] != '/')
			return ks_json_fail(ctx, "linux.namespaces", "path \"%s\" is not absolute",
					    v[i].path);
	}
	const struct ks_spec_namespace *user = ks_spec_namespace(s, KS_NS_USER);
	bool mapped = s->lnx.uid_mappings.n || s->lnx.gid_mappings.n;

	if (mapped && !user)
		return ks_json_fail(ctx, "linux.uidMappings", "there is no user namespace");
	if (user && ks_str_empty(user->path) && (!s->lnx.uid_mappings.n || !s->lnx.gid_mappings.n))
		return ks_json_fail(ctx, "linux.uidMappings",
				    "a new user namespace needs uidMappings and gidMappings");
	if (!ks_spec_namespace(s, KS_NS_MOUNT))
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED,
				   "linux.namespaces: a container without a mount namespace is "
				   "not supported");
	if (s->lnx.time_offsets.n && !ks_spec_namespace(s, KS_NS_TIME))
		return ks_json_fail(ctx, "linux.timeOffsets", "there is no time namespace");
	if (!ks_str_empty(s->hostname) && !ks_spec_namespace(s, KS_NS_UTS))
		return ks_json_fail(ctx, "hostname", "needs a uts namespace");
	if (!ks_str_empty(s->domainname) && !ks_spec_namespace(s, KS_NS_UTS))
		return ks_json_fail(ctx, "domainname", "needs a uts namespace");
	return 0;
}

static int check_mounts(struct ks_json_ctx *ctx, const struct ks_spec *s)
{
	struct ks_spec_mount *m = s->mounts.v;

	for (size_t i = 0; i < s->mounts.n; i++) {
		bool bind = m[i].type && ks_streq(m[i].type, "bind");

		for (size_t j = 0; j < m[i].options.n; j++)
			bind |= ks_streq(m[i].options.v[j], "bind") ||
				ks_streq(m[i].options.v[j], "rbind");
		if (bind && ks_str_empty(m[i].source))
			return ks_json_fail(ctx, "mounts", "the bind mount on %s has no source",
					    m[i].destination);
		if (!bind && ks_str_empty(m[i].type))
			return ks_json_fail(ctx, "mounts", "the mount on %s has no type",
					    m[i].destination);
	}
	return 0;
}

static int check_hooks(struct ks_json_ctx *ctx, const struct ks_spec *s)
{
	const struct ks_list *lists[] = { &s->hooks.prestart,	      &s->hooks.create_runtime,
					  &s->hooks.create_container, &s->hooks.start_container,
					  &s->hooks.poststart,	      &s->hooks.poststop };

	for (size_t i = 0; i < KS_ARRAY_LEN(lists); i++) {
		const struct ks_spec_hook *h = lists[i]->v;

		for (size_t j = 0; j < lists[i]->n; j++) {
			if (h[j].path[0] != '/')
				return ks_json_fail(ctx, "hooks", "path \"%s\" is not absolute",
						    h[j].path);
			if (h[j].timeout_s.set &&
			    (h[j].timeout_s.v <= 0 || h[j].timeout_s.v > 86400))
				return ks_json_fail(ctx, "hooks",
						    "timeout %lld of %s is not between 1 and "
						    "86400 s",
						    (long long)h[j].timeout_s.v, h[j].path);
		}
	}
	return 0;
}

/* Digits without a leading zero, or a word of a version: what ends at @ends. */
static bool skip_word(const char **p, bool number, const char *ends)
{
	size_t n = strspn(*p, number ? "0123456789" : SEMVER_WORD);
	bool ok = n && !(number && n > 1 && **p == '0') && strchr(ends, (*p)[n]);

	/* Parts between dots are not empty. */
	for (size_t i = 0; i < n && !number; i++)
		ok &= (*p)[i] != '.' || (i > 0 && i + 1 < n && (*p)[i + 1] != '.');

	*p += n;
	return ok;
}

/* "1.3.0", "1.0.2-dev", "1.2.1+dev": SemVer 2.0.0, of which only major version 1 is known here. */
static int check_version(struct ks_json_ctx *ctx, const char *version)
{
	const char *p = version;
	bool ok = skip_word(&p, true, ".") && *p++ && skip_word(&p, true, ".") && *p++ &&
		  skip_word(&p, true, "-+");

	if (ok && *p == '-')
		ok = *p++ && skip_word(&p, false, "+");
	if (ok && *p == '+')
		ok = *p++ && skip_word(&p, false, "");
	if (!ok)
		return ks_json_fail(ctx, "ociVersion", "\"%.*s\" is no version", 64, version);
	if (strncmp(version, "1.", 2) != 0)
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED,
				   "ociVersion: \"%.*s\" is not supported, only 1.x is", 64,
				   version);
	return 0;
}

static int check_root(struct ks_json_ctx *ctx, const struct ks_spec *s)
{
	int r = check_version(ctx, s->oci_version);

	for (size_t i = 0; i < s->annotations.n && r == 0; i++)
		if (!*s->annotations.v[i].key)
			return ks_json_fail(ctx, "annotations", "a key must not be empty");
	return r;
}

int ks_spec_parse(struct ks_arena *a, const char *text, size_t len, const char *name,
		  struct ks_spec *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_spec s = { .text = text, .text_len = len };
	struct ks_json *root;
	int r = ks_json_parse(a, text, len, name, &root, err);

	if (r < 0)
		return r;
	const struct ks_json *process = ks_json_get(root, "process");

	if (process) {
		s.process_begin = process->begin;
		s.process_end = process->end;
	}
	r = ks_json_decode(&ctx, root, spec_fields, &s);
	if (r == 0)
		r = check_root(&ctx, &s);
	if (r == 0) {
		size_t old = ks_json_enter(&ctx, "linux", 0);

		r = ks_linux_check(&ctx, &s.lnx);
		if (r == 0)
			ks_json_leave(&ctx, old);
	}
	if (r == 0)
		r = check_namespaces(&ctx, &s);
	if (r == 0)
		r = check_mounts(&ctx, &s);
	if (r == 0)
		r = check_hooks(&ctx, &s);
	if (r == 0 && s.process) {
		ks_json_enter(&ctx, "process", 0);
		r = ks_process_check(&ctx, s.process);
	}
	if (r < 0)
		return ks_err_prefix(err, r, "%s", name);
	*ret = s;
	return 0;
}

int ks_spec_load(struct ks_arena *a, int dirfd, const char *path, struct ks_spec *ret,
		 struct ks_err *err)
{
	char *text = NULL;
	size_t len = 0;
	/* Links are followed: a bundle is its caller's, and some link their config.json. */
	ks_auto_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : ks_fd_read_all(a, fd, KS_JSON_MAX_BYTES, &text, &len);

	if (r == -EFBIG)
		return ks_err_kind(err, KS_ERR_INVALID, "%s: larger than 4 MiB", path);
	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	return ks_spec_parse(a, text, len, path, ret, err);
}

int ks_spec_parse_process(struct ks_arena *a, const char *text, size_t len, const char *name,
			  struct ks_spec_process *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_spec_process p = { 0 };
	struct ks_json *root;
	int r = ks_json_parse(a, text, len, name, &root, err);

	if (r < 0)
		return r;
	r = ks_json_decode(&ctx, root, ks_process_fields, &p);
	if (r == 0)
		r = ks_process_check(&ctx, &p);
	if (r < 0)
		return ks_err_prefix(err, r, "%s", name);
	*ret = p;
	return 0;
}
