/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/mount/options.c"

#include "test.h"

static struct ks_arena a;
static struct ks_err err;
static struct ks_mount_opts o;

static int parse(const char *list)
{
	struct ks_strv v;

	if (ks_str_split(&a, list, ' ', &v) < 0)
		abort();
	return ks_mount_parse_options(&a, &v, &o, &err);
}

static void bits(void)
{
	CHECK_INT(parse("ro nosuid nodev noexec"), 0);
	CHECK(o.attr_set ==
	      (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
	CHECK_INT(parse("ro rw"), 0);
	CHECK(!o.attr_set && o.attr_clr == MOUNT_ATTR_RDONLY);
	CHECK_INT(parse("rw ro"), 0);
	CHECK(o.attr_set == MOUNT_ATTR_RDONLY && !o.attr_clr);
	CHECK_INT(parse("noatime strictatime"), 0);
	CHECK(o.attr_set == MOUNT_ATTR_STRICTATIME && o.attr_clr == MOUNT_ATTR__ATIME);
	CHECK_INT(parse("rro rnosuid"), 0);
	CHECK(!o.attr_set && o.rec_set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
}

static void the_rest_is_for_the_file_system(void)
{
	CHECK_INT(parse("mode=755 size=64k nosuid uid=5"), 0);
	CHECK_INT(o.fs.n, 3);
	CHECK_STR(o.fs.v[2], "uid=5");
	CHECK_INT(parse("nosuid"), 0);
	CHECK(!o.fs.n);
	CHECK_INT(parse("context=\"a:b:c1,c2\""), 0);
	CHECK_STR(o.fs.v[0], "context=\"a:b:c1,c2\"");
}

static void binds_and_propagation(void)
{
	CHECK_INT(parse("rbind rslave"), 0);
	CHECK(o.bind && o.recursive && o.propagation == MS_SLAVE && o.propagation_rec);
	CHECK_INT(parse("bind shared"), 0);
	CHECK(o.bind && !o.recursive && o.propagation == MS_SHARED && !o.propagation_rec);
}

static void what_is_of_the_superblock_is_apart(void)
{
	CHECK_INT(parse("remount ro"), 0);
	CHECK(o.remount && o.attr_set == MOUNT_ATTR_RDONLY);
	CHECK_INT(parse("bind ridmap"), 0);
	CHECK(o.idmap && o.idmap_rec);
	CHECK_INT(parse("bind sync acl lazytime iversion"), 0);
	CHECK(!o.fs.n);
	CHECK_INT(o.super.n, 2);
	CHECK_STR(o.super.v[1], "lazytime");
}

TEST_MAIN(CASE(bits), CASE(the_rest_is_for_the_file_system), CASE(binds_and_propagation),
	  CASE(what_is_of_the_superblock_is_apart))
