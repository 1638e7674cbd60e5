/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/record.h>

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/sha256.h>

#define NAME_SIZE 300

/* Writes and syncs the file @tmp, which is not there or is a dead writer's. */
static int write_synced(int dirfd, const char *tmp, const struct ks_buf *text, struct ks_err *err)
{
	ks_auto_fd int fd =
		openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return ks_err_set(err, -errno, "create %s", tmp);
	int r = ks_fd_write_all(fd, text->data, text->len);

	if (r < 0)
		return ks_err_set(err, r, "write %s", tmp);
	ks_crash_point("record-written");
	if (fsync(fd) < 0)
		return ks_err_set(err, -errno, "sync %s", tmp);
	return 0;
}

int ks_record_write(int dirfd, const char *name, const char *kind, uint64_t generation,
		    const char *body, struct ks_err *err)
{
	char digest[KS_SHA256_HEX_SIZE];
	char tmp[NAME_SIZE];
	ks_auto_buf struct ks_buf text = { 0 };

	assert(!strchr(name, '/') && strlen(name) < NAME_SIZE - 8);
	ks_fmt(tmp, sizeof(tmp), ".%s.tmp", name);
	ks_sha256_hex(body, strlen(body), digest);
	ks_buf_addf(
		&text,
		"{\"kshim\":\"%s\",\"format\":%d,\"generation\":%llu,\"sha256\":\"%s\",\"body\":",
		kind, KS_RECORD_FORMAT, (unsigned long long)generation, digest);
	ks_buf_adds(&text, body);
	ks_buf_adds(&text, "}\n");
	if (text.failed)
		return ks_err_oom(err);
	int r = write_synced(dirfd, tmp, &text, err);

	if (r < 0) {
		unlinkat(dirfd, tmp, 0);
		return r;
	}
	ks_crash_point("record-synced");
	if (renameat(dirfd, tmp, dirfd, name) < 0) {
		r = ks_err_set(err, -errno, "rename %s to %s", tmp, name);
		unlinkat(dirfd, tmp, 0);
		return r;
	}
	ks_crash_point("record-renamed");
	if (fsync(dirfd) < 0)
		return ks_err_set(err, -errno, "sync the directory of %s", name);
	return 0;
}

static int corrupt(struct ks_err *err, const char *name, const char *why)
{
	ks_err_kind(err, KS_ERR_INVALID, "record %s is damaged: %s", name, why);
	return KS_RECORD_CORRUPT;
}

struct envelope {
	const char *kind;
	struct ks_opt_u64 format, generation;
	const char *sha256;
	const struct ks_json *body;
};

static const struct ks_json_field envelope_fields[] = {
	KS_STR(struct envelope, kind, "kshim", KS_FIELD_REQUIRED),
	KS_U64(struct envelope, format, "format", KS_FIELD_REQUIRED),
	KS_U64(struct envelope, generation, "generation", KS_FIELD_REQUIRED),
	KS_STR(struct envelope, sha256, "sha256", KS_FIELD_REQUIRED),
	KS_JSON_ANY(struct envelope, body, "body", KS_FIELD_REQUIRED),
	KS_END,
};

int ks_record_read(struct ks_arena *a, int dirfd, const char *name, const char *kind,
		   struct ks_record *ret, struct ks_err *err)
{
	char digest[KS_SHA256_HEX_SIZE];
	struct envelope e = { 0 };
	struct ks_json *root;
	char *text;
	size_t len;
	int r = ks_file_read_at(a, dirfd, name, KS_JSON_MAX_BYTES, &text, &len);

	if (r == -ENOENT)
		return KS_RECORD_ABSENT;
	if (r == -EFBIG)
		return corrupt(err, name, "larger than 4 MiB");
	if (r < 0)
		return ks_err_set(err, r, "read record %s", name);
	struct ks_err why = KS_ERR_INIT;
	struct ks_json_ctx ctx = { .arena = a, .err = &why };

	r = ks_json_parse(a, text, len, name, &root, &why);
	if (r == 0)
		r = ks_json_decode(&ctx, root, envelope_fields, &e);
	if (r == -ENOMEM)
		return ks_err_oom(err);
	if (r < 0)
		return corrupt(err, name, why.msg);
	if (e.format.v != KS_RECORD_FORMAT) {
		ks_err_kind(err, KS_ERR_UNSUPPORTED,
			    "record %s has format %llu, this kshim knows format %d", name,
			    (unsigned long long)e.format.v, KS_RECORD_FORMAT);
		/* Not damaged: a newer kshim wrote it. It must stay where it is. */
		return -EOPNOTSUPP;
	}
	if (!ks_streq(e.kind, kind))
		return corrupt(err, name, "it is of another kind");
	if (e.body->type != KS_JSON_OBJECT)
		return corrupt(err, name, "its body is no object");
	ks_sha256_hex(text + e.body->begin, e.body->end - e.body->begin, digest);
	if (!ks_streq(digest, e.sha256))
		return corrupt(err, name, "the checksum does not match");
	*ret = (struct ks_record){ .generation = e.generation.v, .body = e.body };
	return 0;
}

int ks_record_remove(int dirfd, const char *name, struct ks_err *err)
{
	if (unlinkat(dirfd, name, 0) < 0)
		return errno == ENOENT ? 0 : ks_err_set(err, -errno, "remove %s", name);
	if (fsync(dirfd) < 0)
		return ks_err_set(err, -errno, "sync the directory of %s", name);
	return 0;
}

int ks_record_set_aside(int dirfd, const char *name, struct ks_err *err)
{
	char aside[NAME_SIZE];

	assert(strlen(name) < NAME_SIZE - 24);
	for (unsigned int n = 1; n < 1000; n++) {
		ks_fmt(aside, sizeof(aside), "%s.corrupt.%u", name, n);
		if (renameat2(dirfd, name, dirfd, aside, RENAME_NOREPLACE) == 0)
			return fsync(dirfd) < 0 ? ks_err_set(err, -errno, "sync") : 0;
		if (errno != EEXIST)
			return ks_err_set(err, -errno, "set %s aside", name);
	}
	return ks_err_kind(err, KS_ERR_EXHAUSTED, "too many damaged copies of %s", name);
}
