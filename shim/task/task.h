/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tasks: the containers of the pod, and their processes, as containerd sees
 * them. Everything here happens in the one thread of the loop; what may block
 * is an operation, which a worker does.
 *
 *	process:  (exec only: ADDED) -> CREATED -> RUNNING -> STOPPED -> DELETED
 *
 * What is deleted stays as a tombstone, the last of them until Shutdown, or
 * until the same id comes again: State, Wait and Delete keep their answers when a client asks
 * twice, because its first call was cut off.
 */
#include <kshim/run.h>
#include <kshim/shim.h>
#include <kshim/ttrpc.h>

#include "events.h"
#include "options.h"
#include "stdio.h"
#include "worker.h"

#define KS_TASKS_MAX	     512  /* of one shim, tombstones too; a pod has a few */
#define KS_EXECS_MAX	     1024 /* of one task that are not deleted */
#define KS_EXEC_TOMBSTONES   32	  /* of one task; the oldest go */
#define KS_TASK_TOMBSTONES   32	  /* of one shim: a pod whose container restarts for ever */
#define KS_ROOTFS_MOUNTS_MAX 16
#define KS_EXEC_SPEC_MAX     (1U << 20)

enum ks_proc_state {
	KS_PROC_ADDED, /* an exec that is not started */
	KS_PROC_CREATED,
	KS_PROC_RUNNING,
	KS_PROC_STOPPED,
	KS_PROC_DELETED,
};

struct ks_op;

struct ks_proc {
	struct ks_task *task;
	struct ks_proc *next;
	char *exec_id; /* owned; "" for the first process */
	enum ks_proc_state state;
	pid_t pid;
	int pidfd; /* owned */
	struct ks_watch on_exit;
	bool watched;
	bool ended; /* the kernel's word is here; published when its time has come */
	struct ks_exit exit;
	struct ks_stdio_names names; /* owned */
	struct ks_stdio io;
	char *spec; /* owned: of an exec that is not started */
	size_t spec_len;
	struct ks_ttrpc_call *waiters;
	struct ks_op *ops; /* the first is at work */
};

struct ks_task {
	struct ks_shim *shim;
	struct ks_task *next;
	char *id, *bundle, *cgroup;	/* owned */
	int root_fd;			/* runtime root; owned */
	char *root, *state_dir;		/* of the options; owned, or NULL */
	struct ks_shim_options options; /* its strings are those above */
	bool own_pidns, paused;
	bool killing, killed; /* what its first process left behind */
	uint64_t oom_kills;
	int oom_fd; /* owned */
	struct ks_watch on_oom;
	struct ks_create_args *restore; /* owned: to be restored, and nothing is there of it yet */
	struct ks_proc init;
	struct ks_proc *execs; /* newest first */
};

typedef int ks_op_run_fn(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
			 struct ks_err *err);

/* An operation on a process: queued, done by a worker, answered. */
struct ks_op {
	struct ks_worker worker; /* first: found from it */
	struct ks_op *next;
	struct ks_proc *proc;
	struct ks_ttrpc_call *call; /* or NULL */
	ks_op_run_fn *run;	    /* in the worker */
	/* In the shim; @fd is its to close. Answers the call. */
	void (*done)(struct ks_op *op, const struct ks_worker_result *res, int fd);
	struct ks_create_args *create;	       /* owned; of a create */
	struct ks_checkpoint_args *checkpoint; /* owned; of a checkpoint */
	char *text;			       /* owned; of an update */
	size_t text_len;
	int signal;
	bool pause;
	struct ks_err why; /* of the end of a failed create */
	bool again;	   /* and whether a killed worker of it is replaced */
};

struct ks_rootfs_mount {
	const char *type, *source, *target;
	struct ks_strv options;
};

/* What a Create asks for; strings in its own arena. */
struct ks_create_args {
	struct ks_arena arena;
	const char *id, *bundle;
	const char *checkpoint;	     /* directory that its processes come from, or NULL */
	struct ks_stdio_names names; /* in the arena here */
	struct ks_rootfs_mount rootfs[KS_ROOTFS_MOUNTS_MAX];
	size_t n_rootfs;
	struct ks_shim_options options;
};

/* What a Checkpoint asks for; strings in its own arena. */
struct ks_checkpoint_args {
	struct ks_arena arena;
	struct ks_checkpoint k;
};

struct ks_shim {
	const struct ks_shim_env *env;
	const char *ns, *socket_path;
	bool debug; /* each call is logged */
	struct ks_loop loop;
	struct ks_ttrpc_server server;
	struct ks_events events;
	struct ks_watch signals, idle;
	struct ks_task *tasks;
	size_t n_workers;
	bool stopping;
	bool wasteful; /* an operation has ended, and its memory has not gone back */
};

/* task.c */

/* One line to containerd's log. */
void ks_shim_log(const char *level, const char *fmt, ...) KS_PRINTF(2, 3);

struct ks_task *ks_task_find(struct ks_shim *s, const char *id);
/* A live one, or NULL and the error that clients know. */
struct ks_task *ks_task_get(struct ks_shim *s, const char *id, struct ks_err *err);
/* @exec_id "": the first process. Tombstones are found too. */
struct ks_proc *ks_proc_get(struct ks_shim *s, const char *id, const char *exec_id,
			    struct ks_err *err);
struct ks_proc *ks_proc_new_exec(struct ks_task *t, const char *exec_id, struct ks_err *err);
void ks_proc_free(struct ks_shim *s, struct ks_proc *p);
/* A deleted exec beyond the number that is kept goes. */
void ks_task_trim(struct ks_task *t);
struct ks_task *ks_task_new(struct ks_shim *s, const char *id, const char *bundle,
			    struct ks_err *err);
void ks_task_free(struct ks_task *t);
/* What a request asked for; NULL is none. */
void ks_create_args_free(struct ks_create_args *c);
void ks_checkpoint_args_free(struct ks_checkpoint_args *c);
/* Copies what later operations need; 0 or -ENOMEM. */
int ks_task_set_options(struct ks_task *t, const struct ks_shim_options *o);
bool ks_shim_has_tasks(const struct ks_shim *s);
/* An operation on it, or on one of its execs, is at work or queued: it must not be freed. */
bool ks_task_busy(const struct ks_task *t);
/* Closes what only a task that is not deleted needs. */
void ks_task_bury(struct ks_task *t);
/* The runtime root of these options, of this namespace: its path, and open unless @ret_fd is NULL.
 */
int ks_shim_open_root(const struct ks_shim_options *o, const char *ns, char *path, size_t size,
		      int *ret_fd, struct ks_err *err);

/* exit.c */

/* Watches the process, which is a child of this one. */
int ks_proc_watch(struct ks_proc *p, pid_t pid, struct ks_err *err);
/* Publishes what has ended and may be told now. */
void ks_task_settle(struct ks_task *t);
/* It has never run. */
void ks_proc_fail(struct ks_proc *p, int status);
/* Fetches the end of a process that is dead for certain; for a delete. */
void ks_proc_reap(struct ks_proc *p);
/* Children that were left to the shim by processes of containers. */
void ks_shim_reap_orphans(struct ks_shim *s);
void ks_task_watch_oom(struct ks_task *t);

/* op.c */

struct ks_op *ks_op_new(struct ks_proc *p, struct ks_ttrpc_call *call);
/* Queues it behind those of its process; fails the call when that cannot be. Consumes @op. */
void ks_op_start(struct ks_op *op);
/* Makes one that has only its two halves, and starts it. */
void ks_op_run(struct ks_proc *p, struct ks_ttrpc_call *call, ks_op_run_fn *run,
	       void (*done)(struct ks_op *, const struct ks_worker_result *, int));
/* In a worker: what the shim is to log. */
void ks_op_warn(struct ks_worker_result *res, const struct ks_strv *list);
void ks_op_fail(struct ks_op *op, const struct ks_err *err);
/* The storage for workers. */
const struct ks_storage *ks_op_storage(const struct ks_op *op);

/* lifecycle.c, exec.c, control.c: each consumes the call */

void ks_task_create(struct ks_shim *s, struct ks_create_args *c, struct ks_ttrpc_call *call);
void ks_proc_start(struct ks_proc *p, struct ks_ttrpc_call *call);
void ks_proc_delete(struct ks_proc *p, struct ks_ttrpc_call *call);
void ks_exec_start(struct ks_proc *p, struct ks_ttrpc_call *call);
void ks_exec_delete(struct ks_proc *p, struct ks_ttrpc_call *call);
void ks_proc_kill(struct ks_proc *p, int sig, bool all, struct ks_ttrpc_call *call);
void ks_task_pause(struct ks_task *t, bool pause, struct ks_ttrpc_call *call);
void ks_task_checkpoint(struct ks_task *t, struct ks_checkpoint_args *c,
			struct ks_ttrpc_call *call);
void ks_task_update(struct ks_task *t, const uint8_t *json, size_t len, struct ks_ttrpc_call *call);
int ks_proc_resize(struct ks_proc *p, uint32_t width, uint32_t height, struct ks_err *err);

/* Kills what is left of a container whose first process has ended. */
void ks_task_kill_rest(struct ks_task *t);

/* reply.c: the answers that are made when an operation is done */

void ks_reply_empty(struct ks_ttrpc_call *call);
void ks_reply_pid(struct ks_ttrpc_call *call, pid_t pid);
void ks_reply_exit(struct ks_ttrpc_call *call, pid_t pid, const struct ks_exit *exit);
void ks_reply_wait(struct ks_ttrpc_call *call, const struct ks_exit *exit);

/* rootfs.c: in a worker */

int ks_rootfs_mount(const struct ks_create_args *c, struct ks_err *err);
int ks_rootfs_unmount(const char *bundle, struct ks_err *err);

/* metrics.c */

/* An Any of the host's kind of metrics; in the arena. */
int ks_task_metrics(struct ks_arena *a, const struct ks_task *t, const char **ret_type,
		    uint8_t **ret, size_t *ret_len, struct ks_err *err);

/* serve.c */

/* Ends the shim when containerd has taken its events. */
void ks_shim_stop(struct ks_shim *s);
/* No operation is at work: a second later, memory goes back to the host (with glibc). */
void ks_shim_quiet(struct ks_shim *s);

/* service.c */

void ks_service_dispatch(void *data, struct ks_ttrpc_call *call);
