/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `delete`: after every end of a container, expected or not. Works by the
 * records alone: there may be no server, half a bundle, nothing.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <pb/task.pb-c.h>

#include <kshim/fd.h>
#include <kshim/state.h>

#include "bootstrap.h"

/* A bundle lies beside those of the other containers, and is named like its container. */
static int find_bundle(const struct ks_shim_args *args, char *buf, struct ks_err *err)
{
	char cwd[PATH_MAX];

	if (args->bundle && args->bundle[0] == '/') {
		ks_fmt(buf, PATH_MAX, "%s", args->bundle);
		return 0;
	}
	if (!getcwd(cwd, sizeof(cwd)))
		return ks_err_set(err, -errno, "look at the working directory");
	char *slash = strrchr(cwd, '/');

	ks_fmt(buf, PATH_MAX, "%.*s/%s", (int)(slash - cwd), cwd, args->id);
	return 0;
}

/* @known: the bundle on record; where that is gone nobody can say, and the answer is no. */
static bool other_directory(const char *known, const char *path)
{
	struct stat a, b;

	return !ks_streq(known, path) && stat(known, &a) == 0 &&
	       (stat(path, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

/*
 * A task that was not restored yet has no container, and one of its id is then another caller's of
 * the same root. A record that cannot be read, as of a create that was killed, is this one's.
 */
static bool is_foreign(struct ks_arena *a, int root, const char *id, const char *bundle)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_container c = { 0 };
	ks_auto_fd int dir = -EBADF;

	return ks_state_open(root, id, &dir, NULL, &err) == 0 &&
	       ks_state_load(a, dir, &c, &err) == 0 && other_directory(c.bundle, bundle);
}

static int delete_container(struct ks_arena *a, const struct ks_shim_args *args, const char *bundle,
			    const struct ks_shim_env *env, struct ks_err *err)
{
	const char *state = getenv("KSHIM_STATE_DIR");
	struct ks_strv list = { 0 };
	const struct ks_warnings warn = { a, &list };
	struct ks_shim_options o;
	ks_auto_fd int root = -EBADF;
	char path[PATH_MAX];
	int r = ks_options_load(a, bundle, &o, err);

	/* Damaged, by whatever: what is at the usual place is deleted all the same. */
	if (r < 0)
		dprintf(2, "%s\n", err->msg);
	if (r < 0)
		o = (struct ks_shim_options){ 0 };
	r = ks_shim_open_root(&o, args->ns, path, sizeof(path), &root, err);
	if (r < 0)
		return r;
	if (!o.state_dir)
		o.state_dir = ks_str_empty(state) ? "/var/lib/kshim" : state;
	if (is_foreign(a, root, args->id, bundle)) {
		dprintf(2, "container %s is of another bundle than %s: left alone\n", args->id,
			bundle);
		return 0;
	}
	r = ks_container_delete(root, args->id, true, env->storage(env->data, path, o.state_dir),
				&warn, err);
	for (size_t i = 0; i < list.n; i++)
		dprintf(2, "%s\n", list.v[i]);
	/* The usual case: Delete has been there before. */
	return r == -ENOENT && err->kind == KS_ERR_NOT_FOUND ? 0 : r;
}

/* A socket that nobody listens on any more is a dead server's. */
static void remove_socket(const char *bundle)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	ks_auto_fd int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *text;

	if (dir < 0 || ks_file_read_at(&a, dir, "address", PATH_MAX, &text, NULL) < 0)
		return;
	const char *path = ks_str_prefix(text, "unix://");
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!slash || fd < 0 || strlen(path) >= sizeof(sa.sun_path))
		return;
	ks_fmt(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	const char *parent = ks_arena_strndup(&a, path, (size_t)(slash - path));
	/* As `start` does: between its bind and its listen a new one looks dead, too. */
	ks_auto_fd int lock = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == ECONNREFUSED)
		(void)unlink(path);
}

static int print_response(struct ks_err *err)
{
	Pb__DeleteResponse m = PB__DELETE_RESPONSE__INIT;
	Pb__Timestamp at = PB__TIMESTAMP__INIT;
	struct timespec now;
	uint8_t buf[64];

	clock_gettime(CLOCK_REALTIME, &now);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	m.exit_status = KS_STATUS_KILLED;
	m.exited_at = &at;
	int r = ks_fd_write_all(1, buf, pb__delete_response__pack(&m, buf));

	return r < 0 ? ks_err_set(err, r, "print the answer") : 0;
}

int ks_shim_delete(const struct ks_shim_args *args, const struct ks_shim_env *env,
		   struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char bundle[PATH_MAX];
	int r = find_bundle(args, bundle, err);

	if (r == 0)
		r = delete_container(&a, args, bundle, env, err);
	if (r == 0)
		r = ks_rootfs_unmount(bundle, err);
	remove_socket(bundle);
	return r < 0 ? r : print_response(err);
}
