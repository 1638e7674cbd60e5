/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules on cgroup v2: a program of type BPF_PROG_TYPE_CGROUP_DEVICE.
 *
 * The kernel calls it with struct bpf_cgroup_dev_ctx: access_type (access in
 * the upper, device type in the lower 16 bits), major, minor. The last rule
 * that matches decides, so the program tests them from the last to the first
 * and leaves at the first match; without a match the answer is no.
 *
 * A rule matches when its type, major and minor do, and when all of the
 * access asked for is in the rule (allow), or any of it is (deny).
 *
 * Neighbours that differ by their numbers alone are tested together, each by one comparison: the
 * kernel's verifier follows both ways of each, at every start of a container.
 */
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include <kshim/fd.h>

#include "resources.h"

#define PER_RULE  7 /* instructions, at most: type 1, access 3, number 1, answer 2 */
#define MAX_RULES (KS_DEVICE_MAX_RULES + 16)

/* Of a device number in the kernel */
#define MINOR_BITS 20
#define MAX_MINOR  ((1 << MINOR_BITS) - 1)
#define MAX_MAJOR  ((1 << 12) - 1)

_Static_assert((int)KS_DEVICE_MKNOD == (int)BPF_DEVCG_ACC_MKNOD &&
		       (int)KS_DEVICE_READ == (int)BPF_DEVCG_ACC_READ &&
		       (int)KS_DEVICE_WRITE == (int)BPF_DEVCG_ACC_WRITE,
	       "as the kernel asks");

struct prog {
	struct bpf_insn insns[MAX_RULES * PER_RULE + 16];
	size_t n;
	/* Jumps whose target is not yet written: out of the group, and to its answer. */
	size_t out[3], n_out, hit[MAX_RULES], n_hit;
};

/* The rules in the order in which they are tested: from the last to the first. */
struct tests {
	const struct ks_spec_device_rule *v[MAX_RULES];
	size_t n;
};

static void emit(struct prog *p, uint8_t code, unsigned int dst, unsigned int src, int16_t off,
		 int32_t imm)
{
	p->insns[p->n] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 15U, .src_reg = src & 15U, .off = off, .imm = imm
	};
	p->n++;
}

/* r2 type, r3 access, r4 major, r5 minor, r6 both; r1 scratch after that */
static void emit_prologue(struct prog *p)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 3, 1, 0, 0);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
	emit(p, BPF_ALU | BPF_MOV | BPF_X, 6, 4, 0, 0);
	emit(p, BPF_ALU | BPF_LSH | BPF_K, 6, 0, 0, MINOR_BITS);
	emit(p, BPF_ALU | BPF_OR | BPF_X, 6, 5, 0, 0);
}

static void emit_jump(struct prog *p, size_t *list, size_t *n, uint8_t op, unsigned int reg,
		      int64_t imm)
{
	list[*n] = p->n;
	(*n)++;
	emit(p, BPF_JMP32 | op | BPF_K, reg, 0, 0, (int32_t)imm);
}

static void land(struct prog *p, const size_t *jumps, size_t *n)
{
	while (*n) {
		(*n)--;
		p->insns[jumps[*n]].off = (int16_t)(p->n - jumps[*n] - 1);
	}
}

static bool is_any_device(const struct ks_spec_device_rule *r)
{
	return ks_device_any_number(&r->major) && ks_device_any_number(&r->minor);
}

/* No device has such a number. */
static bool never_matches(const struct ks_spec_device_rule *r)
{
	return (!ks_device_any_number(&r->major) && r->major.v > MAX_MAJOR) ||
	       (!ks_device_any_number(&r->minor) && r->minor.v > MAX_MINOR);
}

static bool in_one_group(const struct ks_spec_device_rule *a, const struct ks_spec_device_rule *b)
{
	return a->allow == b->allow && ks_device_type(a) == ks_device_type(b) &&
	       ks_device_access(a) == ks_device_access(b);
}

static void emit_group_tests(struct prog *p, const struct ks_spec_device_rule *rule)
{
	int mask = ks_device_access(rule);
	char type = ks_device_type(rule);

	if (type != 'a')
		emit_jump(p, p->out, &p->n_out, BPF_JNE, 2,
			  type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (mask != KS_DEVICE_ALL) {
		emit(p, BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
		emit(p, BPF_ALU | BPF_AND | BPF_K, 1, 0, 0,
		     rule->allow ? KS_DEVICE_ALL & ~mask : mask);
		emit_jump(p, p->out, &p->n_out, rule->allow ? BPF_JNE : BPF_JEQ, 1, 0);
	}
}

/* The last of a group goes on to its answer, or out of it; the others to the answer, or on. */
static void emit_numbers(struct prog *p, const struct ks_spec_device_rule *r, bool last)
{
	unsigned int reg = ks_device_any_number(&r->minor) ? 4 :
			   ks_device_any_number(&r->major) ? 5 :
							     6;
	int64_t v = reg == 4 ? r->major.v :
		    reg == 5 ? r->minor.v :
			       r->major.v << MINOR_BITS | r->minor.v;

	if (last)
		emit_jump(p, p->out, &p->n_out, BPF_JNE, reg, v);
	else
		emit_jump(p, p->hit, &p->n_hit, BPF_JEQ, reg, v);
}

/* A group, or its part up to a rule for any device, which leaves nothing for those behind it. */
static size_t emit_group(struct prog *p, const struct ks_spec_device_rule *const *v, size_t n)
{
	size_t size = 1;

	while (size < n && in_one_group(v[0], v[size]))
		size++;
	emit_group_tests(p, v[0]);
	for (size_t i = 0; i < size && !is_any_device(v[i]); i++)
		emit_numbers(p, v[i], i + 1 == size);
	land(p, p->hit, &p->n_hit);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, v[0]->allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	land(p, p->out, &p->n_out);
	return size;
}

static void add_test(struct tests *t, const struct ks_spec_device_rule *r)
{
	if (!never_matches(r))
		t->v[t->n++] = r;
}

static void build(struct prog *p, const struct ks_device_plan *plan)
{
	struct tests t = { .n = 0 };

	for (size_t i = plan->n; i-- > 0;)
		if (!ks_device_rule_repeats(plan, i))
			add_test(&t, &plan->rules[i]);
	for (size_t i = ks_n_default_device_rules; i-- > 0 && !plan->allow_all;)
		add_test(&t, &ks_default_device_rules[i]);
	emit_prologue(p);
	for (size_t i = 0; i < t.n;)
		i += emit_group(p, &t.v[i], t.n - i);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, plan->allow_all);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* The program's descriptor, or -errno. */
static int load(const struct ks_device_plan *plan)
{
	struct prog *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	build(p, plan);
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uintptr_t)p->insns,
		.insn_cnt = (uint32_t)p->n,
		.license = (uintptr_t) "Apache",
	};
	int fd = sys_bpf(BPF_PROG_LOAD, &attr);
	int num = -errno;

	free(p);
	return fd < 0 ? num : fd;
}

int ks_cgroup2_set_devices(int dirfd, const struct ks_list *rules, struct ks_err *err)
{
	struct ks_device_plan plan;
	int r = ks_device_plan(rules, &plan, err);

	if (r < 0)
		return r;
	ks_auto_fd int prog_fd = load(&plan);

	if (prog_fd < 0)
		return ks_err_set(err, prog_fd, "load the device program");
	union bpf_attr attach = {
		.target_fd = (uint32_t)dirfd,
		.attach_bpf_fd = (uint32_t)prog_fd,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};

	if (sys_bpf(BPF_PROG_ATTACH, &attach) < 0)
		return ks_err_set(err, -errno, "attach the device program");
	return 0;
}
