/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to ids by the container's own /etc/passwd and /etc/group. The files
 * are the container's: read inside its root, of a size that is limited, and
 * without NSS.
 */
#include <fcntl.h>
#include <limits.h>

#include <kshim/fd.h>
#include <kshim/path.h>

#include "lifecycle.h"

#define MAX_FILE (1U << 20)
#define MAX_IDS	 65536

static int read_lines(struct ks_arena *a, int root_fd, const char *path, struct ks_strv *ret)
{
	/* O_NONBLOCK: it may be a FIFO. */
	ks_auto_fd int fd = ks_path_open(root_fd, path, O_RDONLY | O_NONBLOCK);
	char *text;
	size_t len;
	int r = fd < 0 ? fd : ks_fd_read_all(a, fd, MAX_FILE, &text, &len);

	*ret = (struct ks_strv){ 0 };
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : ks_str_split(a, text, '\n', ret);
}

/* The line of that name, in its fields; false when there is none. */
static bool find_line(struct ks_arena *a, const struct ks_strv *lines, const char *name,
		      size_t n_fields, struct ks_strv *ret)
{
	for (size_t i = 0; i < lines->n; i++) {
		const char *rest = ks_str_prefix(lines->v[i], name);

		if (rest && *rest == ':' && ks_str_split(a, lines->v[i], ':', ret) == 0 &&
		    ret->n >= n_fields)
			return true;
	}
	return false;
}

static int parse_id(const char *s, uint32_t *ret)
{
	uint64_t v;

	if (ks_parse_u64(s, UINT32_MAX - 1, &v) < 0)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}

static bool is_member(struct ks_arena *a, const char *list, const char *name)
{
	struct ks_strv v;

	if (ks_str_split(a, list, ',', &v) < 0)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (ks_streq(v.v[i], name))
			return true;
	return false;
}

/* The groups that list the user. */
static int add_groups(struct ks_arena *a, const struct ks_strv *groups, const char *name,
		      struct ks_spec_process *p)
{
	uint32_t *gids = KS_ARENA_NEWV(a, uint32_t, groups->n + 1);
	struct ks_strv f;
	size_t n = 0;

	if (!gids)
		return -ENOMEM;
	for (size_t i = 0; i < groups->n && n < MAX_IDS; i++)
		if (ks_str_split(a, groups->v[i], ':', &f) == 0 && f.n >= 4 &&
		    is_member(a, f.v[3], name) && parse_id(f.v[2], &gids[n]) == 0)
			n++;
	p->gids = gids;
	p->n_gids = n;
	return 0;
}

static int open_root(int root_fd, const char *id, int *ret, struct ks_err *err)
{
	ks_auto_fd int pidfd = -EBADF;
	struct ks_opened o;
	char path[64];
	int r = ks_opened_open(root_fd, id, false, &o, err);

	if (r == 0)
		r = ks_opened_init(&o, &pidfd, err);
	if (r == 0) {
		ks_fmt(path, sizeof(path), "/proc/%llu/root", (unsigned long long)o.c.pid.v);
		*ret = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (*ret < 0)
			r = ks_err_set(err, -errno, "open %s", path);
		/* The pid was still that of init when it was opened. */
		else if (!ks_state_lives(&o.c))
			r = ks_err_kind(err, KS_ERR_STATE, "container not running");
	}
	ks_opened_done(&o);
	return r;
}

static int set_user(struct ks_arena *a, int root, const char *user, const char *group,
		    struct ks_spec_process *p, struct ks_err *err)
{
	struct ks_strv passwd = { 0 }, groups = { 0 }, f;
	bool numeric = parse_id(user, &p->user.uid) == 0;
	int r = read_lines(a, root, "/etc/passwd", &passwd);

	if (r == 0)
		r = read_lines(a, root, "/etc/group", &groups);
	if (r < 0)
		return ks_err_set(err, r, "read the container's /etc/passwd and /etc/group");
	if (!numeric) {
		if (!find_line(a, &passwd, user, 4, &f) || parse_id(f.v[2], &p->user.uid) < 0 ||
		    parse_id(f.v[3], &p->user.gid) < 0)
			return ks_err_kind(err, KS_ERR_NOT_FOUND,
					   "user \"%s\" is not in the container's /etc/passwd",
					   user);
		if (add_groups(a, &groups, user, p) < 0)
			return ks_err_oom(err);
	}
	if (!group || parse_id(group, &p->user.gid) == 0)
		return 0;
	if (!find_line(a, &groups, group, 3, &f) || parse_id(f.v[2], &p->user.gid) < 0)
		return ks_err_kind(err, KS_ERR_NOT_FOUND,
				   "group \"%s\" is not in the container's /etc/group", group);
	return 0;
}

int ks_container_user(struct ks_arena *a, int root_fd, const char *id, const char *text,
		      struct ks_spec_process *p, struct ks_err *err)
{
	const char *colon = strchr(text, ':');
	const char *user = colon ? ks_arena_printf(a, "%.*s", (int)(colon - text), text) : text;
	const char *group = colon ? colon + 1 : NULL;
	ks_auto_fd int root = -EBADF;

	if (!user)
		return ks_err_oom(err);
	if (!*user || (group && !*group) || strchr(user, '/') || (group && strchr(group, ':')))
		return ks_err_kind(err, KS_ERR_INVALID, "option --user: \"%s\" is not USER[:GROUP]",
				   text);
	/* Numbers need no files, and no container that has them. */
	if (parse_id(user, &p->user.uid) == 0 && (!group || parse_id(group, &p->user.gid) == 0))
		return 0;
	int r = open_root(root_fd, id, &root, err);

	return r < 0 ? r : set_user(a, root, user, group, p, err);
}
