/* Tests of base/clock: XEP-0082 both ways, and the held clock. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int64_t
parsed(const char *s)
{
	int64_t us = -1;

	assert_int_equal(clock_parse(s, &us), 0);
	return us;
}

static void
formats(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(clock_format(0, out), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_format(-1, out), "1969-12-31T23:59:59.999Z");
	assert_string_equal(clock_format(INT64_C(1769860800123999), out),
			    "2026-01-31T12:00:00.123Z");
	assert_string_equal(clock_format(INT64_C(951782399000000), out),
			    "2000-02-28T23:59:59.000Z");
	assert_true(strlen(clock_format(INT64_MAX, out)) < 32);
	assert_true(strlen(clock_format(INT64_MIN, out)) < 32);
}

static void
parses(void **state)
{
	(void)state;
	assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(parsed("2026-01-31T12:00:00.123Z"), INT64_C(1769860800123000));
	assert_int_equal(parsed("2026-01-31T12:00:00.1Z"), INT64_C(1769860800100000));
	assert_int_equal(parsed("2026-01-31T12:00:00.123456789123456789123Z"),
			 INT64_C(1769860800123456));
	/* XEP-0082 §3.2's moon landing, in UTC and in local time. */
	assert_int_equal(parsed("1969-07-21T02:56:15Z"), parsed("1969-07-20T21:56:15-05:00"));
	assert_int_equal(parsed("2000-02-29T00:00:00+14:00"), parsed("2000-02-28T10:00:00Z"));
	assert_int_equal(parsed("0001-01-01T00:00:00Z"), INT64_C(-62135596800000000));
	assert_int_equal(parsed("9999-12-31T23:59:59Z"), INT64_C(253402300799000000));
}

static void
refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"Z",
		"2026",
		"2026-01-31",
		"2026-01-31T12:00:00",
		"2026-01-31 12:00:00Z",
		"2026-01-31t12:00:00z",
		"2026-02-29T12:00:00Z",
		"1900-02-29T12:00:00Z",
		"2026-00-01T12:00:00Z",
		"2026-13-01T12:00:00Z",
		"2026-01-00T12:00:00Z",
		"2026-04-31T12:00:00Z",
		"2026-01-31T24:00:00Z",
		"2026-01-31T12:60:00Z",
		"2026-01-31T12:00:60Z",
		"2026-01-31T12:00:00.Z",
		"2026-01-31T12:00:00ZZ",
		"2026-01-31T12:00:00+1:00",
		"2026-01-31T12:00:00+15:00",
		"2026-01-31T12:00:00+01:60",
		"2026-01-31T12:00:00+0100",
		" 2026-01-31T12:00:00Z",
		"+026-01-31T12:00:00Z",
		"20260131T12:00:00",
		"0000-01-01T00:00:00Z",
		"2026-1-31T12:00:00Z",
		"2026-01-31T12:00:00 Z",
	};
	int64_t us = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(clock_parse(bad[i], &us), -1);
	assert_int_equal(us, 7);
}

static void
round_trip(void **state)
{
	char out[32];

	(void)state;
	for (int64_t us = INT64_C(-62135596800000000); us < INT64_C(253402300799000000);
	     us += INT64_C(8640123457000000))
		assert_int_equal(parsed(clock_format(us, out)),
				 us / 1000 * 1000 - (us < 0 && us % 1000 ? 1000 : 0));
}

static void
held_and_let_go(void **state)
{
	int64_t before;

	(void)state;
	clock_fake(5000000, 7000);
	assert_int_equal(clock_wall_us(), 5000000);
	assert_int_equal(clock_mono_us(), 7000);
	assert_int_equal(clock_mono_ms(), 7);
	clock_fake(5000001, 9000);
	assert_int_equal(clock_wall_us(), 5000001);
	assert_int_equal(clock_mono_ms(), 9);
	clock_fake(-1, -1);
	assert_true(clock_wall_us() > INT64_C(1700000000000000));
	before = clock_mono_us();
	assert_true(clock_mono_us() >= before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),         cmocka_unit_test(parses),
		cmocka_unit_test(refuses),         cmocka_unit_test(round_trip),
		cmocka_unit_test(held_and_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
