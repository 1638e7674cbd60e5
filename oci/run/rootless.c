/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers of a user without privileges.
 *
 * Mounts can only be prepared by who may mount. So kshim itself goes into the
 * user namespace that the container is to have, before anything else is done,
 * and makes the container from there: it then has all capabilities in that
 * namespace and none outside of it, and the container's own namespaces belong
 * to it. What stays outside is a helper that writes the mappings: this process
 * has left the namespace in which it might.
 *
 * Source: user_namespaces(7), newuidmap(1).
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/channel.h>
#include <kshim/fd.h>
#include <kshim/process.h>

#include "lifecycle.h"
#include "plan.h"

enum { MSG_UNSHARED = 1, MSG_MAPPED, MSG_FAILED };

/* The one mapping that a user may write without help: an id of the container to its own. */
static bool is_own(const struct ks_list *maps, uint32_t own)
{
	const struct ks_spec_idmap *v = maps->v;

	return maps->n == 1 && v[0].size == 1 && v[0].host_id == own;
}

static int write_map(struct ks_arena *a, pid_t pid, const char *file, const struct ks_list *maps,
		     struct ks_err *err)
{
	const char *text;
	char path[64];
	int r = ks_plan_map(a, maps, &text, err);

	if (r < 0)
		return r;
	ks_fmt(path, sizeof(path), "/proc/%d/%s", pid, file);
	r = ks_file_write_at(AT_FDCWD, path, text);
	return r < 0 ? ks_err_set(err, r, "write %s of the user namespace", file) : 0;
}

/* newuidmap and newgidmap know by /etc/subuid and /etc/subgid what a user may map. */
static int map_by_tool(struct ks_arena *a, pid_t pid, const char *tool, const struct ks_list *maps,
		       struct ks_err *err)
{
	const struct ks_spec_idmap *v = maps->v;
	struct ks_strv argv = { 0 };
	struct ks_tool ran;
	bool failed = ks_strv_append(a, &argv, tool) < 0;
	const char *word = ks_arena_printf(a, "%d", pid);

	failed |= !word || ks_strv_append(a, &argv, word) < 0;
	for (size_t i = 0; i < maps->n; i++) {
		const uint32_t n[] = { v[i].container_id, v[i].host_id, v[i].size };

		for (size_t k = 0; k < KS_ARRAY_LEN(n); k++) {
			word = ks_arena_printf(a, "%u", n[k]);
			failed |= !word || ks_strv_append(a, &argv, word) < 0;
		}
	}
	if (failed)
		return ks_err_oom(err);
	int r = ks_tool_run(a, argv.v, NULL, &ran, err);

	if (r < 0 || ran.status == 0)
		return r;
	ran.output[strcspn(ran.output, "\n")] = '\0';
	return ks_err_kind(err, KS_ERR_DENIED, "map the ids of the user namespace: %s", ran.output);
}

static int write_maps(struct ks_arena *a, pid_t pid, const struct ks_spec_linux *l,
		      struct ks_err *err)
{
	char path[64];
	int r;

	if (is_own(&l->uid_mappings, geteuid()))
		r = write_map(a, pid, "uid_map", &l->uid_mappings, err);
	else
		r = map_by_tool(a, pid, "newuidmap", &l->uid_mappings, err);
	if (r < 0)
		return r;
	if (!is_own(&l->gid_mappings, getegid()))
		return map_by_tool(a, pid, "newgidmap", &l->gid_mappings, err);
	/* Or a group that is denied something could be dropped: user_namespaces(7). */
	ks_fmt(path, sizeof(path), "/proc/%d/setgroups", pid);
	r = ks_file_write_at(AT_FDCWD, path, "deny");
	if (r < 0)
		return ks_err_set(err, r, "write setgroups of the user namespace");
	return write_map(a, pid, "gid_map", &l->gid_mappings, err);
}

static void help(int sock, pid_t target, const struct ks_spec_linux *l)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err = KS_ERR_INIT;
	struct ks_msg m;

	if (ks_channel_recv(sock, &m, NULL, &err) != 0)
		_exit(1);
	int r = write_maps(&a, target, l, &err);

	(void)ks_channel_send(sock, r < 0 ? MSG_FAILED : MSG_MAPPED, &err, sizeof(err), -1, NULL);
	_exit(0);
}

/*
 * Root of the namespace, whose processes must not trace this one: it has the caller's descriptors,
 * and in a pid namespace that is shared they see it (CVE-2016-9962).
 */
static int become_root(struct ks_err *err)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return ks_err_set(err, -errno,
				  "become root of the user namespace (is id 0 mapped?)");
	ks_userns_changed();
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

static int unshare_mapped(int sock, struct ks_err *err)
{
	struct ks_msg m;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return ks_err_set(err, -errno, "make a user namespace");
	/* Else its files in /proc are root's, and the helper is not. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	int r = ks_channel_send(sock, MSG_UNSHARED, NULL, 0, -1, err);

	if (r == 0)
		r = ks_channel_recv(sock, &m, NULL, err);
	if (r == KS_CHANNEL_CLOSED)
		return ks_err_kind(err, KS_ERR_INTERNAL, "the helper that maps ids is gone");
	if (r == 0 && m.type == MSG_FAILED && m.len == sizeof(*err)) {
		memcpy(err, m.data, sizeof(*err));
		return err->num > 0 ? -err->num : -EIO;
	}
	return r < 0 ? r : become_root(err);
}

/* From here on it is the present one: nothing is left to be made or mapped. */
static void forget_userns(struct ks_spec *s)
{
	struct ks_spec_namespace *v = s->lnx.namespaces.v;
	size_t n = 0;

	for (size_t i = 0; i < s->lnx.namespaces.n; i++)
		if (v[i].type != KS_NS_USER)
			v[n++] = v[i];
	s->lnx.namespaces.n = n;
	s->lnx.uid_mappings.n = s->lnx.gid_mappings.n = 0;
}

int ks_rootless_oom_score(const struct ks_spec_process *p, struct ks_err *err)
{
	char value[16];

	if (!p || !p->oom_score_adj.set || (geteuid() == 0 && ks_userns_is_initial()))
		return 0;
	ks_fmt(value, sizeof(value), "%lld", (long long)p->oom_score_adj.v);
	int r = ks_file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", value);

	return r < 0 ? ks_err_set(err, r, "process.oomScoreAdj: write %s", value) : 0;
}

int ks_rootless_enter(struct ks_spec *s, struct ks_err *err)
{
	const struct ks_spec_namespace *user = ks_spec_namespace(s, KS_NS_USER);
	int pair[2];

	if (!user)
		return ks_err_kind(err, KS_ERR_DENIED,
				   "only root can run a container without a user namespace "
				   "(kshim spec --rootless writes a config.json that has one)");
	if (!ks_str_empty(user->path))
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.namespaces: joining a user namespace by its path is not "
				   "supported for a user without privileges");
	int r = ks_channel_pair(pair, err);

	if (r < 0)
		return r;
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		close(pair[0]);
		help(pair[1], self, &s->lnx);
	}
	close(pair[1]);
	r = pid < 0 ? ks_err_set(err, -errno, "fork") : unshare_mapped(pair[0], err);
	close(pair[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == 0)
		forget_userns(s);
	return r;
}

int ks_rootless_join(int root_fd, const char *id, struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	ks_auto_fd int pidfd = -EBADF;
	struct ks_opened o;
	char path[64];
	int r = ks_opened_open(root_fd, id, false, &o, err);

	if (r == 0 && (o.no_record || !o.c.pid.set))
		r = ks_err_kind(err, KS_ERR_STATE, "container not running");
	if (r == 0)
		r = ks_opened_init(&o, &pidfd, err);
	ks_fmt(path, sizeof(path), "/proc/%llu/ns/user",
	       r == 0 ? (unsigned long long)o.c.pid.v : 0);
	if (r == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = ks_err_set(err, -errno, "open %s", path);
	}
	/* What was opened by its pid was its own only if it still lives. */
	if (r == 0 && !ks_state_lives(&o.c))
		r = ks_err_kind(err, KS_ERR_STATE, "container not running");
	if (r == 0 && setns(fd, CLONE_NEWUSER) < 0)
		r = ks_err_set(err, -errno, "join the container's user namespace");
	if (r == 0)
		r = become_root(err);
	ks_opened_done(&o);
	return r;
}
