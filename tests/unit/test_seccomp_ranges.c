/* SPDX-License-Identifier: Apache-2.0 */
/* A shorter program decides each call as the one that it was made from. */
#include "oci/run/seccomp-ranges.c"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "../lib/cbpf.h"
#include "test.h"

static unsigned int seed = 20261126;

static uint32_t any(uint32_t n)
{
	return (uint32_t)rand_r(&seed) % n;
}

struct program {
	struct ks_arena arena;
	struct sock_filter *old;
	size_t n_old;
	struct sock_filter *new;
	size_t n_new;
};

static void shrink(struct program *p)
{
	char *text = (char *)p->old;
	size_t len = p->n_old * sizeof(*p->old);

	ks_seccomp_shrink(&p->arena, &text, &len);
	p->new = (struct sock_filter *)(void *)text;
	p->n_new = len / sizeof(*p->new);
	CHECK(p->n_new <= p->n_old);
}

static uint64_t any_arg(void)
{
	static const uint64_t values[] = { 0, 1, 5, 7, 0xff, 0x7e020000, UINT32_MAX, UINT64_MAX };

	return any(4) ? values[any(KS_ARRAY_LEN(values))] : any(1U << 30);
}

static void same_answer(struct program *p, uint32_t arch, uint32_t nr)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };

	for (size_t i = 0; i < 6; i++)
		d.args[i] = any_arg();
	uint32_t want = cbpf_run(p->old, p->n_old, &d), got = cbpf_run(p->new, p->n_new, &d);

	if (got != want)
		printf("# arch %#x nr %u: %#x, want %#x\n", arch, nr, got, want);
	CHECK(got == want);
}

/* Around each number that the program compares with, and some others, on each machine. */
static void same_answers(struct program *p)
{
	static const uint32_t archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64, 0, 77,
					  UINT32_MAX };

	for (size_t m = 0; m < KS_ARRAY_LEN(archs); m++) {
		for (size_t i = 0; i < p->n_old; i++) {
			uint32_t k = p->old[i].k;

			if (BPF_CLASS(p->old[i].code) != BPF_JMP)
				continue;
			same_answer(p, archs[m], k - 1);
			same_answer(p, archs[m], k);
			same_answer(p, archs[m], k + 1);
		}
		for (int i = 0; i < 200; i++)
			same_answer(p, archs[m],
				    any(3) ? any(700) : (any(65536) << 16) | any(65536));
	}
}

static void compile(struct program *p, scmp_filter_ctx scmp)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char *text;
	size_t len;

	if (fd < 0 || seccomp_export_bpf(scmp, fd) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    ks_fd_read_all(&p->arena, fd, 1U << 20, &text, &len) < 0)
		abort();
	close(fd);
	seccomp_release(scmp);
	p->old = (struct sock_filter *)(void *)text;
	p->n_old = len / sizeof(*p->old);
}

static const uint32_t actions[] = { SCMP_ACT_ALLOW,	   SCMP_ACT_ERRNO(1), SCMP_ACT_ERRNO(38),
				    SCMP_ACT_KILL_PROCESS, SCMP_ACT_TRACE(7), SCMP_ACT_LOG };

static uint32_t any_action(void)
{
	return actions[any(8) ? 0 : any(KS_ARRAY_LEN(actions))];
}

/* Of one call, or of some whose numbers follow each other, as profiles have them. */
static void add_any_rule(scmp_filter_ctx scmp)
{
	struct scmp_arg_cmp cmp[3];
	unsigned int n = any(4) ? 0 : 1 + any(3);
	uint32_t action = any_action(), first = any(450);

	for (unsigned int i = 0; i < n; i++)
		cmp[i] = (struct scmp_arg_cmp){ i, (enum scmp_compare)(1 + any(7)), any_arg(),
						any_arg() };
	for (uint32_t nr = first; nr <= first + (n ? 0 : any(12)); nr++)
		(void)seccomp_rule_add_array(scmp, action, (int)nr, n, cmp);
}

static void profiles_of_every_kind(void)
{
	size_t old = 0, new = 0;

	for (int round = 0; round < 150; round++) {
		struct program p = { .arena = KS_ARENA_INIT };
		scmp_filter_ctx scmp = seccomp_init(any(3) ? SCMP_ACT_ERRNO(1) : any_action());

		if (any(2))
			(void)seccomp_attr_set(scmp, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		if (any(2))
			(void)seccomp_arch_add(scmp, SCMP_ARCH_X86);
		if (any(2))
			(void)seccomp_arch_add(scmp, SCMP_ARCH_X32);
		if (any(2))
			(void)seccomp_arch_add(scmp, SCMP_ARCH_AARCH64);
		for (uint32_t i = any(round % 3 ? 40 : 400); i > 0; i--)
			add_any_rule(scmp);
		compile(&p, scmp);
		shrink(&p);
		same_answers(&p);
		old += p.n_old;
		new += p.n_new;
		ks_arena_done(&p.arena);
	}
	CHECK(new < old * 3 / 4); /* else it was left alone */
}

static void put(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->old[p->n_old++] = (struct sock_filter){ code, jt, jf, k };
}

/* More ranges than a comparison can skip: the search is full of jumps to jumps. */
static void a_program_of_the_greatest_length(void)
{
	struct program p = { .arena = KS_ARENA_INIT };

	p.old = KS_ARENA_NEWV(&p.arena, struct sock_filter, BPF_MAXINSNS);
	put(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0, LD_NR);
	for (uint32_t i = 0; i < 1300; i++) {
		put(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, i * 3);
		put(&p, BPF_JMP | BPF_JA, 0, 0, 0);
		put(&p, BPF_RET | BPF_K, 0, 0, i % 5);
	}
	put(&p, BPF_RET | BPF_K, 0, 0, 9);
	shrink(&p);
	CHECK(p.n_new < p.n_old);
	same_answers(&p);
	ks_arena_done(&p.arena);
}

static void what_linux_does_not_take_is_left_alone(void)
{
	struct program p = { .arena = KS_ARENA_INIT };

	p.old = KS_ARENA_NEWV(&p.arena, struct sock_filter, BPF_MAXINSNS + 1);
	while (p.n_old < BPF_MAXINSNS + 1)
		put(&p, BPF_RET | BPF_K, 0, 0, 1);
	shrink(&p);
	CHECK_INT(p.n_new, BPF_MAXINSNS + 1);
	p.n_old--;
	shrink(&p);
	CHECK(p.n_new < BPF_MAXINSNS);
	ks_arena_done(&p.arena);
}

static void random_programs_are_understood_or_left_alone(void)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_W | BPF_ABS,  BPF_LD | BPF_W | BPF_ABS,   BPF_JMP | BPF_JA,
		BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JGT | BPF_K,  BPF_JMP | BPF_JGE | BPF_K,
		BPF_ALU | BPF_AND | BPF_K, BPF_JMP | BPF_JSET | BPF_K, BPF_RET | BPF_K,
	};
	static const uint32_t values[] = { 0, 4,  SCMP_ARCH_X86_64, 16,	       1,
					   2, 60, SCMP_ARCH_X86,    UINT32_MAX };
	size_t shorter = 0;

	for (int round = 0; round < 20000; round++) {
		struct program p = { .arena = KS_ARENA_INIT };
		uint32_t n = 2 + any(14);

		p.old = KS_ARENA_NEWV(&p.arena, struct sock_filter, n);
		for (uint32_t left = n - 1; left > 0; left--) {
			uint16_t code = codes[any(KS_ARRAY_LEN(codes) - (any(4) ? 3 : 0))];
			uint32_t k = values[any(KS_ARRAY_LEN(values))];

			if (code == (BPF_LD | BPF_W | BPF_ABS))
				k = any(8) ? any(2) * 4 : 16;
			else if (code == (BPF_JMP | BPF_JA))
				k = any(left);
			put(&p, code, (uint8_t)any(left), (uint8_t)any(left), k);
		}
		put(&p, BPF_RET | BPF_K, 0, 0, any(3));
		shrink(&p);
		shorter += p.n_new < p.n_old;
		same_answers(&p);
		ks_arena_done(&p.arena);
	}
	CHECK(shorter > 2000);
}

/* A jump behind the end, and no return at the end: never taken apart, never followed. */
static void a_broken_program_is_left_alone(void)
{
	struct program p = { .arena = KS_ARENA_INIT };

	p.old = KS_ARENA_NEWV(&p.arena, struct sock_filter, 4);
	put(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0, LD_NR);
	put(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 200, 1);
	put(&p, BPF_RET | BPF_K, 0, 0, 1);
	shrink(&p);
	CHECK_INT(p.n_new, 3);
	p.n_old = 1;
	put(&p, BPF_JMP | BPF_JA, 0, 0, UINT32_MAX);
	put(&p, BPF_RET | BPF_K, 0, 0, 1);
	shrink(&p);
	CHECK_INT(p.n_new, 3);
	p.n_old = 1;
	shrink(&p);
	CHECK_INT(p.n_new, 1);
	p.n_old = 0;
	shrink(&p);
	CHECK_INT(p.n_new, 0);
	/* Nearly a jump, behind the first look at an argument: its k is no distance. */
	put(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0, 16);
	put(&p, BPF_JMP | BPF_JA | BPF_X, 0, 0, 1000000);
	put(&p, BPF_RET | BPF_K, 0, 0, 2);
	shrink(&p);
	CHECK_INT(p.n_new, 3);
	ks_arena_done(&p.arena);
}

TEST_MAIN(CASE(profiles_of_every_kind), CASE(a_program_of_the_greatest_length),
	  CASE(what_linux_does_not_take_is_left_alone),
	  CASE(random_programs_are_understood_or_left_alone), CASE(a_broken_program_is_left_alone))
