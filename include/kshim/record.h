/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Durable records: small JSON files that are whole or not there.
 *
 *	{"kshim":"volume","format":1,"generation":3,"sha256":"…","body":{…}}
 *
 * The checksum is over the body's bytes as they stand in the file. A record
 * is written beside its name, synced, renamed over it, and the directory is
 * synced: after ks_record_write() returned 0 it survives a power cut, before
 * that the older one does. Writers of one record hold its object's lock.
 * Source: docs/formats/records.md.
 */
#include <stdint.h>

#include <kshim/json.h>

#define KS_RECORD_FORMAT 1

/* Positive results of ks_record_read(). */
#define KS_RECORD_ABSENT  1
#define KS_RECORD_CORRUPT 2

/** struct ks_record - a record that was read; lives in the arena of the read */
struct ks_record {
	uint64_t generation;
	const struct ks_json *body;
};

/**
 * ks_record_write() - replace a record durably
 * @dirfd:      its directory; borrowed
 * @name:       its file name, without a slash
 * @kind:       what it describes: "volume", "identity", …
 * @generation: of this version; the caller adds one to what it read
 * @body:       JSON text of an object
 *
 * A failed fsync is final: the temporary file is removed, the older record
 * stays, and the write is not tried again, since the kernel may have dropped
 * the pages that it could not write.
 * Return: 0 or -errno.
 */
int ks_record_write(int dirfd, const char *name, const char *kind, uint64_t generation,
		    const char *body, struct ks_err *err);

/**
 * ks_record_read() - read and check a record
 *
 * Return: 0; KS_RECORD_ABSENT; KS_RECORD_CORRUPT with the reason in @err, for
 * a file that is no record of that kind and format; -errno when it cannot be
 * read.
 */
int ks_record_read(struct ks_arena *a, int dirfd, const char *name, const char *kind,
		   struct ks_record *ret, struct ks_err *err);

/** ks_record_remove() - unlink a record and sync the directory; 0 also when it is not there */
int ks_record_remove(int dirfd, const char *name, struct ks_err *err);

/**
 * ks_record_set_aside() - rename a corrupt record to NAME.corrupt.N, never over another
 *
 * Return: 0 or -errno.
 */
int ks_record_set_aside(int dirfd, const char *name, struct ks_err *err);
