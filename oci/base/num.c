/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/str.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int ks_parse_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!is_digit(s[0]) || (s[0] == '0' && s[1]))
		return -EINVAL;
	for (; *s; s++) {
		if (!is_digit(*s))
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int ks_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	bool neg = *s == '-';
	uint64_t v;
	int r = ks_parse_u64(s + neg, neg ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &v);

	if (r < 0)
		return r;
	int64_t n = neg ? (int64_t)(0 - v) : (int64_t)v;

	if (n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int ks_parse_octal(const char *s, uint32_t max, uint32_t *ret)
{
	uint32_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '7')
			return -EINVAL;
		if (v > (UINT32_MAX >> 3))
			return -ERANGE;
		v = v << 3 | (uint32_t)(*s - '0');
	}
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

/* What may follow the digits. A decimal exponent is handled apart. */
static const struct suffix {
	const char *name;
	int pow2;
	int pow10;
} suffixes[] = {
	{ "", 0, 0 },	 { "n", 0, -9 },  { "u", 0, -6 },  { "m", 0, -3 },
	{ "k", 0, 3 },	 { "M", 0, 6 },	  { "G", 0, 9 },   { "T", 0, 12 },
	{ "P", 0, 15 },	 { "E", 0, 18 },  { "Ki", 10, 0 }, { "Mi", 20, 0 },
	{ "Gi", 30, 0 }, { "Ti", 40, 0 }, { "Pi", 50, 0 }, { "Ei", 60, 0 },
};

static int parse_suffix(const char *s, int *ret_pow2, int *ret_pow10)
{
	for (size_t i = 0; i < KS_ARRAY_LEN(suffixes); i++) {
		if (ks_streq(s, suffixes[i].name)) {
			*ret_pow2 = suffixes[i].pow2;
			*ret_pow10 = suffixes[i].pow10;
			return 0;
		}
	}
	if (s[0] != 'e' && s[0] != 'E')
		return -EINVAL;
	s++;
	bool neg = *s == '-';
	int e = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++)
		e = e > 1000 ? e : e * 10 + (*s - '0');
	if (*s)
		return -EINVAL;
	*ret_pow2 = 0;
	*ret_pow10 = neg ? -e : e;
	return 0;
}

/*
 * Digits without their point, as an integer of at most 128 bits, and how many
 * of them stood behind it. Zeros at the end of the fraction change nothing
 * and are left out.
 */
static int parse_digits(const char **ps, unsigned __int128 *ret_v, int *ret_frac)
{
	const unsigned __int128 limit = ~(unsigned __int128)0 / 16;
	unsigned __int128 v = 0;
	bool any = false;
	int frac = 0;
	const char *s = *ps;

	for (; is_digit(*s); s++, any = true) {
		if (v > limit)
			return -ERANGE;
		v = v * 10 + (unsigned)(*s - '0');
	}
	if (*s == '.') {
		int zeros = 0;

		for (s++; is_digit(*s); s++, any = true) {
			if (*s == '0') {
				zeros++;
				continue;
			}
			for (zeros++; zeros; zeros--, frac++) {
				if (v > limit)
					return -ERANGE;
				v *= 10;
			}
			v += (unsigned)(*s - '0');
		}
	}
	if (!any)
		return -EINVAL;
	*ps = s;
	*ret_v = v;
	*ret_frac = frac;
	return 0;
}

int ks_parse_quantity(const char *s, int64_t *ret)
{
	const unsigned __int128 limit = ~(unsigned __int128)0 / 16;
	unsigned __int128 v;
	bool neg = *s == '-';
	int frac, pow2, pow10;

	if (*s == '-' || *s == '+')
		s++;
	int r = parse_digits(&s, &v, &frac);

	if (r < 0)
		return r;
	r = parse_suffix(s, &pow2, &pow10);
	if (r < 0)
		return r;
	if (neg && v)
		return -ERANGE;
	if (!v) {
		*ret = 0;
		return 0;
	}
	pow10 -= frac;
	for (; pow2 > 0; pow2--) {
		if (v > limit)
			return -ERANGE;
		v *= 2;
	}
	for (; pow10 > 0; pow10--) {
		if (v > limit)
			return -ERANGE;
		v *= 10;
	}
	/* Rounding up once is exact only for one division, so remember any rest. */
	bool rest = false;

	for (; pow10 < 0 && v; pow10++) {
		rest |= v % 10 != 0;
		v /= 10;
	}
	v += rest || pow10 < 0;
	if (v > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)v;
	return 0;
}

const char *ks_format_bytes(uint64_t bytes, char buf[static 24])
{
	static const char *const units[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
	size_t i = 0;

	while (bytes && bytes % 1024 == 0 && i + 1 < KS_ARRAY_LEN(units)) {
		bytes /= 1024;
		i++;
	}
	ks_fmt(buf, 24, "%llu%s", (unsigned long long)bytes, units[i]);
	return buf;
}
