/* Tests of base/seldom: counts, ends, and what shares a place. */
#include "base/seldom.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct seldom s = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Numbers as a hash gives them: the same bits below, others above. */
static uint64_t
colliding(uint64_t i)
{
	return i << 32 | 7;
}

static void
test_counts_within_its_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_true(seldom_may(&s, 1, 3, 1000, 100 + i));
	assert_false(seldom_may(&s, 1, 3, 1000, 103));
	assert_false(seldom_may(&s, 1, 3, 1000, 1099));
	assert_false(seldom_might(&s, 1, 3, 1099));
	assert_true(seldom_might(&s, 1, 4, 1099) && seldom_might(&s, 2, 1, 1099));
	assert_true(seldom_might(&s, 1, 3, 1100));
	assert_true(seldom_may(&s, 1, 3, 1000, 1100));
}

static void
test_only_the_same_is_refused(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		assert_true(seldom_may(&s, colliding(i), 1, 60000, (int64_t)(5000 + i)));
	/* The last ones that fit are remembered, the others were forgotten for them. */
	for (uint64_t i = 100 - SELDOM_WAYS; i < 100; i++)
		assert_false(seldom_may(&s, colliding(i), 1, 60000, 6000));
	assert_true(seldom_may(&s, colliding(0), 1, 60000, 6000));
}

static void
test_many_at_once(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++)
		assert_true(seldom_may(&s, i * 0x9e3779b97f4a7c15, 1, 60000, 100000));
	for (uint64_t i = 1; i <= 1000; i++)
		refused += !seldom_may(&s, i * 0x9e3779b97f4a7c15, 1, 60000, 100001);
	assert_true(refused > 990);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_within_its_time),
		cmocka_unit_test(test_only_the_same_is_refused),
		cmocka_unit_test(test_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
