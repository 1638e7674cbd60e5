/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The command line: what all verbs share.
 */
#include <kshim/run.h>
#include <kshim/verb.h>

#define KS_VERSION "0.1.0"

#define KS_EXIT_FAILED	       1
#define KS_EXIT_USAGE	       2
#define KS_EXIT_NOT_EXECUTABLE 126
#define KS_EXIT_NO_COMMAND     127

/** struct ks_cli - global options, and what main() prepared for the verbs */
struct ks_cli {
	const char *root, *state_dir, *log, *log_format, *log_level, *cgroup_manager;
	bool debug, systemd_cgroup, help, version;
	const char *rootless;

	struct ks_arena arena; /* of the whole command */
	char **argv;	       /* as the program was called */
	struct ks_strv warnings;
	const struct ks_storage *storage;
	int fail_code; /* exit code for a failure without one of its own; 0: 1 */
};

/** The verbs of the OCI runtime; ends with name NULL */
extern const struct ks_verb ks_oci_verbs[];

/** ks_cli_open_root() - the runtime root; *ret_fd owned */
int ks_cli_open_root(struct ks_cli *cli, int *ret_fd, struct ks_err *err);

/** ks_cli_warn() - print and log what was collected in @cli->warnings */
void ks_cli_warn(struct ks_cli *cli);

/** ks_cli_log() - one line to the log file, and to standard error */
void ks_cli_log(const struct ks_cli *cli, const char *level, const char *msg);

/** ks_cli_print() - a finished text to standard output; 0 or -errno */
int ks_cli_print(const struct ks_buf *b, struct ks_err *err);

/** ks_features_write() - the features document of the OCI spec; 0 or -ENOMEM */
int ks_features_write(struct ks_arena *a, struct ks_json_out *o, struct ks_err *err);

/** ks_cli_usage_error() - mark a failure as one of usage; returns -EINVAL */
int ks_cli_usage_error(struct ks_cli *cli, struct ks_err *err, const char *fmt, ...)
	KS_PRINTF(3, 4);
