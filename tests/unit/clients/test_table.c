/*
 * Output for people: alignment, and what must not reach a terminal.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/prompt.h"
#include "common/table.h"

static const struct table_column columns[] = {
	{"jid", "ADDRESS"}, {"n", "N"}, {"at", "AT"}, {NULL, NULL}};

static void
aligned(void **state)
{
	json_t *rows =
		json_pack("[{s:s,s:i,s:s},{s:s,s:i,s:n}]", "jid", "romeo@example.org", "n", 7, "at",
			  "2026-01-31T12:00:00.123Z", "jid", "é@b", "n", -12345, "at");
	struct buf out = {0};

	(void)state;
	table_print(rows, columns, &out);
	assert_string_equal(buf_str(&out), "ADDRESS            N       AT\n"
					   "romeo@example.org  7       2026-01-31T12:00:00Z\n"
					   "é@b                -12345  -\n");
	json_array_clear(rows);
	buf_clear(&out);
	table_print(rows, columns, &out);
	assert_string_equal(buf_str(&out), "");
	json_decref(rows);
	buf_fini(&out);
}

static void
one_row(void **state)
{
	json_t *row = json_pack("{s:s,s:b,s:[s,s],s:[],s:s}", "jid", "a@b", "yes", 1, "list", "x",
				"y", "none", "empty", "");
	const struct table_column all[] = {{"jid", "Address"}, {"yes", "Yes"},
					   {"list", "List"},   {"none", "None"},
					   {"empty", "Empty"}, {"missing", "Not there at all"},
					   {NULL, NULL}};
	struct buf out = {0};

	(void)state;
	table_print_row(row, all, &out);
	assert_string_equal(buf_str(&out),
			    "Address: a@b\nYes:     yes\nList:    x y\nNone:    -\nEmpty:   -\n");
	json_decref(row);
	buf_fini(&out);
}

static void
harmless(void **state)
{
	json_t *v = json_string("a\x1b[31mb\n\tc\x7f\xc2\x9b"
				"d\xe2\x80\xae"
				"e\xe2\x80\xa8\xf0\x9f\x98\x80");
	struct buf out = {0};

	(void)state;
	table_value(v, &out);
	assert_string_equal(buf_str(&out), "a?[31mb??c??d?e?\xf0\x9f\x98\x80");
	json_decref(v);
	buf_fini(&out);
}

static void
json_lines(void **state)
{
	json_t *rows = json_pack("[{s:s},{s:i}]", "a", "x\ny", "b", 2);
	struct buf out = {0};

	(void)state;
	table_print_json(rows, &out);
	assert_string_equal(buf_str(&out), "{\"a\":\"x\\ny\"}\n{\"b\":2}\n");
	json_decref(rows);
	buf_fini(&out);
}

static int
first_line(const char *text, size_t n, char *out, size_t size)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, n, "r");
	struct err e = {0};
	int rc = prompt_first_line(f, out, size, &e);

	fclose(f);
	assert_true(rc == 0 || e.text[0] != '\0');
	return rc;
}

static void
passwords(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(first_line("abc\ndef\n", 8, out, sizeof out), 0);
	assert_string_equal(out, "abc");
	assert_int_equal(first_line("a b \r\n", 6, out, sizeof out), 0);
	assert_string_equal(out, "a b ");
	assert_int_equal(first_line("1234567", 7, out, sizeof out), 0);
	assert_string_equal(out, "1234567");
	assert_int_equal(first_line("12345678", 8, out, sizeof out), -1);
	assert_int_equal(first_line("\nabc\n", 5, out, sizeof out), -1);
	assert_int_equal(first_line("a\0b\n", 4, out, sizeof out), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligned),   cmocka_unit_test(one_row),
		cmocka_unit_test(harmless),  cmocka_unit_test(json_lines),
		cmocka_unit_test(passwords),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
