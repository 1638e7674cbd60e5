/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's processes, written to files by criu.
 *
 * What is in them is the processes, their memory, and the file systems that are the container's
 * alone, such as its tmpfs. What it was lent, by bind mounts and volumes, is only named there.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/path.h>

#include "checkpoint.h"
#include "lifecycle.h"

#define MOUNTINFO_BYTES (16U << 20)

/* A checkpoint in the making; strings are in the arena of the opened container. */
struct dump {
	struct ks_opened o;
	struct ks_spec spec;
	struct ks_cgroup cg;
	struct ks_criu_dirs dirs;
	int root_fd; /* the container's root; owned */
	struct ks_strv external;
	Criu__Opts opts;
};

static int add_mount(struct dump *d, const char *target, struct ks_err *err)
{
	char path[PATH_MAX], link[64], real[PATH_MAX];
	ssize_t n = -1;

	if (ks_path_clean(target, path, sizeof(path)) < 0)
		return ks_err_set(err, -ENAMETOOLONG, "mounts: destination");
	/* Where links of the image have led it: criu knows that place, config.json the name. */
	ks_auto_fd int fd = ks_path_open(d->root_fd, path, O_PATH);

	if (fd >= 0) {
		ks_fmt(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, real, sizeof(real) - 1);
	}
	real[n > 0 ? n : 0] = '\0';
	return ks_criu_add_mount(&d->o.arena, &d->external, n > 0 ? real : path, path) < 0 ?
		       ks_err_oom(err) :
		       0;
}

/* On v1 each hierarchy below is a mount of the host's. */
static int add_cgroups(struct dump *d, const char *target, struct ks_err *err)
{
	const struct ks_cgroup_host *h = &d->cg.host;
	int r = 0;

	for (size_t i = 0; i < h->n_v1 + (h->v2_mount != NULL) && r == 0; i++) {
		const char *name = i < h->n_v1 ? h->v1[i].name : "unified";
		const char *path = ks_arena_printf(&d->o.arena, "%s/%s", target, name);

		r = path ? add_mount(d, path, err) : ks_err_oom(err);
	}
	return r;
}

static int add_mounts(struct dump *d, struct ks_err *err)
{
	const struct ks_spec_mount *v = d->spec.mounts.v;
	int r = 0;

	for (size_t i = 0; i < d->spec.mounts.n && r == 0; i++) {
		struct ks_mount_opts opts = { 0 };

		r = ks_mount_parse_options(&d->o.arena, &v[i].options, &opts, err);
		if (r < 0 || opts.remount)
			continue;
		if (opts.bind || ks_streq(v[i].type, "bind"))
			r = add_mount(d, v[i].destination, err);
		else if (ks_streq(v[i].type, "cgroup") && !d->cg.host.v2)
			r = add_cgroups(d, v[i].destination, err);
	}
	return r;
}

/* A masked file is the host's null device; a masked directory is a tmpfs, which criu dumps. */
static int add_masked(struct dump *d, struct ks_err *err)
{
	const struct ks_strv *v = &d->spec.lnx.masked_paths;
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < v->n && r == 0; i++) {
		ks_auto_fd int fd = ks_path_open(d->root_fd, v->v[i], O_PATH);

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
		    st.st_rdev == makedev(1, 3))
			r = add_mount(d, v->v[i], err);
	}
	return r;
}

/* In a user namespace the nodes of /dev are bound from the host's. */
static int add_devices(struct dump *d, struct ks_err *err)
{
	struct ks_create c = { 0 };
	struct ks_plan p;
	int r = 0;

	if (!ks_spec_namespace(&d->spec, KS_NS_USER))
		return 0;
	ks_plan_empty(&p);
	p.make_dev = true;
	r = ks_plan_devices(&d->o.arena, &c, &d->spec, &p, err);
	for (size_t i = 0; i < p.n_devices && r == 0; i++)
		r = add_mount(d, p.devices[i].path, err);
	ks_plan_done(&p);
	return r;
}

static int add_volumes(struct dump *d, const struct ks_storage *storage, struct ks_err *err)
{
	struct ks_strv targets = { 0 };
	int r = 0;

	if (!d->o.c.storage || !storage)
		return 0;
	r = storage->targets(storage->data, &d->o.arena, &d->spec, d->o.c.id, &targets, err);
	for (size_t i = 0; i < targets.n && r == 0; i++)
		r = add_mount(d, targets.v[i], err);
	return r;
}

/* One that is shared with others is theirs: it is joined again. */
static int add_namespaces(struct dump *d, struct ks_err *err)
{
	const struct ks_spec_namespace *v = d->spec.lnx.namespaces.v;

	for (size_t i = 0; i < d->spec.lnx.namespaces.n; i++) {
		enum ks_ns type = (enum ks_ns)v[i].type;
		char path[64];
		struct stat st;

		if (ks_str_empty(v[i].path) || type == KS_NS_IPC || type == KS_NS_UTS)
			continue;
		if (type != KS_NS_NETWORK && type != KS_NS_PID)
			return ks_err_kind(err, KS_ERR_UNSUPPORTED,
					   "checkpoint: a %s namespace that was joined by its path "
					   "is not supported",
					   ks_ns_proc_name(type));
		ks_fmt(path, sizeof(path), "/proc/%d/ns/%s", (int)d->o.c.pid.v,
		       ks_ns_proc_name(type));
		if (stat(path, &st) < 0)
			return ks_err_set(err, -errno, "look at %s", path);
		const char *text = ks_arena_printf(&d->o.arena, "%s[%llu]:%s",
						   ks_ns_proc_name(type),
						   (unsigned long long)st.st_ino,
						   type == KS_NS_PID ? KS_EXT_PID : KS_EXT_NET);

		if (!text || ks_strv_append(&d->o.arena, &d->external, text) < 0)
			return ks_err_oom(err);
	}
	return 0;
}

/* Whether a mount of that id is in a table of /proc/PID/mountinfo. */
static bool has_mount(const char *table, uint64_t id)
{
	char start[24];
	size_t n = (size_t)ks_fmt(start, sizeof(start), "\n%llu ", (unsigned long long)id);

	return strncmp(table, start + 1, n - 1) == 0 || strstr(table, start);
}

/* On which mount a descriptor is open. */
static int mount_of(struct dump *d, int fd, uint64_t *ret, struct ks_err *err)
{
	char path[64];
	char *text;

	ks_fmt(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)d->o.c.pid.v, fd);
	int r = ks_file_read_at(&d->o.arena, AT_FDCWD, path, 65536, &text, NULL);
	char *line = r == 0 ? strstr(text, "mnt_id:\t") : NULL;

	if (line) {
		line += strlen("mnt_id:\t");
		line[strcspn(line, "\n")] = '\0';
	}
	if (r < 0 || !line || ks_parse_u64(line, UINT32_MAX, ret) < 0)
		return ks_err_set(err, r < 0 ? r : -EIO, "read %s", path);
	return 0;
}

/*
 * The name of a standard stream that is a file of the host's, such as a FIFO of an engine: criu
 * is told of it by it, and does not look for it. "" for any other.
 */
static int name_outside(struct dump *d, const char *table, int fd, const char **ret,
			struct ks_err *err)
{
	char path[64];
	struct stat st;
	uint64_t mount = 0;

	*ret = "";
	ks_fmt(path, sizeof(path), "/proc/%d/fd/%d", (int)d->o.c.pid.v, fd);
	if (stat(path, &st) < 0 || (!S_ISFIFO(st.st_mode) && !S_ISREG(st.st_mode)))
		return 0;
	int r = mount_of(d, fd, &mount, err);

	if (r < 0 || has_mount(table, mount))
		return r;
	*ret = ks_arena_printf(&d->o.arena, "file[%llx:%llx]", (unsigned long long)mount,
			       (unsigned long long)st.st_ino);
	return *ret ? 0 : ks_err_oom(err);
}

/* A pipe has a name by itself. */
static int name_stream(struct dump *d, const char *table, int fd, const char **ret,
		       struct ks_err *err)
{
	char path[64], link[PATH_MAX];

	ks_fmt(path, sizeof(path), "/proc/%d/fd/%d", (int)d->o.c.pid.v, fd);
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	if (ks_str_prefix(link, "pipe:[")) {
		*ret = ks_arena_strdup(&d->o.arena, link);
		return *ret ? 0 : ks_err_oom(err);
	}
	int r = name_outside(d, table, fd, ret, err);

	if (r == 0 && **ret && ks_strv_append(&d->o.arena, &d->external, *ret) < 0)
		r = ks_err_oom(err);
	return r;
}

/* What its standard streams were: a restore puts the caller's into the place of those. */
static int save_stdio(struct dump *d, struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out out = { 0 };
	char path[64];
	char *table;

	ks_fmt(path, sizeof(path), "/proc/%d/mountinfo", (int)d->o.c.pid.v);
	int r = ks_file_read_at(&d->o.arena, AT_FDCWD, path, MOUNTINFO_BYTES, &table, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	ks_json_open(&out, NULL, '[');
	for (int i = 0; i < 3 && r == 0; i++) {
		const char *name = "";

		r = name_stream(d, table, i, &name, err);
		ks_json_put_str(&out, NULL, name);
	}
	ks_json_close(&out, ']');
	if (r < 0)
		return r;
	if (out.buf.failed)
		return ks_err_oom(err);
	ks_auto_fd int fd = openat(d->dirs.image_fd, "descriptors.json",
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	r = fd < 0 ? -errno : ks_fd_write_all(fd, out.buf.data, out.buf.len);
	return r < 0 ? ks_err_set(err, r, "write descriptors.json of the checkpoint") : 0;
}

static int prepare(struct dump *d, const struct ks_checkpoint *k, const struct ks_storage *storage,
		   struct ks_err *err)
{
	char path[64];
	int r;

	ks_fmt(path, sizeof(path), "/proc/%d/root", (int)d->o.c.pid.v);
	d->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->root_fd < 0)
		return ks_err_set(err, -errno, "open the container's root");
	r = add_mounts(d, err);
	if (r == 0)
		r = add_masked(d, err);
	if (r == 0)
		r = add_devices(d, err);
	if (r == 0)
		r = add_volumes(d, storage, err);
	if (r == 0)
		r = add_namespaces(d, err);
	if (r == 0 && !k->pre_dump)
		r = save_stdio(d, err);
	if (r < 0)
		return r;
	d->opts.external = d->external.v;
	d->opts.n_external = d->external.n;
	d->opts.root = (char *)(uintptr_t)d->o.c.rootfs;
	if (d->o.c.freezer) {
		char *dir = ks_arena_strdup(&d->o.arena, d->o.c.freezer);
		char *slash = dir ? strrchr(dir, '/') : NULL;

		if (!dir)
			return ks_err_oom(err);
		if (!slash)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "record of the container: freezer: \"%s\" is no path",
					   dir);
		*slash = '\0';
		d->opts.freeze_cgroup = dir;
	}
	return 0;
}

/* The images of an earlier checkpoint lie beside these, and are named from within them. */
static int check_parent(const struct ks_checkpoint *k, const struct ks_criu_dirs *dirs,
			struct ks_err *err)
{
	struct stat st;

	if (!k->parent_path)
		return 0;
	if (k->parent_path[0] == '/')
		return ks_err_kind(err, KS_ERR_INVALID,
				   "the parent path %s must be relative to the image path",
				   k->parent_path);
	if (fstatat(dirs->image_fd, k->parent_path, &st, 0) < 0)
		return ks_err_set(err, -errno, "parent path %s below %s", k->parent_path,
				  k->image_path);
	return S_ISDIR(st.st_mode) ? 0 :
				     ks_err_kind(err, KS_ERR_INVALID,
						 "parent path %s is no directory", k->parent_path);
}

static int open_living(struct dump *d, int root_fd, const char *id, struct ks_err *err)
{
	ks_auto_fd int pidfd = -EBADF;
	int r = ks_opened_open(root_fd, id, true, &d->o, err);
	enum ks_status status = r == 0 ? ks_opened_status(&d->o) : KS_STATUS_CREATING;

	if (r == 0 && status != KS_STATUS_RUNNING && status != KS_STATUS_PAUSED)
		r = ks_err_kind(err, KS_ERR_STATE, "cannot checkpoint container \"%s\": it is %s",
				id, ks_status_name(status));
	if (r == 0)
		r = ks_opened_init(&d->o, &pidfd, err);
	if (r == 0)
		r = ks_spec_load(&d->o.arena, d->o.dir_fd, "config.json", &d->spec, err);
	return r < 0 ? r : ks_opened_cgroup(&d->o, &d->cg, err);
}

/*
 * For a restore in a user namespace: at first criu has nothing there but its group, see
 * map_images() of restore.c. Returns the umask for the images.
 */
static mode_t admit_group(int dir_fd)
{
	struct stat st;

	if (fstat(dir_fd, &st) == 0 && st.st_gid == 0)
		(void)fchmod(dir_fd, (st.st_mode & 07777) | 0050);
	return 0027;
}

static int dump(struct dump *d, int root_fd, const char *id, const struct ks_checkpoint *k,
		const struct ks_storage *storage, struct ks_err *err)
{
	struct ks_criu_call call = { .type = k->pre_dump ? KS_CRIU_PRE_DUMP : KS_CRIU_DUMP,
				     .opts = &d->opts };
	int keep[4] = { -1, -1, k->status_fd, -1 };
	int r = open_living(d, root_fd, id, err);

	if (r == 0)
		r = ks_criu_dirs_open(k, 0700, &d->dirs, err);
	if (r == 0)
		r = check_parent(k, &d->dirs, err);
	if (r == 0)
		r = ks_criu_options(&d->o.arena, k, &d->dirs, "dump.log", &d->opts, err);
	if (r == 0)
		r = prepare(d, k, storage, err);
	if (r < 0)
		return r;
	call.umask = 0077;
	if (ks_spec_namespace(&d->spec, KS_NS_USER))
		call.umask = admit_group(d->dirs.image_fd);
	keep[0] = d->dirs.image_fd;
	keep[1] = d->dirs.work_fd;
	d->opts.has_pid = true;
	d->opts.pid = (int32_t)d->o.c.pid.v;
	d->opts.has_leave_running = true;
	d->opts.leave_running = k->leave_running || k->pre_dump;
	d->opts.has_track_mem = true;
	d->opts.track_mem = k->pre_dump || k->parent_path;
	d->opts.parent_img = (char *)(uintptr_t)k->parent_path;
	call.keep = keep;
	call.work_path = d->dirs.work_path;
	ks_crash_point("checkpoint");
	return ks_criu_call(&call, err);
}

int ks_container_checkpoint(int root_fd, const char *id, const struct ks_checkpoint *k,
			    const struct ks_storage *storage, const struct ks_warnings *warn,
			    struct ks_err *err)
{
	struct dump d = { .o = { .dir_fd = -EBADF, .lock_fd = -EBADF },
			  .dirs = KS_CRIU_DIRS_INIT,
			  .root_fd = -EBADF };
	int r = ks_criu_check_root(err);

	if (r == 0)
		r = dump(&d, root_fd, id, k, storage, err);
	/* Under the same lock: by its name alone it could be another one by then. */
	if (r == 0 && warn && !d.opts.leave_running)
		r = ks_opened_delete(&d.o, root_fd, id, storage, warn, err);
	ks_fd_close(d.root_fd);
	ks_criu_dirs_done(&d.dirs);
	ks_opened_done(&d.o);
	return r < 0 ? ks_err_prefix(err, r, "checkpoint") : 0;
}
