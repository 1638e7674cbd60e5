/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/process.c"

#include <sys/prctl.h>

#include "test.h"

static struct ks_err err;

static void a_process_is_known_by_its_start(void)
{
	uint64_t start;

	CHECK_INT(ks_process_start_time(getpid(), &start), 0);
	CHECK(ks_process_alive(getpid(), start));
	CHECK(!ks_process_alive(getpid(), start + 1));
	CHECK(!ks_process_alive(0, start) && !ks_process_alive(-1, start));
}

static void a_name_with_brackets_does_not_confuse(void)
{
	uint64_t before, after;
	char comm[17];

	CHECK_INT(ks_process_start_time(getpid(), &before), 0);
	prctl(PR_SET_NAME, "a) Z 1 (b", 0, 0, 0);
	CHECK_INT(ks_process_start_time(getpid(), &after), 0);
	CHECK_INT(before, after);
	CHECK_STR(ks_process_comm(getpid(), comm), "a) Z 1 (b");
}

static void the_layout_is_that_of_this_process(void)
{
	static int data = 1;
	extern char **environ;
	uintptr_t env = (uintptr_t)environ[0];
	const char *preload = getenv("LD_PRELOAD");
	struct prctl_mm_map m;

	/* valgrind's own layout is what the kernel knows then. */
	if (preload && strstr(preload, "vgpreload"))
		return;

	prctl(PR_SET_NAME, "a) Z 1 (b", 0, 0, 0);
	CHECK_INT(ks_process_layout(&m), 0);
	CHECK(m.start_code < (uintptr_t)ks_process_layout &&
	      (uintptr_t)ks_process_layout < m.end_code);
	CHECK(m.start_data < (uintptr_t)&data && (uintptr_t)&data < m.end_data);
	CHECK(m.start_stack > (uintptr_t)&m && m.arg_start > m.start_stack);
	CHECK(m.arg_start < m.arg_end);
	CHECK(!env || (m.env_start <= env && env < m.env_end));
	CHECK(m.start_brk && m.start_brk <= m.brk && m.brk == (uintptr_t)sbrk(0));
	CHECK(m.exe_fd == (uint32_t)-1 && !m.auxv && !m.auxv_size);
}

static void a_zombie_is_not_alive(void)
{
	uint64_t start = 0;
	siginfo_t si;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_INT(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	CHECK_INT(ks_process_start_time(pid, &start), -ESRCH);
	waitpid(pid, NULL, 0);
	CHECK_INT(ks_process_start_time(pid, &start), -ESRCH);
}

static void tools(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char sh[] = "sh", c[] = "-c", no[] = "kshim-no-such-tool";
	char script[] = "env; cat; echo err >&2; exit 3";
	char lots[] = "head -c 100000 /dev/zero | tr '\\0' x; exit 0";
	char sig[] = "kill -9 $$";
	struct ks_tool t;

	setenv("LD_PRELOAD", "", 1);
	setenv("SECRET", "1", 1);
	CHECK_INT(ks_tool_run(&a, (char *[]){ sh, c, script, NULL }, NULL, &t, &err), 0);
	CHECK_INT(t.status, 3);
	CHECK_HAS(t.output, "err");
	CHECK(!strstr(t.output, "SECRET") && !strstr(t.output, "LD_PRELOAD"));
	CHECK_INT(ks_tool_run(&a, (char *[]){ sh, c, lots, NULL }, NULL, &t, &err), 0);
	CHECK_INT(t.status, 0);
	CHECK_INT(strlen(t.output), TOOL_OUTPUT_MAX - 1);
	CHECK_INT(ks_tool_run(&a, (char *[]){ sh, c, sig, NULL }, NULL, &t, &err), 0);
	CHECK_INT(t.status, 128 + 9);
	CHECK_INT(ks_tool_run(&a, (char *[]){ no, NULL }, NULL, &t, &err), -ENOENT);
	CHECK_HAS(err.msg, "is its package installed?");
}

static void texts(void)
{
	char now[40], hex[33], uuid[37], boot[KS_BOOT_ID_SIZE];

	CHECK_INT(strlen(ks_now_rfc3339(now)), 30);
	CHECK(now[10] == 'T' && now[29] == 'Z');
	CHECK_INT(ks_random_hex(hex, 32), 0);
	CHECK_INT(strspn(hex, "0123456789abcdef"), 32);
	CHECK_INT(ks_random_uuid(uuid), 0);
	CHECK(strlen(uuid) == 36 && uuid[14] == '4' && strchr("89ab", uuid[19]));
	CHECK_INT(ks_boot_id(boot, &err), 0);
	CHECK_INT(strlen(boot), 36);
}

/* Each day of 150 years, and the seconds around its ends, against the C library's calendar. */
static void dates_are_those_of_the_calendar(void)
{
	static const int around[] = { 0, 1, 43200, 86399 };
	char got[40], want[40];

	for (int64_t day = 0; day < 150 * 366; day++)
		for (size_t i = 0; i < KS_ARRAY_LEN(around); i++) {
			time_t t = (time_t)(day * 86400 + around[i]);
			struct tm tm;

			gmtime_r(&t, &tm);
			strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000007Z", &tm);
			write_rfc3339(got, t, 7);
			CHECK_STR(got, want);
		}
}

TEST_MAIN(CASE(dates_are_those_of_the_calendar), CASE(a_process_is_known_by_its_start),
	  CASE(a_name_with_brackets_does_not_confuse), CASE(the_layout_is_that_of_this_process),
	  CASE(a_zombie_is_not_alive), CASE(tools), CASE(texts))
