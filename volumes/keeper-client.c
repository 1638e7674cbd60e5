/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of the keeper: what the verbs ask of a pod. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "keeper.h"

#define REPLY_S	 60    /* giving up waits for processes that are about to be gone */
#define START_MS 60000 /* for another caller that starts the same pod */
#define KEPT_MS	 5000  /* between a keeper's last word and its locks */

static int connect_keeper(const struct ks_pod_ctx *ctx, const char *uid, int *ret)
{
	const struct timeval limit = { .tv_sec = REPLY_S };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[PATH_MAX];
	ks_auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ks_fmt(path, sizeof(path), "pods/%s", uid);
	ks_auto_fd int dir =
		openat(ctx->root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (sock < 0 || dir < 0)
		return -errno;
	ks_fmt(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/keeper.sock", dir);
	if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	*ret = KS_TAKE_FD(sock);
	return 0;
}

static int read_reply(int sock, struct ks_keeper_reply *reply, int *ret_fd, struct ks_err *err)
{
	struct ks_msg m;
	int r = ks_channel_recv(sock, &m, ret_fd, err);

	if (r == KS_CHANNEL_CLOSED) {
		ks_err_kind(err, KS_ERR_INTERNAL, "the pod's keeper died");
		return -ENOTCONN;
	}
	if (r < 0)
		return ks_err_prefix(err, r, "the pod's keeper");
	if (m.type == KS_KEEPER_ERROR && m.len == sizeof(*err)) {
		struct ks_err e;

		memcpy(&e, m.data, sizeof(e));
		e.msg[sizeof(e.msg) - 1] = '\0';
		if (err)
			*err = e;
		return e.num > 0 ? -e.num : -EIO;
	}
	if (m.type != KS_KEEPER_OK || m.len != sizeof(*reply))
		return ks_err_kind(err, KS_ERR_INTERNAL, "the pod's keeper gave a wrong answer");
	memcpy(reply, m.data, sizeof(*reply));
	reply->hostname[sizeof(reply->hostname) - 1] = '\0';
	return 0;
}

static int set_field(char *field, size_t size, const char *value, struct ks_err *err)
{
	if (ks_fmt(field, size, "%s", value) < strlen(value))
		return ks_err_set(err, -ENAMETOOLONG, "\"%.*s\"", 64, value);
	return 0;
}

/* What the keeper answers; -ENOTCONN when there is none, or it died over the request. */
static int call(const struct ks_pod_ctx *ctx, const char *uid, enum ks_keeper_op op,
		const struct ks_keeper_req *q, struct ks_keeper_reply *reply, int *ret_fd,
		struct ks_err *err)
{
	ks_auto_fd int sock = -EBADF;
	int r = connect_keeper(ctx, uid, &sock);

	if (r < 0) {
		ks_err_set(err, r, "reach the keeper of pod uid %s", uid);
		return -ENOTCONN;
	}
	r = ks_channel_send(sock, op, q, sizeof(*q), -1, err);
	return r < 0 ? r : read_reply(sock, reply, ret_fd, err);
}

bool ks_pod_is_up(const struct ks_pod_ctx *ctx, const char *uid)
{
	ks_auto_fd int sock = -EBADF;

	return connect_keeper(ctx, uid, &sock) == 0;
}

static int start_keeper(const struct ks_pod_ctx *ctx, const struct ks_pod_spec *p, const char *uid,
			const char *id, struct ks_keeper_reply *reply, struct ks_err *err)
{
	int pair[2];
	int r = ks_channel_pair(pair, err);

	if (r < 0)
		return r;
	pid_t pid = fork();

	if (pid == 0) {
		/* Twice, so that it is nobody's child: not a zombie of a foreground run. */
		pid_t again = fork();

		if (again == 0)
			ks_keeper_main(ctx, p, uid, id, pair[1]);
		_exit(again < 0);
	}
	int saved = errno;

	close(pair[1]);
	if (pid < 0) {
		r = ks_err_set(err, -saved, "fork the pod's keeper");
	} else {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		r = read_reply(pair[0], reply, NULL, err);
	}
	close(pair[0]);
	return r;
}

static int join(const struct ks_pod_ctx *ctx, const struct ks_pod_spec *p, const char *uid,
		const char *id, struct ks_keeper_reply *reply, struct ks_err *err)
{
	struct ks_keeper_req q = { 0 };
	int r = set_field(q.id, sizeof(q.id), id, err);

	ks_fmt(q.key, sizeof(q.key), "%s/%s", p->ns, p->name ? p->name : "");
	return r < 0 ? r : call(ctx, uid, KS_KEEPER_ADD, &q, reply, NULL, err);
}

static int publish(const struct ks_pod_ctx *ctx, const char *uid, const struct ks_pod_mount *m,
		   const char *id, struct ks_mount_request *ret, struct ks_err *err)
{
	struct ks_keeper_req q = { 0 };
	struct ks_keeper_reply reply;
	ks_auto_fd int fd = -EBADF;
	int r = set_field(q.id, sizeof(q.id), id, err);

	if (r == 0)
		r = set_field(q.volume, sizeof(q.volume), m->volume, err);
	if (r == 0 && m->sub_path)
		r = set_field(q.sub_path, sizeof(q.sub_path), m->sub_path, err);
	if (r == 0)
		r = call(ctx, uid, KS_KEEPER_PUBLISH, &q, &reply, &fd, err);
	if (r == 0 && fd < 0)
		r = ks_err_kind(err, KS_ERR_INTERNAL, "the pod's keeper gave no mount");
	if (r < 0)
		return r;
	*ret = (struct ks_mount_request){ .fd = KS_TAKE_FD(fd),
					  .target = m->path,
					  .name = m->volume,
					  .readonly = m->readonly || reply.readonly };
	return 0;
}

/* -EALREADY: another caller is at the start of this very pod; it may take a file system check. */
static int join_or_start(const struct ks_pod_ctx *ctx, const struct ks_pod_spec *p,
			 const struct ks_pod_who *who, struct ks_keeper_reply *reply,
			 struct ks_err *err)
{
	for (unsigned int waited_ms = 0;; waited_ms += 20) {
		bool joins = !who->fresh && ks_pod_is_up(ctx, who->uid);
		int r = joins ? join(ctx, p, who->uid, who->id, reply, err) :
				start_keeper(ctx, p, who->uid, who->id, reply, err);
		/* Its keeper went between our two steps. */
		bool gone = joins && r == -ENOTCONN;

		if ((r != -EALREADY && !gone) || waited_ms >= START_MS)
			return r;
		usleep(20000);
	}
}

int ks_pod_up(struct ks_arena *a, const struct ks_pod_ctx *ctx, const struct ks_pod_spec *p,
	      const struct ks_pod_who *who, struct ks_mount_requests *ret, struct ks_err *err)
{
	struct ks_keeper_reply reply = { 0 };

	ret->v = KS_ARENA_NEWV(a, struct ks_mount_request, p->n_mounts);
	if (!ret->v)
		return ks_err_oom(err);
	int r = join_or_start(ctx, p, who, &reply, err);

	if (r < 0)
		return r;
	ret->hostname = p->name ? ks_arena_strdup(a, reply.hostname) : NULL;
	for (size_t i = 0; i < p->n_mounts && r == 0; i++) {
		r = publish(ctx, who->uid, &p->mounts[i], who->id, &ret->v[i], err);
		ret->n += r == 0;
	}
	return r;
}

int ks_pod_running(const struct ks_pod_ctx *ctx, const char *uid, const char *id, uint64_t pid,
		   uint64_t start_time, const char *cgroup_path, struct ks_err *err)
{
	struct ks_keeper_req q = { .pid = pid, .start_time = start_time };
	struct ks_keeper_reply reply;
	int r = set_field(q.id, sizeof(q.id), id, err);

	if (r == 0)
		r = set_field(q.cgroup_path, sizeof(q.cgroup_path), cgroup_path, err);
	return r < 0 ? r : call(ctx, uid, KS_KEEPER_RUNNING, &q, &reply, NULL, err);
}

/* "…: /dev/loop0 is still mounted somewhere" - and here it is said where. */
static void name_holders(struct ks_err *err)
{
	char who[256], path[32];
	struct stat st;
	char *dev = err ? strstr(err->msg, "/dev/loop") : NULL;

	if (!dev)
		return;
	ks_fmt(path, sizeof(path), "%.*s", (int)(9 + strspn(dev + 9, "0123456789")), dev);
	if (stat(path, &st) < 0 || ks_mount_holders(st.st_rdev, who, sizeof(who)) <= 0)
		return;
	size_t n = strlen(err->msg);

	ks_fmt(err->msg + n, sizeof(err->msg) - n, ": in use by %s", who);
}

bool ks_pod_remove_run_dir(const struct ks_pod_ctx *ctx, const char *uid)
{
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "pods/%s/keeper.sock", uid);
	if (unlinkat(ctx->root_fd, path, 0) < 0 && errno != ENOENT)
		return false;
	ks_fmt(path, sizeof(path), "pods/%s", uid);
	if (unlinkat(ctx->root_fd, path, AT_REMOVEDIR) < 0)
		return false;
	(void)unlinkat(ctx->root_fd, "pods", AT_REMOVEDIR); /* when it was the last */
	return true;
}

int ks_pod_down(const struct ks_pod_ctx *ctx, const char *uid, const char *id, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_keeper_req q = { 0 };
	struct ks_keeper_reply reply;
	int r = set_field(q.id, sizeof(q.id), id, err);

	/*
	 * By its keeper; or, when that is gone or dies over it, by its record. The locks of a
	 * keeper go a moment after its socket, and are there a moment before it.
	 */
	for (unsigned int waited_ms = 0; r == 0; waited_ms += 10) {
		if (ks_pod_is_up(ctx, uid)) {
			r = call(ctx, uid, KS_KEEPER_REMOVE, &q, &reply, NULL, err);
			if (r == -EBUSY)
				name_holders(err);
			if (r != -ENOTCONN)
				return r;
		}
		r = ks_pod_recover(&a, ctx->store, uid, false, NULL, err);
		if (r != KS_POD_KEPT)
			break;
		if (waited_ms >= KEPT_MS)
			return ks_err_kind(err, KS_ERR_BUSY,
					   "the keeper of pod uid %s holds it and does not answer",
					   uid);
		usleep(10000);
		r = 0;
	}
	if (r < 0)
		return r;
	/* Containers that still live keep the pod; the last one recovers it. */
	if (r == KS_POD_ALIVE)
		return 0;
	(void)ks_pod_remove_run_dir(ctx, uid);
	/* The pod is down; what of its trash cannot be deleted now is left to `kshim gc`. */
	(void)ks_trash_purge(ctx->store, NULL, NULL);
	return 0;
}
