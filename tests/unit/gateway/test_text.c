/* Tests of gateway/text: what strangers send, as XML can carry it. */
#include "gateway/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define R "\xef\xbf\xbd" /* U+FFFD */

static const struct {
	const char *in, *escaped, *line;
} rows[] = {
	{ "", "", "" },
	{ "plain", "plain", "plain" },
	{ "a<b>&'\"]]>", "a&lt;b&gt;&amp;&apos;&quot;]]&gt;", "a<b>&'\"]]>" },
	{ "one\r\ntwo\rthree\nfour\tfive", "one\ntwo\nthree\nfour\tfive", "one two three four five" },
	{ "\x01\x02\x1b[31m", R R R "[31m", "   [31m" },
	{ "\x7f", R, R },
	{ "\xc3\xa9", "\xc3\xa9", "\xc3\xa9" },
	{ "\xe9t\xe9", R "t" R, R "t" R },                             /* latin-1 */
	{ "\xc0\xaf", R R, R R },                                      /* over-long */
	{ "\xe0\x80\xaf", R R R, R R R },
	{ "\xed\xa0\x80", R R R, R R R },                              /* surrogate */
	{ "\xf4\x90\x80\x80", R R R R, R R R R },                      /* above U+10FFFF */
	{ "\xef\xbf\xbe", R R R, R R R },                              /* U+FFFE */
	{ "\xef\xbf\xbd", R, R },
	{ "\xc2\x85", R R, R R },                                      /* C1 */
	{ "\xf0\x9f\x8c\xb9", "\xf0\x9f\x8c\xb9", "\xf0\x9f\x8c\xb9" },
	{ "\xe2\x82", R R, R R },                                      /* ends in the middle */
};

static void
cleaned(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf b = { 0 };
		char *line;

		assert_false(gateway_text_add(&b, rows[i].in, strlen(rows[i].in), 1000));
		assert_string_equal(buf_str(&b), rows[i].escaped);
		buf_fini(&b);
		line = gateway_text_clean(rows[i].in, 1000, true);
		assert_string_equal(line, rows[i].line);
		free(line);
	}
	assert_null(gateway_text_clean(NULL, 10, true));
}

/* NUL is a byte like others where a length says so. */
static void
zero(void **state)
{
	struct buf b = { 0 };

	(void)state;
	gateway_text_add(&b, "a\0b", 3, 10);
	assert_string_equal(buf_str(&b), "a" R "b");
	buf_fini(&b);
}

/* Never within a character. */
static void
cut(void **state)
{
	static const char *const want[] = { "", "a", "a", "a\xc3\xa9", "a\xc3\xa9z", "a\xc3\xa9z" };

	(void)state;
	for (size_t max = 0; max <= 5; max++) {
		struct buf b = { 0 };

		assert_int_equal(gateway_text_add(&b, "a\xc3\xa9z", 4, max), max < 4);
		assert_string_equal(buf_str(&b), want[max]);
		buf_fini(&b);
	}
}

/* What is escaped is not longer than it may be: a stanza of it would end the stream. */
static void
cut_escaped(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_true(gateway_text_add(&b, "a\"\"\"", 4, 13));
	assert_string_equal(buf_str(&b), "a&quot;&quot;");
	buf_clear(&b);
	assert_true(gateway_text_add(&b, "\xff\xff", 2, 5));
	assert_string_equal(buf_str(&b), R);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleaned),
		cmocka_unit_test(zero),
		cmocka_unit_test(cut),
		cmocka_unit_test(cut_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
