/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same decisions in fewer instructions.
 *
 * libseccomp compares with each number that a profile names. What a profile allows are long runs
 * of numbers, so a search over the bounds of those takes a quarter of the instructions; the
 * kernel checks, translates and compiles each of them at every start of a container.
 *
 * The program is followed for each machine that it knows, with all numbers at once: a comparison
 * splits an interval of numbers, until each interval has come to a return, or to the first look
 * at an argument. From there on the old instructions stay as they are. A program that does
 * anything else on its way is left alone.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "seccomp.h"

#define LD_NR	   offsetof(struct seccomp_data, nr)
#define LD_ARCH	   offsetof(struct seccomp_data, arch)
#define MAX_ARCHS  32
#define NO_ARCH	   (-1)
#define NEAR	   250 /* of the 255 instructions that a comparison can skip */
#define MAX_RANGES 8192

/* What becomes of a call: the instruction that decides it, a return or the load of an argument. */
struct range {
	uint32_t first;
	size_t decided_at;
};

struct pending {
	size_t pc;
	uint32_t first, last;
	enum { LOADED_NOTHING, LOADED_NR, LOADED_ARCH } loaded;
};

struct source {
	const struct sock_filter *v;
	size_t n;
	uint32_t archs[MAX_ARCHS];
	size_t n_archs;
	struct range *ranges; /* of the machine that was followed last */
	size_t n_ranges;
	struct pending *stack;
	size_t n_stack;
};

/* Written from its end to its start, since jumps go forward: an index counts from the end. */
struct result {
	struct sock_filter *v;
	size_t n, max;
	/* Of each old instruction: its new index, SIZE_MAX when it is left out; and that of the
	 * last one that does the same. */
	size_t *kept, *near;
};

static bool is_ja(const struct sock_filter *f)
{
	return f->code == (BPF_JMP | BPF_JA);
}

static bool learn_arch(struct source *o, uint32_t arch)
{
	for (size_t i = 0; i < o->n_archs; i++)
		if (o->archs[i] == arch)
			return true;
	if (o->n_archs == MAX_ARCHS)
		return false;
	o->archs[o->n_archs++] = arch;
	return true;
}

static bool push(struct source *o, const struct pending *p, size_t pc, uint32_t first,
		 uint32_t last)
{
	if (o->n_stack == MAX_RANGES)
		return false;
	o->stack[o->n_stack++] = (struct pending){ pc, first, last, p->loaded };
	return true;
}

/* The numbers of @p for which the comparison holds go one way, those below and above the other. */
static bool split(struct source *o, struct pending *p, const struct sock_filter *f)
{
	size_t yes = p->pc + 1 + f->jt, no = p->pc + 1 + f->jf;
	bool greater = BPF_OP(f->code) == BPF_JGT;
	uint64_t first = (uint64_t)f->k + greater;
	uint64_t last = BPF_OP(f->code) == BPF_JEQ ? f->k : UINT32_MAX;

	if (first < p->first)
		first = p->first;
	if (last > p->last)
		last = p->last;
	if (first > last) {
		p->pc = no;
		return true;
	}
	if ((p->first < first && !push(o, p, no, p->first, (uint32_t)first - 1)) ||
	    (last < p->last && !push(o, p, no, (uint32_t)last + 1, p->last)))
		return false;
	*p = (struct pending){ yes, (uint32_t)first, (uint32_t)last, p->loaded };
	return true;
}

/* One comparison or jump; false: not one of those that can be followed. */
static bool jump(struct source *o, struct pending *p, int64_t arch)
{
	const struct sock_filter *f = &o->v[p->pc];

	if (is_ja(f)) {
		p->pc += 1 + (size_t)f->k;
		return true;
	}
	if (BPF_SRC(f->code) != BPF_K || p->loaded == LOADED_NOTHING)
		return false;
	if (p->loaded == LOADED_ARCH) {
		if (BPF_OP(f->code) != BPF_JEQ || !learn_arch(o, f->k))
			return false;
		p->pc += 1 + (size_t)(arch == (int64_t)f->k ? f->jt : f->jf);
		return true;
	}
	return (BPF_OP(f->code) == BPF_JEQ || BPF_OP(f->code) == BPF_JGT ||
		BPF_OP(f->code) == BPF_JGE) &&
	       split(o, p, f);
}

static bool is_return(const struct sock_filter *f)
{
	return f->code == (BPF_RET | BPF_K);
}

/* Until it is decided what becomes of what is left of the interval. */
static bool follow(struct source *o, struct pending *p, int64_t arch)
{
	while (p->pc < o->n) {
		const struct sock_filter *f = &o->v[p->pc];

		if (BPF_CLASS(f->code) == BPF_JMP) {
			if (!jump(o, p, arch))
				return false;
		} else if (f->code == (BPF_LD | BPF_W | BPF_ABS) &&
			   (f->k == LD_NR || f->k == LD_ARCH)) {
			p->loaded = f->k == LD_NR ? LOADED_NR : LOADED_ARCH;
			p->pc++;
		} else {
			return is_return(f) || f->code == (BPF_LD | BPF_W | BPF_ABS);
		}
	}
	return false;
}

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Of the returns that say the same, the first stands for all. */
static size_t first_like(const struct source *o, size_t pc)
{
	for (size_t i = 0; i < pc && is_return(&o->v[pc]); i++)
		if (is_return(&o->v[i]) && o->v[i].k == o->v[pc].k)
			return i;
	return pc;
}

/* All numbers, for one machine, or for one that the program does not know. */
static bool find_ranges(struct source *o, int64_t arch)
{
	size_t n = 0;

	o->n_ranges = 0;
	o->stack[0] = (struct pending){ .last = UINT32_MAX };
	o->n_stack = 1;
	while (o->n_stack) {
		struct pending p = o->stack[--o->n_stack];

		if (!follow(o, &p, arch) || o->n_ranges == MAX_RANGES)
			return false;
		o->ranges[o->n_ranges++] = (struct range){ p.first, first_like(o, p.pc) };
	}
	qsort(o->ranges, o->n_ranges, sizeof(*o->ranges), by_first);
	for (size_t i = 0; i < o->n_ranges; i++)
		if (!n || o->ranges[n - 1].decided_at != o->ranges[i].decided_at)
			o->ranges[n++] = o->ranges[i];
	o->n_ranges = n;
	return true;
}

static bool emit(struct result *p, uint16_t code, size_t jt, size_t jf, uint32_t k)
{
	if (p->n == p->max)
		return false;
	p->v[p->n++] = (struct sock_filter){ code, (uint8_t)jt, (uint8_t)jf, k };
	return true;
}

/* What is skipped by a jump from the next instruction to one that is there already. */
static size_t distance(const struct result *p, size_t to)
{
	return p->n - to - 1;
}

/* *@label becomes that of a jump there, if it is too far for a comparison that is about to follow.
 */
static bool bring_near(struct result *p, size_t *label)
{
	if (distance(p, *label) <= NEAR)
		return true;
	if (!emit(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)distance(p, *label)))
		return false;
	*label = p->n - 1;
	return true;
}

static bool emit_jump(struct result *p, uint16_t op, uint32_t k, size_t yes, size_t no)
{
	return bring_near(p, &yes) && bring_near(p, &no) &&
	       emit(p, BPF_JMP | op | BPF_K, distance(p, yes), distance(p, no), k);
}

static bool emit_end(const struct source *o, struct result *p, size_t end, size_t *label)
{
	if (distance(p, p->near[end]) > NEAR) {
		size_t far = distance(p, p->kept[end]);

		if (!(is_return(&o->v[end]) ? emit(p, BPF_RET | BPF_K, 0, 0, o->v[end].k) :
					      emit(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)far)))
			return false;
		p->near[end] = p->n - 1;
	}
	*label = p->near[end];
	return true;
}

/* A search for the range of a number. Of more than one, it begins with what was written last. */
static bool emit_search(const struct source *o, struct result *p, const struct range *v, size_t n,
			size_t *label)
{
	size_t mid = n / 2, yes = 0, no = 0;

	if (n == 1)
		return emit_end(o, p, v->decided_at, label);
	if (!emit_search(o, p, v + mid, n - mid, &yes) || !emit_search(o, p, v, mid, &no) ||
	    !emit_jump(p, BPF_JGE, v[mid].first, yes, no))
		return false;
	*label = p->n - 1;
	return true;
}

static void keep_what_follows(const struct source *o, size_t *kept)
{
	for (size_t pc = 0; pc < o->n; pc++) {
		const struct sock_filter *f = &o->v[pc];

		if (kept[pc] == SIZE_MAX || BPF_CLASS(f->code) == BPF_RET)
			continue;
		if (BPF_CLASS(f->code) != BPF_JMP) {
			kept[pc + 1] = 0;
		} else if (is_ja(f)) {
			kept[pc + 1 + f->k] = 0;
		} else {
			kept[pc + 1 + f->jt] = 0;
			kept[pc + 1 + f->jf] = 0;
		}
	}
}

/* Copies what is kept, from the last to the first. A jump over fewer instructions is no longer. */
static bool copy_kept(const struct source *o, struct result *p)
{
	for (size_t pc = o->n; pc-- > 0;) {
		struct sock_filter f = o->v[pc];

		if (p->kept[pc] == SIZE_MAX)
			continue;
		if (is_ja(&f)) {
			f.k = (uint32_t)distance(p, p->kept[pc + 1 + f.k]);
		} else if (BPF_CLASS(f.code) == BPF_JMP) {
			f.jt = (uint8_t)distance(p, p->kept[pc + 1 + f.jt]);
			f.jf = (uint8_t)distance(p, p->kept[pc + 1 + f.jf]);
		}
		p->kept[pc] = p->near[pc] = p->n;
		if (!emit(p, f.code, f.jt, f.jf, f.k))
			return false;
	}
	return true;
}

static bool emit_arch(struct source *o, struct result *p, int64_t arch, size_t *label)
{
	if (!find_ranges(o, arch) || !emit_search(o, p, o->ranges, o->n_ranges, label))
		return false;
	if (o->n_ranges == 1)
		return true;
	if (!emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, LD_NR))
		return false;
	*label = p->n - 1;
	return true;
}

/* As the kernel wants it: each jump stays inside, and nothing runs over the end. */
static bool is_sound(const struct source *o)
{
	for (size_t pc = 0; pc < o->n; pc++) {
		const struct sock_filter *f = &o->v[pc];
		size_t left = o->n - pc - 1; /* instructions after this one */

		if (BPF_CLASS(f->code) == BPF_RET)
			continue;
		if (!left || (BPF_CLASS(f->code) == BPF_JMP &&
			      (is_ja(f) ? f->k >= left : f->jt >= left || f->jf >= left)))
			return false;
	}
	return true;
}

/* @p has room for as many instructions as @o; false: it has not become shorter, or not followed. */
static bool rewrite(struct source *o, struct result *p)
{
	size_t label, others;

	/* The machines are found on the way of one that none of them is, and on each of theirs. */
	if (!find_ranges(o, NO_ARCH))
		return false;
	for (size_t i = 0;; i++) {
		for (size_t k = 0; k < o->n_ranges; k++)
			p->kept[o->ranges[k].decided_at] = 0;
		if (i == o->n_archs)
			break;
		if (!find_ranges(o, o->archs[i]))
			return false;
	}
	keep_what_follows(o, p->kept);
	if (!copy_kept(o, p) || !emit_arch(o, p, NO_ARCH, &others))
		return false;
	for (size_t i = o->n_archs; i-- > 0;) {
		if (!emit_arch(o, p, o->archs[i], &label) ||
		    !emit_jump(p, BPF_JEQ, o->archs[i], label, others))
			return false;
		others = p->n - 1;
	}
	return emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, LD_ARCH);
}

void ks_seccomp_shrink(struct ks_arena *a, char **prog, size_t *len)
{
	struct source o = { .v = (const struct sock_filter *)(const void *)*prog,
			    .n = *len / sizeof(struct sock_filter) };
	struct result p = { .max = o.n };

	/* Linux does not take it, and to follow it could take long. */
	if (o.n > BPF_MAXINSNS)
		return;
	o.ranges = ks_arena_array(a, MAX_RANGES, sizeof(*o.ranges));
	o.stack = ks_arena_array(a, MAX_RANGES, sizeof(*o.stack));
	p.v = ks_arena_array(a, o.n, sizeof(*p.v));
	p.kept = ks_arena_array(a, o.n, sizeof(*p.kept));
	p.near = ks_arena_array(a, o.n, sizeof(*p.near));
	if (!o.ranges || !o.stack || !p.v || !p.kept || !p.near)
		return;
	memset(p.kept, 0xff, o.n * sizeof(*p.kept));
	if (!is_sound(&o) || !rewrite(&o, &p) || p.n >= o.n)
		return;
	char *text = ks_arena_alloc(a, p.n * sizeof(*p.v));

	for (size_t i = 0; text && i < p.n; i++)
		memcpy(text + i * sizeof(*p.v), &p.v[p.n - 1 - i], sizeof(*p.v));
	if (text) {
		*prog = text;
		*len = p.n * sizeof(*p.v);
	}
}
