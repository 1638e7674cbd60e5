/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config.json that `kshim spec` writes and that the quick form of run and
 * create starts from.
 */
#include <kshim/spec.h>

struct template_mount {
	const char *destination, *type, *source;
	const char *options[8];
};

static const struct template_mount mounts[] = {
	{ "/proc", "proc", "proc", { NULL } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

/* What a user without privileges can mount: no new sysfs, no group that is not mapped. */
static const struct template_mount rootless_mounts[] = {
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" } },
	{ "/sys", "none", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" } },
};

static const char *const narrow_caps[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" };
static const char *const wide_caps[] = {
	"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",	   "CAP_FOWNER",
	"CAP_MKNOD",   "CAP_NET_RAW",	   "CAP_SETGID",	   "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP",	   "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
	"CAP_KILL",    "CAP_AUDIT_WRITE",
};

static const char *const masked[] = {
	"/proc/acpi",	       "/proc/asound",	   "/proc/kcore",	"/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/sys/firmware",       "/proc/scsi",
};

static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					 "/proc/sysrq-trigger" };

static void put_list(struct ks_json_out *o, const char *key, const char *const *v, size_t n)
{
	ks_json_open(o, key, '[');
	for (size_t i = 0; i < n && v[i]; i++)
		ks_json_put_str(o, NULL, v[i]);
	ks_json_close(o, ']');
}

static void put_caps(const struct ks_spec_template *t, struct ks_json_out *o)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	ks_json_open(o, "capabilities", '{');
	for (size_t i = 0; i < KS_ARRAY_LEN(sets); i++)
		put_list(o, sets[i], t->wide_caps ? wide_caps : narrow_caps,
			 t->wide_caps ? KS_ARRAY_LEN(wide_caps) : KS_ARRAY_LEN(narrow_caps));
	ks_json_close(o, '}');
}

static void put_env(const struct ks_spec_template *t, struct ks_json_out *o)
{
	ks_json_open(o, "env", '[');
	ks_json_put_str(o, NULL,
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (t->terminal)
		ks_json_put_str(o, NULL, "TERM=xterm");
	for (size_t i = 0; i < t->env.n; i++)
		ks_json_put_str(o, NULL, t->env.v[i]);
	ks_json_close(o, ']');
}

static void put_process(const struct ks_spec_template *t, struct ks_json_out *o)
{
	ks_json_open(o, "process", '{');
	ks_json_put_bool(o, "terminal", t->terminal);
	ks_json_open(o, "user", '{');
	ks_json_put_u64(o, "uid", t->uid);
	ks_json_put_u64(o, "gid", t->gid);
	ks_json_close(o, '}');
	ks_json_open(o, "args", '[');
	if (!t->args)
		ks_json_put_str(o, NULL, "sh");
	for (char *const *p = t->args; p && *p; p++)
		ks_json_put_str(o, NULL, *p);
	ks_json_close(o, ']');
	put_env(t, o);
	ks_json_put_str(o, "cwd", t->cwd ? t->cwd : "/");
	put_caps(t, o);
	ks_json_open(o, "rlimits", '[');
	ks_json_open(o, NULL, '{');
	ks_json_put_str(o, "type", "RLIMIT_NOFILE");
	ks_json_put_u64(o, "hard", 1024);
	ks_json_put_u64(o, "soft", 1024);
	ks_json_close(o, '}');
	ks_json_close(o, ']');
	ks_json_put_bool(o, "noNewPrivileges", true);
	ks_json_close(o, '}');
}

static void put_mount(const struct template_mount *m, struct ks_json_out *o)
{
	ks_json_open(o, NULL, '{');
	ks_json_put_str(o, "destination", m->destination);
	ks_json_put_str(o, "type", m->type);
	ks_json_put_str(o, "source", m->source);
	if (m->options[0])
		put_list(o, "options", m->options, KS_ARRAY_LEN(m->options));
	ks_json_close(o, '}');
}

static void put_mounts(const struct ks_spec_template *t, struct ks_json_out *o)
{
	ks_json_open(o, "mounts", '[');
	for (size_t i = 0; i < KS_ARRAY_LEN(mounts); i++) {
		const struct template_mount *m = &mounts[i];

		for (size_t k = 0; k < KS_ARRAY_LEN(rootless_mounts) && t->rootless; k++)
			if (ks_streq(rootless_mounts[k].destination, mounts[i].destination))
				m = &rootless_mounts[k];
		put_mount(m, o);
	}
	ks_json_close(o, ']');
}

static void put_mapping(struct ks_json_out *o, const char *key, uint32_t id)
{
	ks_json_open(o, key, '[');
	ks_json_open(o, NULL, '{');
	ks_json_put_u64(o, "containerID", 0);
	ks_json_put_u64(o, "hostID", id);
	ks_json_put_u64(o, "size", 1);
	ks_json_close(o, '}');
	ks_json_close(o, ']');
}

/* Device rules are the operator's to set; a user without privileges has none. */
static void put_resources(struct ks_json_out *o)
{
	ks_json_open(o, "resources", '{');
	ks_json_open(o, "devices", '[');
	ks_json_open(o, NULL, '{');
	ks_json_put_bool(o, "allow", false);
	ks_json_put_str(o, "access", "rwm");
	ks_json_close(o, '}');
	ks_json_close(o, ']');
	ks_json_close(o, '}');
}

static void put_linux(const struct ks_spec_template *t, struct ks_json_out *o)
{
	static const char *const ns[] = { "pid", "network", "ipc", "uts", "mount", "cgroup" };
	static const char *const rootless_ns[] = { "pid", "ipc", "uts", "mount", "cgroup", "user" };
	const char *const *v = t->rootless ? rootless_ns : ns;

	ks_json_open(o, "linux", '{');
	if (t->rootless) {
		put_mapping(o, "uidMappings", t->map_uid);
		put_mapping(o, "gidMappings", t->map_gid);
	} else {
		put_resources(o);
	}
	ks_json_open(o, "namespaces", '[');
	for (size_t i = 0; i < KS_ARRAY_LEN(ns); i++) {
		ks_json_open(o, NULL, '{');
		ks_json_put_str(o, "type", v[i]);
		ks_json_close(o, '}');
	}
	ks_json_close(o, ']');
	put_list(o, "maskedPaths", masked, KS_ARRAY_LEN(masked));
	put_list(o, "readonlyPaths", read_only, KS_ARRAY_LEN(read_only));
	ks_json_close(o, '}');
}

void ks_spec_write_template(const struct ks_spec_template *t, struct ks_json_out *o)
{
	ks_json_open(o, NULL, '{');
	ks_json_put_str(o, "ociVersion", KS_OCI_VERSION);
	put_process(t, o);
	ks_json_open(o, "root", '{');
	ks_json_put_str(o, "path", t->rootfs ? t->rootfs : "rootfs");
	ks_json_put_bool(o, "readonly", t->readonly_rootfs);
	ks_json_close(o, '}');
	ks_json_put_str(o, "hostname", t->hostname ? t->hostname : "kshim");
	put_mounts(t, o);
	if (t->annotations.n)
		ks_json_put_map(o, "annotations", &t->annotations);
	put_linux(t, o);
	ks_json_close(o, '}');
}
