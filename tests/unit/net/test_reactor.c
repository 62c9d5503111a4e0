/* Tests of net/reactor: mail between threads, the order of a turn, timers, the watchdog, stopping. */
#include "net/reactor.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/metric.h"

static sem_t done;
static char trace[256];

static void
wait_done(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 20;
	assert_int_equal(sem_timedwait(&done, &ts), 0);
}

static void
post_done(void *arg)
{
	(void)arg;
	sem_post(&done);
}

static void
note(const char *s)
{
	strncat(trace, s, sizeof(trace) - strlen(trace) - 1);
}

/* Mail */

static void
where_am_i(void *arg)
{
	assert_ptr_equal(reactor_current(), arg);
	sem_post(&done);
}

static void
mail_runs_on_its_reactor(void **state)
{
	(void)state;
	assert_null(reactor_current());
	assert_int_equal(reactor_start_all(3), 0);
	assert_int_equal(reactor_count(), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(reactor_index(reactor_at(i)), i);
		reactor_call(reactor_at(i), where_am_i, reactor_at(i));
		wait_done();
	}
	reactor_stop_all();
	assert_int_equal(reactor_count(), 0);
}

#define BALLS 200
#define HOPS 200

struct ball {
	struct mail mail;
	int hops;
};

static void
bounce(struct mail *m)
{
	struct ball *b = (struct ball *)m;
	unsigned next = (reactor_index(reactor_current()) + (b->hops & 1)) % reactor_count();

	if (--b->hops == 0) {
		free(b);
		sem_post(&done);
		return;
	}
	/* Every second hop is to oneself. */
	reactor_post(reactor_at(next), &b->mail);
}

static void
balls_between_reactors(void **state)
{
	(void)state;
	assert_int_equal(reactor_start_all(4), 0);
	for (int i = 0; i < BALLS; i++) {
		struct ball *b = calloc(1, sizeof(*b));

		b->mail.run = bounce;
		b->hops = HOPS + i % 2;
		reactor_post(reactor_at((unsigned)i % 4), &b->mail);
	}
	for (int i = 0; i < BALLS; i++)
		wait_done();
	reactor_stop_all();
}

/* Mail that is still in the box is run, so that what it carries is not lost. */
static int ran_late;

static void
late(void *arg)
{
	(void)arg;
	ran_late++;
}

static void
spin_and_post(void *arg)
{
	/* After the stop has been asked for, or before: it must run in both cases. */
	for (int i = 0; i < 100; i++)
		reactor_call(arg, late, NULL);
	sem_post(&done);
}

static void
stop_runs_what_is_in_the_box(void **state)
{
	(void)state;
	ran_late = 0;
	assert_int_equal(reactor_start_all(2), 0);
	reactor_call(reactor_at(0), spin_and_post, reactor_at(1));
	wait_done();
	reactor_stop_all();
	assert_int_equal(ran_late, 100);
}

/* A turn */

static struct deferred da, db, dc;

static void
freed(void *p)
{
	note(p);
}

static void
run_a(struct deferred *d)
{
	assert_ptr_equal(d, &da);
	note("a");
	reactor_free_later(reactor_current(), freed, "f");
	reactor_defer(reactor_current(), &dc);
}

static void
run_b(struct deferred *d)
{
	(void)d;
	note("b");
}

static void
run_c(struct deferred *d)
{
	(void)d;
	note("c");
}

static void
own_mail(void *arg)
{
	(void)arg;
	note("m");
}

static void
start_turn(void *arg)
{
	struct reactor *r = reactor_current();

	(void)arg;
	note("(");
	reactor_defer(r, &da);
	reactor_defer(r, &db);
	reactor_defer(r, &da);
	reactor_call(r, own_mail, NULL);
	note(")");
}

static void
in_between(void *arg)
{
	(void)arg;
	note("n");
}

static void
deferred_after_all_mails_of_a_batch(void **state)
{
	(void)state;
	trace[0] = '\0';
	da.run = run_a;
	db.run = run_b;
	dc.run = run_c;
	assert_int_equal(reactor_start_all(1), 0);
	reactor_call(reactor_at(0), start_turn, NULL);
	reactor_call(reactor_at(0), post_done, NULL);
	wait_done();
	reactor_stop_all();
	assert_string_equal(trace, "()mabcf");
}

static void
take_back(void *arg)
{
	struct reactor *r = reactor_current();

	(void)arg;
	reactor_defer(r, &da);
	reactor_defer(r, &db);
	reactor_defer(r, &dc);
	reactor_undefer(r, &db);
	reactor_undefer(r, &db);
	reactor_undefer(r, &da);
	reactor_next_turn(r, &da);
	reactor_undefer(r, &da);
	reactor_call(r, in_between, NULL);
}

static void
undefer(void **state)
{
	(void)state;
	trace[0] = '\0';
	assert_int_equal(reactor_start_all(1), 0);
	reactor_call(reactor_at(0), take_back, NULL);
	reactor_call(reactor_at(0), post_done, NULL);
	wait_done();
	reactor_stop_all();
	assert_string_equal(trace, "nc");
}

static int pieces;

static void
piece(struct deferred *d)
{
	if (++pieces < 5) {
		reactor_next_turn(reactor_current(), d);
		return;
	}
	sem_post(&done);
}

static void
begin_pieces(void *arg)
{
	da.run = piece;
	(void)arg;
	reactor_next_turn(reactor_current(), &da);
}

static void
work_in_pieces(void **state)
{
	(void)state;
	pieces = 0;
	assert_int_equal(reactor_start_all(1), 0);
	reactor_call(reactor_at(0), begin_pieces, NULL);
	wait_done();
	reactor_stop_all();
	assert_int_equal(pieces, 5);
}

static char *scratch_text;

static void
see_scratch(struct deferred *d)
{
	(void)d;
	note(scratch_text);
}

static void
use_scratch(void *arg)
{
	(void)arg;
	scratch_text = arena_strdup(reactor_scratch(reactor_current()), "s");
	da.run = see_scratch;
	reactor_defer(reactor_current(), &da);
}

static void
scratch_lives_to_the_end_of_the_turn(void **state)
{
	(void)state;
	trace[0] = '\0';
	assert_int_equal(reactor_start_all(1), 0);
	reactor_call(reactor_at(0), use_scratch, NULL);
	reactor_call(reactor_at(0), post_done, NULL);
	wait_done();
	reactor_stop_all();
	assert_string_equal(trace, "s");
}

/* Timers */

static struct timer t1, t2, t3, t4;
static int64_t began_ms;

static void
on_t1(struct timer *t)
{
	assert_false(timer_is_set(t));
	note("1");
}

static void
on_t2(struct timer *t)
{
	(void)t;
	assert_true(reactor_now_ms(reactor_current()) - began_ms >= 20);
	note("2");
	/* Cleared although due in the same turn, perhaps. */
	timer_clear(&t4);
	sem_post(&done);
}

static void
on_t3(struct timer *t)
{
	note("3");
	/* At once again: others get their turn meanwhile. */
	if (strlen(trace) < 4)
		timer_set(t, 0, on_t3);
}

static void
set_timers(void *arg)
{
	(void)arg;
	began_ms = reactor_now_ms(reactor_current());
	timer_set(&t2, 20, on_t2);
	timer_set(&t4, 20, on_t1);
	timer_set(&t1, 5, on_t1);
	timer_set(&t3, 0, on_t3);
	timer_set(&t4, 21, on_t1);
	assert_true(timer_is_set(&t4));
}

static void
timers_in_order(void **state)
{
	(void)state;
	trace[0] = '\0';
	assert_int_equal(reactor_start_all(1), 0);
	reactor_call(reactor_at(0), set_timers, NULL);
	wait_done();
	reactor_stop_all();
	/* More 3s may come anywhere behind, depending on how late the thread wakes. */
	assert_int_equal(trace[0], '3');
	assert_non_null(strchr(trace, '1'));
	assert_true(strchr(trace, '1') < strchr(trace, '2'));
	assert_false(timer_is_set(&t4));
}

/* Watchdog */

static void
dawdle(void *arg)
{
	struct timespec ts = {.tv_nsec = 80000000};

	(void)arg;
	nanosleep(&ts, NULL);
}

static void
slow_callback_is_told(void **state)
{
	int64_t before = metric_get(METRIC_TURNS_SLOW);
	char text[1024] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	log_set_fd(fds[1]);
	assert_int_equal(reactor_start_all(1), 0);
	reactor_call(reactor_at(0), dawdle, NULL);
	reactor_call(reactor_at(0), post_done, NULL);
	wait_done();
	reactor_stop_all();
	log_set_fd(2);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	close(fds[1]);
	assert_non_null(strstr(text, "slow-callback"));
	assert_non_null(strstr(text, "kind=mail"));
	assert_true(metric_get(METRIC_TURNS_SLOW) > before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_runs_on_its_reactor),
		cmocka_unit_test(balls_between_reactors),
		cmocka_unit_test(stop_runs_what_is_in_the_box),
		cmocka_unit_test(deferred_after_all_mails_of_a_batch),
		cmocka_unit_test(undefer),
		cmocka_unit_test(work_in_pieces),
		cmocka_unit_test(scratch_lives_to_the_end_of_the_turn),
		cmocka_unit_test(timers_in_order),
		cmocka_unit_test(slow_callback_is_told),
	};

	sem_init(&done, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
