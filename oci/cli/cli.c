/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/cli.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "verbs.h"

int ks_cli_open_root(struct ks_cli *cli, int *ret_fd, struct ks_err *err)
{
	return ks_state_open_root(cli->root, ret_fd, err);
}

/* The lines that containerd and podman read: the last error of the file is the user's. */
static void log_to_file(const struct ks_cli *cli, const char *level, const char *msg)
{
	char now[40];
	ks_auto_json_out struct ks_json_out o = { 0 };
	ks_auto_fd int fd = open(cli->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

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

void ks_cli_log(const struct ks_cli *cli, const char *level, const char *msg)
{
	if (cli->log)
		log_to_file(cli, level, msg);
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
	{ "spec", "", "write a config.json to start from", ks_spec_options,
	  sizeof(struct ks_spec_opts), KS_VERB_PERMUTE, 0, 0, ks_verb_spec },
	{ 0 },
};
