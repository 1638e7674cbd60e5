/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint and restore: options as runc and crun spell them. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include <kshim/fd.h>

#include "verbs.h"

#define C(kind, member, name, arg, help)                                        \
	{                                                                       \
		name, 0, kind, offsetof(struct ks_criu_opts, member), arg, help \
	}
#define R(kind, member, name, letter, arg, help)                                        \
	{                                                                               \
		name, letter, kind, offsetof(struct ks_restore_opts, member), arg, help \
	}

const struct ks_option ks_checkpoint_options[] = {
	C(KS_OPT_STR, image_path, "image-path", "DIR", "directory of the images (checkpoint)"),
	C(KS_OPT_STR, work_path, "work-path", "DIR",
	  "directory of criu's log (that of the images)"),
	C(KS_OPT_STR, parent_path, "parent-path", "DIR",
	  "images of a checkpoint before this, relative to the image path"),
	C(KS_OPT_FLAG, pre_dump, "pre-dump", NULL, "only the memory, and leave it running"),
	C(KS_OPT_FLAG, leave_running, "leave-running", NULL, "the container goes on"),
	C(KS_OPT_FLAG, tcp_established, "tcp-established", NULL, "allow open TCP connections"),
	C(KS_OPT_FLAG, tcp_skip_in_flight, "tcp-skip-in-flight", NULL,
	  "leave out TCP connections that are being made"),
	C(KS_OPT_FLAG, ext_unix_sk, "ext-unix-sk", NULL, "allow Unix sockets to the outside"),
	C(KS_OPT_FLAG, shell_job, "shell-job", NULL, "allow a terminal of the outside"),
	C(KS_OPT_FLAG, file_locks, "file-locks", NULL, "keep locks of files"),
	C(KS_OPT_FLAG, link_remap, "link-remap", NULL, "link removed files that are open"),
	C(KS_OPT_FLAG, auto_dedup, "auto-dedup", NULL,
	  "free pages of the parent that are replaced"),
	C(KS_OPT_FLAG, lazy_pages, "lazy-pages", NULL, "serve the memory when it is asked for"),
	C(KS_OPT_STR, status_fd, "status-fd", "FD", "descriptor that is told when that can begin"),
	C(KS_OPT_STR, page_server, "page-server", "ADDRESS:PORT", "send the memory there"),
	C(KS_OPT_STR, cgroup_mode, "manage-cgroups-mode", "MODE",
	  "soft, full, strict or ignore: how criu handles cgroups (soft)"),
	C(KS_OPT_STR, network_lock, "network-lock", "METHOD",
	  "iptables, nftables or skip: how TCP is halted meanwhile"),
	C(KS_OPT_STR, empty_ns, "empty-ns", "network",
	  "always so: interfaces are not in the images"),
	{ 0 },
};

const struct ks_option ks_restore_options[] = {
	R(KS_OPT_STR, create.bundle, "bundle", 'b', "DIR", "bundle with config.json (.)"),
	R(KS_OPT_STR, create.config, "config", 'f', "FILE",
	  "read this instead of the bundle's config.json"),
	R(KS_OPT_FLAG, create.detach, "detach", 'd', NULL, "do not wait for the end"),
	R(KS_OPT_FLAG, create.keep, "keep", 0, NULL, "do not delete the container at its end"),
	R(KS_OPT_STR, create.console_socket, "console-socket", 0, "PATH",
	  "socket that gets the terminal"),
	R(KS_OPT_STR, create.pid_file, "pid-file", 0, "FILE", "write the pid of init here"),
	R(KS_OPT_STR, create.pidfd_socket, "pidfd-socket", 0, "PATH",
	  "socket that gets a pidfd of init"),
	R(KS_OPT_FLAG, create.no_pivot, "no-pivot", 0, NULL, "refused: criu uses pivot_root"),
	R(KS_OPT_FLAG, create.no_subreaper, "no-subreaper", 0, NULL,
	  "accepted for runc's and crun's callers: kshim never is a subreaper here"),
	R(KS_OPT_STR, criu.image_path, "image-path", 0, "DIR",
	  "directory of the images (checkpoint)"),
	R(KS_OPT_STR, criu.work_path, "work-path", 0, "DIR",
	  "directory of criu's log (that of the images)"),
	R(KS_OPT_FLAG, criu.tcp_established, "tcp-established", 0, NULL,
	  "allow open TCP connections"),
	R(KS_OPT_FLAG, criu.ext_unix_sk, "ext-unix-sk", 0, NULL,
	  "allow Unix sockets to the outside"),
	R(KS_OPT_FLAG, criu.shell_job, "shell-job", 0, NULL, "allow a terminal of the outside"),
	R(KS_OPT_FLAG, criu.file_locks, "file-locks", 0, NULL, "keep locks of files"),
	R(KS_OPT_FLAG, criu.auto_dedup, "auto-dedup", 0, NULL, "free pages of the images in use"),
	R(KS_OPT_FLAG, criu.lazy_pages, "lazy-pages", 0, NULL,
	  "fetch the memory when it is used, of `criu lazy-pages`"),
	R(KS_OPT_STR, criu.cgroup_mode, "manage-cgroups-mode", 0, "MODE",
	  "soft, full, strict or ignore: how criu handles cgroups (soft)"),
	R(KS_OPT_STR, criu.network_lock, "network-lock", 0, "METHOD",
	  "iptables, nftables or skip: as at the checkpoint"),
	R(KS_OPT_STR, criu.empty_ns, "empty-ns", 0, "network",
	  "always so: interfaces are not in the images"),
	R(KS_OPT_STR, criu.lsm_profile, "lsm-profile", 0, "TYPE:NAME",
	  "another profile than at the checkpoint"),
	R(KS_OPT_STR, criu.lsm_mount_context, "lsm-mount-context", 0, "CONTEXT",
	  "another mount label than at the checkpoint"),
	{ 0 },
};

/* "ADDRESS:PORT"; an IPv6 address has colons of its own. */
static int parse_page_server(struct ks_cli *cli, const char *text, struct ks_checkpoint *k,
			     struct ks_err *err)
{
	char *address = ks_arena_strdup(&cli->arena, text);
	char *colon = address ? strrchr(address, ':') : NULL;
	uint64_t port = 0;

	if (!address)
		return ks_err_oom(err);
	if (!colon || colon == address || ks_parse_u64(colon + 1, 65535, &port) < 0 || !port)
		return ks_cli_usage_error(cli, err,
					  "option --page-server: \"%s\" is not "
					  "ADDRESS:PORT",
					  text);
	*colon = '\0';
	k->page_server = address;
	k->page_server_port = (int)port;
	return 0;
}

int ks_cli_criu(struct ks_cli *cli, const struct ks_criu_opts *o, struct ks_checkpoint *ret,
		struct ks_err *err)
{
	uint64_t fd = 0;
	int r = 0;

	*ret = (struct ks_checkpoint){
		.image_path = o->image_path ? o->image_path : "checkpoint",
		.work_path = o->work_path,
		.parent_path = ks_str_empty(o->parent_path) ? NULL : o->parent_path,
		.lsm_profile = o->lsm_profile,
		.lsm_mount_context = o->lsm_mount_context,
		.status_fd = -1,
		.leave_running = o->leave_running,
		.pre_dump = o->pre_dump,
		.tcp_established = o->tcp_established,
		.tcp_skip_in_flight = o->tcp_skip_in_flight,
		.ext_unix_sk = o->ext_unix_sk,
		.shell_job = o->shell_job,
		.file_locks = o->file_locks,
		.link_remap = o->link_remap,
		.auto_dedup = o->auto_dedup,
		.lazy_pages = o->lazy_pages,
	};
	if (ks_str_empty(ret->image_path))
		return ks_cli_usage_error(cli, err, "option --image-path is empty");
	if (ks_str_empty(ret->work_path))
		ret->work_path = NULL;
	if (o->empty_ns && !ks_streq(o->empty_ns, "network"))
		return ks_cli_usage_error(cli, err, "option --empty-ns: \"%s\" is not network",
					  o->empty_ns);
	if (!ks_str_empty(o->cgroup_mode)) {
		ret->has_cgroup_mode = true;
		r = ks_criu_number("option --manage-cgroups-mode", o->cgroup_mode,
				   ks_criu_cgroup_modes, &ret->cgroup_mode, err);
	}
	if (r == 0 && o->network_lock)
		r = ks_criu_number("option --network-lock", o->network_lock, ks_criu_network_locks,
				   &ret->network_lock, err);
	if (r < 0)
		cli->fail_code = KS_EXIT_USAGE;
	if (r == 0 && o->page_server)
		r = parse_page_server(cli, o->page_server, ret, err);
	if (r == 0 && o->status_fd) {
		if (ks_parse_u64(o->status_fd, INT_MAX, &fd) < 0 || fcntl((int)fd, F_GETFD) < 0)
			return ks_cli_usage_error(cli, err,
						  "option --status-fd: %s is not an open "
						  "descriptor",
						  o->status_fd);
		ret->status_fd = (int)fd;
	}
	return r;
}

/* Where it stays running nothing changes; else its end is that of the container, as with the peers.
 */
int ks_verb_checkpoint(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		       struct ks_err *err)
{
	struct ks_checkpoint k;
	ks_auto_fd int root = -EBADF;
	int r = ks_cli_criu(cli, opts, &k, err);

	if (r == 0)
		r = ks_cli_open_root(cli, &root, err);
	if (r == 0)
		r = ks_container_checkpoint(root, args->v[0], &k, cli->storage,
					    &(struct ks_warnings){ &cli->arena, &cli->warnings },
					    err);
	ks_cli_warn(cli);
	return r;
}

int ks_verb_restore(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		    struct ks_err *err)
{
	const struct ks_restore_opts *o = opts;
	struct ks_checkpoint k;
	int r = ks_cli_criu(cli, &o->criu, &k, err);

	return r < 0 ? r : ks_cli_run(cli, &o->create, &k, args, err);
}
