/* SPDX-License-Identifier: Apache-2.0 */
/* From a process in the right namespaces to the user's program. */
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/path.h>

#include "child.h"

#define LAST_CAP 63

int ks_child_session(struct ks_child *c)
{
	if (setsid() < 0 && errno != EPERM)
		return ks_err_set(&c->err, -errno, "make a session");
	if (!c->p->process.keyring)
		return 0;
	/* So that the container sees no key of its caller. A kernel without keyrings has none. */
	if (ks_sys_join_session_keyring(c->p->process.keyring) < 0 && errno != ENOSYS &&
	    errno != EOPNOTSUPP)
		return ks_err_set(&c->err, -errno, "make a session keyring");
	return 0;
}

int ks_child_rlimits(struct ks_child *c)
{
	const struct ks_plan_process *p = &c->p->process;

	for (size_t i = 0; i < p->n_rlimits; i++)
		if (setrlimit((__rlimit_resource_t)p->rlimits[i].type, &p->rlimits[i].value) < 0)
			return ks_err_set(&c->err, -errno,
					  "set resource limit %d to %llu/%llu (raising a hard "
					  "limit needs CAP_SYS_RESOURCE)",
					  p->rlimits[i].type,
					  (unsigned long long)p->rlimits[i].value.rlim_cur,
					  (unsigned long long)p->rlimits[i].value.rlim_max);
	return 0;
}

/* Inside the root, and not where a leaked descriptor of the host led to (CVE-2024-21626). */
static int check_inside(struct ks_child *c)
{
	char buf[PATH_MAX];

	if (syscall(SYS_getcwd, buf, sizeof(buf)) < 0)
		return ks_err_set(&c->err, -errno, "look at the working directory");
	if (buf[0] != '/')
		return ks_err_kind(&c->err, KS_ERR_DENIED,
				   "working directory %s is outside of the container",
				   c->p->process.cwd);
	return 0;
}

static int enter_cwd(struct ks_child *c)
{
	const char *cwd = c->p->process.cwd;

	if (chdir(cwd) < 0)
		return ks_err_set(&c->err, -errno, "enter the working directory %s", cwd);
	return check_inside(c);
}

/* Made when it is missing, as runc and crun do, and before the root is read-only; not by exec. */
int ks_child_make_cwd(struct ks_child *c)
{
	const char *cwd = c->p->process.cwd;

	if (access(cwd, F_OK) == 0 || errno != ENOENT)
		return 0;
	ks_auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int dir = ks_path_mkdir(root, cwd, 0755);

	return dir < 0 ? ks_err_set(&c->err, dir, "make the working directory %s", cwd) : 0;
}

int ks_child_cwd(struct ks_child *c)
{
	const char *cwd = c->p->process.cwd;

	if (ks_streq(cwd, "/"))
		return chdir("/") < 0 ? ks_err_set(&c->err, -errno, "enter /") : 0;
	int r = enter_cwd(c);

	c->in_cwd = r == 0;
	/* Only its user may be allowed in: tried again in ks_child_identity(). */
	return r == -EACCES ? 0 : r;
}

static int drop_bounding(struct ks_child *c)
{
	for (unsigned int cap = 0; cap <= LAST_CAP; cap++) {
		if (c->p->process.caps.bounding >> cap & 1)
			continue;
		/* EINVAL: the kernel does not know this one, nor any above it. */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				break;
			return ks_err_set(&c->err, -errno, "drop capability %u", cap);
		}
	}
	return 0;
}

static int set_caps(struct ks_child *c)
{
	const struct ks_plan_caps *k = &c->p->process.caps;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (unsigned int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(k->effective >> 32 * i);
		data[i].permitted = (uint32_t)(k->permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(k->inheritable >> 32 * i);
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return ks_err_set(&c->err, -errno, "set the capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return ks_err_set(&c->err, -errno, "clear the ambient capabilities");
	for (unsigned int cap = 0; cap <= LAST_CAP; cap++)
		if (k->ambient >> cap & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return ks_err_set(&c->err, -errno, "raise ambient capability %u", cap);
	return 0;
}

/*
 * The user's own from now on, so that /dev/stdout can be opened again, as runc and crun do. Pipes
 * alone: a file or a device of the caller keeps its owner.
 */
static void give_streams(const struct ks_plan_process *p)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid != p->uid &&
		    fchown(fd, p->uid, (gid_t)-1) < 0)
			continue; /* not ours to give, as in a user namespace */
}

int ks_child_identity(struct ks_child *c)
{
	const struct ks_plan_process *p = &c->p->process;
	int r = p->caps.set ? drop_bounding(c) : 0;

	if (r < 0)
		return r;
	/* The capabilities are to outlive the change of user, up to set_caps(). */
	if (p->caps.set && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return ks_err_set(&c->err, -errno, "keep capabilities");
	give_streams(p);
	/* A user namespace with setgroups denied has no supplementary groups to drop. */
	if (syscall(SYS_setgroups, p->n_gids, p->gids) < 0 && (p->n_gids || errno != EPERM))
		return ks_err_set(&c->err, -errno, "set the supplementary groups");
	if (syscall(SYS_setresgid, p->gid, p->gid, p->gid) < 0)
		return ks_err_set(&c->err, -errno, "set the group to %u", p->gid);
	if (syscall(SYS_setresuid, p->uid, p->uid, p->uid) < 0)
		return ks_err_set(&c->err, -errno, "set the user to %u", p->uid);
	if (p->caps.set) {
		r = set_caps(c);
		if (r < 0)
			return r;
		prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	}
	if (!ks_streq(p->cwd, "/") && !c->in_cwd) {
		r = enter_cwd(c);
		if (r < 0)
			return r;
	}
	umask(p->umask);
	if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return ks_err_set(&c->err, -errno, "set no_new_privs");
	return 0;
}

/* The home directory in a line "name:password:uid:gid:gecos:home:shell" of that uid, or NULL. */
static const char *home_of_line(char *line, const char *uid)
{
	char *f = line;

	for (int i = 0; i < 2 && f; i++) {
		f = strchr(f, ':');
		f = f ? f + 1 : NULL;
	}
	if (!f || strncmp(f, uid, strlen(uid)) != 0 || f[strlen(uid)] != ':')
		return NULL;
	for (int i = 0; i < 3 && f; i++) {
		f = strchr(f, ':');
		f = f ? f + 1 : NULL;
	}
	if (!f)
		return NULL;
	f[strcspn(f, ":")] = '\0';
	return *f ? f : NULL;
}

/*
 * HOME from the container's /etc/passwd, as every runtime sets it. Read here
 * without NSS: the file is the container's, and may be anything. A line that
 * is longer than the buffer is passed over.
 */
static void find_home(struct ks_child *c)
{
	struct ks_plan_process *p = &c->p->process;
	char buf[4096], uid[16];
	const char *home = NULL;
	size_t have = 0;
	bool skip = false;
	ks_auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* O_NONBLOCK: a FIFO must not hold us; 1 MiB: nor a file that never ends. */
	ks_auto_fd int fd = ks_path_open(root, "/etc/passwd", O_RDONLY | O_NONBLOCK);

	ks_fmt(uid, sizeof(uid), "%u", p->uid);
	for (int round = 0; fd >= 0 && !home && round < 256; round++) {
		ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);
		char *line = buf;

		if (n < 0 || (n == 0 && !have))
			break;
		have += (size_t)n;
		buf[have] = '\0';
		for (char *end; !home && ((end = strchr(line, '\n')) || n == 0); line = end + 1) {
			if (end)
				*end = '\0';
			home = skip ? NULL : home_of_line(line, uid);
			skip = false;
			if (!end)
				break;
		}
		if (home || n == 0)
			break;
		/* What is left of the last line is carried on. */
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
		if (have == sizeof(buf) - 1) {
			have = 0;
			skip = true;
		}
	}
	ks_fmt(c->home, sizeof(c->home), "HOME=%s", home ? home : "/");
	/* An empty one is replaced: getenv(3) finds the first. */
	for (size_t i = 0; i < p->n_env; i++) {
		if (ks_streq(p->env[i], "HOME=")) {
			p->env[i] = c->home;
			return;
		}
	}
	p->env[p->n_env++] = c->home;
	p->env[p->n_env] = NULL;
}

static int check_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -EACCES;
	return 0;
}

/* Searched now, so that `create` can tell; args[0] is replaced by nothing, only the path is kept.
 */
static const char *find_command(struct ks_child *c, char *buf, size_t size, int *ret)
{
	const struct ks_plan_process *p = &c->p->process;
	const char *name = p->args[0];

	if (strchr(name, '/')) {
		*ret = check_file(name);
		return name;
	}
	*ret = -ENOENT;
	for (const char *d = p->path; *d;) {
		size_t n = strcspn(d, ":");

		ks_fmt(buf, size, "%.*s/%s", n ? (int)n : 1, n ? d : ".", name);
		int r = check_file(buf);

		if (r == 0) {
			*ret = 0;
			return buf;
		}
		if (r == -EACCES)
			*ret = r;
		d += n + (d[n] == ':');
	}
	return name;
}

static int fail_command(struct ks_child *c, int r)
{
	const char *name = c->p->process.args[0];

	if (r == -EACCES || r == -ENOEXEC)
		return ks_err_kind(&c->err, KS_ERR_NOT_EXECUTABLE, "exec: \"%s\": %s", name,
				   r == -EACCES ? "permission denied" : "exec format error");
	if (r != -ENOENT && r != -ENOTDIR)
		return ks_err_set(&c->err, r, "exec: \"%s\"", name);
	return ks_err_kind(&c->err, KS_ERR_NO_COMMAND, "exec: \"%s\": %s", name,
			   strchr(name, '/') ? "no such file or directory" :
					       "executable file not found in $PATH");
}

int ks_child_find_command(struct ks_child *c)
{
	char buf[PATH_MAX];
	int r;

	if (!c->p->process.has_home)
		find_home(c);
	find_command(c, buf, sizeof(buf), &r);
	return r < 0 ? fail_command(c, r) : 0;
}

int ks_child_exec(struct ks_child *c)
{
	struct ks_plan_process *p = &c->p->process;
	char buf[PATH_MAX];
	int found;
	const char *path = find_command(c, buf, sizeof(buf), &found);

	if (found < 0)
		return fail_command(c, found);
	/* Whatever the caller of kshim left open stays here (CVE-2024-21626). */
	if (ks_sys_close_range(3 + p->preserve_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return ks_err_set(&c->err, -errno, "close the other descriptors");
	/* From here on only what the filter allows can be called. */
	int r = p->no_new_privs ? ks_child_load_seccomp(c) : 0;

	if (r < 0)
		return r;
	execve(path, p->args, p->env);
	return fail_command(c, -errno);
}
