/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A plan is what the parent works out of a spec, so that the child of the
 * launch only executes: strings are resolved, trusted descriptors are open,
 * masks and programs are computed. The child gets it as its copy of memory
 * and neither allocates nor parses.
 */
#include <linux/filter.h>
#include <sys/resource.h>

#include <kshim/cgroup.h>
#include <kshim/compat.h>
#include <kshim/mount.h>
#include <kshim/run.h>
#include <kshim/spec.h>

/* Of the null device over a masked file: it is the host's, whose mode and owner stay as they are.
 */
#define KS_MASK_ATTR (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

#define KS_PLAN_MAX_MOUNTS 4096 /* Linux allows 100000 in a namespace */

enum ks_plan_mount_kind {
	KS_PLAN_BIND,	 /* fd is a detached clone */
	KS_PLAN_NEW,	 /* a new file system of .type */
	KS_PLAN_CGROUP,	 /* what the host has, below .cgroups */
	KS_PLAN_REMOUNT, /* other attributes for what is mounted there */
	KS_PLAN_VOLUME,	 /* fd is a detached mount that volumes made; checked after */
};

struct ks_plan_mount {
	enum ks_plan_mount_kind kind;
	const char *target; /* absolute, cleaned */
	const char *source, *type;
	struct ks_mount_opts opts;
	int fd;		   /* owned */
	int idmap_fd;	   /* of a new file system: user namespace of its mapping; owned */
	bool is_file;	   /* the target is to be a file */
	uint64_t dev, ino; /* of a volume: what must stand at the target */
	uint64_t id;	   /* of a new mount, set by the child when it is there; else 0 */
	const char *label; /* SELinux' of its root, where the file system takes no context */
};

/* One hierarchy below a v1 cgroup mount. */
struct ks_plan_cgroup {
	const char *name;
	const char *type, *data; /* a new mount, or … */
	int fd;			 /* … a detached clone of the container's directory; owned */
};

struct ks_plan_device {
	const char *path;
	mode_t mode; /* with type */
	dev_t rdev;
	uid_t uid;
	gid_t gid;
	bool has_mode, has_owner; /* asked for, not only the default */
	int bind_fd; /* in a user namespace: detached clone of the host's node; owned */
};

struct ks_plan_hook {
	const char *path;
	char **args, **env;
	int timeout_s; /* 0: none */
};

struct ks_plan_hooks {
	struct ks_plan_hook *v;
	size_t n;
};

struct ks_plan_rlimit {
	int type;
	struct rlimit value;
};

struct ks_plan_caps {
	uint64_t bounding, effective, inheritable, permitted, ambient;
	bool set;
};

#define KS_PLAN_MAX_CPUS 8192 /* Linux' own limit */

/* A set of CPUs or memory nodes, as the system calls take it; size 0: none is given. */
struct ks_plan_set {
	unsigned long bits[KS_PLAN_MAX_CPUS / (8 * sizeof(unsigned long))];
	size_t size; /* bytes */
};

/* How the process is to be scheduled; each part only when it is given. */
struct ks_plan_tuning {
	bool has_scheduler, has_io_priority, has_memory_policy, has_personality;
	struct ks_sched_attr scheduler;
	int io_priority; /* class and priority, as ioprio_set(2) takes it */
	int memory_mode; /* with flags */
	unsigned long personality;
	struct ks_plan_set *memory_nodes, *initial_cpus, *final_cpus; /* or NULL */
};

struct ks_plan_process {
	char **args;
	char **env; /* with one NULL slot to spare behind the last, for HOME */
	size_t n_env;
	const char *path; /* the value of PATH in env, or a default */
	bool has_home;
	const char *cwd;
	uid_t uid;
	gid_t gid;
	const gid_t *gids;
	size_t n_gids;
	mode_t umask;
	struct ks_plan_rlimit *rlimits;
	size_t n_rlimits;
	struct ks_plan_caps caps;
	bool no_new_privs;
	bool terminal;
	unsigned short rows, cols; /* 0: leave */
	struct sock_fprog seccomp; /* len 0: none */
	unsigned int seccomp_flags;
	bool seccomp_listener;	  /* the filter notifies: its descriptor goes to the parent */
	const char *seccomp_name; /* of the program among the compiled ones, or NULL */
	unsigned int preserve_fds;
	const char *keyring; /* NULL: keep the caller's session keyring */
	struct ks_plan_tuning tuning;
	const char *apparmor, *selinux; /* label of the program, or NULL */
};

/* Where the listener of a filter goes; path NULL: it has none. In the arena. */
struct ks_seccomp_target {
	const char *path, *metadata;
};

struct ks_plan {
	uint64_t clone_flags;		   /* CLONE_NEW*, but for the cgroup namespace */
	bool new_cgroupns;		   /* unshared when the cgroup is joined */
	bool new_timens;		   /* its offsets are set before it is entered */
	const struct ks_list *net_devices; /* moved into it when it is there, or NULL */
	const char *time_offsets;	   /* text for /proc/self/timens_offsets, or NULL */
	int join_fd[KS_NS_COUNT];	   /* owned, or -EBADF */
	int init_pidfd;			   /* exec: join all its namespaces; owned, or -EBADF */
	uint64_t init_ns_flags;		   /* exec: those that differ from ours */
	struct ks_cgroup_join cgroup;
	const char *uid_map, *gid_map; /* of a new user namespace, or NULL */

	int rootfs_fd; /* detached tree; owned; -EBADF for exec */
	bool root_readonly;
	bool no_pivot; /* chroot(2) instead of pivot_root(2) */
	uint64_t root_propagation;
	bool root_propagation_rec;
	struct ks_plan_mount *mounts;
	size_t n_mounts;
	struct ks_plan_cgroup *cgroups;
	size_t n_cgroups;
	bool make_dev; /* /dev is the container's own: make nodes and links */
	struct ks_plan_device *devices;
	size_t n_devices;
	const struct ks_strv *masked, *readonly;
	char *context; /* option of the file systems that are made: linux.mountLabel; or NULL */
	const struct ks_map *sysctl;
	const char *hostname, *domainname;
	struct ks_plan_hooks create_container, start_container;
	bool runtime_hooks; /* the parent has hooks to run before pivot_root */

	struct ks_plan_process process;
	int start_fd; /* listening socket that `start` connects to; owned; -EBADF: the channel */
};

/* What parent and child tell each other. */
enum ks_launch_msg {
	KS_MSG_ERROR = 1, /* child: struct ks_err; the child is ending */
	KS_MSG_GO,	  /* parent: ids are mapped, go on */
	KS_MSG_HOOKS,	  /* child: namespaces and mounts are there; data: its own pid (pid_t) */
	KS_MSG_STATE,	  /* parent, twice: hooks are done; fd: state JSON, for createContainer,
			     then for startContainer hooks */
	KS_MSG_TTY,	  /* child: fd: the terminal's master */
	KS_MSG_READY,	  /* child: everything but exec is done */
	KS_MSG_SAVED,	  /* parent: the container is on record */
	KS_MSG_START,	  /* parent or `start`: exec */
	KS_MSG_PIDFD,	  /* intermediate: fd: pidfd of the child */
	KS_MSG_LISTENER,  /* child: fd: listener of the seccomp filter, which is loaded */
	KS_MSG_HEARD,	  /* parent: it was passed on */
};

/* plan.c, plan-mounts.c, plan-process.c: parent only. */
int ks_plan_init_container(struct ks_arena *a, const struct ks_create *c, const struct ks_spec *s,
			   const struct ks_cgroup *cg, struct ks_plan *p, struct ks_err *err);
int ks_plan_mounts(struct ks_arena *a, const struct ks_create *c, const struct ks_spec *s,
		   const struct ks_cgroup *cg, struct ks_plan *p, struct ks_err *err);
int ks_plan_devices(struct ks_arena *a, const struct ks_create *c, const struct ks_spec *s,
		    struct ks_plan *p, struct ks_err *err);
int ks_plan_process(struct ks_arena *a, const struct ks_spec_process *sp, bool new_userns,
		    struct ks_strv *warnings, struct ks_plan_process *p, struct ks_err *err);
/* The text of uid_map or gid_map. */
int ks_plan_map(struct ks_arena *a, const struct ks_list *maps, const char **ret,
		struct ks_err *err);
/* idmap.c: a user namespace with these mappings; *ret_fd owned by the caller. */
int ks_plan_idmap(struct ks_arena *a, const struct ks_list *uids, const struct ks_list *gids,
		  int *ret_fd, struct ks_err *err);
int ks_plan_tuning(struct ks_arena *a, const struct ks_spec_process *sp, struct ks_plan_tuning *ret,
		   struct ks_err *err);
int ks_plan_memory_policy(struct ks_arena *a, const struct ks_spec_memory_policy *mp,
			  struct ks_plan_tuning *ret, struct ks_err *err);
int ks_plan_hooks(struct ks_arena *a, const struct ks_list *hooks, struct ks_plan_hooks *ret,
		  struct ks_err *err);
void ks_plan_empty(struct ks_plan *p);
void ks_plan_done(struct ks_plan *p);

/* caps.c, seccomp.c: parent only. */
int ks_caps_plan(const struct ks_spec_caps *caps, bool new_userns, struct ks_arena *a,
		 struct ks_strv *warnings, struct ks_plan_caps *ret, struct ks_err *err);
int ks_seccomp_plan(struct ks_arena *a, const struct ks_spec *s, int runtime_fd,
		    struct ks_plan_process *ret, struct ks_seccomp_target *ret_target,
		    struct ks_err *err);
/* The program that a create compiled; -ENOENT when it is not there any more. */
int ks_seccomp_reuse(struct ks_arena *a, int runtime_fd, const char *name,
		     struct ks_plan_process *ret);

/*
 * Runs a hook and waits for it; 0 or -errno, with its exit code in @err.
 * @cwd: NULL to stay. Context: parent or child; no allocation.
 */
int ks_hook_run(const struct ks_plan_hook *h, int state_fd, const char *cwd, struct ks_err *err);

/* The same for a list, up to the first that fails: its error is a KS_ERR_HOOK. */
int ks_hooks_run(const struct ks_plan_hooks *h, const char *kind, int state_fd, const char *cwd,
		 struct ks_err *err);

/* child.c: never returns. Context: the child of clone3. */
void ks_child_run(struct ks_plan *p, int sock) __attribute__((noreturn));
/* The first half of an exec, in a process that makes the other one then; 0 or -errno. */
int ks_child_enter(struct ks_plan *p, int sock, struct ks_err *err);
