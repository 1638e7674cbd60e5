/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has a device mounted. Every process is asked, since the mount may be in
 * any mount namespace; of one namespace only one process is named.
 *
 * libmount is opened when it is needed: it draws in four more libraries,
 * which would cost each start of a container more than its namespaces do. In a
 * static program that works with the C library that it was built with; a
 * process of its own is all that another one can bring down.
 */
#include <kshim/mount.h>

#include <dirent.h>
#include <dlfcn.h>
#include <libmount/libmount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#define MAX_NAMED 3
#define MAX_SEEN  256

struct lib {
	void *handle;
	__typeof__(mnt_new_table_from_file) *new_table;
	__typeof__(mnt_table_find_devno) *find_devno;
	__typeof__(mnt_unref_table) *unref_table;
};

static int open_lib(struct lib *l)
{
	l->handle = dlopen("libmount.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!l->handle)
		return -ENOSYS;
	*(void **)&l->new_table = dlsym(l->handle, "mnt_new_table_from_file");
	*(void **)&l->find_devno = dlsym(l->handle, "mnt_table_find_devno");
	*(void **)&l->unref_table = dlsym(l->handle, "mnt_unref_table");
	if (!l->new_table || !l->find_devno || !l->unref_table) {
		dlclose(l->handle);
		return -ENOSYS;
	}
	return 0;
}

static bool has_device(const struct lib *l, pid_t pid, dev_t dev)
{
	char path[64];

	ks_fmt(path, sizeof(path), "/proc/%d/mountinfo", pid);
	struct libmnt_table *tb = l->new_table(path);
	bool found = tb && l->find_devno(tb, dev, MNT_ITER_FORWARD);

	l->unref_table(tb);
	return found;
}

/* Whether the mount namespace of @pid was looked at before; remembers it. */
static bool seen_before(pid_t pid, ino_t *seen, size_t *n)
{
	char path[64];
	struct stat st;

	ks_fmt(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (stat(path, &st) < 0)
		return true;
	for (size_t i = 0; i < *n; i++)
		if (seen[i] == st.st_ino)
			return true;
	if (*n < MAX_SEEN)
		seen[(*n)++] = st.st_ino;
	return false;
}

static int find_holders(dev_t dev, char *buf, size_t size)
{
	ino_t seen[MAX_SEEN];
	size_t n_seen = 0, len = 0;
	struct lib lib;
	int found = 0;

	buf[0] = '\0';
	int r = open_lib(&lib);

	if (r < 0)
		return r;
	DIR *proc = opendir("/proc");

	for (struct dirent *e = proc ? readdir(proc) : NULL; e; e = readdir(proc)) {
		char comm[17];
		uint64_t pid;

		if (ks_parse_u64(e->d_name, INT32_MAX, &pid) < 0 ||
		    seen_before((pid_t)pid, seen, &n_seen) || !has_device(&lib, (pid_t)pid, dev))
			continue;
		if (found++ < MAX_NAMED)
			len += ks_fmt(buf + len, size - len, "%s%s (pid %d)", len ? ", " : "",
				      ks_process_comm((pid_t)pid, comm), (int)pid);
	}
	if (proc)
		closedir(proc);
	dlclose(lib.handle);
	return found;
}

int ks_mount_holders(dev_t dev, char *buf, size_t size)
{
	struct {
		int found;
		char text[512];
	} answer = { 0 };
	int pair[2];

	buf[0] = '\0';
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();

	if (pid == 0) {
		answer.found = find_holders(dev, answer.text, sizeof(answer.text));
		_exit(ks_fd_write_all(pair[1], &answer, sizeof(answer)) < 0);
	}
	int r = pid < 0 ? -errno : 0;

	close(pair[1]);
	/* Less than a page: it comes whole, or, when the process died, not at all. */
	if (r == 0 && read(pair[0], &answer, sizeof(answer)) != sizeof(answer))
		r = -ENOSYS;
	close(pair[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	ks_fmt(buf, size, "%s", answer.text);
	return answer.found;
}
