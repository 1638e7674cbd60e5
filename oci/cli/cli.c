/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/cli.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "verbs.h"

int ks_cli_open_root(struct ks_cli *cli, int *ret_fd, struct ks_err *err)
{
	return ks_state_open_root(cli->root, ret_fd, err);
}

/* The lines that containerd and podman read: the last error of the file is the user's. */
static void log_to_file(const struct ks_cli *cli, const char *path, const char *level,
			const char *msg)
{
	char now[40];
	ks_auto_json_out struct ks_json_out o = { 0 };
	ks_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	ks_now_rfc3339(now);
	if (cli->log_format && ks_streq(cli->log_format, "json")) {
		ks_json_open(&o, NULL, '{');
		ks_json_put_str(&o, "level", level);
		ks_json_put_str(&o, "msg", msg);
		ks_json_put_str(&o, "time", now);
		ks_json_close(&o, '}');
		ks_buf_adds(&o.buf, "\n");
	} else {
		ks_buf_addf(&o.buf, "time=\"%s\" level=%s msg=\"%s\"\n", now, level, msg);
	}
	if (!o.buf.failed)
		(void)ks_fd_write_all(fd, o.buf.data, o.buf.len);
}

static int priority(const char *level)
{
	return ks_streq(level, "error") ? LOG_ERR :
	       ks_streq(level, "debug") ? LOG_DEBUG :
					  LOG_WARNING;
}

/* The journal's own protocol; a message with a newline in it would be another field. */
static void log_to_journal(const char *id, const char *level, const char *msg)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX,
				  .sun_path = "/run/systemd/journal/socket" };
	ks_auto_buf struct ks_buf b = { 0 };
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ks_buf_addf(&b, "SYSLOG_IDENTIFIER=%s\nPRIORITY=%d\nMESSAGE=", id, priority(level));
	for (; *msg; msg++)
		ks_buf_add(&b, *msg == '\n' ? " " : msg, 1);
	ks_buf_adds(&b, "\n");
	if (fd >= 0 && !b.failed)
		(void)sendto(fd, b.data, b.len, MSG_NOSIGNAL, (struct sockaddr *)&sa, sizeof(sa));
}

static void log_to(const struct ks_cli *cli, const char *level, const char *msg)
{
	const char *id;

	if ((id = ks_str_prefix(cli->log, "journald:"))) {
		log_to_journal(id, level, msg);
	} else if ((id = ks_str_prefix(cli->log, "syslog:"))) {
		openlog(id, LOG_PID, LOG_DAEMON);
		syslog(priority(level), "%s", msg);
		closelog();
	} else {
		const char *path = ks_str_prefix(cli->log, "file:");

		log_to_file(cli, path ? path : cli->log, level, msg);
	}
}

void ks_cli_log(const struct ks_cli *cli, const char *level, const char *msg)
{
	if (cli->log_level && ks_streq(cli->log_level, "error") && !ks_streq(level, "error"))
		return;
	if (cli->log)
		log_to(cli, level, msg);
	dprintf(2, "kshim: %s%s%s\n", ks_streq(level, "error") ? "" : level,
		ks_streq(level, "error") ? "" : ": ", msg);
}

void ks_cli_warn(struct ks_cli *cli)
{
	for (size_t i = 0; i < cli->warnings.n; i++)
		ks_cli_log(cli, "warning", cli->warnings.v[i]);
	cli->warnings.n = 0;
}

int ks_cli_print(const struct ks_buf *b, struct ks_err *err)
{
	if (b->failed)
		return ks_err_oom(err);
	int r = ks_fd_write_all(1, b->data, b->len);

	return r < 0 ? ks_err_set(err, r, "write to standard output") : 0;
}

int ks_cli_usage_error(struct ks_cli *cli, struct ks_err *err, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	ks_vfmt(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cli->fail_code = KS_EXIT_USAGE;
	return ks_err_kind(err, KS_ERR_INVALID, "%s", msg);
}

const struct ks_verb ks_oci_verbs[] = {
	{ "create", "ID", "create a container that waits for its start", ks_create_options,
	  sizeof(struct ks_create_opts), KS_VERB_SEAL, 1, -1, ks_verb_create },
	{ "run", "ID", "create and start a container, and wait for its end", ks_run_options,
	  sizeof(struct ks_create_opts), KS_VERB_SEAL, 1, -1, ks_verb_run },
	{ "start", "ID", "start a created container", NULL, 0, 0, 1, 1, ks_verb_start },
	{ "state", "ID", "print the state of a container", NULL, 0, 0, 1, 1, ks_verb_state },
	{ "kill", "ID [SIGNAL]", "send a signal (TERM) to a container", ks_kill_options,
	  sizeof(struct ks_kill_opts), KS_VERB_PERMUTE, 1, 2, ks_verb_kill },
	{ "delete", "ID", "delete a stopped container", ks_delete_options,
	  sizeof(struct ks_delete_opts), KS_VERB_PERMUTE, 1, 1, ks_verb_delete },
	{ "exec", "ID COMMAND [ARG...]", "run a further process in a container", ks_exec_options,
	  sizeof(struct ks_exec_opts), KS_VERB_SEAL, 1, -1, ks_verb_exec },
	{ "list", "", "list the containers of the runtime root", ks_list_options,
	  sizeof(struct ks_list_opts), KS_VERB_PERMUTE, 0, 0, ks_verb_list },
	{ "ps", "ID [PS-OPTION...]", "list the processes of a container", ks_ps_options,
	  sizeof(struct ks_ps_opts), 0, 1, 64, ks_verb_ps },
	{ "pause", "ID", "freeze every process of a container", NULL, 0, 0, 1, 1, ks_verb_pause },
	{ "resume", "ID", "let a paused container go on", NULL, 0, 0, 1, 1, ks_verb_resume },
	{ "update", "ID", "change the limits of a container", ks_update_options,
	  sizeof(struct ks_update_opts), KS_VERB_PERMUTE, 1, 1, ks_verb_update },
	{ "events", "ID", "print statistics and out-of-memory events", ks_events_options,
	  sizeof(struct ks_events_opts), KS_VERB_PERMUTE, 1, 1, ks_verb_events },
	{ "checkpoint", "ID", "write a running container to files, by criu", ks_checkpoint_options,
	  sizeof(struct ks_criu_opts), KS_VERB_PERMUTE, 1, 1, ks_verb_checkpoint },
	{ "restore", "ID", "make a container again from such files", ks_restore_options,
	  sizeof(struct ks_restore_opts), KS_VERB_PERMUTE | KS_VERB_SEAL, 1, 1, ks_verb_restore },
	{ "features", "", "print what this runtime can do, as JSON", NULL, 0, 0, 0, 0,
	  ks_verb_features },
	{ "spec", "", "write a config.json to start from", ks_spec_options,
	  sizeof(struct ks_spec_opts), KS_VERB_PERMUTE, 0, 0, ks_verb_spec },
	{ 0 },
};
