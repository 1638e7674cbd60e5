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
	return num;
}

int ks_err_oom(struct ks_err *err)
{
	return ks_err_set(err, -ENOMEM, "allocate memory");
}
