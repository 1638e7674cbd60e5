/* SPDX-License-Identifier: MIT */
/*
 * A model of the kernel's resctrl file system for guests whose processor has nothing of the kind:
 * the same names, files, rules and error texts, over two domains of an L3 cache and of memory
 * bandwidth, with monitors that count nothing. Tasks are in classes as with the real one: moved
 * by `tasks`, inherited by fork. It is there so that runtimes can be tried, kshim beside others.
 *
 * Source: kernel arch/x86/resctrl.rst, as of 6.1.
 */
#include <linux/bitmap.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "model.h"

#define MAGIC	     0x7655821
#define CBM_MASK     0xfffUL
#define MIN_CBM_BITS 1
#define MIN_MB	     10UL
#define MB_STEP	     10UL
#define MAX_CLOSIDS  4
#define MAX_RMIDS    8

enum kind {
	F_SCHEMATA,
	F_TASKS,
	F_STATUS,
	F_TEXT,
	D_PLAIN,
	D_ROOT,
	D_GROUP,
	D_MON_GROUPS,
};

/* What an inode is. */
struct what {
	enum kind kind;
	struct group *group;
	const char *text;
};

static DEFINE_MUTEX(mutex); /* groups, limits, the status */
struct group root_group;
static unsigned int n_classes, n_monitors;
char status[256] = "ok\n";

/* ---- limits ---------------------------------------------------------------- */

static int parse_cbm(char *s, unsigned long *ret)
{
	unsigned long v, first, end;

	if (kstrtoul(s, 16, &v)) {
		SAY("Non-hex character in the mask %s\n", s);
		return -EINVAL;
	}
	if (v > CBM_MASK) {
		SAY("Mask out of range\n");
		return -EINVAL;
	}
	first = find_first_bit(&v, 12);
	end = find_next_zero_bit(&v, 12, first);
	if (find_next_bit(&v, 12, end) < 12) {
		SAY("The mask %lx has non-consecutive 1-bits\n", v);
		return -EINVAL;
	}
	if (end - first < MIN_CBM_BITS) {
		SAY("Need at least %d bits in the mask\n", MIN_CBM_BITS);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int parse_mb(char *s, unsigned long *ret)
{
	unsigned long v;

	if (kstrtoul(s, 10, &v)) {
		SAY("Non-decimal digit in MB value %s\n", s);
		return -EINVAL;
	}
	if (v < MIN_MB || v > 100) {
		SAY("MB value %ld out of range [%ld,%d]\n", v, MIN_MB, 100);
		return -EINVAL;
	}
	*ret = roundup(v, MB_STEP);
	return 0;
}

static int parse_line(char *line, bool mb, bool *seen, unsigned long *v)
{
	char *dom, *id;

	while ((dom = strsep(&line, ";")) && *strim(dom)) {
		unsigned long d;
		int r;

		id = strsep(&dom, "=");
		if (!dom || kstrtoul(id, 10, &d)) {
			SAY("Missing '=' or non-numeric domain\n");
			return -EINVAL;
		}
		if (d >= DOMAINS)
			return -EINVAL;
		if (seen[d]) {
			SAY("Duplicate domain %ld\n", d);
			return -EINVAL;
		}
		seen[d] = true;
		r = mb ? parse_mb(strim(dom), &v[d]) : parse_cbm(strim(dom), &v[d]);
		if (r)
			return r;
	}
	return 0;
}

static int write_schemata(struct group *g, char *buf, size_t n)
{
	bool seen[2][DOMAINS] = { 0 };
	struct group new = *g;
	char *line, *name;

	if (!n || buf[n - 1] != '\n')
		return -EINVAL;
	buf[n - 1] = '\0';
	while ((line = strsep(&buf, "\n"))) {
		bool mb;
		int r;

		name = strim(strsep(&line, ":"));
		if (!line || !*name) {
			SAY("Missing resource name\n");
			return -EINVAL;
		}
		if (!*line) {
			SAY("Missing '%s' value\n", name);
			return -EINVAL;
		}
		mb = !strcmp(name, "MB");
		if (!mb && strcmp(name, "L3")) {
			SAY("Unknown or unsupported resource name '%s'\n", name);
			return -EINVAL;
		}
		r = parse_line(line, mb, seen[mb], mb ? new.mb : new.cbm);
		if (r)
			return r;
	}
	*g = new;
	return 0;
}

static int show_schemata(struct seq_file *f, const struct group *g)
{
	seq_printf(f, "    L3:0=%03lx;1=%03lx\n", g->cbm[0], g->cbm[1]);
	seq_printf(f, "    MB:0=%4lu;1=%4lu\n", g->mb[0], g->mb[1]);
	return 0;
}

/* ---- files --------------------------------------------------------------------- */

static int show(struct seq_file *f, void *v)
{
	const struct what *n = f->private;
	int r = 0;

	mutex_lock(&mutex);
	switch (n->kind) {
	case F_SCHEMATA:
		r = show_schemata(f, n->group);
		break;
	case F_TASKS:
		r = tasks_show(f, n->group);
		break;
	case F_STATUS:
		seq_puts(f, status);
		break;
	default:
		seq_puts(f, n->text);
	}
	mutex_unlock(&mutex);
	return r;
}

static int open_file(struct inode *inode, struct file *file)
{
	return single_open(file, show, inode->i_private);
}

static ssize_t write_file(struct file *file, const char __user *data, size_t n, loff_t *pos)
{
	const struct what *node = file_inode(file)->i_private;
	char *buf;
	int r;

	if (node->kind != F_SCHEMATA && node->kind != F_TASKS)
		return -EPERM;
	if (n >= PAGE_SIZE)
		return -E2BIG;
	buf = memdup_user_nul(data, n);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	mutex_lock(&mutex);
	SAY("ok\n");
	r = node->group->gone	  ? -ENOENT :
	    node->kind == F_TASKS ? tasks_write(node->group, buf) :
				    write_schemata(node->group, buf, n);
	mutex_unlock(&mutex);
	kfree(buf);
	return r ? r : n;
}

static const struct file_operations file_ops = {
	.owner = THIS_MODULE,
	.open = open_file,
	.read = seq_read,
	.write = write_file,
	.llseek = seq_lseek,
	.release = single_release,
};

static const struct inode_operations dir_ops;

static struct inode *make_inode(struct super_block *sb, enum kind kind, struct group *g,
				const char *text)
{
	struct inode *inode = new_inode(sb);
	struct what *n = kzalloc(sizeof(*n), GFP_KERNEL);

	if (!inode || !n) {
		kfree(n);
		iput(inode);
		return NULL;
	}
	*n = (struct what){ .kind = kind, .group = g, .text = text };
	inode->i_ino = get_next_ino();
	inode->i_private = n;
	inode->i_atime = inode->i_mtime = inode->i_ctime = current_time(inode);
	if (kind >= D_PLAIN) {
		inode->i_mode = S_IFDIR | 0755;
		inode->i_op = &dir_ops;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);
	} else {
		inode->i_mode = S_IFREG | (kind < F_STATUS ? 0644 : 0444);
		inode->i_fop = &file_ops;
	}
	return inode;
}

static struct dentry *add(struct dentry *parent, const char *name, enum kind kind, struct group *g,
			  const char *text)
{
	struct inode *inode = make_inode(parent->d_sb, kind, g, text);
	struct dentry *d = inode ? d_alloc_name(parent, name) : NULL;

	if (!d) {
		iput(inode);
		return NULL;
	}
	if (kind >= D_PLAIN)
		inc_nlink(d_inode(parent));
	d_add(d, inode);
	return d;
}

static bool add_monitors(struct dentry *dir, struct group *g)
{
	static const char *const domains[] = { "mon_L3_00", "mon_L3_01" };
	struct dentry *data = add(dir, "mon_data", D_PLAIN, g, NULL);
	int i;

	for (i = 0; data && i < DOMAINS; i++) {
		struct dentry *d = add(data, domains[i], D_PLAIN, g, NULL);

		if (!d || !add(d, "llc_occupancy", F_TEXT, g, "65536\n") ||
		    !add(d, "mbm_total_bytes", F_TEXT, g,
			 i && g->class ? "Unavailable\n" : "4096\n") ||
		    !add(d, "mbm_local_bytes", F_TEXT, g, "1024\n"))
			return false;
	}
	return data && add(dir, "tasks", F_TASKS, g, NULL);
}

static bool fill_class(struct dentry *dir, struct group *g)
{
	int i;

	for (i = 0; i < DOMAINS; i++) {
		g->cbm[i] = CBM_MASK;
		g->mb[i] = 100;
	}
	return add_monitors(dir, g) && add(dir, "schemata", F_SCHEMATA, g, NULL) &&
	       add(dir, "mode", F_TEXT, g, "shareable\n") &&
	       add(dir, "mon_groups", D_MON_GROUPS, g, NULL);
}

/* ---- groups ---------------------------------------------------------------------- */

static int make_group(struct user_namespace *ns, struct inode *dir, struct dentry *d, umode_t mode)
{
	const struct what *in = dir->i_private;
	bool monitor = in->kind == D_MON_GROUPS;
	struct group *g;
	struct inode *inode;
	int r = -ENOMEM;

	if (in->kind != D_ROOT && !monitor)
		return -EPERM;
	if (strchr(d->d_name.name, '\n'))
		return -EINVAL;
	mutex_lock(&mutex);
	SAY("ok\n");
	if (!monitor && n_classes == MAX_CLOSIDS) {
		SAY("Out of CLOSIDs\n");
		r = -ENOSPC;
	} else if (n_classes + n_monitors >= MAX_RMIDS) {
		SAY("Out of RMIDs\n");
		r = -ENOSPC;
	} else if ((g = kzalloc(sizeof(*g), GFP_KERNEL))) {
		g->class = monitor ? in->group : NULL;
		inode = make_inode(d->d_sb, D_GROUP, g, NULL);
		if (inode) {
			d_instantiate(d, inode);
			dget(d);
			inc_nlink(dir);
			if (monitor ? add_monitors(d, g) : fill_class(d, g))
				r = 0;
			n_classes += !monitor;
			n_monitors += monitor;
			if (monitor)
				in->group->n_monitors++;
		}
	}
	mutex_unlock(&mutex);
	return r;
}

static int remove_group(struct inode *dir, struct dentry *d)
{
	const struct what *n = d_inode(d)->i_private;
	struct group *g = n->group;

	if (n->kind != D_GROUP)
		return -EPERM;
	mutex_lock(&mutex);
	SAY("ok\n");
	tasks_move_all(g, g->class ? g->class : &root_group);
	if (g->class) {
		g->class->n_monitors--;
		n_monitors--;
	} else {
		n_monitors -= g->n_monitors;
		n_classes--;
	}
	g->gone = true;
	mutex_unlock(&mutex);
	/* What is in it goes with it; the group itself may still be named by an open file. */
	d_genocide(d);
	drop_nlink(d_inode(d));
	simple_unlink(dir, d);
	drop_nlink(dir);
	return 0;
}

static const struct inode_operations dir_ops = {
	.lookup = simple_lookup,
	.mkdir = make_group,
	.rmdir = remove_group,
};

/* ---- the file system ---------------------------------------------------------------- */

static void evict(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	kfree(inode->i_private);
}

static const struct super_operations super_ops = {
	.statfs = simple_statfs,
	.drop_inode = generic_delete_inode,
	.evict_inode = evict,
};

static bool fill_info(struct dentry *root)
{
	/* A directory, or a file in the last one. */
	static const char *const files[][2] = {
		{ "L3" },
		{ "cbm_mask", "fff\n" },
		{ "min_cbm_bits", "1\n" },
		{ "num_closids", "4\n" },
		{ "MB" },
		{ "bandwidth_gran", "10\n" },
		{ "delay_linear", "1\n" },
		{ "min_bandwidth", "10\n" },
		{ "num_closids", "4\n" },
		{ "L3_MON" },
		{ "num_rmids", "8\n" },
		{ "mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n" },
	};
	struct dentry *info = add(root, "info", D_PLAIN, NULL, NULL), *dir = info, *d;
	int i;

	if (!info || !add(info, "last_cmd_status", F_STATUS, NULL, NULL))
		return false;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		bool file = files[i][1];

		d = add(file ? dir : info, files[i][0], file ? F_TEXT : D_PLAIN, NULL, files[i][1]);
		if (!d)
			return false;
		dir = file ? dir : d;
	}
	return true;
}

static int fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct inode *inode;

	sb->s_magic = MAGIC;
	sb->s_op = &super_ops;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	inode = make_inode(sb, D_ROOT, &root_group, NULL);
	sb->s_root = d_make_root(inode);
	if (!sb->s_root)
		return -ENOMEM;
	n_classes = 1;
	n_monitors = 0;
	return fill_class(sb->s_root, &root_group) && fill_info(sb->s_root) ? 0 : -ENOMEM;
}

static int get_tree(struct fs_context *fc)
{
	return get_tree_single(fc, fill_super);
}

static const struct fs_context_operations context_ops = { .get_tree = get_tree };

static int init_context(struct fs_context *fc)
{
	fc->ops = &context_ops;
	return 0;
}

/* With the file system all classes are forgotten. */
static void kill_super(struct super_block *sb)
{
	tasks_move_all(NULL, &root_group);
	kill_litter_super(sb);
}

static struct file_system_type type = {
	.owner = THIS_MODULE,
	.name = "resctrl",
	.init_fs_context = init_context,
	.kill_sb = kill_super,
};

/* It stays until the guest ends. */
static int __init start(void)
{
	int r = sysfs_create_mount_point(fs_kobj, "resctrl");

	if (r == 0)
		r = register_filesystem(&type);
	if (r == 0)
		tasks_start();
	return r;
}

module_init(start);
MODULE_DESCRIPTION("a model of resctrl for tests");
MODULE_LICENSE("Dual MIT/GPL");
