/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "verbs.h"

const struct ks_option ks_spec_options[] = {
	{ "bundle", 'b', KS_OPT_STR, offsetof(struct ks_spec_opts, bundle), "DIR",
	  "write config.json here (.)" },
	{ "file", 'f', KS_OPT_STR, offsetof(struct ks_spec_opts, file), "FILE",
	  "write this file, which must not be there (config.json)" },
	{ "rootless", 0, KS_OPT_FLAG, offsetof(struct ks_spec_opts, rootless), NULL,
	  "for a user without privileges" },
	{ 0 },
};

int ks_verb_spec(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		 struct ks_err *err)
{
	const struct ks_spec_opts *o = opts;
	const struct ks_spec_template t = { .terminal = true,
					    .readonly_rootfs = true,
					    .rootless = o->rootless,
					    .map_uid = geteuid(),
					    .map_gid = getegid() };
	const char *file = o->file ? o->file : "config.json";
	ks_auto_json_out struct ks_json_out out = { .pretty = true };
	const char *dir = o->bundle ? o->bundle : ".";
	ks_auto_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)cli;
	(void)args;
	if (dir_fd < 0)
		return ks_err_set(err, -errno, "bundle %s", dir);
	ks_spec_write_template(&t, &out);
	ks_buf_adds(&out.buf, "\n");
	if (out.buf.failed)
		return ks_err_oom(err);
	ks_auto_fd int fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : ks_fd_write_all(fd, out.buf.data, out.buf.len);

	return r < 0 ? ks_err_set(err, r, "write %s in %s", file, dir) : 0;
}
