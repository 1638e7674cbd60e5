/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Events for containerd: one queue, in order, kept while containerd is away.
 * An event is sent when the one before it was taken.
 */
#include <stdbool.h>
#include <time.h>

#include <kshim/ttrpc.h>

#define KS_EVENTS_MAX 4096 /* held back at most; then the oldest that is no exit is lost */

struct ks_event;

struct ks_events {
	struct ks_loop *loop;
	const char *ns; /* borrowed */
	struct ks_ttrpc_client client;
	struct ks_watch timer; /* owned descriptor */
	struct ks_event *head, **tail;
	size_t n, lost;
	unsigned int backoff_ms;
	bool busy;		     /* one is on its way */
	void (*drained)(void *data); /* the queue has become empty; may be NULL */
	void *data;
};

int ks_events_start(struct ks_events *e, struct ks_loop *l, const char *ns, const char *socket,
		    struct ks_err *err);
void ks_events_stop(struct ks_events *e);

#define KS_STATUS_KILLED 137 /* 128 + SIGKILL */

/* struct ks_exit - how a process ended */
struct ks_exit {
	int status;
	struct timespec at;
};

struct ks_create_args;

void ks_event_create(struct ks_events *e, const struct ks_create_args *c, pid_t pid);
void ks_event_start(struct ks_events *e, const char *id, pid_t pid);
void ks_event_exec_added(struct ks_events *e, const char *id, const char *exec_id);
void ks_event_exec_started(struct ks_events *e, const char *id, const char *exec_id, pid_t pid);
/* @exec_id: "" for the container's first process. */
void ks_event_exit(struct ks_events *e, const char *id, const char *exec_id, pid_t pid,
		   const struct ks_exit *exit);
void ks_event_delete(struct ks_events *e, const char *id, pid_t pid, const struct ks_exit *exit);
void ks_event_oom(struct ks_events *e, const char *id);
void ks_event_paused(struct ks_events *e, const char *id, bool paused);
