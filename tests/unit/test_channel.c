/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/channel.c"

#include "test.h"

static void messages_and_descriptors(void)
{
	static struct ks_msg m;
	struct ks_err err = KS_ERR_INIT;
	int p[2];
	int fd = -EBADF;
	struct stat a, b;

	CHECK_INT(ks_channel_pair(p, &err), 0);
	CHECK_INT(ks_channel_send(p[0], 5, "hello", 5, 0, &err), 0);
	CHECK_INT(ks_channel_send(p[0], 6, NULL, 0, -1, &err), 0);
	CHECK_INT(ks_channel_recv(p[1], &m, &fd, &err), 0);
	CHECK(m.type == 5 && m.len == 5 && !memcmp(m.data, "hello", 5));
	CHECK(fd >= 0 && fstat(fd, &a) == 0 && fstat(0, &b) == 0 && a.st_ino == b.st_ino);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	CHECK_INT(ks_channel_recv(p[1], &m, NULL, &err), 0);
	CHECK(m.type == 6 && m.len == 0);
	close(p[0]);
	CHECK_INT(ks_channel_recv(p[1], &m, NULL, &err), KS_CHANNEL_CLOSED);
	CHECK_INT(ks_channel_send(p[1], 1, NULL, 0, -1, &err), KS_CHANNEL_CLOSED);
	close(p[1]);
}

/* An end with something unread resets the connection, which is told before what was sent. */
static void last_words_of_one_that_did_not_listen(void)
{
	static struct ks_msg m;
	struct ks_err err = KS_ERR_INIT;
	int p[2];

	for (int sends = 0; sends < 2; sends++) {
		CHECK_INT(ks_channel_pair(p, &err), 0);
		CHECK_INT(ks_channel_send(p[0], 1, NULL, 0, -1, &err), 0);
		CHECK_INT(ks_channel_send(p[1], 7, "why", 3, -1, &err), 0);
		close(p[1]);
		if (sends)
			CHECK_INT(ks_channel_send(p[0], 2, NULL, 0, -1, &err), KS_CHANNEL_CLOSED);
		CHECK_INT(ks_channel_recv(p[0], &m, NULL, &err), 0);
		CHECK(m.type == 7 && m.len == 3 && !memcmp(m.data, "why", 3));
		CHECK_INT(ks_channel_recv(p[0], &m, NULL, &err), KS_CHANNEL_CLOSED);
		close(p[0]);
	}
}

static int count_fds(void)
{
	int n = 0;

	for (int i = 0; i < 200; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void unwanted_descriptors_are_closed(void)
{
	static struct ks_msg m;
	struct ks_err err = KS_ERR_INIT;
	int p[2];

	CHECK_INT(ks_channel_pair(p, &err), 0);
	int before = count_fds();

	CHECK_INT(ks_channel_send(p[0], 1, NULL, 0, 0, &err), 0);
	CHECK_INT(ks_channel_recv(p[1], &m, NULL, &err), 0);
	CHECK_INT(count_fds(), before);
	close(p[0]);
	close(p[1]);
}

static void a_cut_message_is_an_error(void)
{
	static struct ks_msg m;
	static char big[KS_CHANNEL_MAX_BYTES + 100];
	struct ks_err err = KS_ERR_INIT;
	int p[2];

	CHECK_INT(ks_channel_pair(p, &err), 0);
	CHECK(send(p[0], big, sizeof(big), 0) > 0);
	CHECK(ks_channel_recv(p[1], &m, NULL, &err) < 0);
	CHECK(send(p[0], big, 2, 0) > 0);
	CHECK(ks_channel_recv(p[1], &m, NULL, &err) < 0);
	close(p[0]);
	close(p[1]);
}

TEST_MAIN(CASE(messages_and_descriptors), CASE(unwanted_descriptors_are_closed),
	  CASE(a_cut_message_is_an_error), CASE(last_words_of_one_that_did_not_listen))
