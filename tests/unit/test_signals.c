/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/run/signals.c"

#include "test.h"

static void names_and_numbers(void)
{
	CHECK_INT(ks_signal_parse("9"), 9);
	CHECK_INT(ks_signal_parse("0"), 0);
	CHECK_INT(ks_signal_parse("KILL"), SIGKILL);
	CHECK_INT(ks_signal_parse("SIGterm"), SIGTERM);
	CHECK_INT(ks_signal_parse("sigusr1"), SIGUSR1);
	CHECK_INT(ks_signal_parse("RTMIN"), SIGRTMIN);
	CHECK_INT(ks_signal_parse("SIGRTMIN+3"), SIGRTMIN + 3);
	CHECK_INT(ks_signal_parse("RTMAX-1"), SIGRTMAX - 1);
	CHECK_INT(ks_signal_parse("64"), 64);
}

static void mistakes(void)
{
	static const char *const bad[] = { "",	    "00",      "-1",	    "65",     "SIG",
					   "NOSIG", "RTMIN-1", "RTMAX+1",   "RTMIN+", "RTMIN+31",
					   "9x",    " 9",      "SIGSIGKILL" };

	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++)
		CHECK_INT(ks_signal_parse(bad[i]), -EINVAL);
}

TEST_MAIN(CASE(names_and_numbers), CASE(mistakes))
