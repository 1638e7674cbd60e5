/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/err.c"

#include "test.h"

static void an_errno_with_its_text(void)
{
	struct ks_err e = KS_ERR_INIT;

	CHECK_INT(ks_err_set(&e, -ENOENT, "open %s", "/x"), -ENOENT);
	CHECK_STR(e.msg, "open /x: No such file or directory");
	CHECK_INT(e.num, ENOENT);
	CHECK_INT(e.kind, KS_ERR_NOT_FOUND);
}

static void prefixes_stand_in_front(void)
{
	struct ks_err e = KS_ERR_INIT;

	ks_err_kind(&e, KS_ERR_BUSY, "is in use");
	CHECK_INT(ks_err_prefix(&e, -EBUSY, "volume %d", 3), -EBUSY);
	CHECK_STR(e.msg, "volume 3: is in use");
	CHECK_INT(e.kind, KS_ERR_BUSY);
}

static void a_message_is_utf8_without_control_characters(void)
{
	static const struct {
		const char *is, *want;
	} cases[] = {
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "cut \xc3", "cut ?" },
		{ "cut \xe2\x82", "cut ??" },
		{ "\xc0\xaf \xe0\x80\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xff", "?? ??? ??? ???? ?" },
		{ "\x1b[31m\x07\x7f", "?[31m??" },
		{ "two\nlines\tand a tab", "two\nlines\tand a tab" },
	};

	for (size_t i = 0; i < KS_ARRAY_LEN(cases); i++) {
		struct ks_err e = KS_ERR_INIT;

		ks_err_kind(&e, KS_ERR_INVALID, "%s", cases[i].is);
		CHECK_STR(e.msg, cases[i].want);
		ks_err_prefix(&e, -EINVAL, "%s", cases[i].is);
		CHECK_INT(strchr(e.msg, '\xff') != NULL, 0);
	}
	/* Cut in the middle of the last one that has room. */
	static char lots[KS_ERR_MSG_MAX * 2];
	struct ks_err e = KS_ERR_INIT;

	for (size_t i = 0; i + 1 < sizeof(lots); i++)
		lots[i] = "\xc3\xa9"[i % 2];
	ks_err_kind(&e, KS_ERR_INVALID, "x%s", lots);
	CHECK_INT(strlen(e.msg), KS_ERR_MSG_MAX - 1);
	ks_err_kind(&e, KS_ERR_INVALID, "%s", lots);
	CHECK_INT(e.msg[KS_ERR_MSG_MAX - 2], '?');
}

static void a_long_message_is_cut_and_terminated(void)
{
	static char lots[KS_ERR_MSG_MAX * 2];
	struct ks_err e = KS_ERR_INIT;

	memset(lots, 'a', sizeof(lots) - 1);
	ks_err_set(&e, -EIO, "%s", lots);
	CHECK(strlen(e.msg) < KS_ERR_MSG_MAX);
	for (int i = 0; i < 3; i++)
		ks_err_prefix(&e, -EIO, "%s", lots);
	CHECK(strlen(e.msg) < KS_ERR_MSG_MAX);
}

static void without_a_record_only_the_number_counts(void)
{
	CHECK_INT(ks_err_set(NULL, -EPERM, "x"), -EPERM);
	CHECK(ks_err_kind(NULL, KS_ERR_TIMEOUT, "x") < 0);
	CHECK_INT(ks_err_prefix(NULL, -EPERM, "x"), -EPERM);
	CHECK_INT(ks_err_oom(NULL), -ENOMEM);
}

static void every_errno_has_a_text(void)
{
	for (int i = 0; i < 200; i++)
		CHECK(ks_strerror(i) && *ks_strerror(i));
	CHECK_STR(ks_strerror(-ENOSPC), strerror(ENOSPC));
}

TEST_MAIN(CASE(an_errno_with_its_text), CASE(prefixes_stand_in_front),
	  CASE(a_message_is_utf8_without_control_characters),
	  CASE(a_long_message_is_cut_and_terminated), CASE(without_a_record_only_the_number_counts),
	  CASE(every_errno_has_a_text))
