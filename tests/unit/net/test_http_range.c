/* Tests of net/http_range: RFC 9110 §14.1.2's own examples, and what is asked for to confuse. */
#include "net/http_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void
part(const char *value, uint64_t size, uint64_t first, uint64_t last)
{
	uint64_t a = 7, b = 7;

	assert_int_equal(http_range_read(value, size, &a, &b), HTTP_RANGE_PART);
	assert_int_equal(a, first);
	assert_int_equal(b, last);
}

static void
answers(const char *value, uint64_t size, enum http_range what)
{
	uint64_t a, b;

	assert_int_equal(http_range_read(value, size, &a, &b), what);
}

static void
parts(void **state)
{
	(void)state;
	part("bytes=0-499", 10000, 0, 499);
	part("bytes=500-999", 10000, 500, 999);
	part("bytes=-500", 10000, 9500, 9999);
	part("bytes=9500-", 10000, 9500, 9999);
	part("bytes=0-0", 10000, 0, 0);
	part("bytes=-1", 10000, 9999, 9999);
	part("BYTES=0-", 1, 0, 0);
	part("bytes=0-999999999999999999999999999", 10000, 0, 9999);
	part("bytes=-99999999999999999999999999999", 10000, 0, 9999);
	part("bytes=9999-10000", 10000, 9999, 9999);
}

static void
unsatisfiable(void **state)
{
	(void)state;
	answers("bytes=10000-", 10000, HTTP_RANGE_NONE);
	answers("bytes=10000-10001", 10000, HTTP_RANGE_NONE);
	answers("bytes=99999999999999999999999-", 10000, HTTP_RANGE_NONE);
	answers("bytes=-0", 10000, HTTP_RANGE_NONE);
	answers("bytes=0-", 0, HTTP_RANGE_NONE);
	answers("bytes=-1", 0, HTTP_RANGE_NONE);
}

static void
ignored(void **state)
{
	static const char *const values[] = { NULL, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=5-4", "bytes=0-1,3-4",
		"bytes=-1,-2", "bytes= 0-1", "bytes=0 -1", "bytes=0-1 ", "bytes=0x0-1", "bytes=+0-1", "bytes=--1", "items=0-1", "bytes:0-1",
		"bytes=0-1-2", "bytes=18446744073709551615-18446744073709551614" };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		answers(values[i], 10000, HTTP_RANGE_WHOLE);
}

static bool
known(const char *value)
{
	struct http_head h = { .field = { { "if-none-match", value } }, .nfields = 1 };

	return http_range_is_known(&h, "\"ab\"");
}

static void
tags(void **state)
{
	(void)state;
	assert_true(known("\"ab\""));
	assert_true(known("\"x\", \"ab\""));
	assert_true(known("W/\"ab\""));
	assert_true(known("*"));
	assert_false(known("ab"));
	assert_true(known("\"a,b\",,W/\"ab\""));
	assert_false(known("\"abc\""));
	assert_false(known("\"x,*,y\""));
	assert_false(known("\"x,\"ab\",y\""));
	assert_false(known("\"ab"));
	assert_false(known("\""));
	assert_false(known("W/"));
	assert_false(known(""));
}

static bool
other(const char *value, const char *tag)
{
	struct http_head h = { .field = { { "if-match", value } }, .nfields = value ? 1 : 0 };

	return http_range_is_other(&h, tag);
}

static void
if_match(void **state)
{
	(void)state;
	assert_false(other(NULL, "\"ab\""));
	assert_false(other("\"ab\"", "\"ab\""));
	assert_false(other("\"x\" , \"ab\"", "\"ab\""));
	assert_false(other("*", "\"ab\""));
	assert_true(other("W/\"ab\"", "\"ab\""));
	assert_true(other("", "\"ab\""));
	assert_true(other("ab", "\"ab\""));
	assert_false(other(NULL, NULL));
	assert_true(other("*", NULL));
	assert_true(other("\"\"", NULL));
}

static void
if_range(void **state)
{
	struct http_head h = { .field = { { "range", "bytes=1-2" }, { "if-range", "\"ab\"" } }, .nfields = 2 };
	uint64_t a, b;

	(void)state;
	assert_int_equal(http_range_of(&h, "\"ab\"", 10, &a, &b), HTTP_RANGE_PART);
	assert_int_equal(http_range_of(&h, "\"cd\"", 10, &a, &b), HTTP_RANGE_WHOLE);
	h.field[1].value = "W/\"ab\"";
	assert_int_equal(http_range_of(&h, "\"ab\"", 10, &a, &b), HTTP_RANGE_WHOLE);
	h.nfields = 1;
	assert_int_equal(http_range_of(&h, "\"ab\"", 10, &a, &b), HTTP_RANGE_PART);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(unsatisfiable),
		cmocka_unit_test(ignored),
		cmocka_unit_test(tags),
		cmocka_unit_test(if_match),
		cmocka_unit_test(if_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
