/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "checkpoint.h"

#define LOG_LEVEL 4 /* criu's own for "debug": without it a failure cannot be understood */

const struct ks_json_name ks_criu_cgroup_modes[] = {
	{ "soft", 3 }, { "full", 4 }, { "strict", 5 }, { "ignore", KS_CRIU_CG_IGNORE }, { 0 }
};

const struct ks_json_name ks_criu_network_locks[] = {
	{ "iptables", 1 }, { "nftables", 2 }, { "skip", 3 }, { 0 }
};

int ks_criu_number(const char *what, const char *name, const struct ks_json_name *names, int *ret,
		   struct ks_err *err)
{
	char known[128] = "";
	size_t len = 0;

	for (const struct ks_json_name *n = names; n->name; n++) {
		if (ks_streq(n->name, name)) {
			*ret = n->value;
			return 0;
		}
		len += ks_fmt(known + len, sizeof(known) - len, "%s%s", len ? ", " : "", n->name);
	}
	return ks_err_kind(err, KS_ERR_INVALID, "%s: \"%.*s\" is not one of %s", what, 200, name,
			   known);
}

int ks_criu_check_root(struct ks_err *err)
{
	if (geteuid() != 0 || !ks_userns_is_initial())
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "checkpoint and restore are for root of the host alone");
	return 0;
}

void ks_criu_dirs_done(struct ks_criu_dirs *d)
{
	d->image_fd = ks_fd_close(d->image_fd);
	d->work_fd = ks_fd_close(d->work_fd);
}

static int open_dir(const char *path, mode_t mode, const char *what, int *ret, struct ks_err *err)
{
	int r = mode ? ks_mkdir_p_at(AT_FDCWD, path, mode) : 0;

	if (r < 0)
		return ks_err_set(err, r, "make the %s directory %s", what, path);
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? ks_err_set(err, -errno, "open the %s directory %s", what, path) : 0;
}

/* criu writes these as root: where the directory came from elsewhere, they could be links. */
static int check_work(const struct ks_criu_dirs *d, struct ks_err *err)
{
	static const char *const files[] = { "dump.log", "restore.log", "stats-dump",
					     "stats-restore" };
	struct stat st;

	for (size_t i = 0; i < KS_ARRAY_LEN(files); i++)
		if (fstatat(d->work_fd, files[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    !S_ISREG(st.st_mode))
			return ks_err_kind(err, KS_ERR_DENIED, "%s/%s is no regular file",
					   d->work_path, files[i]);
	return 0;
}

int ks_criu_dirs_open(const struct ks_checkpoint *k, mode_t mode, struct ks_criu_dirs *ret,
		      struct ks_err *err)
{
	int r = open_dir(k->image_path, mode, "image", &ret->image_fd, err);

	ret->work_path = k->work_path ? k->work_path : k->image_path;
	if (r == 0)
		r = open_dir(ret->work_path, 0700, "work", &ret->work_fd, err);
	return r < 0 ? r : check_work(ret, err);
}

static int reopen(int fd, const char *path, struct ks_err *err)
{
	ks_auto_fd int here = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat a, b;

	if (here < 0 || fstat(here, &a) < 0 || fstat(fd, &b) < 0)
		return ks_err_set(err, -errno, "open %s again", path);
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return ks_err_kind(err, KS_ERR_STATE, "%s is another directory by now", path);
	return dup2(here, fd) < 0 ? ks_err_set(err, -errno, "open %s again", path) : 0;
}

int ks_criu_dirs_reopen(const struct ks_checkpoint *k, const struct ks_criu_dirs *d,
			struct ks_err *err)
{
	int r = reopen(d->image_fd, k->image_path, err);

	return r < 0 ? r : reopen(d->work_fd, d->work_path, err);
}

/* An operator's own settings: what is said here they cannot say of a container's annotations. */
static const char *config_file(void)
{
	static const char *const files[] = { "/etc/criu/kshim.conf", "/etc/criu/runc.conf" };

	for (size_t i = 0; i < KS_ARRAY_LEN(files); i++)
		if (access(files[i], R_OK) == 0)
			return files[i];
	return NULL;
}

static int add_page_server(struct ks_arena *a, const struct ks_checkpoint *k, Criu__Opts *o,
			   struct ks_err *err)
{
	Criu__PageServer *ps = KS_ARENA_NEW(a, Criu__PageServer);

	if (!ps)
		return ks_err_oom(err);
	criu__page_server__init(ps);
	ps->address = (char *)(uintptr_t)k->page_server;
	ps->has_port = true;
	ps->port = k->page_server_port;
	o->ps = ps;
	return 0;
}

#define SET(field, value) (o->has_##field = true, o->field = (value))

int ks_criu_options(struct ks_arena *a, const struct ks_checkpoint *k, const struct ks_criu_dirs *d,
		    const char *log, Criu__Opts *o, struct ks_err *err)
{
	criu__opts__init(o);
	o->images_dir_fd = d->image_fd;
	SET(work_dir_fd, d->work_fd);
	SET(log_level, LOG_LEVEL);
	o->log_file = (char *)(uintptr_t)log;
	o->config_file = (char *)(uintptr_t)config_file();
	SET(ext_unix_sk, k->ext_unix_sk);
	SET(tcp_established, k->tcp_established);
	SET(tcp_skip_in_flight, k->tcp_skip_in_flight);
	SET(shell_job, k->shell_job);
	SET(file_locks, k->file_locks);
	SET(link_remap, k->link_remap);
	SET(auto_dedup, k->auto_dedup);
	SET(lazy_pages, k->lazy_pages);
	SET(orphan_pts_master, true);
	SET(notify_scripts, true);
	SET(manage_cgroups, true);
	if (k->has_cgroup_mode)
		SET(manage_cgroups_mode, k->cgroup_mode);
	if (k->network_lock)
		SET(network_lock, k->network_lock);
	/* Interfaces and addresses are the network plugin's, as with the peers. */
	SET(empty_ns, CLONE_NEWNET);
	if (k->status_fd >= 0)
		SET(status_fd, k->status_fd);
	o->lsm_profile = (char *)(uintptr_t)k->lsm_profile;
	o->lsm_mount_context = (char *)(uintptr_t)k->lsm_mount_context;
	return k->page_server ? add_page_server(a, k, o, err) : 0;
}

int ks_criu_add_mount(struct ks_arena *a, struct ks_strv *external, const char *key,
		      const char *value)
{
	const char *text = ks_arena_printf(a, "mnt[%s]:%s", key, value);

	return text ? ks_strv_append(a, external, text) : -ENOMEM;
}
