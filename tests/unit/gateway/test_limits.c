/* limits: what the settings say of bounds, and what is refused of it in words. */
#include "gateway/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

static int
read_limits(const char *text, struct gateway_limits *l, struct err *e)
{
	json_t *o = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(o);
	memset(e, 0, sizeof(*e));
	rc = gateway_limits_read(l, o, e);
	json_decref(o);
	return rc;
}

static void
what_is_not_said_has_its_default(void **state)
{
	struct gateway_limits l = { 0 };
	struct err e;

	(void)state;
	assert_int_equal(gateway_limits_read(&l, NULL, &e), 0);
	assert_int_equal(l.file_bytes, 16777216);
	assert_int_equal(read_limits("{\"files\": 3}", &l, &e), 0);
	assert_int_equal(l.files, 3);
	assert_int_equal(l.files_bytes, 268435456);
}

static void
what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "{\"files\": 4}", "limits.files: a number from 1 to 3" },
		{ "{\"files\": \"2\"}", "limits.files: a number from 1 to 3" },
		{ "{\"flies\": 2}", "limits.flies: there is no such limit" },
		{ "[]", "limits: an object" },
		{ "{\"file_bytes\": 1000000, \"files_bytes\": 999999}",
			"limits.files_bytes: not less than limits.file_bytes (1000000), or no file of that size is ever fetched" },
		/* The default of the other is too little for it. */
		{ "{\"file_bytes\": 268435457}",
			"limits.files_bytes: not less than limits.file_bytes (268435457), or no file of that size is ever fetched" },
	};
	struct gateway_limits l = { .files = 77 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(read_limits(rows[i].text, &l, &e), -1);
		assert_string_equal(e.text, rows[i].why);
		assert_int_equal(l.files, 77);
	}
	assert_int_equal(read_limits("{\"file_bytes\": 1000000, \"files_bytes\": 1000000}", &l, &e), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
