/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/err.h>

#include <assert.h>
#include <string.h>

static enum ks_err_kind kind_of_errno(int num)
{
	switch (num) {
	case ENOENT:
	case ESRCH:
	case ENXIO:
		return KS_ERR_NOT_FOUND;
	case EEXIST:
		return KS_ERR_EXISTS;
	case EPERM:
	case EACCES:
	case EROFS:
		return KS_ERR_DENIED;
	case EBUSY:
	case ETXTBSY:
		return KS_ERR_BUSY;
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
		return KS_ERR_EXHAUSTED;
	case ETIMEDOUT:
		return KS_ERR_TIMEOUT;
	case EINVAL:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case ERANGE:
		return KS_ERR_INVALID;
	case ENOSYS:
	case EOPNOTSUPP:
		return KS_ERR_UNSUPPORTED;
	default:
		return KS_ERR_INTERNAL;
	}
}

static int errno_of_kind(enum ks_err_kind kind)
{
	switch (kind) {
	case KS_ERR_INVALID:
		return EINVAL;
	case KS_ERR_NOT_FOUND:
	case KS_ERR_NO_COMMAND:
		return ENOENT;
	case KS_ERR_EXISTS:
		return EEXIST;
	case KS_ERR_STATE:
		return EBADFD;
	case KS_ERR_DENIED:
		return EPERM;
	case KS_ERR_NOT_EXECUTABLE:
		return EACCES;
	case KS_ERR_UNSUPPORTED:
		return EOPNOTSUPP;
	case KS_ERR_BUSY:
		return EBUSY;
	case KS_ERR_EXHAUSTED:
		return ENOSPC;
	case KS_ERR_TIMEOUT:
		return ETIMEDOUT;
	case KS_ERR_NONE:
	case KS_ERR_HOOK:
	case KS_ERR_INTERNAL:
	default:
		return EIO;
	}
}

const char *ks_strerror(int num)
{
	const char *s = strerrordesc_np(num < 0 ? -num : num);

	return s ? s : "unknown error";
}

/* Length of the UTF-8 sequence at @s, RFC 3629; 0: none. What is terminated early is none either.
 */
static size_t utf8_sequence(const unsigned char *s)
{
	size_t n = *s < 0x80 ? 1 :
		   *s < 0xc2 ? 0 :
		   *s < 0xe0 ? 2 :
		   *s < 0xf0 ? 3 :
		   *s < 0xf5 ? 4 :
			       0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or above U+10FFFF. */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/*
 * A message has what users wrote in it, and may be cut within a character: whoever gets it, as JSON
 * or over ttrpc, takes UTF-8 alone, and a terminal obeys control characters.
 */
static void make_printable(char *msg)
{
	unsigned char *s = (unsigned char *)msg;

	while (*s) {
		size_t n = utf8_sequence(s);

		if (n == 0 || (*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

int ks_err_set(struct ks_err *err, int num, const char *fmt, ...)
{
	va_list ap;

	assert(num < 0);
	if (!err)
		return num;
	err->num = -num;
	err->kind = kind_of_errno(-num);
	va_start(ap, fmt);
	size_t n = ks_vfmt(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	ks_fmt(err->msg + n, sizeof(err->msg) - n, ": %s", ks_strerror(num));
	make_printable(err->msg);
	return num;
}

int ks_err_kind(struct ks_err *err, enum ks_err_kind kind, const char *fmt, ...)
{
	va_list ap;

	assert(kind != KS_ERR_NONE);
	if (!err)
		return -errno_of_kind(kind);
	err->num = errno_of_kind(kind);
	err->kind = kind;
	va_start(ap, fmt);
	ks_vfmt(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	make_printable(err->msg);
	return -err->num;
}

int ks_err_prefix(struct ks_err *err, int num, const char *fmt, ...)
{
	char old[KS_ERR_MSG_MAX];
	va_list ap;

	assert(num < 0);
	if (!err)
		return num;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	size_t n = ks_vfmt(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	ks_fmt(err->msg + n, sizeof(err->msg) - n, ": %s", old);
	make_printable(err->msg);
	return num;
}

int ks_err_oom(struct ks_err *err)
{
	return ks_err_set(err, -ENOMEM, "allocate memory");
}
