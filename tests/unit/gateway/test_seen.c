/* Tests of gateway/seen and gateway/jids: what is known again, and what is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/jids.h"
#include "gateway/seen.h"

static struct seen_table table;

static int
setup(void **state)
{
	(void)state;
	seen_init(&table);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	seen_free(&table);
	return 0;
}

static struct seen *
take(unsigned n, size_t most, bool known)
{
	struct seen *s;
	char name[32];
	bool fresh;

	snprintf(name, sizeof(name), "romeo@x %u", n);
	s = seen_take(&table, name, strlen(name), most, &fresh);
	assert_non_null(s);
	assert_int_equal(fresh, !known);
	return s;
}

/* Nowhere but in the table. */
static struct gateway_message_kept *
message(unsigned n)
{
	return (struct gateway_message_kept *)(uintptr_t)(8 * (n + 1));
}

static void
test_known_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		take(i, 100000, false)->m = message(i);
	for (unsigned i = 0; i < 5000; i++)
		assert_ptr_equal(take(i, 100000, true)->m, message(i));
	/* A name is all of its bytes. */
	take(50000, 100000, false);
}

static void
test_oldest_forgotten(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		take(i, 1000, false);
	assert_int_equal(table.n, 1000);
	for (unsigned i = 2000; i < 3000; i++)
		assert_null(take(i, 1000, true)->m);
	take(1999, 1000, false);
	/* In whose place the oldest was. */
	take(2000, 1000, false);
}

/* What is under way is not forgotten, whatever comes: that would say it twice. */
static void
test_under_way(void **state)
{
	struct seen *kept[10];

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		kept[i] = take(i, 100, false);
		kept[i]->m = message(i);
	}
	for (unsigned i = 10; i < 1000; i++)
		take(i, 100, false);
	assert_int_equal(table.n, 100);
	for (unsigned i = 0; i < 10; i++)
		assert_ptr_equal(take(i, 100, true), kept[i]);
	/* All are: there is room for one more. */
	take(0, 10, true);
	for (unsigned i = 2000; i < 2100; i++)
		take(i, 100, false)->m = message(i);
	assert_int_equal(table.n, 110);
}

static void
test_jids(void **state)
{
	static struct jids jids;
	struct jid *a = jids_get(&jids, "romeo@x.example/Balcony"), *b = jids_get(&jids, "romeo@x.example/Balcony"), *c = jids_get(&jids, "Romeo@X.example/Balcony");

	(void)state;
	assert_ptr_equal(a, b);
	assert_string_equal(jid_full(c), "romeo@x.example/Balcony");
	assert_null(jids_get(&jids, "@x.example"));
	assert_null(jids_get(&jids, "@x.example"));
	/* More than there are places. */
	for (unsigned i = 0; i < 3 * JIDS_MOST; i++) {
		char text[40];
		struct jid *j;

		snprintf(text, sizeof(text), "u%u@x.example", i % (JIDS_MOST + 7));
		j = jids_get(&jids, text);
		assert_string_equal(jid_full(j), text);
		jid_unref(j);
	}
	jids_free(&jids);
	assert_string_equal(jid_full(a), "romeo@x.example/Balcony");
	jid_unref(a);
	jid_unref(b);
	jid_unref(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_known_again, setup, teardown), cmocka_unit_test_setup_teardown(test_oldest_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_under_way, setup, teardown), cmocka_unit_test(test_jids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
