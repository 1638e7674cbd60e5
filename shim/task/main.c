/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kshim/cli.h>

#include "bootstrap.h"

enum { VALUE, FLAG };

static const struct option {
	const char *name;
	int kind;
	size_t offset;
} options[] = {
	{ "namespace", VALUE, offsetof(struct ks_shim_args, ns) },
	{ "id", VALUE, offsetof(struct ks_shim_args, id) },
	{ "address", VALUE, offsetof(struct ks_shim_args, address) },
	{ "publish-binary", VALUE, offsetof(struct ks_shim_args, publish_binary) },
	{ "bundle", VALUE, offsetof(struct ks_shim_args, bundle) },
	{ "socket", VALUE, offsetof(struct ks_shim_args, socket) },
	{ "debug-socket", VALUE, offsetof(struct ks_shim_args, debug_socket) },
	{ "debug", FLAG, offsetof(struct ks_shim_args, debug) },
	{ "v", FLAG, offsetof(struct ks_shim_args, version) },
	{ "version", FLAG, offsetof(struct ks_shim_args, version) },
	{ "info", FLAG, offsetof(struct ks_shim_args, info) },
};

static const struct option *find(const char *name, size_t len)
{
	for (size_t i = 0; i < KS_ARRAY_LEN(options); i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* -name value, -name=value, --name; the first word that is none of them is the action. */
static int parse(int argc, char **argv, struct ks_shim_args *args, struct ks_err *err)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *name = argv[i] + 1 + (argv[i][1] == '-');
		size_t len = strcspn(name, "=");
		const struct option *o = find(name, len);
		const char *value = name[len] ? name + len + 1 : NULL;

		if (!o)
			return ks_err_kind(err, KS_ERR_INVALID, "unknown option %s", argv[i]);
		void *at = (char *)args + o->offset;

		if (o->kind == FLAG) {
			*(bool *)at = !value || !ks_streq(value, "false");
			continue;
		}
		if (!value && ++i < argc)
			value = argv[i];
		if (!value)
			return ks_err_kind(err, KS_ERR_INVALID, "option -%s needs a value",
					   o->name);
		*(const char **)at = value;
	}
	args->action = i < argc ? argv[i] : NULL;
	if (args->action && i + 1 < argc)
		return ks_err_kind(err, KS_ERR_INVALID, "too many arguments");
	return 0;
}

/* They become names of files. */
static int check(const struct ks_shim_args *args, struct ks_err *err)
{
	if (ks_str_empty(args->ns))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "-namespace is missing; this program is started by containerd");
	if (!ks_valid_id(args->ns) || args->ns[0] == '.')
		return ks_err_kind(err, KS_ERR_INVALID, "-namespace: \"%.*s\"", 200, args->ns);
	if (ks_str_empty(args->id) || !ks_valid_id(args->id))
		return ks_err_kind(err, KS_ERR_INVALID, "-id: \"%.*s\"", 200,
				   args->id ? args->id : "");
	return 0;
}

static int act(const struct ks_shim_args *args, const struct ks_shim_env *env, struct ks_err *err)
{
	if (args->info)
		return ks_shim_info(err);
	int r = check(args, err);

	if (r < 0)
		return r;
	if (!args->action)
		return ks_shim_serve(args, env, err);
	if (ks_streq(args->action, "start"))
		return ks_shim_start(args, err);
	if (ks_streq(args->action, "delete"))
		return ks_shim_delete(args, env, err);
	return ks_err_kind(err, KS_ERR_INVALID, "unknown action \"%.*s\"", 200, args->action);
}

int ks_shim_main(int argc, char **argv, const struct ks_shim_env *env)
{
	struct ks_shim_args args = { 0 };
	struct ks_err err = KS_ERR_INIT;
	int r = parse(argc, argv, &args, &err);

	(void)signal(SIGPIPE, SIG_IGN);
	if (r == 0 && args.version) {
		printf("%s:\n  Version:  %s\n  Spec:     %s\n", KS_SHIM_NAME, KS_VERSION,
		       KS_OCI_VERSION);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (r == 0)
		r = act(&args, env, &err);
	if (r < 0 && !args.action && !args.info && args.ns)
		ks_shim_log("error", "%s", err.msg);
	else if (r < 0)
		dprintf(2, "%s: %s\n", KS_SHIM_NAME, err.msg);
	return r < 0 ? KS_EXIT_FAILED : 0;
}
