/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Processes: who is alive, and helper programs.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <kshim/arena.h>
#include <kshim/err.h>

#define KS_BOOT_ID_SIZE 37

/** ks_boot_id() - the kernel's id of this boot; 0 or -errno */
int ks_boot_id(char ret[static KS_BOOT_ID_SIZE], struct ks_err *err);

/**
 * ks_process_start_time() - when a process began, in clock ticks since boot
 *
 * With the pid and the boot id it names a process for ever.
 * Return: 0, -ESRCH when there is none or it is a zombie, or -errno.
 * Source: proc(5), /proc/pid/stat field 22; field 3 for the zombie.
 */
int ks_process_start_time(pid_t pid, uint64_t *ret);

struct prctl_mm_map;
/**
 * ks_process_layout() - where the parts of this process' memory are, as the kernel notes it
 * @ret: for prctl(2) PR_SET_MM_MAP: as it is; neither an auxiliary vector nor a file is in it
 *
 * Return: 0; -EACCES when the kernel does not tell; -errno. @ret is valid with 0 alone.
 * Source: proc(5), /proc/pid/stat fields 26 to 28 and 45 to 51.
 */
int ks_process_layout(struct prctl_mm_map *ret);

/** ks_process_alive() - whether @pid lives and began at @start_time */
bool ks_process_alive(pid_t pid, uint64_t start_time);

/** ks_process_comm() - the command name of @pid for messages, "?" when unknown */
const char *ks_process_comm(pid_t pid, char buf[static 17]);

/** ks_userns_is_initial() - whether this process is in the first user namespace of the host */
bool ks_userns_is_initial(void);

/** ks_userns_changed() - to be called by who has changed that of this process */
void ks_userns_changed(void);

/** ks_outer_uid() - who runs this, as the parent of the user namespace has it */
uid_t ks_outer_uid(void);

/** struct ks_tool - how a helper program ended */
struct ks_tool {
	int status;   /* exit code, or 128 + the signal */
	char *output; /* its standard output and error, the first 16 KiB; in the arena */
};

/**
 * ks_tool_run() - run a helper program and wait for it
 * @argv: argv[0] is searched in /usr/sbin, /usr/bin, /sbin and /bin only
 * @keep: descriptors that it inherits, ended by a negative one; NULL for none. A
 *        lock among them stays held for as long as the program runs, also when
 *        its caller is killed meanwhile.
 *
 * The program gets an empty environment but PATH and LC_ALL=C, and /dev/null as its input.
 * Context: blocks; never in an event loop.
 * Return: 0 when it ran, whatever its status; -ENOENT when there is none; -errno.
 */
int ks_tool_run(struct ks_arena *a, char *const argv[], const int *keep, struct ks_tool *ret,
		struct ks_err *err);

/**
 * ks_tool_start() - start a helper program with these as its standard streams
 * @argv: argv[0] is searched as for ks_tool_run(); the environment is the same, with the two
 *        variables beside by which a user's own systemd is reached
 * @ret:  its pid; the caller waits for it
 *
 * Return: 0 or -errno. A program that is not there ends with 127.
 */
int ks_tool_start(char *const argv[], int in_fd, int out_fd, int err_fd, pid_t *ret,
		  struct ks_err *err);

/** ks_now_ms() - milliseconds of a clock that only goes on */
uint64_t ks_now_ms(void);

/** ks_now_rfc3339() - the time in UTC with nanoseconds; @buf of 40 bytes */
const char *ks_now_rfc3339(char buf[static 40]);

/** ks_random_hex() - @n random hex digits and a terminator; 0 or -errno */
int ks_random_hex(char *buf, size_t n);

/** ks_random_uuid() - a random UUID (RFC 9562, version 4) as text; 0 or -errno */
int ks_random_uuid(char buf[static 37]);
