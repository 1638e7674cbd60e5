/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/sha256.c"

#include "test.h"

/* FIPS 180-4 examples and lengths around the block's end, checked with sha256sum(1). */
static void known_digests(void)
{
	char hex[KS_SHA256_HEX_SIZE];
	static char million[1000000];

	ks_sha256_hex("", 0, hex);
	CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	ks_sha256_hex("abc", 3, hex);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ks_sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
	CHECK_STR(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', sizeof(million));
	ks_sha256_hex(million, sizeof(million), hex);
	CHECK_STR(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void every_length_as_sha256sum_has_it(void)
{
	char buf[130], cmd[256], want[80], hex[KS_SHA256_HEX_SIZE];

	for (size_t n = 50; n < sizeof(buf); n += 1 + (n % 3)) {
		memset(buf, 'x', n);
		buf[n] = '\0';
		snprintf(cmd, sizeof(cmd), "printf %%s '%s' | sha256sum", buf);
		FILE *f = popen(cmd, "r"); /* NOLINT(cert-env33-c): the text is this test's own */

		CHECK(f && fgets(want, 65, f));
		if (f)
			pclose(f);
		ks_sha256_hex(buf, n, hex);
		CHECK_STR(hex, want);
	}
}

TEST_MAIN(CASE(known_digests), CASE(every_length_as_sha256sum_has_it))
