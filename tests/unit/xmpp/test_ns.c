/* Tests of xmpp/ns: what is in the tables is found, as one pointer, and nothing else. */
#include "xmpp/ns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void
every_namespace_is_found(void **state)
{
	char copy[128];

	(void)state;
#define CHECK(id, uri) \
	snprintf(copy, sizeof(copy), "%s", uri); \
	assert_ptr_equal(ns_intern(copy), id); \
	assert_ptr_equal(ns_intern_n(copy, strlen(copy)), id); \
	assert_null(ns_intern_n(copy, strlen(copy) - 1)); \
	copy[0] ^= 1; \
	assert_null(ns_intern(copy));
	NS_TABLE(CHECK)
#undef CHECK
}

static void
names_are_found(void **state)
{
	static const char *const names[] = {
		"message", "presence", "iq",   "to",        "from",
		"id",      "type",     "body", "query",     "item",
		"r",       "a",        "h",    "stanza-id", "undefined-condition"};
	char copy[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *known = ns_intern_name(names[i]);

		assert_non_null(known);
		assert_string_equal(known, names[i]);
		snprintf(copy, sizeof(copy), "%s", names[i]);
		assert_ptr_equal(ns_intern_name(copy), known);
	}
}

static void
others_are_not(void **state)
{
	char name[32];

	(void)state;
	assert_null(ns_intern_name(""));
	assert_null(ns_intern_name("messagf"));
	assert_null(ns_intern_name("Message"));
	assert_null(ns_intern("jabber:clienT"));
	assert_string_equal(ns_intern(""), "");
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "q%dz", i);
		assert_null(ns_intern_name(name));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_namespace_is_found),
		cmocka_unit_test(names_are_found),
		cmocka_unit_test(others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
