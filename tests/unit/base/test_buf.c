/* Tests of base/buf and base/err: growth, reading and writing ends, one-line texts. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"

static void
empty(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(buf_len(&b), 0);
	assert_null(buf_data(&b));
	buf_add(&b, NULL, 0);
	buf_consume(&b, 0);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_len(&b), 0);
	buf_fini(&b);
	buf_fini(&b);
	assert_null(b.data);
}

static void
adds(void **state)
{
	struct buf b = {0};
	char big[5000];

	(void)state;
	buf_adds(&b, "<a");
	buf_addc(&b, '/');
	buf_add(&b, ">", 1);
	buf_addf(&b, " %d-%s", 42, "x");
	assert_string_equal(buf_str(&b), "<a/> 42-x");
	memset(big, 'z', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	buf_addf(&b, "%s", big);
	assert_int_equal(buf_len(&b), 9 + sizeof(big) - 1);
	assert_string_equal(buf_str(&b) + 9, big);
	memcpy(buf_reserve(&b, 3), "end", 3);
	buf_added(&b, 3);
	assert_string_equal(buf_str(&b) + 9 + sizeof(big) - 1, "end");
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	buf_fini(&b);
}

/* A queue that is written and read in uneven pieces keeps its bytes and does not grow for ever. */
static void
queue(void **state)
{
	struct buf b = {0};
	unsigned char next_in = 0, next_out = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		size_t n = (size_t)i * 7919 % 97, m = (size_t)i * 104729 % 101;

		for (; n > 0; n--)
			buf_addc(&b, (char)next_in++);
		for (; m > 0 && buf_len(&b) > 0; m--) {
			assert_int_equal((unsigned char)*buf_data(&b), next_out++);
			buf_consume(&b, 1);
		}
	}
	assert_true(b.cap <= 16384);
	buf_consume(&b, buf_len(&b));
	assert_int_equal(b.off, 0);
	buf_fini(&b);
}

static void
err_is_one_line(void **state)
{
	struct err e = {0};
	char big[1000];

	(void)state;
	assert_int_equal(err_set(&e, 5, "connection refused\n\tIs it running?\n"), -1);
	assert_string_equal(e.text, "connection refused  Is it running?");
	assert_int_equal(e.code, 5);
	assert_int_equal(err_prefix(&e, "host %s", "a.example"), -1);
	assert_string_equal(e.text, "host a.example: connection refused  Is it running?");
	assert_int_equal(e.code, 5);
	err_set(&e, 0, "again: %s", e.text);
	assert_string_equal(e.text, "again: host a.example: connection refused  Is it running?");
	for (size_t i = 0; i + 2 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa9", 3);
	err_set(&e, 1, "x%s", big);
	assert_int_equal(strlen(e.text) % 2, 1); /* no half character */
	err_prefix(&e, "%s", big);
	assert_true(strlen(e.text) < sizeof(e.text));
}

static void
numbers(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_addu(&b, 0);
	buf_addc(&b, ' ');
	buf_addu(&b, 1209);
	buf_addc(&b, ' ');
	buf_addu(&b, UINT64_MAX);
	assert_string_equal(buf_str(&b), "0 1209 18446744073709551615");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(adds),
		cmocka_unit_test(queue),
		cmocka_unit_test(numbers),
		cmocka_unit_test(err_is_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
