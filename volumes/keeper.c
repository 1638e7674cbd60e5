/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's life: take the locks, write the intents, stage, tell the
 * parent, serve, give up. It ends with its pod; killed, the kernel frees its
 * locks and mounts, and the record that it left is the recovery's work list.
 */
#include "keeper.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/loop.h>
#include <kshim/process.h>
#include <kshim/record.h>

#define REQUEST_S 5 /* how long a client may take to say what it wants */

void ks_pod_describe(struct ks_store *s, const char *uid, char *buf, size_t size)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int dir = -EBADF;
	struct ks_pod p;

	if (!*uid || ks_pod_open_dir(s, uid, false, &dir, NULL) < 0 ||
	    ks_pod_load(&a, dir, &p, NULL) != 0) {
		ks_fmt(buf, size, *uid ? "the pod with uid %s" : "another command", uid);
		return;
	}
	const struct ks_pod_container *c = p.containers.v;
	size_t n = ks_fmt(buf, size,
			  *p.name ? "pod %s/%s (uid %s)" : "a pod of namespace %s%s (uid %s)", p.ns,
			  p.name, uid);

	if (p.containers.n && c->pid.set)
		ks_fmt(buf + n, size - n, ", container \"%s\" (pid %llu)", c->id,
		       (unsigned long long)c->pid.v);
	else if (p.containers.n)
		ks_fmt(buf + n, size - n, ", container \"%s\"", c->id);
}

/* Nothing of the caller stays: no terminal, no pipe that somebody reads to its end, no lock. */
static int become_daemon(const struct ks_pod_ctx *ctx, int sock, struct ks_err *err)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2
	};
	int keep[] = { sock, ctx->store->fd, ctx->store->locks_fd, ctx->root_fd };
	sigset_t none;
	int r = ks_fd_stdio_null();

	if (r == 0)
		r = ks_fd_close_others(3, keep, KS_ARRAY_LEN(keep));
	if (r < 0 || setsid() < 0 || chdir("/") < 0)
		return ks_err_set(err, r < 0 ? r : -errno, "start the keeper");
	for (size_t i = 0; i < KS_ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);
	prctl(PR_SET_NAME, "kshim-keeper", 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

/* Another keeper has this very incarnation, or is about to: the caller may join it. */
static int fail_already(const char *uid, struct ks_err *err)
{
	ks_err_kind(err, KS_ERR_BUSY, "pod uid %s is in use", uid);
	err->num = EALREADY;
	return -EALREADY;
}

static int take_identity_lock(struct ks_keeper *k, const char *uid, struct ks_err *err)
{
	const struct ks_pod_spec *p = k->spec;
	struct ks_identity id;
	char who[512];
	int r = ks_store_lock(k->store, "identity", p->ns, p->name, 0, &k->id_lock, err);

	if (r < 0)
		return r;
	int l = ks_identity_load(&k->arena, k->store, p->ns, p->name, &id, err);

	if (l < 0)
		return l;
	/* Held, but by whom is not recorded yet, or it is this pod. */
	if (r == KS_LOCK_HELD &&
	    (l == KS_IDENTITY_ABSENT || !id.holder_uid || ks_streq(id.holder_uid, uid)))
		return fail_already(uid, err);
	if (r == KS_LOCK_HELD) {
		ks_pod_describe(k->store, l == 0 && id.holder_uid ? id.holder_uid : "", who,
				sizeof(who));
		return ks_err_kind(err, KS_ERR_BUSY,
				   "pod %s/%s is running already: held by %s; to add a container "
				   "to it give its uid",
				   p->ns, p->name, who);
	}
	if (l == KS_IDENTITY_ABSENT || !id.holder_uid)
		return 0;
	/* The lock is free, but nobody gave the identity up: its keeper died. */
	r = ks_pod_recover(&k->arena, k->store, id.holder_uid, true, NULL, err);
	if (r == KS_POD_ALIVE)
		return -EBUSY;
	if (r == KS_POD_KEPT)
		return ks_err_kind(err, KS_ERR_BUSY, "pod %s/%s is being taken down", p->ns,
				   p->name);
	return r;
}

/* The record that recovery goes by: written before there is anything to recover. */
static int write_intent(struct ks_keeper *k, const char *uid, const char *id, struct ks_err *err)
{
	const struct ks_pod_spec *p = k->spec;
	/* A uid that was used before: what it left is taken down first. */
	int r = ks_pod_recover(&k->arena, k->store, uid, false, NULL, err);

	if (r == KS_POD_ALIVE)
		return -EBUSY;
	if (r == 0)
		r = ks_pod_lock(k->store, uid, true, &k->pod_fd, &k->uid_lock, err);
	if (r > 0)
		return fail_already(uid, err);
	if (r == 0)
		r = ks_boot_id(k->boot_id, err);
	if (r < 0)
		return r;
	k->pod = (struct ks_pod){ .uid = uid,
				  .ns = p->ns,
				  .name = p->name ? p->name : "",
				  .boot_id = k->boot_id,
				  .containers = { k->containers, 1 } };
	k->containers[0] = (struct ks_pod_container){ .id = id };
	for (size_t i = 0; i < p->n_volumes; i++)
		if (p->volumes[i].kind == KS_POD_CLAIM &&
		    ks_strv_append(&k->arena, &k->pod.claims, p->volumes[i].claim) < 0)
			return ks_err_oom(err);
	r = ks_pod_save(k->pod_fd, &k->pod, err);
	ks_crash_point("pod-recorded");
	return r;
}

static int bind_socket(struct ks_keeper *k, struct ks_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "pods/%s", k->pod.uid);
	int r = ks_mkdir_p_at(k->root_fd, path, 0700);

	if (r < 0)
		return ks_err_set(err, r, "make %s in the runtime root", path);
	k->run_fd = openat(k->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	k->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (k->run_fd < 0 || k->listen_fd < 0)
		return ks_err_set(err, -errno, "make the keeper's socket");
	/* We hold the pod's lock: a socket that is there is a dead keeper's. */
	(void)unlinkat(k->run_fd, "keeper.sock", 0);
	ks_fmt(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/keeper.sock", k->run_fd);
	if (bind(k->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(k->listen_fd, 16) < 0)
		return ks_err_set(err, -errno, "make the keeper's socket");
	return 0;
}

static int start(struct ks_keeper *k, const char *uid, const char *id, struct ks_err *err)
{
	struct ks_identity identity;
	int r = 0;

	if (k->spec->name)
		r = take_identity_lock(k, uid, err);
	if (r == 0)
		r = write_intent(k, uid, id, err);
	if (r == 0 && k->spec->name) {
		r = ks_identity_take(&k->arena, k->store, k->spec, uid, k->pod.boot_id, &identity,
				     err);
		if (r == 0)
			ks_fmt(k->hostname, sizeof(k->hostname), "%s", identity.hostname);
	}
	ks_crash_point("pod-identity-taken");
	if (r == 0)
		r = bind_socket(k, err);
	k->dev_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && k->dev_fd < 0)
		r = ks_err_set(err, -errno, "open /dev");
	if (r == 0)
		r = ks_keeper_stage(k, err);
	return r;
}

/* Back through everything that start() did; with the locks held to the end. */
static int give_up(struct ks_keeper *k, struct ks_err *err)
{
	char path[PATH_MAX];
	int r = ks_keeper_unstage(k, err);

	if (r == 0 && k->pod_fd >= 0)
		r = ks_pod_tear_down(&k->arena, k->store, &k->pod, true, err);
	if (r < 0)
		return r;
	k->down = true;
	if (k->run_fd >= 0) {
		ks_fmt(path, sizeof(path), "pods/%s", k->pod.uid);
		(void)unlinkat(k->run_fd, "keeper.sock", 0);
		(void)unlinkat(k->root_fd, path, AT_REMOVEDIR);
		(void)unlinkat(k->root_fd, "pods", AT_REMOVEDIR); /* when it was the last */
	}
	for (size_t i = 0; i < k->n_staged; i++)
		k->staged[i].lock_fd = ks_fd_close(k->staged[i].lock_fd);
	k->uid_lock = ks_fd_close(k->uid_lock);
	k->id_lock = ks_fd_close(k->id_lock);
	return 0;
}

static struct ks_pod_container *find(struct ks_keeper *k, const char *id)
{
	for (size_t i = 0; i < k->pod.containers.n; i++)
		if (ks_streq(k->containers[i].id, id))
			return &k->containers[i];
	return NULL;
}

static int do_add(struct ks_keeper *k, const struct ks_keeper_req *q, struct ks_err *err)
{
	char key[256];

	ks_fmt(key, sizeof(key), "%s/%s", k->pod.ns, k->pod.name);
	if (!ks_streq(key, q->key))
		return ks_err_kind(err, KS_ERR_DENIED, "pod uid %s belongs to %s, not to %s",
				   k->pod.uid, key, q->key);
	if (find(k, q->id))
		return 0;
	if (k->pod.containers.n == KS_POD_MAX_CONTAINERS)
		return ks_err_kind(err, KS_ERR_EXHAUSTED, "the pod has %d containers already",
				   KS_POD_MAX_CONTAINERS);
	const char *id = ks_arena_strdup(&k->arena, q->id);

	if (!id)
		return ks_err_oom(err);
	k->containers[k->pod.containers.n++] = (struct ks_pod_container){ .id = id };
	return ks_pod_save(k->pod_fd, &k->pod, err);
}

static int do_running(struct ks_keeper *k, const struct ks_keeper_req *q, struct ks_err *err)
{
	struct ks_pod_container *c = find(k, q->id);

	if (!c)
		return ks_err_kind(err, KS_ERR_NOT_FOUND, "container \"%s\" is not of this pod",
				   q->id);
	c->pid = (struct ks_opt_u64){ true, q->pid };
	c->start_time = (struct ks_opt_u64){ true, q->start_time };
	c->cgroup_path = ks_arena_strdup(&k->arena, q->cgroup_path);
	return c->cgroup_path ? ks_pod_save(k->pod_fd, &k->pod, err) : ks_err_oom(err);
}

static int do_remove(struct ks_keeper *k, const struct ks_keeper_req *q, struct ks_err *err)
{
	struct ks_pod_container *c = find(k, q->id);
	struct ks_pod_container *last = &k->containers[k->pod.containers.n - 1];

	/* The last one stays on record until all is given up: then a repeat comes here again. */
	if (k->pod.containers.n == 1)
		return c ? give_up(k, err) : 0;
	if (!c)
		return 0;
	*c = *last;
	k->pod.containers.n--;
	return ks_pod_save(k->pod_fd, &k->pod, err);
}

static bool terminated(const struct ks_keeper_req *q)
{
	return !q->id[sizeof(q->id) - 1] && !q->key[sizeof(q->key) - 1] &&
	       !q->volume[sizeof(q->volume) - 1] && !q->sub_path[sizeof(q->sub_path) - 1] &&
	       !q->cgroup_path[sizeof(q->cgroup_path) - 1];
}

static int handle(struct ks_keeper *k, const struct ks_msg *m, struct ks_keeper_reply *reply,
		  int *ret_fd, struct ks_err *err)
{
	struct ks_keeper_req q;
	bool readonly = false;
	int r;

	if (m->len != sizeof(q))
		return ks_err_kind(err, KS_ERR_INVALID, "a request of the wrong size");
	memcpy(&q, m->data, sizeof(q));
	if (!terminated(&q))
		return ks_err_kind(err, KS_ERR_INVALID, "a request with a string that has no end");
	switch (m->type) {
	case KS_KEEPER_ADD:
		r = do_add(k, &q, err);
		break;
	case KS_KEEPER_PUBLISH:
		r = ks_keeper_publish(k, q.volume, q.sub_path, ret_fd, &readonly, err);
		break;
	case KS_KEEPER_RUNNING:
		r = do_running(k, &q, err);
		break;
	case KS_KEEPER_REMOVE:
		r = do_remove(k, &q, err);
		break;
	default:
		r = ks_err_kind(err, KS_ERR_INVALID, "an unknown request %u", m->type);
		break;
	}
	ks_fmt(reply->hostname, sizeof(reply->hostname), "%s", k->hostname);
	reply->readonly = readonly;
	reply->left = k->down ? 0 : (uint32_t)k->pod.containers.n;
	return r;
}

static bool allowed(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

static int on_connect(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	const struct timeval limit = { .tv_sec = REQUEST_S };
	struct ks_keeper *k = w->data;
	struct ks_keeper_reply reply = { 0 };
	struct ks_err e = KS_ERR_INIT;
	struct ks_msg m;
	ks_auto_fd int out = -EBADF;
	ks_auto_fd int sock = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	(void)err;
	if (sock < 0 || !allowed(sock))
		return 0;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (ks_channel_recv(sock, &m, NULL, &e) != 0)
		return 0;
	if (handle(k, &m, &reply, &out, &e) < 0)
		(void)ks_channel_send(sock, KS_KEEPER_ERROR, &e, sizeof(e), -1, NULL);
	else
		(void)ks_channel_send(sock, KS_KEEPER_OK, &reply, sizeof(reply), out, NULL);
	l->quit = k->down;
	return 0;
}

static int serve(struct ks_keeper *k, struct ks_err *err)
{
	struct ks_watch w = { .fd = k->listen_fd, .fn = on_connect, .data = k };
	struct ks_loop loop;
	int r = ks_loop_init(&loop, err);

	if (r == 0)
		r = ks_loop_add(&loop, &w, EPOLLIN, err);
	if (r == 0)
		r = ks_loop_run(&loop, err);
	ks_loop_done(&loop);
	return r;
}

void ks_keeper_main(const struct ks_pod_ctx *ctx, const struct ks_pod_spec *p, const char *uid,
		    const char *id, int sock)
{
	struct ks_keeper k = { .store = ctx->store,
			       .root_fd = ctx->root_fd,
			       .pod_fd = -EBADF,
			       .run_fd = -EBADF,
			       .dev_fd = -EBADF,
			       .listen_fd = -EBADF,
			       .id_lock = -EBADF,
			       .uid_lock = -EBADF,
			       .spec = p };
	struct ks_keeper_reply reply = { 0 };
	struct ks_err err = KS_ERR_INIT, undo = KS_ERR_INIT;
	int r = become_daemon(ctx, sock, &err);

	if (r == 0)
		r = start(&k, uid, id, &err);
	if (r < 0) {
		(void)give_up(&k, &undo);
		(void)ks_channel_send(sock, KS_KEEPER_ERROR, &err, sizeof(err), -1, NULL);
		_exit(1);
	}
	ks_fmt(reply.hostname, sizeof(reply.hostname), "%s", k.hostname);
	/* A parent that died meanwhile wants no pod. */
	if (ks_channel_send(sock, KS_KEEPER_OK, &reply, sizeof(reply), -1, NULL) != 0) {
		(void)give_up(&k, &undo);
		_exit(1);
	}
	close(sock);
	r = serve(&k, &err);
	/* Everything is given up and every lock is free: what is left is only to delete. */
	if (r == 0)
		(void)ks_trash_purge(k.store, NULL, &err);
	_exit(r < 0);
}
