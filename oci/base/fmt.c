/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A formatter that may run between clone and exec, where vsnprintf(3) may
 * not: it neither allocates nor looks at the locale.
 */
#include <kshim/err.h>

#include <assert.h>
#include <stdbool.h>
#include <string.h>

struct out {
	char *buf;
	size_t size;
	size_t len;
};

static void out_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len++] = c;
}

static void out_str(struct out *o, const char *s, size_t max)
{
	if (!s)
		s = "(null)";
	for (size_t i = 0; i < max && s[i]; i++)
		out_char(o, s[i]);
}

static void out_num(struct out *o, unsigned long long v, unsigned base, int width, bool neg)
{
	char tmp[32];
	int n = 0;

	do {
		tmp[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg)
		out_char(o, '-');
	for (int i = n; i < width; i++)
		out_char(o, '0');
	while (n)
		out_char(o, tmp[--n]);
}

/* The length modifiers that this formatter knows. */
enum len { LEN_INT, LEN_LONG, LEN_LLONG, LEN_SIZE };

static const char *parse_len(const char *p, enum len *ret)
{
	*ret = LEN_INT;
	if (*p == 'z') {
		*ret = LEN_SIZE;
		return p + 1;
	}
	if (*p != 'l')
		return p;
	*ret = LEN_LONG;
	if (p[1] != 'l')
		return p + 1;
	*ret = LEN_LLONG;
	return p + 2;
}

/* A va_list is an array on some machines: wrapped, it can be passed on by address. */
struct args {
	va_list ap;
};

static unsigned long long next_unsigned(enum len len, struct args *a)
{
	switch (len) {
	case LEN_LONG:
		return va_arg(a->ap, unsigned long);
	case LEN_LLONG:
		return va_arg(a->ap, unsigned long long);
	case LEN_SIZE:
		return va_arg(a->ap, size_t);
	case LEN_INT:
	default:
		return va_arg(a->ap, unsigned int);
	}
}

static long long next_signed(enum len len, struct args *a)
{
	switch (len) {
	case LEN_LONG:
		return va_arg(a->ap, long);
	case LEN_LLONG:
		return va_arg(a->ap, long long);
	case LEN_SIZE:
		return (long long)va_arg(a->ap, size_t);
	case LEN_INT:
	default:
		return va_arg(a->ap, int);
	}
}

/* One conversion, @p behind its '%'. Returns where the text goes on. */
static const char *convert(struct out *o, const char *p, struct args *a)
{
	size_t prec = SIZE_MAX;
	enum len len;
	int width = 0;

	while (*p >= '0' && *p <= '9')
		width = width * 10 + (*p++ - '0');
	if (p[0] == '.' && p[1] == '*') {
		int n = va_arg(a->ap, int);

		prec = n < 0 ? SIZE_MAX : (size_t)n;
		p += 2;
	} else if (p[0] == '.') {
		for (prec = 0, p++; *p >= '0' && *p <= '9'; p++)
			prec = prec * 10 + (size_t)(*p - '0');
	}
	p = parse_len(p, &len);
	switch (*p) {
	case 's':
		out_str(o, va_arg(a->ap, const char *), prec);
		break;
	case 'c':
		out_char(o, (char)va_arg(a->ap, int));
		break;
	case 'd':
	case 'i': {
		long long v = next_signed(len, a);

		out_num(o, v < 0 ? -(unsigned long long)v : (unsigned long long)v, 10, width,
			v < 0);
		break;
	}
	case 'u':
		out_num(o, next_unsigned(len, a), 10, width, false);
		break;
	case 'x':
		out_num(o, next_unsigned(len, a), 16, width, false);
		break;
	case 'o':
		out_num(o, next_unsigned(len, a), 8, width, false);
		break;
	case '%':
		out_char(o, '%');
		break;
	default:
		assert(!"a conversion that ks_vfmt does not know");
	}
	return p + 1;
}

size_t ks_vfmt(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };
	struct args a;

	assert(buf && size);
	va_copy(a.ap, ap);
	for (const char *p = fmt; *p;) {
		if (*p == '%')
			p = convert(&o, p + 1, &a);
		else
			out_char(&o, *p++);
	}
	va_end(a.ap);
	buf[o.len] = '\0';
	return o.len;
}

size_t ks_fmt(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	size_t n = ks_vfmt(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
