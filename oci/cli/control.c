/* SPDX-License-Identifier: Apache-2.0 */
/* pause, resume, update, ps: the verbs on a container that runs. */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "verbs.h"

#define MAX_PS_BYTES (16U << 20)

#define O(member, name, letter, arg, help)                                                   \
	{                                                                                    \
		name, letter, KS_OPT_STR, offsetof(struct ks_update_opts, member), arg, help \
	}

const struct ks_option ks_update_options[] = {
	O(resources, "resources", 'r', "FILE|-", "read linux.resources from a JSON file"),
	O(blkio_weight, "blkio-weight", 0, "N", "block I/O weight (10 to 1000)"),
	O(cpu_period, "cpu-period", 0, "US", "period of the CPU quota"),
	O(cpu_quota, "cpu-quota", 0, "US", "CPU time in a period; -1 for no limit"),
	O(cpu_burst, "cpu-burst", 0, "US", "unused CPU time that may be used later"),
	O(cpu_share, "cpu-share", 0, "N", "relative CPU weight (2 to 262144)"),
	O(cpu_rt_period, "cpu-rt-period", 0, "US", "period of real-time tasks (v1)"),
	O(cpu_rt_runtime, "cpu-rt-runtime", 0, "US", "their time in a period (v1)"),
	O(cpu_idle, "cpu-idle", 0, "0|1", "run only when nothing else does"),
	O(cpuset_cpus, "cpuset-cpus", 0, "LIST", "CPUs to use"),
	O(cpuset_mems, "cpuset-mems", 0, "LIST", "memory nodes to use"),
	O(memory, "memory", 0, "BYTES", "memory limit; 64M and the like; -1 for none"),
	O(memory_reservation, "memory-reservation", 0, "BYTES", "soft limit"),
	O(memory_swap, "memory-swap", 0, "BYTES", "limit of memory and swap together"),
	O(pids_limit, "pids-limit", 0, "N", "number of tasks; -1 for no limit"),
	O(kernel_memory, "kernel-memory", 0, "BYTES", "accepted; Linux has no such limit any more"),
	O(kernel_memory_tcp, "kernel-memory-tcp", 0, "BYTES",
	  "accepted; Linux has no such limit any more"),
	O(l3_cache_schema, "l3-cache-schema", 0, "SCHEMA", "Intel RDT: shares of the L3 cache"),
	O(mem_bw_schema, "mem-bw-schema", 0, "SCHEMA", "Intel RDT: memory bandwidth"),
	{ 0 },
};

const struct ks_option ks_ps_options[] = {
	{ "format", 'f', KS_OPT_STR, offsetof(struct ks_ps_opts, format), "table|json",
	  "how to print (table)" },
	{ 0 },
};

int ks_verb_pause(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		  struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	int r = ks_cli_open_root(cli, &root, err);

	(void)opts;
	return r < 0 ? r : ks_container_pause(root, args->v[0], true, err);
}

int ks_verb_resume(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		   struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	int r = ks_cli_open_root(cli, &root, err);

	(void)opts;
	return r < 0 ? r : ks_container_pause(root, args->v[0], false, err);
}

static int fail_option(struct ks_cli *cli, const char *name, const char *value, struct ks_err *err)
{
	return ks_cli_usage_error(cli, err, "option --%s: \"%s\" is not valid", name, value);
}

/* "67108864", "64M", "-1": what runc's users write. */
static int parse_bytes(const char *s, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	char num[32];
	size_t n = strcspn(s, "bkmgtpBKMGTP");
	int64_t v;
	unsigned int shift = 0;

	if (n >= sizeof(num))
		return -EINVAL;
	ks_fmt(num, sizeof(num), "%.*s", (int)n, s);
	if (ks_parse_i64(num, -1, INT64_MAX, &v) < 0)
		return -EINVAL;
	if (s[n]) {
		const char *unit = strchr(units, s[n] | 0x20);
		const char *rest = s + n + 1;

		shift = unit ? (unsigned int)(unit - units) * 10 : 0;
		/* "64MiB" and "64MB" too. */
		if (*rest == 'i')
			rest++;
		if (*rest && !ks_streq(rest, "B") && !ks_streq(rest, "b"))
			return -EINVAL;
	}
	if (v > INT64_MAX >> shift || (v < 0 && shift))
		return -ERANGE;
	*ret = v < 0 ? v : v << shift;
	return 0;
}

static int read_numbers(struct ks_cli *cli, const struct ks_update_opts *o,
			struct ks_spec_resources *res, struct ks_err *err)
{
	struct {
		const char *name, *value;
		struct ks_opt_u64 *u;
		struct ks_opt_i64 *i;
		int64_t max;
	} all[] = {
		{ "blkio-weight", o->blkio_weight, &res->block_io.weight, NULL, 1000 },
		{ "cpu-period", o->cpu_period, &res->cpu.period, NULL, INT64_MAX },
		{ "cpu-burst", o->cpu_burst, &res->cpu.burst, NULL, INT64_MAX },
		{ "cpu-share", o->cpu_share, &res->cpu.shares, NULL, INT64_MAX },
		{ "cpu-rt-period", o->cpu_rt_period, &res->cpu.rt_period, NULL, INT64_MAX },
		{ "cpu-quota", o->cpu_quota, NULL, &res->cpu.quota, INT64_MAX },
		{ "cpu-rt-runtime", o->cpu_rt_runtime, NULL, &res->cpu.rt_runtime, INT64_MAX },
		{ "cpu-idle", o->cpu_idle, NULL, &res->cpu.idle, 1 },
		{ "pids-limit", o->pids_limit, NULL, &res->pids.limit, INT64_MAX },
	};

	for (size_t k = 0; k < KS_ARRAY_LEN(all); k++) {
		int64_t v;

		if (!all[k].value)
			continue;
		if (ks_parse_i64(all[k].value, all[k].u ? 0 : -1, all[k].max, &v) < 0)
			return fail_option(cli, all[k].name, all[k].value, err);
		if (all[k].u)
			*all[k].u = (struct ks_opt_u64){ true, (uint64_t)v };
		else
			*all[k].i = (struct ks_opt_i64){ true, v };
	}
	return 0;
}

static int read_bytes(struct ks_cli *cli, const struct ks_update_opts *o,
		      struct ks_spec_resources *res, struct ks_err *err)
{
	struct ks_opt_i64 ignored;
	struct {
		const char *name, *value;
		struct ks_opt_i64 *ret;
	} all[] = {
		{ "memory", o->memory, &res->memory.limit },
		{ "memory-reservation", o->memory_reservation, &res->memory.reservation },
		{ "memory-swap", o->memory_swap, &res->memory.swap },
		{ "kernel-memory", o->kernel_memory, &ignored },
		{ "kernel-memory-tcp", o->kernel_memory_tcp, &ignored },
	};

	for (size_t k = 0; k < KS_ARRAY_LEN(all); k++) {
		if (!all[k].value)
			continue;
		if (parse_bytes(all[k].value, &all[k].ret->v) < 0)
			return fail_option(cli, all[k].name, all[k].value, err);
		all[k].ret->set = true;
	}
	return 0;
}

static int read_resources(struct ks_cli *cli, const char *path, struct ks_spec_resources *res,
			  struct ks_err *err)
{
	bool standard = ks_streq(path, "-");
	ks_auto_fd int file = standard ? -EBADF : open(path, O_RDONLY | O_CLOEXEC);
	int fd = standard ? 0 : file;
	char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : ks_fd_read_all(&cli->arena, fd, KS_JSON_MAX_BYTES, &text, &len);

	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	return ks_resources_parse(&cli->arena, text, len, standard ? "standard input" : path, res,
				  err);
}

int ks_verb_update(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		   struct ks_err *err)
{
	const struct ks_update_opts *o = opts;
	const struct ks_spec_intel_rdt rdt = { .l3_cache_schema = o->l3_cache_schema,
					       .mem_bw_schema = o->mem_bw_schema };
	struct ks_spec_resources res = { 0 };
	ks_auto_fd int root = -EBADF;
	int r = 0;

	if (!ks_str_empty(o->mem_bw_schema) && !ks_is_mem_bw_schema(o->mem_bw_schema))
		return fail_option(cli, "mem-bw-schema", o->mem_bw_schema, err);
	if (o->resources)
		r = read_resources(cli, o->resources, &res, err);
	if (r == 0)
		r = read_numbers(cli, o, &res, err);
	if (r == 0)
		r = read_bytes(cli, o, &res, err);
	if (r == 0 && o->cpuset_cpus)
		res.cpu.cpus = o->cpuset_cpus;
	if (r == 0 && o->cpuset_mems)
		res.cpu.mems = o->cpuset_mems;
	if (r == 0)
		r = ks_cli_open_root(cli, &root, err);
	return r < 0 ? r : ks_container_update(root, args->v[0], &res, &rdt, err);
}

static int print_pids(const pid_t *pids, size_t n, struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out out = { 0 };

	ks_json_open(&out, NULL, '[');
	for (size_t i = 0; i < n; i++)
		ks_json_put_i64(&out, NULL, pids[i]);
	ks_json_close(&out, ']');
	ks_buf_adds(&out.buf, "\n");
	return ks_cli_print(&out.buf, err);
}

static int run_ps(struct ks_cli *cli, const struct ks_args *args, char **ret, struct ks_err *err)
{
	char program[] = "ps", everything[] = "-ef";
	char *argv[66] = { program };
	size_t n = 1, len;
	int pair[2], status = 0;

	for (int i = 1; i < args->n && n < 65; i++)
		argv[n++] = args->v[i];
	if (n == 1)
		argv[n++] = everything;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return ks_err_set(err, -errno, "make a pipe");
	pid_t pid = fork();

	if (pid == 0) {
		dup2(pair[1], 1);
		execvp("ps", argv);
		_exit(127);
	}
	close(pair[1]);
	int r = pid < 0 ? -errno : ks_fd_read_all(&cli->arena, pair[0], MAX_PS_BYTES, ret, &len);

	close(pair[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return ks_err_set(err, r, "run ps");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "ps is not installed; --format json needs none");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return ks_err_kind(err, KS_ERR_INVALID, "ps does not take these options");
	return 0;
}

/* The word of a line that stands in the column of PID. */
static bool line_is_of(const char *line, size_t column, const pid_t *pids, size_t n)
{
	char word[16];
	uint64_t pid;

	for (size_t i = 0;; i++) {
		line += strspn(line, " \t");
		size_t len = strcspn(line, " \t");

		if (!len)
			return false;
		if (i == column) {
			ks_fmt(word, sizeof(word), "%.*s", (int)len, line);
			break;
		}
		line += len;
	}
	if (ks_parse_u64(word, INT32_MAX, &pid) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((uint64_t)pids[i] == pid)
			return true;
	return false;
}

static int find_pid_column(const char *header, size_t *ret)
{
	for (size_t i = 0;; i++) {
		header += strspn(header, " \t");
		size_t len = strcspn(header, " \t");

		if (!len)
			return -ENOENT;
		if (len == 3 && strncmp(header, "PID", 3) == 0) {
			*ret = i;
			return 0;
		}
		header += len;
	}
}

static int print_table(struct ks_cli *cli, const struct ks_args *args, const pid_t *pids, size_t n,
		       struct ks_err *err)
{
	ks_auto_buf struct ks_buf out = { 0 };
	struct ks_strv lines = { 0 };
	size_t column;
	char *text = NULL;
	int r = run_ps(cli, args, &text, err);

	if (r < 0)
		return r;
	if (!text || ks_str_split(&cli->arena, text, '\n', &lines) < 0)
		return ks_err_oom(err);
	if (!lines.n || find_pid_column(lines.v[0], &column) < 0)
		return ks_err_kind(err, KS_ERR_INVALID, "the output of ps has no PID column");
	for (size_t i = 0; i < lines.n; i++)
		if (i == 0 || line_is_of(lines.v[i], column, pids, n))
			ks_buf_addf(&out, "%s\n", lines.v[i]);
	return ks_cli_print(&out, err);
}

int ks_verb_ps(struct ks_cli *cli, const void *opts, const struct ks_args *args, struct ks_err *err)
{
	const struct ks_ps_opts *o = opts;
	bool as_json = o->format && ks_streq(o->format, "json");
	ks_auto_fd int root = -EBADF;
	pid_t *pids = NULL;
	size_t n = 0;

	if (o->format && !as_json && !ks_streq(o->format, "table"))
		return ks_cli_usage_error(cli, err, "option --format: \"%s\" is not table or json",
					  o->format);
	int r = ks_cli_open_root(cli, &root, err);

	if (r == 0)
		r = ks_container_pids(&cli->arena, root, args->v[0], &pids, &n, err);
	if (r < 0)
		return r;
	return as_json ? print_pids(pids, n, err) : print_table(cli, args, pids, n, err);
}
