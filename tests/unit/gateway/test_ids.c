/* ids: which message here is which at the network, and of which the next program has to know. */
#include "gateway/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char dropped[200];

static void
drop(void *arg, const char *key)
{
	assert_ptr_equal(arg, dropped);
	snprintf(dropped + strlen(dropped), sizeof(dropped) - strlen(dropped), "%s ", key);
}

static struct id_pair *
add(struct ids *ids, const char *user, const char *foreign, const char *n, int64_t at_ms)
{
	char here[20], there[20];

	snprintf(here, sizeof(here), "h%s", n);
	snprintf(there, sizeof(there), "t%s", n);
	return ids_add(ids, &(struct id_pair){ .user = user, .foreign = foreign, .here = here, .there = there, .client = "x", .way = ID_OUT, .at_ms = at_ms }, 4);
}

static void
ids_known(void **state)
{
	struct ids ids;
	struct id_pair *p;
	char n[16];

	(void)state;
	ids_init(&ids, NULL, NULL);
	for (int i = 0; i < 10; i++) {
		snprintf(n, sizeof(n), "h%d", i);
		ids_add(&ids, &(struct id_pair){ .user = "romeo@a", .foreign = "bob", .here = n, .there = n + 1, .way = ID_OUT }, 5);
	}
	assert_int_equal(ids.n, 5);
	assert_null(ids_here(&ids, "romeo@a", "bob", "h4"));
	p = ids_here(&ids, "romeo@a", "bob", "h5");
	assert_non_null(p);
	assert_string_equal(p->there, "5");
	assert_string_equal(p->user, "romeo@a");
	assert_ptr_equal(ids_there(&ids, "romeo@a", "bob", "5", ID_OUT), p);
	assert_null(ids_there(&ids, "romeo@a", "bob", "5", ID_IN));
	assert_null(ids_there(&ids, "romeo@a", "eve", "5", ID_OUT));
	/* The same id here for another one there takes its place. */
	ids_add(&ids, &(struct id_pair){ .user = "romeo@a", .foreign = "bob", .here = "h5", .there = "x", .way = ID_OUT }, 5);
	assert_null(ids_there(&ids, "romeo@a", "bob", "5", ID_OUT));
	assert_int_equal(ids.n, 5);
	ids_free(&ids);
}

static void
found_both_ways(void **state)
{
	struct ids ids;
	struct id_pair *p;

	(void)state;
	ids_init(&ids, NULL, NULL);
	add(&ids, "romeo", "bob", "1", 1);
	add(&ids, "romeo", "eve", "1", 2);
	add(&ids, "nurse", "bob", "1", 3);
	p = ids_here(&ids, "romeo", "bob", "h1");
	assert_non_null(p);
	assert_string_equal(p->there, "t1");
	assert_ptr_equal(ids_there(&ids, "romeo", "bob", "t1", ID_OUT), p);
	assert_null(ids_there(&ids, "romeo", "bob", "t1", ID_IN));
	/* To whomever: the newest. */
	assert_string_equal(ids_there_of(&ids, "romeo", "t1")->foreign, "eve");
	assert_null(ids_there_of(&ids, "romeo", "t2"));
	assert_null(ids_there_of(&ids, "friar", "t1"));
	assert_true(ids_there_of(&ids, "nurse", "t1")->at_ms == 3);
	/* Now, where it is not said. */
	assert_true(add(&ids, "nurse", "bob", "2", 0)->at_ms > 1000);
	ids_free(&ids);
}

static void
kept_and_forgotten(void **state)
{
	struct ids ids;

	(void)state;
	dropped[0] = '\0';
	ids_init(&ids, drop, dropped);
	ids_keep(&ids, add(&ids, "romeo", "bob", "1", 1), "k1", 2);
	ids_keep(&ids, add(&ids, "romeo", "bob", "2", 2), "k2", 2);
	assert_string_equal(ids_here(&ids, "romeo", "bob", "h2")->key, "k2");
	/* A second time is none. */
	ids_keep(&ids, ids_here(&ids, "romeo", "bob", "h2"), "k9", 2);
	/* The oldest of them is known, and not kept any more. */
	ids_keep(&ids, add(&ids, "romeo", "bob", "3", 3), "k3", 2);
	assert_string_equal(dropped, "k1 ");
	assert_null(ids_here(&ids, "romeo", "bob", "h1")->key);
	/* What takes the place of another, */
	add(&ids, "romeo", "bob", "2", 4);
	assert_string_equal(dropped, "k1 k2 ");
	ids_keep(&ids, add(&ids, "nurse", "bob", "4", 5), "k4", 2);
	/* what is one too many, or too old. */
	add(&ids, "romeo", "bob", "5", 6);
	assert_null(ids_here(&ids, "romeo", "bob", "h1"));
	assert_int_equal(ids.n, 4);
	ids_forget_before(&ids, 4);
	assert_null(ids_here(&ids, "romeo", "bob", "h3"));
	assert_string_equal(dropped, "k1 k2 k3 ");
	/* An account has gone, and with it what is kept for it. */
	ids_forget_user(&ids, "nurse");
	assert_null(ids_here(&ids, "nurse", "bob", "h4"));
	assert_non_null(ids_here(&ids, "romeo", "bob", "h5"));
	assert_int_equal(ids.nkept, 0);
	assert_string_equal(dropped, "k1 k2 k3 ");
	/* Nothing outlives where nothing may. */
	ids_keep(&ids, ids_here(&ids, "romeo", "bob", "h5"), "k5", 0);
	assert_null(ids_here(&ids, "romeo", "bob", "h5")->key);
	ids_keep(&ids, ids_here(&ids, "romeo", "bob", "h5"), "k5", 2);
	ids_forget(&ids, ids_here(&ids, "romeo", "bob", "h5"));
	assert_string_equal(dropped, "k1 k2 k3 k5 ");
	/* The end of the program is not the end of it. */
	ids_keep(&ids, add(&ids, "romeo", "bob", "6", 7), "k6", 2);
	ids_free(&ids);
	assert_string_equal(dropped, "k1 k2 k3 k5 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ids_known), cmocka_unit_test(found_both_ways), cmocka_unit_test(kept_and_forgotten) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
