/* SPDX-License-Identifier: Apache-2.0 */
#include "volumes/identity.c"

#include "test.h"

static struct ks_store s;
static struct ks_err err;
static struct ks_arena a;

static struct ks_pod_volume claim(const char *name)
{
	return (struct ks_pod_volume){ .kind = KS_POD_CLAIM, .name = "v", .claim = name };
}

static void taken_given_up_and_taken(void)
{
	static char state[64];
	struct ks_pod_volume v = claim("c1");
	struct ks_pod_spec p = { .ns = "ns", .name = "web-0", .volumes = &v, .n_volumes = 1 };
	struct ks_identity id, again;

	test_dir();
	snprintf(state, sizeof(state), "%s/state", test_dir_path);
	CHECK_INT(ks_store_open(state, &s, &err), 0);
	CHECK_INT(ks_identity_load(&a, &s, "ns", "web-0", &id, &err), KS_IDENTITY_ABSENT);
	CHECK_INT(ks_identity_take(&a, &s, &p, "u1", "boot", &id, &err), 0);
	CHECK_STR(id.hostname, "web-0");
	CHECK_INT(id.incarnation.v, 1);
	/* Another's giving up changes nothing. */
	CHECK_INT(ks_identity_give_up(&a, &s, "ns", "web-0", "u2", &err), 0);
	CHECK_INT(ks_identity_load(&a, &s, "ns", "web-0", &again, &err), 0);
	CHECK_STR(again.holder_uid, "u1");
	CHECK_INT(ks_identity_forget(&a, &s, "ns", "web-0", &err), -EBUSY);
	CHECK_INT(ks_identity_give_up(&a, &s, "ns", "web-0", "u1", &err), 0);
	v = claim("c2");
	CHECK_INT(ks_identity_take(&a, &s, &p, "u3", "boot", &again, &err), 0);
	CHECK_INT(again.incarnation.v, 2);
	CHECK_STR(again.machine_id, id.machine_id);
	CHECK_INT(again.claims.n, 2);
}

static void another_host_name_is_refused_with_both(void)
{
	struct ks_pod_spec p = { .ns = "ns", .name = "web-0", .hostname = "other" };
	struct ks_identity id;

	CHECK(ks_identity_take(&a, &s, &p, "u4", "boot", &id, &err) < 0);
	CHECK_HAS(err.msg, "\"web-0\"");
	CHECK_HAS(err.msg, "\"other\"");
}

static void a_damaged_record_does_not_free_the_name(void)
{
	struct ks_pod_spec p = { .ns = "ns", .name = "web-0" };
	struct ks_identity id;

	test_write("state/identities/ns/web-0.json", "{}");
	CHECK_INT(ks_identity_load(&a, &s, "ns", "web-0", &id, &err), -EIO);
	CHECK(ks_identity_take(&a, &s, &p, "u5", "boot", &id, &err) < 0);
	CHECK(ks_identity_forget(&a, &s, "ns", "web-0", &err) < 0);
	CHECK_INT(faccessat(s.fd, "identities/ns/web-0.json", F_OK, 0), 0);
}

static void a_long_name_gives_a_short_host_name(void)
{
	char name[100], host[64];
	struct ks_pod_spec p = { .ns = "ns", .name = name };

	memset(name, 'a', 99);
	name[62] = '.'; /* not at an end of a host name */
	name[99] = '\0';
	const char *h = expected_hostname(&p, host);

	CHECK(strlen(h) <= 63);
	CHECK(h[strlen(h) - 1] != '.' && h[strlen(h) - 1] != '-');
	ks_store_close(&s);
}

TEST_MAIN(CASE(taken_given_up_and_taken), CASE(another_host_name_is_refused_with_both),
	  CASE(a_damaged_record_does_not_free_the_name), CASE(a_long_name_gives_a_short_host_name))
