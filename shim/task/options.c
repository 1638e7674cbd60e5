/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <ctype.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <pb/bootstrap.pb-c.h>

#include <kshim/fd.h>
#include <kshim/json.h>

#define CONFIG_MAX (1U << 20)
#define SAVED	   "kshim.json"

enum kind { BOOL, NUMBER, TEXT, REFUSED };

/* As containerd's configuration spells them; those of runc's that name what kshim has not. */
static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *why;
} keys[] = {
	{ "NoPivotRoot", BOOL, offsetof(struct ks_shim_options, no_pivot), NULL },
	{ "NoNewKeyring", BOOL, offsetof(struct ks_shim_options, no_new_keyring), NULL },
	{ "SystemdCgroup", BOOL, offsetof(struct ks_shim_options, systemd_cgroup), NULL },
	{ "IoUid", NUMBER, offsetof(struct ks_shim_options, io_uid), NULL },
	{ "IoGid", NUMBER, offsetof(struct ks_shim_options, io_gid), NULL },
	{ "Root", TEXT, offsetof(struct ks_shim_options, root), NULL },
	{ "StateDir", TEXT, offsetof(struct ks_shim_options, state_dir), NULL },
	{ "ShimCgroup", TEXT, offsetof(struct ks_shim_options, shim_cgroup), NULL },
	{ "BinaryName", REFUSED, 0, "this shim runs containers itself, without another binary" },
	{ "CriuPath", REFUSED, 0, "criu is searched in the PATH" },
	{ "CriuImagePath", REFUSED, 0, "containerd says where the images are" },
	{ "CriuWorkPath", REFUSED, 0, "criu's log is in the bundle" },
};

static int check(const struct ks_shim_options *o, struct ks_err *err)
{
	const char *const paths[] = { o->root, o->state_dir };

	for (size_t i = 0; i < KS_ARRAY_LEN(paths); i++)
		if (paths[i] && paths[i][0] != '/')
			return ks_err_kind(err, KS_ERR_INVALID,
					   "option %s: \"%.*s\" is not an absolute path",
					   i ? "StateDir" : "Root", 200, paths[i]);
	return 0;
}

static int refuse(const struct key *k, struct ks_err *err)
{
	return ks_err_kind(err, KS_ERR_UNSUPPORTED, "option %s is not supported: %s", k->name,
			   k->why);
}

/* A basic or a literal string; escapes are refused, not misread. */
static const char *parse_text(struct ks_arena *a, const char *v, size_t len)
{
	if (len < 2 || (v[0] != '"' && v[0] != '\'') || v[len - 1] != v[0] ||
	    memchr(v + 1, v[0], len - 2) || (v[0] == '"' && memchr(v, '\\', len)))
		return NULL;
	return ks_arena_strndup(a, v + 1, len - 2);
}

static int set_value(struct ks_arena *a, const struct key *k, const char *v, size_t len,
		     struct ks_shim_options *o, struct ks_err *err)
{
	void *at = (char *)o + k->offset;
	char num[16] = "";
	uint64_t n = 0;

	switch (k->kind) {
	case BOOL:
		if ((len == 4 && memcmp(v, "true", 4) == 0) ||
		    (len == 5 && memcmp(v, "false", 5) == 0)) {
			*(bool *)at = len == 4;
			return 0;
		}
		return ks_err_kind(err, KS_ERR_INVALID, "option %s: \"%.*s\" is not true or false",
				   k->name, (int)(len < 100 ? len : 100), v);
	case NUMBER:
		if (len < sizeof(num))
			ks_fmt(num, sizeof(num), "%.*s", (int)len, v);
		if (ks_parse_u64(num, UINT32_MAX - 1, &n) < 0)
			return ks_err_kind(err, KS_ERR_INVALID, "option %s: \"%.*s\" is no id",
					   k->name, (int)(len < 100 ? len : 100), v);
		*(uint32_t *)at = (uint32_t)n;
		return 0;
	case TEXT: {
		const char *text = parse_text(a, v, len);

		if (!text)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "option %s: a string in quotes is expected", k->name);
		*(const char **)at = *text ? text : NULL;
		return 0;
	}
	case REFUSED:
		/* Containerd writes all keys that it knows, with nothing in them. */
		return len == 2 && (v[0] == '"' || v[0] == '\'') ? 0 : refuse(k, err);
	}
	return 0;
}

/* Without a comment and the space around it. */
static size_t trim(const char **line, size_t len)
{
	const char *p = *line;
	char quote = 0;

	for (size_t i = 0; i < len; i++) {
		if (quote ? p[i] == quote : (p[i] == '"' || p[i] == '\''))
			quote = quote ? 0 : p[i];
		else if (!quote && p[i] == '#')
			len = i;
	}
	while (len && isspace((unsigned char)p[len - 1]))
		len--;
	while (len && isspace((unsigned char)*p)) {
		p++;
		len--;
	}
	*line = p;
	return len;
}

static int read_line(struct ks_arena *a, const char *line, size_t len, struct ks_shim_options *o,
		     struct ks_err *err)
{
	len = trim(&line, len);
	if (!len)
		return 0;
	const char *eq = memchr(line, '=', len);

	if (!eq || line[0] == '[')
		return ks_err_kind(err, KS_ERR_INVALID,
				   "options of the runtime: \"%.*s\" is not KEY = VALUE",
				   (int)(len < 200 ? len : 200), line);
	const char *name = line, *value = eq + 1;
	size_t name_len = trim(&name, (size_t)(eq - line));
	size_t value_len = trim(&value, len - (size_t)(value - line));

	for (size_t i = 0; i < KS_ARRAY_LEN(keys); i++)
		if (strlen(keys[i].name) == name_len && memcmp(keys[i].name, name, name_len) == 0)
			return set_value(a, &keys[i], value, value_len, o, err);
	return ks_err_kind(err, KS_ERR_INVALID, "unknown option \"%.*s\" of the runtime",
			   (int)(name_len < 200 ? name_len : 200), name);
}

int ks_options_read_toml(struct ks_arena *a, const char *text, size_t len,
			 struct ks_shim_options *ret, struct ks_err *err)
{
	int r = 0;

	while (len && r == 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		r = read_line(a, text, n, ret, err);
		n += end != NULL;
		text += n;
		len -= n;
	}
	return r < 0 ? r : check(ret, err);
}

static const char *copy(struct ks_arena *a, const char *s)
{
	return *s ? ks_arena_strdup(a, s) : NULL;
}

static int read_runc(struct ks_arena *a, const uint8_t *value, size_t len,
		     struct ks_shim_options *ret, struct ks_err *err)
{
	Pb__RuncOptions *o = pb__runc_options__unpack(NULL, len, value);

	if (!o)
		return ks_err_kind(err, KS_ERR_INVALID, "the runtime's options cannot be read");
	ret->no_pivot = o->no_pivot_root;
	ret->no_new_keyring = o->no_new_keyring;
	ret->systemd_cgroup = o->systemd_cgroup;
	ret->io_uid = o->io_uid;
	ret->io_gid = o->io_gid;
	ret->root = copy(a, o->root);
	ret->shim_cgroup = copy(a, o->shim_cgroup);
	int r = *o->binary_name ? ks_err_kind(err, KS_ERR_UNSUPPORTED,
					      "option BinaryName is not supported: this shim runs "
					      "containers itself, without another binary") :
				  check(ret, err);

	pb__runc_options__free_unpacked(o, NULL);
	return r;
}

/* A link is followed, as a ConfigMap's file is one; a FIFO would hold the whole pod up. */
static int read_config(struct ks_arena *a, const char *path, char **ret, size_t *ret_len,
		       struct ks_err *err)
{
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return ks_err_set(err, -errno, "read the runtime's options from %s", path);
	if (!S_ISREG(st.st_mode))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "the runtime's options from %s: not a regular file", path);
	int r = ks_fd_read_all(a, fd, CONFIG_MAX, ret, ret_len);

	return r < 0 ? ks_err_set(err, r, "read the runtime's options from %s", path) : 0;
}

static int read_generic(struct ks_arena *a, const uint8_t *value, size_t len,
			struct ks_shim_options *ret, struct ks_err *err)
{
	Pb__RuntimeOptions *o = pb__runtime_options__unpack(NULL, len, value);
	char *text = NULL;
	size_t n = 0;
	int r = 0;

	if (!o)
		return ks_err_kind(err, KS_ERR_INVALID, "the runtime's options cannot be read");
	if (o->config_body.len) {
		r = ks_options_read_toml(a, (const char *)o->config_body.data, o->config_body.len,
					 ret, err);
	} else if (*o->config_path) {
		r = read_config(a, o->config_path, &text, &n, err);
		if (r == 0)
			r = ks_options_read_toml(a, text, n, ret, err);
	}
	pb__runtime_options__free_unpacked(o, NULL);
	return r;
}

int ks_options_read(struct ks_arena *a, const char *type_url, const uint8_t *value, size_t len,
		    struct ks_shim_options *ret, struct ks_err *err)
{
	const char *slash = strrchr(type_url, '/'), *name = slash ? slash + 1 : type_url;

	*ret = (struct ks_shim_options){ 0 };
	if (!*name)
		return 0;
	if (ks_streq(name, "containerd.runc.v1.Options"))
		return read_runc(a, value, len, ret, err);
	if (ks_streq(name, "runtimeoptions.v1.Options"))
		return read_generic(a, value, len, ret, err);
	return ks_err_kind(err, KS_ERR_INVALID, "options of type \"%.*s\" are not known", 200,
			   type_url);
}

static const struct ks_json_field saved_fields[] = {
	KS_STR(struct ks_shim_options, root, "root", 0),
	KS_STR(struct ks_shim_options, state_dir, "stateDir", 0),
	KS_END,
};

int ks_options_save(const char *bundle, const struct ks_shim_options *o, struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out out = { 0 };
	ks_auto_fd int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int fd = dir < 0 ? -EBADF :
				      openat(dir, SAVED ".new",
					     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
					     0600);

	if (fd < 0)
		return ks_err_set(err, -errno, "open %s/" SAVED, bundle);
	ks_json_open(&out, NULL, '{');
	if (o->root)
		ks_json_put_str(&out, "root", o->root);
	if (o->state_dir)
		ks_json_put_str(&out, "stateDir", o->state_dir);
	ks_json_close(&out, '}');
	if (out.buf.failed)
		return ks_err_oom(err);
	int r = ks_fd_write_all(fd, out.buf.data, out.buf.len);

	if (r == 0 && renameat(dir, SAVED ".new", dir, SAVED) < 0)
		r = -errno;
	return r < 0 ? ks_err_set(err, r, "write %s/" SAVED, bundle) : 0;
}

int ks_options_load(struct ks_arena *a, const char *bundle, struct ks_shim_options *ret,
		    struct ks_err *err)
{
	ks_auto_fd int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_json *root;

	*ret = (struct ks_shim_options){ 0 };
	if (dir < 0 || faccessat(dir, SAVED, F_OK, 0) < 0)
		return 0;
	int r = ks_json_parse_file(a, dir, SAVED, &root, err);

	return r < 0 ? r : ks_json_decode(&ctx, root, saved_fields, ret);
}
