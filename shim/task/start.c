/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `start`: one server for each pod. Whoever binds the pod's socket starts it,
 * the others print the same address. Standard output and standard error are
 * one pipe that containerd reads to its end: nothing else is printed, and the
 * server gets neither.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <pb/bootstrap.pb-c.h>

#include <kshim/fd.h>
#include <kshim/sha256.h>

#include "bootstrap.h"

#define SOCKET_DIR "/run/containerd/s"
#define STDIN_MAX  (4U << 20)

/* What came on standard input, by any containerd. */
struct request {
	struct ks_shim_options options;
	bool bootstrap; /* containerd 2.3 and later */
	const char *socket_dir;
	const char *ttrpc; /* address of containerd's ttrpc server */
	bool debug;
};

static int read_bootstrap(struct ks_arena *a, const struct ks_shim_args *args, const uint8_t *text,
			  size_t len, struct request *ret, struct ks_err *err)
{
	Pb__BootstrapParams *p = pb__bootstrap_params__unpack(NULL, len, text);
	int r = 0;

	/* Options alone can be read as this message, too: the names tell. */
	ret->bootstrap = p && ks_streq(p->instance_id, args->id) &&
			 ks_streq(p->namespace_, args->ns);
	if (!ret->bootstrap) {
		if (p)
			pb__bootstrap_params__free_unpacked(p, NULL);
		return 0;
	}
	ret->debug = p->log_level < 0;
	ret->socket_dir = *p->socket_dir ? ks_arena_strdup(a, p->socket_dir) : NULL;
	ret->ttrpc = ks_arena_strdup(a, p->containerd_ttrpc_address);
	for (size_t i = 0; i < p->n_extensions && r == 0; i++) {
		const Pb__Any *v = p->extensions[i]->value;

		/* Others may come with other things. */
		if (v && strstr(v->type_url, "ptions"))
			r = ks_options_read(a, v->type_url, v->value.data, v->value.len,
					    &ret->options, err);
	}
	pb__bootstrap_params__free_unpacked(p, NULL);
	return r;
}

static int read_any(struct ks_arena *a, const uint8_t *text, size_t len, struct request *ret,
		    struct ks_err *err)
{
	Pb__Any *any = pb__any__unpack(NULL, len, text);

	if (!any)
		return ks_err_kind(err, KS_ERR_INVALID, "standard input cannot be read");
	int r = ks_options_read(a, any->type_url, any->value.data, any->value.len, &ret->options,
				err);

	pb__any__free_unpacked(any, NULL);
	return r;
}

static int read_request(struct ks_arena *a, const struct ks_shim_args *args, struct request *ret,
			struct ks_err *err)
{
	struct stat st;
	char *text;
	size_t len;

	*ret = (struct request){ .ttrpc = getenv("TTRPC_ADDRESS") };
	/* A person at a terminal has nothing to say here. */
	if (fstat(0, &st) < 0 || isatty(0))
		return 0;
	int r = ks_fd_read_all(a, 0, STDIN_MAX, &text, &len);

	if (r < 0)
		return ks_err_set(err, r, "read standard input");
	if (!len)
		return 0;
	r = read_bootstrap(a, args, (const uint8_t *)text, len, ret, err);
	if (r == 0 && !ret->bootstrap)
		r = read_any(a, (const uint8_t *)text, len, ret, err);
	return r;
}

/* The pod that the container is of; no config.json is a pod that is to come. */
static int find_group(struct ks_arena *a, const char *id, const char **ret, bool *ret_sandbox,
		      struct ks_err *err)
{
	static const char *const keys[] = { "io.containerd.runc.v2.group",
					    "io.kubernetes.cri.sandbox-id" };
	struct ks_json *root;

	*ret = id;
	*ret_sandbox = access("config.json", F_OK) < 0 && errno == ENOENT;
	if (*ret_sandbox)
		return 0;
	int r = ks_json_parse_file(a, AT_FDCWD, "config.json", &root, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < KS_ARRAY_LEN(keys); i++) {
		const struct ks_json *v = ks_json_get(ks_json_get(root, "annotations"), keys[i]);

		if (v && v->type == KS_JSON_STRING && *v->text) {
			*ret = v->text;
			return 0;
		}
	}
	return 0;
}

void ks_shim_socket_path(const char *dir, const char *address, const char *ns, const char *group,
			 char *buf)
{
	ks_auto_buf struct ks_buf b = { 0 };
	char hex[KS_SHA256_HEX_SIZE];

	ks_buf_addf(&b, "%s/%s/", address, ns);
	ks_buf_adds(&b, group);
	ks_sha256_hex(b.failed ? group : b.data, b.failed ? strlen(group) : b.len, hex);
	ks_fmt(buf, PATH_MAX, "%s/%s", dir ? dir : SOCKET_DIR, hex);
}

static bool answers(const struct sockaddr_un *sa)
{
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* One that is busy listens, too: nobody must wait for it with the directory's lock held. */
	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN);
}

#define ANOTHER 1 /* a server listens there already */

/* Two at once: a lock beside the socket, so that nobody takes away what the other just bound. */
static int listen_at(const char *path, int *ret, struct ks_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char dir[PATH_MAX];

	if (strlen(path) >= sizeof(sa.sun_path))
		return ks_err_kind(err, KS_ERR_INVALID, "the socket's path is too long: %s", path);
	ks_fmt(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	ks_fmt(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	int r = ks_mkdir_p_at(AT_FDCWD, dir, 0700);

	if (r < 0)
		return ks_err_set(err, r, "make %s", dir);
	ks_auto_fd int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (lock < 0 || fd < 0 || flock(lock, LOCK_EX) < 0)
		return ks_err_set(err, -errno, "prepare %s", dir);
	if (answers(&sa))
		return ANOTHER;
	if (unlink(path) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove %s", path);
	mode_t mask = umask(0177);
	int b = bind(fd, (struct sockaddr *)&sa, sizeof(sa));

	umask(mask);
	if (b < 0 || listen(fd, 128) < 0)
		return ks_err_set(err, -errno, "listen on %s", path);
	*ret = KS_TAKE_FD(fd);
	return 0;
}

/* One less likely to be killed for want of memory than containers, one more than containerd. */
static void set_oom_score(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char path[64], value[16], *text;
	int64_t score = 0;

	ks_fmt(path, sizeof(path), "/proc/%d/oom_score_adj", getppid());
	if (ks_file_read_at(&a, AT_FDCWD, path, 64, &text, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (ks_parse_i64(text, -1000, 1000, &score) < 0)
		return;
	ks_fmt(value, sizeof(value), "%lld", (long long)(score < 1000 ? score + 1 : score));
	/* Without CAP_SYS_RESOURCE it stays what it is. */
	(void)ks_file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", value);
}

static int enter_cgroup(const char *path, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_cgroup_host host;
	char file[PATH_MAX];
	int r = ks_cgroup_detect(&a, &host, err);

	if (r < 0)
		return r;
	struct ks_cgroup cg = { .host = host, .path = path };

	for (size_t i = 0; i <= host.n_v1; i++) {
		bool v2 = i == host.n_v1;
		const char *base = v2 ? host.v2_mount : "/sys/fs/cgroup";

		if (v2 && !base)
			continue;
		ks_fmt(file, sizeof(file), "%s/%s%s%s", base, v2 ? "" : host.v1[i].name,
		       path[0] == '/' ? "" : "/", path);
		r = ks_mkdir_p_at(AT_FDCWD, file, 0755);
		ks_fmt(file + strlen(file), sizeof(file) - strlen(file), "/cgroup.procs");
		if (r == 0)
			r = ks_file_write_at(AT_FDCWD, file, "0");
		if (r < 0)
			return ks_err_set(err, r, "option ShimCgroup: join %s", cg.path);
	}
	return 0;
}

/* In a child of `start`; does not return on success. */
static int become_server(const struct ks_shim_args *args, const struct request *q, int listen_fd,
			 struct ks_err *err)
{
	const char *words[] = { KS_SHIM_NAME,
				"-namespace",
				args->ns,
				"-id",
				args->id,
				"-address",
				args->address ? args->address : "",
				args->debug || q->debug ? "-debug" : NULL };
	char *argv[KS_ARRAY_LEN(words) + 1] = { 0 };
	int fd = open("log", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	/* Out of the way of what is put at 0 to 3 below. */
	int log = fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, 10);

	for (size_t i = 0; i < KS_ARRAY_LEN(words); i++)
		argv[i] = (char *)(uintptr_t)words[i];
	if (q->ttrpc)
		setenv("TTRPC_ADDRESS", q->ttrpc, 1);
	set_oom_score();
	if (q->options.shim_cgroup) {
		int r = enter_cgroup(q->options.shim_cgroup, err);

		if (r < 0)
			return r;
	}
	if (setsid() < 0)
		return ks_err_set(err, -errno, "start a session");
	if (dup2(listen_fd, KS_SHIM_LISTEN_FD) < 0 || ks_fd_stdio_null() < 0)
		return ks_err_set(err, -errno, "prepare the server");
	(void)fcntl(KS_SHIM_LISTEN_FD, F_SETFD, 0);
	if (log >= 0)
		(void)dup2(log, 2);
	return ks_seal_exec(argv, err);
}

/* Until the server has its own program running, what goes wrong is the caller's to be told. */
static int spawn(const struct ks_shim_args *args, const struct request *q, int listen_fd,
		 struct ks_err *err)
{
	struct ks_err failed = KS_ERR_INIT;
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return ks_err_set(err, -errno, "make a pipe");
	pid_t pid = fork();

	if (pid == 0) {
		/* Above what the server's own descriptors are put to. */
		int out = fcntl(pipe_fd[1], F_DUPFD_CLOEXEC, 10);
		int sock = fcntl(listen_fd, F_DUPFD_CLOEXEC, 10);

		close(pipe_fd[0]);
		if (become_server(args, q, sock, &failed) < 0) {
			ssize_t n = write(out, &failed, sizeof(failed));

			(void)n;
		}
		_exit(1);
	}
	int r = pid < 0 ? ks_err_set(err, -errno, "fork") : 0;

	close(pipe_fd[1]);
	if (r == 0 && read(pipe_fd[0], &failed, sizeof(failed)) == sizeof(failed)) {
		*err = failed;
		r = failed.num ? -failed.num : -EIO;
	}
	close(pipe_fd[0]);
	return r;
}

/*
 * The newest form that the caller is known to read; docs/protocol/shim.md has the table.
 * containerd before 2.0 reads the address from a file again after a restart.
 */
static int print_address(const char *path, const struct request *q, struct ks_err *err)
{
	char address[PATH_MAX + 16], text[PATH_MAX + 128], file[32];

	ks_fmt(address, sizeof(address), "unix://%s", path);
	if (q->bootstrap || getenv("MAX_SHIM_VERSION"))
		ks_fmt(text, sizeof(text),
		       "{\"version\":%d,\"address\":\"%s\",\"protocol\":\"ttrpc\"}",
		       q->bootstrap ? 3 : 2, address);
	else
		ks_fmt(text, sizeof(text), "%s", address);
	/* Others may be at it too, and containerd may read it. */
	ks_fmt(file, sizeof(file), "address.%d", (int)getpid());
	ks_auto_fd int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : ks_fd_write_all(fd, address, strlen(address));

	if (r == 0 && rename(file, "address") < 0)
		r = -errno;
	if (r < 0)
		return ks_err_set(err, r, "write the file \"address\" of the bundle");
	r = ks_fd_write_all(1, text, strlen(text));
	return r < 0 ? ks_err_set(err, r, "print the address") : 0;
}

int ks_shim_start(const struct ks_shim_args *args, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int fd = -EBADF;
	char path[PATH_MAX];
	const char *group = args->id;
	struct request q;
	bool sandbox;
	int r = read_request(&a, args, &q, err);

	if (r == 0)
		r = find_group(&a, args->id, &group, &sandbox, err);
	if (r == 0 && sandbox)
		r = ks_err_kind(err, KS_ERR_UNSUPPORTED,
				"the bundle has no config.json: kshim does not serve the sandbox "
				"API yet; use the podsandbox sandboxer");
	if (r < 0)
		return r;
	ks_shim_socket_path(q.socket_dir, args->address ? args->address : "", args->ns, group,
			    path);
	r = listen_at(path, &fd, err);
	if (r == 0) {
		r = spawn(args, &q, fd, err);
		if (r < 0)
			(void)unlink(path);
	}
	return r < 0 ? r : print_address(path, &q, err);
}
