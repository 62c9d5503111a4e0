/* Turns of heavy statements: one at a time, given on when it is over however it ended, never a reason to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/metric.h"
#include "lib/pg.h"
#include "store/sql.h"

#define PATIENCE_MS 60000
#define READS "SELECT current_setting('effective_io_concurrency')"
#define TURNS "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 4841265 AND "

static struct pg *pg;
static struct sql *one, *other;
static struct err e;

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, false);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	pg_free(pg);
	return 0;
}

static struct sql *
connection(void)
{
	struct sql *db = sql_new(pg_conninfo(pg, "postgres"), "turns");

	assert_int_equal(sql_connect(db, PATIENCE_MS, &e), SQL_OK);
	sql_set_deadline(db, PATIENCE_MS);
	return db;
}

static int
both(void **state)
{
	(void)state;
	one = connection();
	other = connection();
	(void)sql_take_turns(one, true);
	return 0;
}

static int
none(void **state)
{
	(void)state;
	sql_free(one);
	sql_free(other);
	return 0;
}

static int64_t
ask(struct sql *db, const char *text)
{
	PGresult *r;
	int64_t n;

	assert_int_equal(sql_query(db, &e, &r, text, 0), SQL_OK);
	n = sql_i64(r, 0, 0);
	PQclear(r);
	return n;
}

/* Until the end of its transaction nobody gets the first turn. */
static void
hold(struct sql *db)
{
	assert_int_equal(sql_begin(db, &e), SQL_OK);
	assert_int_equal(sql_do(db, &e, "SELECT pg_advisory_xact_lock(4841265, 0)", 0), SQL_OK);
}

static void
test_statement_has_it(void **state)
{
	(void)state;
	sql_set_turns(1, 1000, 4);
	assert_int_equal(ask(one, TURNS "granted"), 1);
	assert_int_equal(ask(other, TURNS "granted"), 0);
	assert_false(sql_in_transaction(one));
	assert_true(sql_take_turns(one, false));
	assert_int_equal(ask(one, TURNS "granted"), 0);
}

static void
test_failure_gives_it_back(void **state)
{
	(void)state;
	sql_set_turns(1, 1000, 4);
	assert_int_equal(sql_do(one, &e, "SELECT 1 / 0", 0), SQL_FAILED);
	assert_string_equal(sql_state(one), "22012");
	assert_int_equal(ask(other, TURNS "true"), 0);
	assert_int_equal(ask(one, "SELECT 5"), 5);
}

static void
test_few_pages_at_a_time(void **state)
{
	(void)state;
	sql_set_turns(1, 1000, 3);
	assert_int_equal(ask(one, READS), 3);
	sql_set_turns(1, 1000, 5);
	assert_int_equal(ask(one, READS), 5);
	(void)sql_take_turns(one, false);
	assert_int_equal(ask(one, READS), ask(other, READS));
}

/* In a transaction it would last to its end. */
static void
test_not_in_transactions(void **state)
{
	(void)state;
	sql_set_turns(1, 1000, 4);
	assert_int_equal(sql_begin(one, &e), SQL_OK);
	assert_int_equal(ask(one, TURNS "true"), 0);
	assert_int_equal(sql_commit(one, &e), SQL_OK);
	sql_begin_with(one);
	assert_int_equal(ask(one, TURNS "true"), 0);
	assert_int_equal(sql_commit(one, &e), SQL_OK);
}

static void
test_goes_on_without(void **state)
{
	int64_t missed = metric_get(METRIC_DESK_TURNS_MISSED);

	(void)state;
	sql_set_turns(1, 100, 4);
	hold(other);
	assert_int_equal(ask(one, TURNS "granted"), 1);
	assert_int_equal(metric_get(METRIC_DESK_TURNS_MISSED), missed + 1);
	assert_true(sql_turns_waited_us(one) >= 100000);
	/* Its next ones do not wait as well. */
	assert_int_equal(ask(one, "SELECT setting FROM pg_settings WHERE name = 'lock_timeout'"), 5000);
	assert_int_equal(metric_get(METRIC_DESK_TURNS_MISSED), missed + 1);
	assert_int_equal(sql_commit(other, &e), SQL_OK);
}

static void
test_two_at_once(void **state)
{
	int64_t missed = metric_get(METRIC_DESK_TURNS_MISSED);

	(void)state;
	sql_set_turns(2, 1000, 4);
	hold(other);
	assert_int_equal(ask(one, TURNS "granted"), 2);
	assert_int_equal(metric_get(METRIC_DESK_TURNS_MISSED), missed);
	assert_int_equal(sql_commit(other, &e), SQL_OK);
}

static void *
ask_beside(void *arg)
{
	*(int64_t *)arg = ask(one, "SELECT 7");
	return NULL;
}

/* Longer than it may run, from when it was asked: waiting does not count. */
static void
test_waiting_does_not_count(void **state)
{
	struct sql *third = connection();
	int64_t got = 0;
	pthread_t t;

	(void)state;
	sql_set_turns(1, PATIENCE_MS, 4);
	hold(other);
	sql_set_until(one, clock_mono_ms() + 3000);
	assert_int_equal(pthread_create(&t, NULL, ask_beside, &got), 0);
	while (!ask(third, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 4841265 AND NOT granted AND waitstart < clock_timestamp() - interval '3.2 s'"))
		(void)poll(NULL, 0, 20);
	assert_int_equal(sql_commit(other, &e), SQL_OK);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(got, 7);
	assert_true(sql_turns_waited_us(one) >= 3000000);
	sql_free(third);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_statement_has_it, both, none),
		cmocka_unit_test_setup_teardown(test_failure_gives_it_back, both, none),
		cmocka_unit_test_setup_teardown(test_few_pages_at_a_time, both, none),
		cmocka_unit_test_setup_teardown(test_not_in_transactions, both, none),
		cmocka_unit_test_setup_teardown(test_goes_on_without, both, none),
		cmocka_unit_test_setup_teardown(test_two_at_once, both, none),
		cmocka_unit_test_setup_teardown(test_waiting_does_not_count, both, none),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
