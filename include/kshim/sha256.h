/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SHA-256 (FIPS 180-4), for the checksums of records and the names of cached
 * programs. Written here since a crypto library would cost every start more
 * than the rest of kshim together.
 */
#include <stddef.h>

#define KS_SHA256_HEX_SIZE 65

/** ks_sha256_hex() - digest of @len bytes as 64 lower-case hex digits and a terminator */
void ks_sha256_hex(const void *data, size_t len, char ret[static KS_SHA256_HEX_SIZE]);
