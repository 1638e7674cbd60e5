/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The life of a container: created, started, entered, killed, deleted.
 */
#include <stdbool.h>
#include <sys/types.h>

#include <kshim/cgroup.h>
#include <kshim/mount.h>
#include <kshim/resctrl.h>
#include <kshim/spec.h>
#include <kshim/state.h>

/**
 * struct ks_storage - what gives containers their volumes and identity
 *
 * The front end joins this folder with volumes/ by it; neither includes the
 * other. All of it may be NULL-pointed: a container without a pod.
 */
struct ks_storage {
	void *data;
	/*
	 * Reads what the spec asks for, without any effect. *ret_ref becomes part of the
	 * container's record before up() is called; NULL when nothing is asked for.
	 */
	int (*plan)(void *data, struct ks_arena *a, const struct ks_spec *s, const char *id,
		    const char **ret_ref, struct ks_err *err);
	/* Makes the pod's volumes ready and hands out this container's mounts; fds are the
	 * caller's. */
	int (*up)(void *data, struct ks_arena *a, const char *ref, const char *id,
		  struct ks_mount_requests *ret, struct ks_err *err);
	/* The container's first process is known: liveness is checked by it. */
	int (*running)(void *data, const char *ref, const struct ks_container *c,
		       struct ks_err *err);
	/* The paths in the container at which its volumes are, by its spec; without any effect. */
	int (*targets)(void *data, struct ks_arena *a, const struct ks_spec *s, const char *id,
		       struct ks_strv *ret, struct ks_err *err);
	/* The container is gone; the last one of a pod tears it down. Idempotent. */
	int (*down)(void *data, const char *ref, const char *id, struct ks_err *err);
};

/** struct ks_checkpoint - what criu is told by a checkpoint or restore; all borrowed */
struct ks_checkpoint {
	const char *image_path;	 /* directory of the images */
	const char *work_path;	 /* of criu's log; NULL: the images' */
	const char *parent_path; /* of an earlier one, from the images'; or NULL */
	const char *page_server; /* address that takes the memory, or NULL */
	const char *lsm_profile, *lsm_mount_context; /* of a restore; or NULL */
	int page_server_port;
	int status_fd; /* that lazy_pages is told by; or negative */
	bool has_cgroup_mode;
	int cgroup_mode;	      /* criu's number of it */
	int network_lock;	      /* criu's number of the method; 0: its default */
	bool leave_running, pre_dump; /* of a checkpoint */
	bool tcp_established, tcp_skip_in_flight, ext_unix_sk, shell_job, file_locks, link_remap;
	bool auto_dedup, lazy_pages;
};

/** The names of ks_checkpoint.cgroup_mode and .network_lock, with criu's numbers */
extern const struct ks_json_name ks_criu_cgroup_modes[], ks_criu_network_locks[];

/** ks_criu_number() - the number of one of these names; 0, or -EINVAL naming those that there are
 */
int ks_criu_number(const char *what, const char *name, const struct ks_json_name *names, int *ret,
		   struct ks_err *err);

/** struct ks_create - what a create, run or restore was asked for */
struct ks_create {
	const char *id;
	const char *bundle;				      /* absolute */
	int bundle_fd;					      /* borrowed */
	int root_fd;					      /* runtime root; borrowed */
	const char *console_socket, *pid_file, *pidfd_socket; /* or NULL */
	bool no_new_keyring;
	bool rootless;	/* a cgroup that cannot be made is done without, where nothing needs it */
	bool no_cgroup; /* stay in the caller's cgroup; limits are not set */
	bool systemd_cgroup; /* a scope of systemd instead of a plain directory */
	bool no_pivot;	     /* chroot instead of pivot_root, as on a ramdisk; weaker */
	unsigned int preserve_fds;
	const struct ks_storage *storage; /* or NULL */
	bool attached;			  /* run: started over the channel, no start socket */
	bool keep_terminal; /* a terminal's master is the caller's, not a console socket's */

	const struct ks_checkpoint *restore; /* its processes come from there; NULL: a new one */

	bool *claimed; /* or NULL; set once the id is this one's: what is there may be deleted */

	/* Set on the way. */
	struct ks_mount_requests volumes;
	struct ks_strv *warnings; /* what the host could not give and the spec lets pass */
};

/** struct ks_created - a container that waits for its start; zeroed before the call */
struct ks_created {
	struct ks_container container;
	pid_t pid;
	int pidfd;   /* owned */
	int sock;    /* channel to init when .attached; owned */
	int tty_fd;  /* terminal's master when there is one and no console socket; owned */
	int lock_fd; /* the container's lock; owned */
	int dir_fd;  /* owned */
};

void ks_created_done(struct ks_created *c);

/**
 * ks_container_create() - up to the point where only exec is missing
 *
 * On failure nothing is left: no process, cgroup, volume or record.
 * Return: 0 or -errno.
 */
int ks_container_create(struct ks_arena *a, struct ks_create *c, const struct ks_spec *s,
			struct ks_created *ret, struct ks_err *err);

/** struct ks_warnings - where what is not fatal is told; both borrowed, or both NULL */
struct ks_warnings {
	struct ks_arena *arena;
	struct ks_strv *list;
};

/**
 * ks_container_checkpoint() - write a container's processes to files, for ks_create.restore
 *
 * @warn: of the delete; NULL: there is none
 *
 * Unless they are left running they are ended by it, and the container is deleted, or with @warn
 * NULL is stopped. What it was lent, such as its volumes, is not in the files.
 * Context: blocks for as long as criu works.
 * Return: 0; -ENOENT without criu; -EBADFD when it does not run; -EOPNOTSUPP; -EIO.
 */
int ks_container_checkpoint(int root_fd, const char *id, const struct ks_checkpoint *k,
			    const struct ks_storage *storage, const struct ks_warnings *warn,
			    struct ks_err *err);

/** ks_container_release() - let an attached container exec; 0, or the error of its exec */
int ks_container_release(struct ks_created *c, const struct ks_spec *s, struct ks_err *err);

/**
 * ks_container_start() - the `start` verb: through the start socket
 *
 * A hook that fails destroys the container, as runtime-spec 1.3 demands.
 */
int ks_container_start(int root_fd, const char *id, const struct ks_storage *storage,
		       const struct ks_warnings *warn, struct ks_err *err);

/**
 * ks_container_kill() - send a signal to init, or to every process
 *
 * Return: 0; -EBADFD with "container not running"; -errno.
 */
int ks_container_kill(int root_fd, const char *id, int sig, bool all, struct ks_err *err);

/**
 * ks_container_delete() - undo everything that create did
 * @force: also a container that runs
 *
 * A created one, and one that a create left half-made, goes without it, as with runc.
 *
 * Return: 0; -EBADFD when it runs; -errno.
 */
int ks_container_delete(int root_fd, const char *id, bool force, const struct ks_storage *storage,
			const struct ks_warnings *warn, struct ks_err *err);

/**
 * ks_container_pause() - freeze or thaw every process
 *
 * Return: 0; -EBADFD with "container not running", "container not paused"; -ETIMEDOUT; -errno.
 */
int ks_container_pause(int root_fd, const char *id, bool pause, struct ks_err *err);

/**
 * ks_container_update() - new limits for a container that lives; see ks_cgroup_apply()
 * @rdt: its schemata alone count, see ks_resctrl_update(); NULL: as they are
 */
int ks_container_update(int root_fd, const char *id, const struct ks_spec_resources *res,
			const struct ks_spec_intel_rdt *rdt, struct ks_err *err);

/** ks_container_pids() - its processes, by the host's pids; *ret in the arena, none when stopped */
int ks_container_pids(struct ks_arena *a, int root_fd, const char *id, pid_t **ret, size_t *ret_n,
		      struct ks_err *err);

/** struct ks_watched - what is needed to look at a container; strings in an arena */
struct ks_watched {
	struct ks_cgroup cgroup;
	struct ks_resctrl resctrl;
	int pidfd; /* of init, readable when it has ended; owned */
};

/** ks_container_watch() - of one that lives; 0 or -errno */
int ks_container_watch(struct ks_arena *a, int root_fd, const char *id, struct ks_watched *ret,
		       struct ks_err *err);

/** struct ks_exec - a further process in a container */
struct ks_exec {
	const char *id;
	int root_fd;
	struct ks_spec_process
		*process; /* complete: what the options left open is the container's */
	const char *console_socket, *pid_file, *pidfd_socket;
	unsigned int preserve_fds;
	struct ks_strv cgroups; /* below the container's: PATH, or on v1 CONTROLLER[,…]:PATH */
	bool ignore_paused;	/* else a paused container refuses */
	struct ks_strv *warnings;
};

/** struct ks_process - a process that was started */
struct ks_process {
	pid_t pid;
	int pidfd;  /* owned */
	int tty_fd; /* owned */
};

/** ks_container_exec() - start a process inside; 0, or the error of its exec */
int ks_container_exec(struct ks_arena *a, const struct ks_exec *e, struct ks_process *ret,
		      struct ks_err *err);

/** ks_container_spec() - the container's own copy of its config.json */
int ks_container_spec(struct ks_arena *a, int root_fd, const char *id, struct ks_spec *ret,
		      struct ks_err *err);

/** ks_container_process() - the process of that config.json, for an exec to start from */
int ks_container_process(struct ks_arena *a, int root_fd, const char *id,
			 struct ks_spec_process *ret, struct ks_err *err);

/**
 * ks_container_user() - "UID[:GID]", or names of the container's own /etc/passwd and /etc/group
 * @p: gets uid and gid, and with a name of a user the groups that list it
 *
 * Return: 0; -EINVAL; -ENOENT for a name that is not there; -errno.
 */
int ks_container_user(struct ks_arena *a, int root_fd, const char *id, const char *text,
		      struct ks_spec_process *p, struct ks_err *err);

/**
 * ks_rootless_enter() - go into the user namespace that the container of @s is to have
 *
 * For a process that is not root; its own mounts are its own from then on, too. The spec is
 * then one without a user namespace: it is the present one.
 * Return: 0; -EPERM where the user may not map those ids, or @s has no user namespace; -errno.
 */
int ks_rootless_enter(struct ks_spec *s, struct ks_err *err);

/**
 * ks_rootless_oom_score() - process.oomScoreAdj for this process, from which the container's has it
 *
 * For a process that is not root, or not of the host's first user namespace, and before it joins
 * or makes one: the files in /proc of a process that may not be traced are out of its reach.
 * Does nothing for others. Return: 0 or -errno.
 */
int ks_rootless_oom_score(const struct ks_spec_process *p, struct ks_err *err);

/** ks_rootless_join() - go into the user namespace of a container that lives, as its root */
int ks_rootless_join(int root_fd, const char *id, struct ks_err *err);

/** ks_signals_block() - before the first process is started: keep what must be forwarded */
int ks_signals_block(struct ks_err *err);

/** ks_signals_pending() - a signal to end that has come since ks_signals_block(), or 0 */
int ks_signals_pending(void);

/**
 * ks_process_wait() - be the parent of a foreground process
 * @tty_fd: the terminal's master, or -1: relayed to and from standard input and output
 *
 * Signals are forwarded. Needs ks_signals_block() before.
 * Return: the exit code (128 + signal), or -errno.
 */
int ks_process_wait(pid_t pid, int pidfd, int tty_fd, struct ks_err *err);

/**
 * ks_seal() - run this program from a copy that a container cannot overwrite
 *
 * @argv: of this process; used where the kernel does not let the copy take the binary's place:
 *	  then the copy is executed, and this does not return
 *
 * Does nothing when it runs from one already. To be called before there is another thread.
 * Return: 0 or -errno.
 * Source: CVE-2019-5736; docs/adr/0006-self-protection.md.
 */
int ks_seal(char *const argv[], struct ks_err *err);

/**
 * ks_seal_exec() - execute that copy, or this program when it is one
 * @argv: of the new program
 *
 * Return: -errno, or not at all.
 */
int ks_seal_exec(char *const argv[], struct ks_err *err);

/** ks_seccomp_write_features() - the "seccomp" member of `features` */
void ks_seccomp_write_features(struct ks_json_out *o);

/** ks_caps_write_features() - the "capabilities" member */
void ks_caps_write_features(struct ks_json_out *o);

/** ks_signal_parse() - "9", "KILL", "SIGKILL", "RTMIN+3", "0" for none; the number or -EINVAL */
int ks_signal_parse(const char *s);
