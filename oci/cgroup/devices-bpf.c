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
 */
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include <kshim/fd.h>

#include "resources.h"

#define PER_RULE 12 /* instructions, at most */

struct prog {
	struct bpf_insn insns[(KS_DEVICE_MAX_RULES + 16) * PER_RULE + 16];
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

/* r2 type, r3 access, r4 major, r5 minor; r1 scratch after that */
static void emit_prologue(struct prog *p)
{
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 3, 1, 0, 0);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
}

static int access_mask(const char *access)
{
	int mask = 0;

	for (; access && *access; access++)
		mask |= *access == 'r' ? BPF_DEVCG_ACC_READ :
			*access == 'w' ? BPF_DEVCG_ACC_WRITE :
			*access == 'm' ? BPF_DEVCG_ACC_MKNOD :
					 0;
	return mask ? mask : BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;
}

/* Jumps over the rest of the rule are patched when its length is known. */
static void emit_rule(struct prog *p, const struct ks_spec_device_rule *rule)
{
	size_t jumps[4], n = 0;
	int mask = access_mask(rule->access);
	int all = access_mask(NULL);

	if (!ks_str_empty(rule->type) && !ks_streq(rule->type, "a")) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0,
		     ks_streq(rule->type, "b") ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	}
	if (mask != all) {
		emit(p, BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
		emit(p, BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, rule->allow ? all & ~mask : mask);
		jumps[n++] = p->n;
		emit(p, (uint8_t)(BPF_JMP | (rule->allow ? BPF_JNE : BPF_JEQ) | BPF_K), 1, 0, 0, 0);
	}
	if (rule->major.set && rule->major.v >= 0) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, (int32_t)rule->major.v);
	}
	if (rule->minor.set && rule->minor.v >= 0) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, (int32_t)rule->minor.v);
	}
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, rule->allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = 0; i < n; i++)
		p->insns[jumps[i]].off = (int16_t)(p->n - jumps[i] - 1);
}

static void build(struct prog *p, const struct ks_device_plan *plan)
{
	emit_prologue(p);
	for (size_t i = plan->n; i-- > 0;)
		emit_rule(p, &plan->rules[i]);
	for (size_t i = ks_n_default_device_rules; i-- > 0 && !plan->allow_all;)
		emit_rule(p, &ks_default_device_rules[i]);
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
