/* Tests of net/work: another thread, the order, the bound, taking back, and the end of a reactor whose work is not done. */
#include "net/work.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define N 20

struct piece {
	struct work work;
	int number;
	bool cancelled;
};

static struct piece piece[N];
static sem_t go, done, given;
static atomic_int running, most_running, begun, wrong;
static int order[N], finished_n;

static void
wait_for(sem_t *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 20;
	assert_int_equal(sem_timedwait(s, &ts), 0);
}

static void
run(struct work *w)
{
	int now;

	(void)w;
	if (reactor_current())
		atomic_fetch_add(&wrong, 1);
	/* First: who sees so many running looks at how many have begun. */
	atomic_fetch_add(&begun, 1);
	now = atomic_fetch_add(&running, 1) + 1;
	if (now > atomic_load(&most_running))
		atomic_store(&most_running, now);
	sem_wait(&go);
	atomic_fetch_sub(&running, 1);
}

static void
is_done(struct work *w)
{
	struct piece *p = (struct piece *)w;

	if (reactor_current() != w->home)
		atomic_fetch_add(&wrong, 1);
	order[finished_n++] = p->number;
	sem_post(&done);
}

static void
give(void *arg)
{
	for (int i = 0; i < N; i++) {
		piece[i] = (struct piece){ .work = { .run = run, .done = is_done }, .number = i };
		work_begin(&piece[i].work, false);
	}
	/* The last one has not begun. */
	if (arg)
		piece[N - 1].cancelled = work_cancel(&piece[N - 1].work);
	sem_post(&given);
}

static int
begin(void **state)
{
	(void)state;
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	sem_init(&given, 0, 0);
	running = most_running = begun = wrong = 0;
	finished_n = 0;
	assert_int_equal(reactor_start_all(1), 0);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	work_set_most(1);
	return 0;
}

static void
in_order(void **state)
{
	(void)state;
	reactor_call(reactor_at(0), give, NULL);
	wait_for(&given);
	for (int i = 0; i < N; i++) {
		sem_post(&go);
		wait_for(&done);
		/* One at a time: the next begins when this one is done. */
		assert_true(atomic_load(&begun) <= i + 2);
	}
	reactor_stop_all();
	assert_int_equal(finished_n, N);
	for (int i = 0; i < N; i++)
		assert_int_equal(order[i], i);
	assert_int_equal(atomic_load(&most_running), 1);
	assert_int_equal(atomic_load(&wrong), 0);
}

static void
several(void **state)
{
	(void)state;
	work_set_most(3);
	reactor_call(reactor_at(0), give, NULL);
	wait_for(&given);
	while (atomic_load(&running) < 3)
		usleep(1000);
	assert_int_equal(atomic_load(&begun), 3);
	for (int i = 0; i < N; i++)
		sem_post(&go);
	for (int i = 0; i < N; i++)
		wait_for(&done);
	reactor_stop_all();
	assert_true(atomic_load(&most_running) <= 3);
}

static void
taken_back(void **state)
{
	(void)state;
	reactor_call(reactor_at(0), give, piece);
	wait_for(&given);
	for (int i = 0; i < N - 1; i++)
		sem_post(&go);
	for (int i = 0; i < N - 1; i++)
		wait_for(&done);
	reactor_stop_all();
	assert_true(piece[N - 1].cancelled);
	assert_int_equal(atomic_load(&begun), N - 1);
	assert_int_equal(finished_n, N - 1);
}

/* Every third goes before the others; the very first is under way by then. */
static void
give_mixed(void *arg)
{
	(void)arg;
	for (int i = 0; i < N; i++) {
		piece[i] = (struct piece){ .work = { .run = run, .done = is_done }, .number = i };
		work_begin(&piece[i].work, i && i % 3 == 0);
	}
	sem_post(&given);
}

static void
first_first(void **state)
{
	int n = 0;

	(void)state;
	reactor_call(reactor_at(0), give_mixed, NULL);
	wait_for(&given);
	for (int i = 0; i < N; i++)
		sem_post(&go);
	for (int i = 0; i < N; i++)
		wait_for(&done);
	reactor_stop_all();
	assert_int_equal(order[n++], 0);
	for (int i = 3; i < N; i += 3)
		assert_int_equal(order[n++], i);
	for (int i = 1; i < N; i++)
		if (i % 3)
			assert_int_equal(order[n++], i);
	assert_int_equal(n, N);
}

static void
give_one(void *arg)
{
	(void)arg;
	piece[0] = (struct piece){ .work = { .run = run, .done = is_done } };
	work_begin(&piece[0].work, false);
	assert_false(work_cancel(&piece[0].work));
	sem_post(&given);
}

/* It is waited for: what it works on must not go. */
static void
unfinished(void **state)
{
	(void)state;
	reactor_call(reactor_at(0), give_one, NULL);
	wait_for(&given);
	sem_post(&go);
	reactor_stop_all();
	assert_int_equal(finished_n, 1);
	assert_int_equal(atomic_load(&wrong), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, begin, end),
		cmocka_unit_test_setup_teardown(several, begin, end),
		cmocka_unit_test_setup_teardown(first_first, begin, end),
		cmocka_unit_test_setup_teardown(taken_back, begin, end),
		cmocka_unit_test_setup_teardown(unfinished, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
