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
	  CASE(a_long_message_is_cut_and_terminated), CASE(without_a_record_only_the_number_counts),
	  CASE(every_errno_has_a_text))
