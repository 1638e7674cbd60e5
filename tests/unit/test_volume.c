/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c and volume-change.c, with real mkfs; no mount and no privilege is needed. */
#include "volumes/volume-change.c"

#include "test.h"

static struct ks_store s;
static struct ks_err err;
static struct ks_arena a;
static char state[64];

static struct ks_volume_params params(const char *claim)
{
	return (struct ks_volume_params){ .ns = "ns", .claim = claim, .size_bytes = 16 << 20 };
}

static void create_and_load(void)
{
	struct ks_volume_params p = params("one");
	struct ks_volume made, got;

	test_dir();
	snprintf(state, sizeof(state), "%s/state", test_dir_path);
	CHECK_INT(ks_store_open(state, &s, &err), 0);
	CHECK_INT(ks_volume_create(&a, &s, &p, &made, &err), 0);
	CHECK_INT(ks_volume_load(&a, &s, "ns", "one", &got, &err), 0);
	CHECK_STR(got.fs_uuid, made.fs_uuid);
	CHECK_STR(got.fs_type, "ext4");
	CHECK_INT(got.size_bytes.v, 16 << 20);
	CHECK_INT(ks_volume_create(&a, &s, &p, &made, &err), -EEXIST);
	CHECK_INT(ks_volume_load(&a, &s, "ns", "two", &got, &err), -ENOENT);
	CHECK_HAS(err.msg, "volume \"ns/two\" does not exist");
}

static void bad_parameters(void)
{
	struct ks_volume made;
	struct ks_volume_params p = params("x");

	p.size_bytes = 1;
	CHECK(ks_volume_create(&a, &s, &p, &made, &err) < 0);
	p.size_bytes = KS_VOLUME_MAX_BYTES + 1;
	CHECK(ks_volume_create(&a, &s, &p, &made, &err) < 0);
	p = params("../x");
	CHECK(ks_volume_create(&a, &s, &p, &made, &err) < 0);
	p = params("x");
	p.fs_type = "ntfs";
	CHECK(ks_volume_create(&a, &s, &p, &made, &err) < 0);
	p.fs_type = "xfs";
	CHECK(ks_volume_create(&a, &s, &p, &made, &err) < 0);
	CHECK_HAS(err.msg, "xfs' least");
	ks_auto_fd int dir = -EBADF;

	CHECK_INT(ks_volume_open_dir(&s, "ns", "x", false, &dir, &err), -ENOENT);
}

static void an_image_without_a_record_is_somebodys(void)
{
	struct ks_volume_params p = params("orphan");
	struct ks_volume made;
	ks_auto_fd int dir = -EBADF;

	CHECK_INT(ks_volume_open_dir(&s, "ns", "orphan", true, &dir, &err), 0);
	test_write("state/volumes/ns/orphan/image", "data");
	CHECK_INT(ks_volume_create(&a, &s, &p, &made, &err), -EEXIST);
	CHECK_HAS(err.msg, "left alone");
	CHECK_INT(faccessat(dir, "image", F_OK, 0), 0);
}

static void a_corrupt_record_never_leads_to_deletion(void)
{
	struct ks_volume_params p = params("bad");
	struct ks_volume made;
	struct stat st;

	CHECK_INT(ks_volume_create(&a, &s, &p, &made, &err), 0);
	test_write("state/volumes/ns/bad/volume.json", "{\"kshim\":");
	CHECK_INT(ks_volume_load(&a, &s, "ns", "bad", &made, &err), -EIO);
	CHECK(ks_volume_delete(&a, &s, "ns", "bad", &err) < 0);
	CHECK(ks_volume_create(&a, &s, &p, &made, &err) < 0);
	struct ks_gc gc = { .arena = &a };

	CHECK_INT(ks_volume_gc(&s, &gc, &err), 0);
	CHECK_INT(fstatat(s.fd, "volumes/ns/bad/image", &st, 0), 0);
	CHECK_INT(st.st_size, 16 << 20);
	struct ks_volumes list = { 0 };

	CHECK_INT(ks_volume_list(&a, &s, NULL, &list, &err), 0);
	CHECK_INT(list.n, 1);
	CHECK_INT(list.damaged.n, 2);
}

/* An interrupted create whose journal names another UUID than the image has: hands off. */
static void an_image_of_another_uuid_stays(void)
{
	struct ks_volume_params p = params("swap");
	struct ks_volume v;
	struct ks_gc gc = { .arena = &a };
	struct stat st;
	ks_auto_fd int journal = -EBADF;

	CHECK_INT(ks_volume_create(&a, &s, &p, &v, &err), 0);
	CHECK_INT(unlinkat(s.fd, "volumes/ns/swap/volume.json", 0), 0);
	v.fs_uuid = "00000000-0000-4000-8000-000000000000";
	CHECK_INT(open_journal(&s, &journal, &err), 0);
	CHECK_INT(ks_volume_write(journal, &v, "volume-create.ns.swap.json", "volume-create", &err),
		  0);
	CHECK_INT(ks_volume_gc(&s, &gc, &err), 0);
	bool told = false;

	for (size_t i = 0; i < gc.lines.n; i++)
		told |= strstr(gc.lines.v[i], "nothing is changed") != NULL;
	CHECK(told);
	CHECK_INT(fstatat(s.fd, "volumes/ns/swap/image", &st, 0), 0);
	CHECK(fstatat(s.fd, "volumes/ns/swap/volume.json", &st, 0) < 0);
	CHECK_INT(unlinkat(journal, "volume-create.ns.swap.json", 0), 0);
}

/* An image that is complete, but whose record could not be written, is not lost for its claim. */
static void a_create_without_room_for_its_record_is_finished_later(void)
{
	struct ks_volume_params p = params("full");
	struct ks_gc gc = { .arena = &a };
	struct ks_volume v;
	ks_auto_fd int dir = -EBADF;

	CHECK_INT(ks_volume_open_dir(&s, "ns", "full", true, &dir, &err), 0);
	CHECK_INT(mkdirat(dir, ".volume.json.tmp", 0700), 0);
	CHECK(ks_volume_create(&a, &s, &p, &v, &err) < 0);
	CHECK_INT(unlinkat(dir, ".volume.json.tmp", AT_REMOVEDIR), 0);
	CHECK_INT(ks_volume_gc(&s, &gc, &err), 0);
	CHECK_INT(ks_volume_load(&a, &s, "ns", "full", &v, &err), 0);
	CHECK_INT(ks_volume_delete(&a, &s, "ns", "full", &err), 0);
}

/* A delete that was cut off, and a new volume of that name since then: it is another one. */
static void a_delete_does_not_take_a_later_volume(void)
{
	struct ks_volume_params p = params("again");
	struct ks_volume first, second;
	struct ks_gc gc = { .arena = &a };
	ks_auto_fd int journal = -EBADF;

	CHECK_INT(ks_volume_create(&a, &s, &p, &first, &err), 0);
	CHECK_INT(ks_volume_delete(&a, &s, "ns", "again", &err), 0);
	CHECK_INT(ks_volume_create(&a, &s, &p, &second, &err), 0);
	CHECK_INT(open_journal(&s, &journal, &err), 0);
	CHECK_INT(ks_volume_write(journal, &first, "volume-delete.ns.again.json", "volume-delete",
				  &err),
		  0);
	CHECK_INT(ks_volume_gc(&s, &gc, &err), 0);
	CHECK_INT(ks_volume_load(&a, &s, "ns", "again", &first, &err), 0);
	CHECK_STR(first.uid, second.uid);
	CHECK_INT(ks_volume_delete(&a, &s, "ns", "again", &err), 0);
}

static void deleting_needs_the_lock(void)
{
	ks_auto_fd int lock = -EBADF;
	struct ks_volume got;

	CHECK_INT(ks_store_lock(&s, "volume", "ns", "one", 0, &lock, &err), 0);
	CHECK(ks_volume_in_use(&s, "ns", "one"));
	lock = ks_fd_close(lock);
	CHECK_INT(ks_volume_delete(&a, &s, "ns", "one", &err), 0);
	CHECK_INT(ks_volume_load(&a, &s, "ns", "one", &got, &err), -ENOENT);
	CHECK_INT(ks_volume_delete(&a, &s, "ns", "one", &err), -ENOENT);
	ks_store_close(&s);
}

static void journal_names(void)
{
	const char *ns, *claim;
	static const char *const bad[] = { "volume-create.ns",
					   "volume-create.ns.json",
					   "x.ns.c.json",
					   "volume-create..c.json",
					   "volume-create.ns.../x.json",
					   "volume-delete.NS.c.json",
					   "" };

	CHECK(split_entry(&a, "volume-delete.ns.a.b-0.json", &ns, &claim));
	CHECK_STR(ns, "ns");
	CHECK_STR(claim, "a.b-0");
	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++)
		CHECK(!split_entry(&a, bad[i], &ns, &claim));
}

TEST_MAIN(CASE(create_and_load), CASE(bad_parameters), CASE(an_image_without_a_record_is_somebodys),
	  CASE(a_corrupt_record_never_leads_to_deletion), CASE(an_image_of_another_uuid_stays),
	  CASE(a_create_without_room_for_its_record_is_finished_later),
	  CASE(a_delete_does_not_take_a_later_volume), CASE(deleting_needs_the_lock),
	  CASE(journal_names))
