/* SPDX-License-Identifier: MIT */
/* Tasks in groups, as they are moved, fork and are reaped: the dead keep theirs till then. */
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>

#include "model.h"

struct member {
	struct list_head list;
	struct task_struct *task;
	struct group *group;
};

static DEFINE_SPINLOCK(members_lock);
static LIST_HEAD(members);

static struct member *find_member(const struct task_struct *t)
{
	struct member *m;

	list_for_each_entry(m, &members, list) if (m->task == t) return m;
	return NULL;
}

static struct group *group_of(const struct task_struct *t)
{
	struct member *m;
	struct group *g;
	unsigned long flags;

	spin_lock_irqsave(&members_lock, flags);
	m = find_member(t);
	g = m ? m->group : &root_group;
	spin_unlock_irqrestore(&members_lock, flags);
	return g;
}

static struct group *class_of(struct group *g)
{
	return g->class ? g->class : g;
}

static int put_into(struct task_struct *t, struct group *g, gfp_t gfp)
{
	struct member *fresh = kmalloc(sizeof(*fresh), gfp), *m;
	unsigned long flags;

	if (!fresh)
		return -ENOMEM;
	*fresh = (struct member){ .task = t, .group = g };
	spin_lock_irqsave(&members_lock, flags);
	m = find_member(t);
	if (m)
		m->group = g;
	else
		list_add(&fresh->list, &members);
	spin_unlock_irqrestore(&members_lock, flags);
	if (m)
		kfree(fresh);
	return 0;
}

static void on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct group *g = group_of(parent);

	if (g != &root_group)
		put_into(child, g, GFP_ATOMIC);
}

static void on_free(void *data, struct task_struct *t)
{
	struct member *m;
	unsigned long flags;

	spin_lock_irqsave(&members_lock, flags);
	m = find_member(t);
	if (m)
		list_del(&m->list);
	spin_unlock_irqrestore(&members_lock, flags);
	kfree(m);
}

/* All tasks of a group that goes, or of all (NULL), to where they fall. */
void tasks_move_all(struct group *from, struct group *to)
{
	struct member *m;
	unsigned long flags;

	spin_lock_irqsave(&members_lock, flags);
	list_for_each_entry(m, &members, list) if (!from || m->group == from ||
						   m->group->class == from) m->group = to;
	spin_unlock_irqrestore(&members_lock, flags);
}

int tasks_show(struct seq_file *f, struct group *g)
{
	struct task_struct *p, *t;

	rcu_read_lock();
	for_each_process_thread(p, t)
	{
		struct group *in = group_of(t);
		pid_t pid = task_pid_vnr(t);

		if (pid && (in == g || (!g->class && class_of(in) == g)))
			seq_printf(f, "%d\n", pid);
	}
	rcu_read_unlock();
	return 0;
}

int tasks_write(struct group *g, char *buf)
{
	struct task_struct *t = current;
	struct pid *p = NULL;
	int pid, r;

	if (kstrtoint(strim(buf), 0, &pid) || pid < 0)
		return -EINVAL;
	if (pid) {
		p = find_get_pid(pid);
		t = p ? get_pid_task(p, PIDTYPE_PID) : NULL;
		put_pid(p);
	} else {
		get_task_struct(t);
	}
	if (!t) {
		SAY("No task %d\n", pid);
		return -ESRCH;
	}
	if (g->class && class_of(group_of(t)) != g->class) {
		SAY("Can't move task to different control group\n");
		r = -EINVAL;
	} else {
		r = put_into(t, g, GFP_KERNEL);
	}
	put_task_struct(t);
	return r;
}

/* Those of the scheduler are not exported by name. */
static void attach(struct tracepoint *tp, void *data)
{
	if (!strcmp(tp->name, "sched_process_fork"))
		WARN_ON(tracepoint_probe_register(tp, on_fork, NULL));
	else if (!strcmp(tp->name, "sched_process_free"))
		WARN_ON(tracepoint_probe_register(tp, on_free, NULL));
}

void tasks_start(void)
{
	for_each_kernel_tracepoint(attach, NULL);
}
