/* Tests of gateway/ledger: what may be acknowledged. */
#include "gateway/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void
in_order(void **state)
{
	struct ledger l;
	struct ticket *a, *b, *c;
	uint32_t h;

	(void)state;
	ledger_init(&l);
	ledger_begin(&l);
	a = ledger_take(&l);
	b = ledger_take(&l);
	c = ledger_take(&l);
	ledger_done(&l, c);
	ledger_done(&l, b);
	assert_int_equal(l.handled, 0);
	ledger_asked(&l, 1000);
	/* Nothing new to say, something open: the answer waits, not for ever. */
	assert_false(ledger_answers(&l, 1500, &h));
	assert_true(ledger_answers(&l, 3000, &h));
	assert_int_equal(h, 0);
	ledger_done(&l, a);
	assert_false(ledger_answers(&l, 3000, &h));
	ledger_asked(&l, 3000);
	assert_true(ledger_answers(&l, 3000, &h));
	assert_int_equal(h, 3);
	/* Nothing open: the same again at once. */
	ledger_asked(&l, 3000);
	assert_true(ledger_answers(&l, 3000, &h));
	assert_int_equal(h, 3);
	ledger_reset(&l);
}

/* What came before <enabled/> is not counted, but there is no answer before it is done: the first confirms it. */
static void
before_counting(void **state)
{
	struct ledger l;
	struct ticket *a, *b, *c, *d;
	uint32_t h;

	(void)state;
	ledger_init(&l);
	a = ledger_take(&l);
	b = ledger_take(&l);
	c = ledger_take(&l);
	ledger_done(&l, a);
	ledger_begin(&l);
	d = ledger_take(&l);
	ledger_done(&l, d);
	ledger_asked(&l, 0);
	assert_false(ledger_answers(&l, 60000, &h));
	ledger_done(&l, b);
	assert_false(ledger_answers(&l, 60000, &h));
	ledger_done(&l, c);
	assert_true(ledger_answers(&l, 60000, &h));
	assert_int_equal(h, 1);
	ledger_reset(&l);
}

static void
stream_ends(void **state)
{
	struct ledger l;
	struct ticket *mine;

	(void)state;
	ledger_init(&l);
	ledger_begin(&l);
	ledger_own(ledger_take(&l), &mine);
	ledger_take(&l);
	assert_non_null(mine);
	ledger_reset(&l);
	assert_null(mine);
	ledger_done(&l, mine);
	assert_int_equal(l.handled, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(before_counting),
		cmocka_unit_test(stream_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
