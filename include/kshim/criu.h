/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * criu, which writes processes to files and makes them again from there.
 *
 * It is run as `criu swrk`, and spoken to over a socket. Source: criu's images/rpc.proto.
 */
#include <stdint.h>
#include <sys/types.h>

#include <kshim/cgroup.h>
#include <kshim/err.h>

/** enum ks_criu_type - what is asked of it; the numbers are criu's */
enum ks_criu_type {
	KS_CRIU_DUMP = 1,
	KS_CRIU_RESTORE = 2,
	KS_CRIU_PRE_DUMP = 4,
};

struct Criu__Opts; /* <pb/criu.pb-c.h> */

/** struct ks_criu_call - one request; all borrowed */
struct ks_criu_call {
	enum ks_criu_type type;
	struct Criu__Opts *opts; /* log_file, work_dir_fd among them */
	const int *keep;	 /* descriptors that criu inherits, ended by a negative one */
	const struct ks_cgroup_join *join; /* criu and what it makes are in this cgroup; or NULL */
	mode_t umask;	       /* of what criu writes: the memory of processes is among it */
	const char *work_path; /* of its log, for messages */
	/* In criu's process, before criu; or NULL. */
	int (*stage)(void *data, struct ks_err *err);
	/*
	 * criu has come as far as @script says, such as "post-restore", and waits for the end of
	 * this. @pid: of the first process that is restored; @fd: what came with it, or -EBADF:
	 * to be set so when it is taken. A failure makes criu give up.
	 */
	int (*notify)(void *data, const char *script, pid_t pid, int *fd, struct ks_err *err);
	void *data;
};

/**
 * ks_criu_call() - run criu for one request
 *
 * It is searched in the caller's PATH, and is in a session of its own: what ends the caller does
 * not end criu, which then undoes what it has begun.
 * Context: blocks for as long as criu works.
 * Return: 0; -ENOENT where there is no criu; the error of a callback; -EIO with the first error
 * of criu's log.
 */
int ks_criu_call(const struct ks_criu_call *c, struct ks_err *err);
