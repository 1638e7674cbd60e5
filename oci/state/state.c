/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/state.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/lock.h>

#define RECORD	   "state.json"
#define LOCK_NAME  "lock"
#define LOCK_MS	   10000
#define RECORD_MAX (4U << 20)

const char *ks_status_name(enum ks_status s)
{
	static const char *const names[] = { "creating", "created", "running", "paused",
					     "stopped" };

	return names[s];
}

int ks_state_open_root(const char *path, int *ret_fd, struct ks_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		int r = ks_mkdir_p_at(AT_FDCWD, path, 0700);

		if (r < 0)
			return ks_err_set(err, r, "make the runtime root %s", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return ks_err_set(err, -errno, "open the runtime root %s", path);
	struct stat st;

	/* What a record says is done: a hook is run, a process killed, a cgroup removed. */
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || st.st_mode & 022) {
		ks_fd_close(fd);
		return ks_err_kind(
			err, KS_ERR_DENIED,
			"the runtime root %s must be of user %u, who calls, and writable "
			"for nobody else",
			path, geteuid());
	}
	*ret_fd = fd;
	return 0;
}

static int check_id(const char *id, struct ks_err *err)
{
	/* These two directories of the runtime root are no containers. */
	if (ks_streq(id, "pods") || ks_streq(id, "seccomp"))
		return ks_err_kind(err, KS_ERR_INVALID, "container id \"%s\" is reserved", id);
	if (ks_valid_id(id) && strlen(id) <= NAME_MAX)
		return 0;
	return ks_err_kind(err, KS_ERR_INVALID,
			   "container id \"%s\" is not valid: letters, digits, '_', '+', '-' and, "
			   "but first, '.' are allowed",
			   id);
}

static int open_dir(int root_fd, const char *id)
{
	int fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int ks_state_create(int root_fd, const char *id, int *ret_dir, int *ret_lock, struct ks_err *err)
{
	int r = check_id(id, err);

	if (r < 0)
		return r;
	if (mkdirat(root_fd, id, 0700) < 0) {
		if (errno == EEXIST)
			return ks_err_kind(err, KS_ERR_EXISTS, "container \"%s\" already exists",
					   id);
		return ks_err_set(err, -errno, "make the directory of container \"%s\"", id);
	}
	ks_auto_fd int dir = open_dir(root_fd, id);

	if (dir < 0)
		return ks_err_set(err, dir, "open the directory of container \"%s\"", id);
	r = ks_lock_open(dir, LOCK_NAME, 0, ret_lock, err);
	if (r == KS_LOCK_HELD)
		r = ks_err_kind(err, KS_ERR_BUSY, "container \"%s\" is being deleted", id);
	if (r < 0)
		return r;
	*ret_dir = KS_TAKE_FD(dir);
	return 0;
}

static int fail_absent(const char *id, struct ks_err *err)
{
	return ks_err_kind(err, KS_ERR_NOT_FOUND, "container \"%s\" does not exist", id);
}

int ks_state_open(int root_fd, const char *id, int *ret_dir, int *ret_lock, struct ks_err *err)
{
	struct stat st;
	int r = check_id(id, err);

	if (r < 0)
		return r;
	ks_auto_fd int dir = open_dir(root_fd, id);

	if (dir == -ENOENT)
		return fail_absent(id, err);
	if (dir < 0)
		return ks_err_set(err, dir, "open the directory of container \"%s\"", id);
	if (ret_lock) {
		ks_auto_fd int lock = -EBADF;

		r = ks_lock_open(dir, LOCK_NAME, LOCK_MS, &lock, err);
		if (r == -ENOENT)
			return fail_absent(id, err);
		if (r == KS_LOCK_HELD)
			return ks_err_kind(err, KS_ERR_BUSY,
					   "container \"%s\" is being changed by another command",
					   id);
		if (r < 0)
			return r;
		/* Deleted while we waited: the directory has no name any more. */
		if (fstat(dir, &st) < 0 || !st.st_nlink)
			return fail_absent(id, err);
		*ret_lock = KS_TAKE_FD(lock);
	}
	*ret_dir = KS_TAKE_FD(dir);
	return 0;
}

int ks_state_save(int dir_fd, const struct ks_container *c, struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out o = { .pretty = true };

	ks_json_open(&o, NULL, '{');
	ks_json_put_str(&o, "ociVersion", c->oci_version);
	ks_json_put_str(&o, "id", c->id);
	ks_json_put_str(&o, "bundle", c->bundle);
	ks_json_put_str(&o, "rootfs", c->rootfs);
	ks_json_put_str(&o, "created", c->created);
	ks_json_put_str(&o, "cgroupPath", c->cgroup_path);
	if (c->freezer)
		ks_json_put_str(&o, "freezer", c->freezer);
	if (c->storage)
		ks_json_put_str(&o, "storage", c->storage);
	ks_json_put_str(&o, "bootId", c->boot_id);
	ks_json_put_u64(&o, "owner", c->owner_uid);
	if (c->systemd)
		ks_json_put_bool(&o, "systemd", true);
	ks_json_put_bool(&o, "cgroupMade", c->cgroup_made);
	ks_json_put_bool(&o, "ownPidNamespace", c->own_pidns);
	ks_json_put_bool(&o, "noNewKeyring", c->no_new_keyring);
	if (c->personality.set)
		ks_json_put_u64(&o, "personality", c->personality.v);
	ks_json_put_bool(&o, "poststart", c->poststart);
	ks_json_put_bool(&o, "poststop", c->poststop);
	if (c->seccomp) {
		ks_json_put_str(&o, "seccomp", c->seccomp);
		ks_json_put_u64(&o, "seccompFlags", c->seccomp_flags);
		if (c->listener_path)
			ks_json_put_str(&o, "listenerPath", c->listener_path);
		if (c->listener_metadata)
			ks_json_put_str(&o, "listenerMetadata", c->listener_metadata);
	}
	if (c->resctrl) {
		ks_json_put_str(&o, "resctrl", c->resctrl);
		ks_json_put_bool(&o, "resctrlRemove", c->resctrl_remove);
		ks_json_put_bool(&o, "resctrlMonitor", c->resctrl_monitor);
		if (c->resctrl_inode.set)
			ks_json_put_u64(&o, "resctrlInode", c->resctrl_inode.v);
	}
	if (c->pid.set) {
		ks_json_put_u64(&o, "pid", c->pid.v);
		ks_json_put_u64(&o, "startTime", c->start_time.v);
	}
	ks_json_put_map(&o, "annotations", &c->annotations);
	ks_json_close(&o, '}');
	if (o.buf.failed)
		return ks_err_oom(err);
	ks_auto_fd int fd = openat(dir_fd, "." RECORD ".tmp",
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : ks_fd_write_all(fd, o.buf.data, o.buf.len);

	if (r == 0 && renameat(dir_fd, "." RECORD ".tmp", dir_fd, RECORD) < 0)
		r = -errno;
	return r < 0 ? ks_err_set(err, r, "write the record of container \"%s\"", c->id) : 0;
}

static const struct ks_json_field fields[] = {
	KS_STR(struct ks_container, oci_version, "ociVersion", KS_FIELD_REQUIRED),
	KS_STR(struct ks_container, id, "id", KS_FIELD_REQUIRED),
	KS_STR(struct ks_container, bundle, "bundle", KS_FIELD_REQUIRED),
	KS_STR(struct ks_container, rootfs, "rootfs", KS_FIELD_REQUIRED),
	KS_STR(struct ks_container, created, "created", KS_FIELD_REQUIRED),
	KS_STR(struct ks_container, cgroup_path, "cgroupPath", KS_FIELD_REQUIRED),
	KS_STR(struct ks_container, freezer, "freezer", 0),
	KS_STR(struct ks_container, storage, "storage", 0),
	KS_STR(struct ks_container, boot_id, "bootId", KS_FIELD_REQUIRED),
	KS_U32(struct ks_container, owner_uid, "owner", KS_FIELD_REQUIRED),
	KS_BOOL(struct ks_container, systemd, "systemd"),
	KS_BOOL(struct ks_container, cgroup_made, "cgroupMade"),
	KS_BOOL(struct ks_container, own_pidns, "ownPidNamespace"),
	KS_BOOL(struct ks_container, no_new_keyring, "noNewKeyring"),
	KS_BOOL(struct ks_container, poststart, "poststart"),
	KS_BOOL(struct ks_container, poststop, "poststop"),
	KS_STR(struct ks_container, seccomp, "seccomp", 0),
	KS_U32(struct ks_container, seccomp_flags, "seccompFlags", 0),
	KS_STR(struct ks_container, listener_path, "listenerPath", 0),
	KS_STR(struct ks_container, listener_metadata, "listenerMetadata", 0),
	KS_U64(struct ks_container, personality, "personality", 0),
	KS_STR(struct ks_container, resctrl, "resctrl", 0),
	KS_BOOL(struct ks_container, resctrl_remove, "resctrlRemove"),
	KS_BOOL(struct ks_container, resctrl_monitor, "resctrlMonitor"),
	KS_U64(struct ks_container, resctrl_inode, "resctrlInode", 0),
	KS_U64(struct ks_container, pid, "pid", 0),
	KS_U64(struct ks_container, start_time, "startTime", 0),
	KS_MAP(struct ks_container, annotations, "annotations"),
	KS_END,
};

int ks_state_load(struct ks_arena *a, int dir_fd, struct ks_container *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_container c = { 0 };
	struct ks_json *root;
	size_t len;
	char *text;
	int r = ks_file_read_at(a, dir_fd, RECORD, RECORD_MAX, &text, &len);

	if (r == -ENOENT)
		return KS_STATE_ABSENT;
	if (r < 0)
		return ks_err_set(err, r, "read the record of the container");
	r = ks_json_parse(a, text, len, RECORD, &root, err);
	if (r == 0)
		r = ks_json_decode(&ctx, root, fields, &c);
	if (r < 0)
		return ks_err_prefix(err, r, "record of the container");
	*ret = c;
	return 0;
}

bool ks_state_lives(const struct ks_container *c)
{
	char boot_id[KS_BOOT_ID_SIZE];

	/* A record of another boot can only tell of what is gone. */
	return c->pid.set && ks_process_alive((pid_t)c->pid.v, c->start_time.v) &&
	       ks_boot_id(boot_id, NULL) == 0 && ks_streq(boot_id, c->boot_id);
}

/* "1" in v2, FREEZING or FROZEN in v1. */
bool ks_state_frozen(const struct ks_container *c)
{
	char text[16];
	ks_auto_fd int fd = c->freezer ? open(c->freezer, O_RDONLY | O_CLOEXEC) : -EBADF;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	return n > 0 && (text[0] == '1' || text[0] == 'F');
}

enum ks_status ks_state_status(int dir_fd, const struct ks_container *c)
{
	if (!c->pid.set)
		return KS_STATUS_CREATING;
	if (!ks_state_lives(c))
		return KS_STATUS_STOPPED;
	if (ks_state_frozen(c))
		return KS_STATUS_PAUSED;
	if (faccessat(dir_fd, "start.sock", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return KS_STATUS_CREATED;
	return KS_STATUS_RUNNING;
}

int ks_state_remove(int root_fd, const char *id, struct ks_err *err)
{
	ks_auto_fd int dir = open_dir(root_fd, id);

	if (dir < 0)
		return dir == -ENOENT ? 0 : ks_err_set(err, dir, "open container \"%s\"", id);
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		ks_fd_close(copy);
		return ks_err_set(err, -errno, "list container \"%s\"", id);
	}
	int r = 0;

	for (struct dirent *e = readdir(d); e && r == 0; e = readdir(d)) {
		/* The record behind the rest, so that it can be found again; the lock last. */
		if (ks_streq(e->d_name, ".") || ks_streq(e->d_name, "..") ||
		    ks_streq(e->d_name, RECORD) || ks_streq(e->d_name, LOCK_NAME))
			continue;
		if (unlinkat(dir, e->d_name, 0) < 0 && errno != ENOENT)
			r = ks_err_set(err, -errno, "remove %s of container \"%s\"", e->d_name, id);
	}
	closedir(d);
	if (r < 0)
		return r;
	if (unlinkat(dir, RECORD, 0) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove the record of container \"%s\"", id);
	if (unlinkat(dir, LOCK_NAME, 0) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove the lock of container \"%s\"", id);
	if (unlinkat(root_fd, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove the directory of container \"%s\"", id);
	return 0;
}

int ks_state_list(struct ks_arena *a, int root_fd, struct ks_strv *ret, struct ks_err *err)
{
	int copy = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct stat st;
	int r = 0;

	if (!d) {
		ks_fd_close(copy);
		return ks_err_set(err, -errno, "list the runtime root");
	}
	for (struct dirent *e = readdir(d); e && r == 0; e = readdir(d)) {
		char path[NAME_MAX + 8];

		if (!ks_valid_id(e->d_name))
			continue;
		/* "pods" and "seccomp" are directories of ours without a lock. */
		ks_fmt(path, sizeof(path), "%s/" LOCK_NAME, e->d_name);
		if (fstatat(root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (ks_strv_append(a, ret, e->d_name) < 0)
			r = ks_err_oom(err);
	}
	closedir(d);
	ks_strv_sort(ret);
	return r;
}

const char *ks_state_owner(const struct ks_container *c, char buf[static 16])
{
	if (!c->owner_uid)
		return "root";
	ks_fmt(buf, 16, "%u", c->owner_uid);
	return buf;
}

void ks_state_put_oci(const struct ks_container *c, enum ks_status status, struct ks_json_out *o)
{
	char owner[16];

	ks_json_put_str(o, "ociVersion", c->oci_version);
	ks_json_put_str(o, "id", c->id);
	ks_json_put_u64(o, "pid", status == KS_STATUS_STOPPED ? 0 : c->pid.v);
	ks_json_put_str(o, "status", ks_status_name(status));
	ks_json_put_str(o, "bundle", c->bundle);
	ks_json_put_str(o, "rootfs", c->rootfs);
	ks_json_put_str(o, "created", c->created);
	ks_json_put_str(o, "owner", ks_state_owner(c, owner));
	if (c->annotations.n)
		ks_json_put_map(o, "annotations", &c->annotations);
}

void ks_state_write_oci(const struct ks_container *c, enum ks_status status, struct ks_json_out *o)
{
	ks_json_open(o, NULL, '{');
	ks_state_put_oci(c, status, o);
	ks_json_close(o, '}');
}
