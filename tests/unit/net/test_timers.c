/* Tests of net/timers: the heap against a plain sorted list, moving and removing from the middle. */
#include "net/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define N 2000

static int64_t
earliest(const struct timer *t, size_t n)
{
	int64_t best = INT64_MAX;

	for (size_t i = 0; i < n; i++)
		if (timer_is_set(&t[i]) && t[i].due_ms < best)
			best = t[i].due_ms;
	return best;
}

static void
comes_out_sorted(void **state)
{
	static struct timer t[N];
	struct timers h = {0};
	int64_t last = 0;
	struct timer *first;

	(void)state;
	srandom(7);
	for (size_t i = 0; i < N; i++) {
		t[i].due_ms = random() % 500;
		timers_put(&h, &t[i]);
	}
	for (size_t i = 0; i < N; i++) {
		first = timers_first(&h);
		assert_true(first->due_ms >= last);
		last = first->due_ms;
		timers_remove(&h, first);
		assert_false(timer_is_set(first));
	}
	assert_null(timers_first(&h));
	timers_fini(&h);
}

static void
moves_and_removals(void **state)
{
	static struct timer t[200];
	struct timers h = {0};

	(void)state;
	srandom(11);
	for (int step = 0; step < 20000; step++) {
		struct timer *x = &t[random() % 200];

		if (random() % 3 == 0) {
			timers_remove(&h, x);
		} else {
			x->due_ms = random() % 1000;
			timers_put(&h, x);
		}
		if (timers_first(&h))
			assert_int_equal(timers_first(&h)->due_ms, earliest(t, 200));
		else
			assert_int_equal(earliest(t, 200), INT64_MAX);
	}
	timers_fini(&h);
	for (int i = 0; i < 200; i++)
		assert_false(timer_is_set(&t[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_out_sorted),
		cmocka_unit_test(moves_and_removals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
