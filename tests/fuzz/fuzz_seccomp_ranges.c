/* SPDX-License-Identifier: Apache-2.0 */
/* A program that the kernel would take, and the shorter one: they decide every call alike. */
#include "oci/run/seccomp-ranges.c"

#include "../lib/cbpf.h"
#include "fuzz.h"

#define MAX 600

static const uint16_t codes[] = {
	BPF_LD | BPF_W | BPF_ABS,  BPF_JMP | BPF_JA,	      BPF_JMP | BPF_JEQ | BPF_K,
	BPF_JMP | BPF_JGT | BPF_K, BPF_JMP | BPF_JGE | BPF_K, BPF_JMP | BPF_JSET | BPF_K,
	BPF_ALU | BPF_AND | BPF_K, BPF_RET | BPF_K,
};

/* Four bytes each: code, two jumps, a value of which some are much liked. */
static size_t read_program(const uint8_t *data, size_t size, struct sock_filter v[static MAX])
{
	static const uint32_t liked[] = { 0,	      4,	  16,	      20,
					  0xc000003e, 0x40000003, 0x40000000, UINT32_MAX };
	size_t n = size / 4 < MAX - 1 ? size / 4 : MAX - 1;

	for (size_t i = 0; i < n; i++, data += 4) {
		size_t left = n - i; /* instructions behind this one, with the return at the end */
		struct sock_filter f = { codes[data[0] % KS_ARRAY_LEN(codes)],
					 (uint8_t)(data[1] % (left < 256 ? left : 256)),
					 (uint8_t)(data[2] % (left < 256 ? left : 256)),
					 data[3] < KS_ARRAY_LEN(liked) ? liked[data[3]] : data[3] };

		if (f.code == (BPF_JMP | BPF_JA))
			f.k %= (uint32_t)left;
		if (f.code == (BPF_LD | BPF_W | BPF_ABS))
			f.k = data[3] % 16 * 4;
		v[i] = f;
	}
	v[n] = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, 1 };
	return n + 1;
}

static void compare(const struct sock_filter *v, size_t n, const struct sock_filter *w, size_t m,
		    uint32_t arch, uint32_t nr, uint32_t arg)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };

	for (size_t i = 0; i < KS_ARRAY_LEN(d.args); i++)
		d.args[i] = arg + (uint64_t)i * 0x100000001ULL;
	if (cbpf_run(v, n, &d) != cbpf_run(w, m, &d))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	static struct sock_filter v[MAX];
	size_t n = read_program(data, size, v), len = n * sizeof(v[0]);
	char *prog = (char *)v;

	ks_seccomp_shrink(&a, &prog, &len);
	const struct sock_filter *w = (const struct sock_filter *)(const void *)prog;
	size_t m = len / sizeof(*w);

	/* What is compared with is a number or a machine; its neighbours are as telling. */
	for (size_t i = 0; i < n; i++) {
		uint32_t k = v[i].k, other = v[(i * 7 + 3) % n].k;

		for (uint32_t x = k - 1; x != k + 2; x++) {
			compare(v, n, w, m, 0xc000003e, x, other);
			compare(v, n, w, m, other, x, k);
			compare(v, n, w, m, k, other, x);
		}
	}
	return 0;
}
