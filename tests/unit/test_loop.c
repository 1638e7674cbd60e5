/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/loop.c"

#include "test.h"

static struct ks_watch first, second;
static int calls;

static int take(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	char c;

	(void)events;
	(void)err;
	calls++;
	CHECK_INT(read(w->fd, &c, 1), 1);
	/* Both are ready: the one that is called removes the other. */
	ks_loop_remove(l, w == &first ? &second : &first);
	l->quit = true;
	return 0;
}

static void a_callback_may_remove_another_watch(void)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_loop l;
	int a[2], b[2];

	CHECK_INT(pipe(a), 0);
	CHECK_INT(pipe(b), 0);
	first = (struct ks_watch){ .fd = a[0], .fn = take };
	second = (struct ks_watch){ .fd = b[0], .fn = take };
	CHECK_INT(ks_loop_init(&l, &err), 0);
	CHECK_INT(ks_loop_add(&l, &first, EPOLLIN, &err), 0);
	CHECK_INT(ks_loop_add(&l, &second, EPOLLIN, &err), 0);
	CHECK(ks_loop_add(&l, &second, EPOLLIN, &err) < 0);
	CHECK(write(a[1], "x", 1) == 1 && write(b[1], "x", 1) == 1);
	calls = 0;
	CHECK_INT(ks_loop_run(&l, &err), 0);
	CHECK_INT(calls, 1);
	ks_loop_done(&l);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static int fail(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	(void)l;
	(void)w;
	(void)events;
	return ks_err_kind(err, KS_ERR_TIMEOUT, "no");
}

static void a_failing_callback_ends_it(void)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_loop l;
	int a[2];

	CHECK_INT(pipe(a), 0);
	first = (struct ks_watch){ .fd = a[0], .fn = fail };
	CHECK_INT(ks_loop_init(&l, &err), 0);
	CHECK_INT(ks_loop_add(&l, &first, EPOLLIN, &err), 0);
	close(a[1]); /* a hang-up comes too */
	CHECK(ks_loop_run(&l, &err) < 0);
	CHECK_STR(err.msg, "no");
	ks_loop_done(&l);
	close(a[0]);
}

TEST_MAIN(CASE(a_callback_may_remove_another_watch), CASE(a_failing_callback_ends_it))
