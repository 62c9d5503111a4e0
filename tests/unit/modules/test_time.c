/* time: XEP-0202, in zones on both sides of UTC and in summer. */
#include "lib/ask.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define WINTER 1169035200000000 /* 2007-01-17T12:00:00Z */
#define SUMMER 1184587200000000 /* 2007-07-16T12:00:00Z */

static void
check(const char *zone, int64_t now_us, const char *tzo, const char *utc)
{
	const char *s;

	setenv("TZ", zone, 1);
	tzset();
	clock_fake(now_us, 0);
	s = ask("romeo@montague.lit/orchard", "capulet.lit", "<time xmlns='urn:xmpp:time'/>");
	clock_fake(-1, -1);
	assert_has(s, tzo);
	assert_has(s, utc);
}

static void
utc_and_the_offset_at_that_moment(void **state)
{
	(void)state;
	check("UTC0", WINTER, "<tzo>+00:00</tzo>", "<utc>2007-01-17T12:00:00.000Z</utc>");
	check("CST6", WINTER, "<tzo>-06:00</tzo>", "<utc>2007-01-17T12:00:00.000Z</utc>");
	check("NST3:30", WINTER, "<tzo>-03:30</tzo>", "<utc>2007-01-17T12:00:00.000Z</utc>");
	check("IST-5:30", WINTER, "<tzo>+05:30</tzo>", "<utc>2007-01-17T12:00:00.000Z</utc>");
	check("CET-1CEST,M3.5.0,M10.5.0", WINTER, "<tzo>+01:00</tzo>", "<utc>2007-01-17T12:00:00.000Z</utc>");
	check("CET-1CEST,M3.5.0,M10.5.0", SUMMER, "<tzo>+02:00</tzo>", "<utc>2007-07-16T12:00:00.000Z</utc>");
}

static void
of_the_server_only(void **state)
{
	(void)state;
	assert_has(ask(ASK_OWNER "/chamber", ASK_OWNER, "<time xmlns='urn:xmpp:time'/>"), "<service-unavailable");
}

static int
start(void **state)
{
	(void)state;
	ask_start(NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	ask_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utc_and_the_offset_at_that_moment),
		cmocka_unit_test(of_the_server_only),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
