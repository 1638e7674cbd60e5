/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/record.c"

#include "test.h"

#define BODY "{\"a\":1}"

static struct ks_err err;

static void write_then_read(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_record rec;

	CHECK_INT(ks_record_read(&a, test_dir(), "r", "thing", &rec, &err), KS_RECORD_ABSENT);
	CHECK_INT(ks_record_write(test_dir(), "r", "thing", 7, BODY, &err), 0);
	CHECK_INT(ks_record_read(&a, test_dir(), "r", "thing", &rec, &err), 0);
	CHECK_INT(rec.generation, 7);
	CHECK_STR(ks_json_get(rec.body, "a")->text, "1");
	CHECK(faccessat(test_dir(), ".r.tmp", F_OK, 0) < 0);
}

/* Flips, cuts and additions anywhere in the file are noticed, or change nothing that counts. */
static void every_damage_is_noticed(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_record rec;
	char *text, bad[512];
	size_t len;

	CHECK_INT(ks_record_write(test_dir(), "d", "thing", 3, BODY, &err), 0);
	CHECK_INT(ks_file_read_at(&a, test_dir(), "d", 4096, &text, &len), 0);
	for (size_t i = 0; i + 1 < len; i++) {
		memcpy(bad, text, len + 1);
		bad[i] ^= 0x04;
		test_write("d", bad);
		int r = ks_record_read(&a, test_dir(), "d", "thing", &rec, &err);

		/* A digit of the generation or of the format is outside of the checksum. */
		if (r == 0)
			CHECK(rec.generation != 3 && rec.body->count == 1);
		else
			CHECK(r == KS_RECORD_CORRUPT || r == -EOPNOTSUPP);
	}
	for (size_t n = 0; n + 1 < len; n++) {
		memcpy(bad, text, n);
		bad[n] = '\0';
		test_write("d", bad);
		CHECK_INT(ks_record_read(&a, test_dir(), "d", "thing", &rec, &err),
			  KS_RECORD_CORRUPT);
	}
}

static void another_kind_is_corrupt(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_record rec;

	CHECK_INT(ks_record_write(test_dir(), "k", "thing", 1, BODY, &err), 0);
	CHECK_INT(ks_record_read(&a, test_dir(), "k", "other", &rec, &err), KS_RECORD_CORRUPT);
}

static void a_newer_format_is_left_alone(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_record rec;

	test_write("n", "{\"kshim\":\"thing\",\"format\":2,\"generation\":1,\"sha256\":\"\","
			"\"body\":{}}");
	CHECK_INT(ks_record_read(&a, test_dir(), "n", "thing", &rec, &err), -EOPNOTSUPP);
}

static void aside_never_over_another(void)
{
	struct stat st;

	for (int i = 0; i < 3; i++) {
		test_write("c", "x");
		CHECK_INT(ks_record_set_aside(test_dir(), "c", &err), 0);
	}
	CHECK_INT(fstatat(test_dir(), "c.corrupt.3", &st, 0), 0);
	CHECK(fstatat(test_dir(), "c", &st, 0) < 0);
}

static void a_failed_write_keeps_the_old_one(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_record rec;

	CHECK_INT(ks_record_write(test_dir(), "o", "thing", 1, BODY, &err), 0);
	/* Something stands where the temporary file would. */
	CHECK_INT(mkdirat(test_dir(), ".o.tmp", 0700), 0);
	CHECK(ks_record_write(test_dir(), "o", "thing", 2, BODY, &err) < 0);
	CHECK_INT(ks_record_read(&a, test_dir(), "o", "thing", &rec, &err), 0);
	CHECK_INT(rec.generation, 1);
}

static void removing_twice_is_fine(void)
{
	CHECK_INT(ks_record_write(test_dir(), "x", "thing", 1, BODY, &err), 0);
	CHECK_INT(ks_record_remove(test_dir(), "x", &err), 0);
	CHECK_INT(ks_record_remove(test_dir(), "x", &err), 0);
}

TEST_MAIN(CASE(write_then_read), CASE(every_damage_is_noticed), CASE(another_kind_is_corrupt),
	  CASE(a_newer_format_is_left_alone), CASE(aside_never_over_another),
	  CASE(a_failed_write_keeps_the_old_one), CASE(removing_twice_is_fine))
