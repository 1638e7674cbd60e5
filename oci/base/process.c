/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/process.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/str.h>

#define TOOL_OUTPUT_MAX 16384

/* Reads at most @size - 1 bytes; terminates; returns the length or -errno. */
static ssize_t read_small(const char *path, char *buf, size_t size)
{
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

int ks_boot_id(char ret[static KS_BOOT_ID_SIZE], struct ks_err *err)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	static char known[64]; /* no process sees two boots */

	if (!*known) {
		char buf[sizeof(known)];
		ssize_t n = read_small(path, buf, sizeof(buf));

		if (n < 0)
			return ks_err_set(err, (int)n, "read %s", path);
		if (n < KS_BOOT_ID_SIZE - 1)
			return ks_err_kind(err, KS_ERR_INTERNAL, "%s is too short", path);
		memcpy(known, buf, KS_BOOT_ID_SIZE - 1);
	}
	memcpy(ret, known, KS_BOOT_ID_SIZE);
	return 0;
}

/* The words of a process' stat from the third on, its state; NULL: -errno in @r. */
static char *read_stat(const char *path, char *buf, size_t size, int *r)
{
	ssize_t n = read_small(path, buf, size);
	/* The command name may hold spaces and ')': fields count from the last ')'. */
	char *p = n < 0 ? NULL : strrchr(buf, ')');

	*r = n < 0 ? (int)n : -EIO;
	return p && p[1] == ' ' ? p + 2 : NULL;
}

int ks_process_layout(struct prctl_mm_map *ret)
{
	const struct {
		int field;
		__typeof__(ret->start_code) *value;
	} wanted[] = {
		{ 26, &ret->start_code }, { 27, &ret->end_code }, { 28, &ret->start_stack },
		{ 45, &ret->start_data }, { 46, &ret->end_data }, { 47, &ret->start_brk },
		{ 48, &ret->arg_start },  { 49, &ret->arg_end },  { 50, &ret->env_start },
		{ 51, &ret->env_end },
	};
	char buf[1024];
	int r;
	char *p = read_stat("/proc/self/stat", buf, sizeof(buf), &r);

	if (!p)
		return r;
	*ret = (struct prctl_mm_map){ .exe_fd = UINT32_MAX };
	for (size_t i = 0, field = 3; i < KS_ARRAY_LEN(wanted); i++) {
		for (; field < (size_t)wanted[i].field; field++) {
			p = strchr(p, ' ');
			if (!p)
				return -EIO;
			p++;
		}
		*wanted[i].value = strtoull(p, NULL, 10);
		if (!*wanted[i].value)
			return -EACCES;
	}
	ret->brk = (uintptr_t)sbrk(0);
	return 0;
}

int ks_process_start_time(pid_t pid, uint64_t *ret)
{
	char path[64], buf[1024];
	int r;

	ks_fmt(path, sizeof(path), "/proc/%d/stat", pid);
	char *p = read_stat(path, buf, sizeof(buf), &r);

	if (!p)
		return r == -ENOENT ? -ESRCH : r;
	char state = *p;

	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
		/* A first thread that has ended is no dead process while others run. */
		if (field + 1 == 20 && (state == 'X' || (state == 'Z' && strtol(p, NULL, 10) <= 1)))
			return -ESRCH;
	}
	p[strcspn(p, " \n")] = '\0';
	return ks_parse_u64(p, UINT64_MAX, ret);
}

bool ks_process_alive(pid_t pid, uint64_t start_time)
{
	uint64_t now;

	return pid > 0 && ks_process_start_time(pid, &now) == 0 && now == start_time;
}

const char *ks_process_comm(pid_t pid, char buf[static 17])
{
	char path[64];

	ks_fmt(path, sizeof(path), "/proc/%d/comm", pid);
	if (read_small(path, buf, 17) <= 0)
		return memcpy(buf, "?", 2);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

/* The line of /proc/self/uid_map that has this process' id: inside, outside, size. */
static int read_uid_map(uint64_t ret[static 3])
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv lines, words;
	char *text;

	if (ks_file_read_at(&a, AT_FDCWD, "/proc/self/uid_map", 65536, &text, NULL) < 0 ||
	    ks_str_split(&a, text, '\n', &lines) < 0)
		return -EIO;
	for (size_t i = 0; i < lines.n; i++) {
		size_t n = 0;

		if (ks_str_split(&a, lines.v[i], ' ', &words) < 0)
			return -EIO;
		/* Aligned by blanks: the words between them are the numbers. */
		for (size_t k = 0; k < words.n; k++)
			if (*words.v[k] &&
			    (n == 3 || ks_parse_u64(words.v[k], UINT32_MAX, &ret[n++]) < 0))
				return -EIO;
		if (n == 3 && geteuid() >= ret[0] && geteuid() - ret[0] < ret[2])
			return 0;
	}
	return -ENOENT;
}

/* Read once, until this process has changed its namespace. */
static struct {
	bool known, initial;
	uid_t outer;
} userns;

static void look(void)
{
	uint64_t m[3];

	if (userns.known)
		return;
	int r = read_uid_map(m);

	userns.known = true;
	/* All ids to themselves; what cannot be read is no reason to tolerate anything. */
	userns.initial = r != 0 || (m[0] == 0 && m[1] == 0 && m[2] == UINT32_MAX);
	userns.outer = r == 0 ? (uid_t)(geteuid() - m[0] + m[1]) : geteuid();
}

void ks_userns_changed(void)
{
	userns.known = false;
}

bool ks_userns_is_initial(void)
{
	look();
	return userns.initial;
}

uid_t ks_outer_uid(void)
{
	look();
	return userns.outer;
}

/* What a user's own systemd is reached by; nothing else of the caller's environment. */
static char *inherited(const char *name, char *buf, size_t size)
{
	const char *value = getenv(name);

	ks_fmt(buf, size, "%s=%s", name, value ? value : "");
	return value ? buf : NULL;
}

static void exec_tool(char *const argv[], const int *keep)
{
	static const char *const dirs[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };
	static char runtime_dir[256], bus[512];
	char *env[5] = { (char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
			 (char *)(uintptr_t) "LC_ALL=C" };
	size_t n = 2;
	char path[256];
	sigset_t none;

	env[n] = inherited("XDG_RUNTIME_DIR", runtime_dir, sizeof(runtime_dir));
	n += env[n] != NULL;
	env[n] = inherited("DBUS_SESSION_BUS_ADDRESS", bus, sizeof(bus));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (; keep && *keep >= 0; keep++)
		if (fcntl(*keep, F_SETFD, 0) < 0)
			_exit(125);
	for (size_t i = 0; i < KS_ARRAY_LEN(dirs); i++) {
		ks_fmt(path, sizeof(path), "%s/%s", dirs[i], argv[0]);
		execve(path, argv, env);
	}
	_exit(127);
}

int ks_tool_start(char *const argv[], int in_fd, int out_fd, int err_fd, pid_t *ret,
		  struct ks_err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return ks_err_set(err, -errno, "fork for %s", argv[0]);
	if (pid == 0) {
		if (dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0)
			_exit(125);
		exec_tool(argv, NULL);
	}
	*ret = pid;
	return 0;
}

/* Keeps the first bytes and reads the rest away, so that the program never blocks. */
static void collect(int fd, char *buf, size_t size)
{
	size_t len = 0;
	char drain[1024];

	for (;;) {
		bool full = len + 1 == size;
		ssize_t n = full ? read(fd, drain, sizeof(drain)) :
				   read(fd, buf + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (!full)
			len += (size_t)n;
	}
	buf[len] = '\0';
}

int ks_tool_run(struct ks_arena *a, char *const argv[], const int *keep, struct ks_tool *ret,
		struct ks_err *err)
{
	int pipe_fd[2];
	int status;
	char *out = ks_arena_alloc(a, TOOL_OUTPUT_MAX);

	if (!out)
		return ks_err_oom(err);
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return ks_err_set(err, -errno, "make a pipe");
	pid_t pid = fork();

	if (pid == 0) {
		if (ks_fd_stdio_null() < 0 || dup2(pipe_fd[1], 1) < 0 || dup2(pipe_fd[1], 2) < 0)
			_exit(125);
		exec_tool(argv, keep);
	}
	int saved = errno;

	close(pipe_fd[1]);
	if (pid > 0)
		collect(pipe_fd[0], out, TOOL_OUTPUT_MAX);
	close(pipe_fd[0]);
	if (pid < 0)
		return ks_err_set(err, -saved, "fork for %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return ks_err_set(err, -errno, "wait for %s", argv[0]);
	ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	ret->output = out;
	if (ret->status == 127)
		return ks_err_set(err, -ENOENT, "run %s (is its package installed?)", argv[0]);
	return 0;
}

static int days_in(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (leap && month == 2);
}

/* Of a time since 1970. gmtime_r(3) would read /etc/localtime first, at each start of a container.
 */
static void write_rfc3339(char buf[static 40], int64_t seconds, long ns)
{
	int64_t left = seconds / 86400;
	int rest = (int)(seconds % 86400), year = 1970, month = 1;

	while (left >= days_in(year, month)) {
		left -= days_in(year, month);
		month = month % 12 + 1;
		year += month == 1;
	}
	ks_fmt(buf, 40, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", year, month, (int)left + 1,
	       rest / 3600, rest / 60 % 60, rest % 60, ns);
}

uint64_t ks_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

const char *ks_now_rfc3339(char buf[static 40])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	write_rfc3339(buf, ts.tv_sec, ts.tv_nsec);
	return buf;
}

int ks_random_hex(char *buf, size_t n)
{
	unsigned char raw[64];

	if (n > sizeof(raw))
		return -EINVAL;
	if (getrandom(raw, n, 0) != (ssize_t)n)
		return -EIO;
	for (size_t i = 0; i < n; i++)
		buf[i] = "0123456789abcdef"[raw[i] & 15];
	buf[n] = '\0';
	return 0;
}

int ks_random_uuid(char buf[static 37])
{
	char hex[33];

	if (ks_random_hex(hex, 32) < 0)
		return -EIO;
	hex[12] = '4';
	hex[16] = "89ab"[hex[16] & 3];
	ks_fmt(buf, 37, "%.*s-%.*s-%.*s-%.*s-%.*s", 8, hex, 4, hex + 8, 4, hex + 12, 4, hex + 16,
	       12, hex + 20);
	return 0;
}
