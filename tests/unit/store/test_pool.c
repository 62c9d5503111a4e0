/* Connections with deadlines, and the workers on them: order, deadlines while PostgreSQL hangs, recovery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lib/pg.h"
#include "store/pool.h"

#define JOBS 400
#define SLOW_MS 20000 /* a deadline of a second and a half, on a machine that does much else */
#define LONG_MS 60000

static struct pg *pg;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned order[8][JOBS], count[8], done_n, ok_n, away_n;
static int64_t last_ms;

struct work {
	unsigned key, number;
	int sleep_ms;
};

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, true);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	pg_free(pg);
	return 0;
}

static int
open_with(unsigned patience_ms)
{
	struct err e;

	memset(count, 0, sizeof(count));
	done_n = ok_n = away_n = 0;
	return pool_start(pg_conninfo(pg, "chancery_server"), 3, patience_ms, JOBS, &e);
}

static int
open_pool(void **state)
{
	(void)state;
	return open_with(1500);
}

/* For a test in which no job shall end at its deadline, however slow the machine is. */
static int
open_patient_pool(void **state)
{
	(void)state;
	return open_with(60000);
}

static int
close_pool(void **state)
{
	(void)state;
	pg_thaw(pg);
	pool_stop();
	return 0;
}

static enum sql_status
work(struct job *j, struct sql *db)
{
	struct work *w = j->data;
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d.%03d", w->sleep_ms / 1000, w->sleep_ms % 1000);
	return sql_do(db, &j->err, "SELECT pg_sleep($1::float)", 1, seconds);
}

static void
done(struct job *j)
{
	struct work *w = j->data;

	pthread_mutex_lock(&lock);
	order[w->key][count[w->key]++] = w->number;
	done_n++;
	ok_n += j->status == JOB_OK;
	away_n += j->status == JOB_UNAVAILABLE;
	last_ms = clock_mono_ms();
	pthread_mutex_unlock(&lock);
}

static void
submit(unsigned key, unsigned number, int sleep_ms)
{
	struct job *j = job_new(sizeof(struct work));

	*(struct work *)j->data = (struct work){key, number, sleep_ms};
	j->work = work;
	j->done = done;
	pool_submit(j, key);
}

/* A number that workers may be counting up at the moment. */
static unsigned
now(const unsigned *n)
{
	unsigned v;

	pthread_mutex_lock(&lock);
	v = *n;
	pthread_mutex_unlock(&lock);
	return v;
}

static bool
wait_done(unsigned n, int ms)
{
	int64_t until = clock_mono_ms() + ms;
	bool yes = false;

	while (!yes && clock_mono_ms() < until) {
		yes = now(&done_n) >= n;
		poll(NULL, 0, 5);
	}
	return yes;
}

static void
same_key_keeps_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++)
		submit(i % 8, i / 8, i % 50 == 0 ? 5 : 0);
	assert_true(wait_done(300, LONG_MS));
	assert_int_equal(ok_n, 300);
	for (int k = 0; k < 8; k++)
		for (unsigned i = 0; i < count[k]; i++)
			assert_int_equal(order[k][i], i);
	assert_true(pool_is_up());
}

/* All come back at their deadline, those behind a hanging statement too; then it works again. */
static void
frozen(void **state)
{
	int64_t began;

	(void)state;
	submit(0, 0, 0);
	assert_true(wait_done(1, LONG_MS));
	pg_freeze(pg);
	began = clock_mono_ms();
	for (unsigned i = 0; i < 30; i++)
		submit(i % 8, i, 0);
	assert_true(wait_done(31, LONG_MS));
	assert_int_equal(away_n, 30);
	assert_in_range(last_ms - began, 1400, SLOW_MS);
	pg_thaw(pg);
	/* Each worker finds its own way back. */
	for (unsigned key = 0; key < 3; key++)
		for (unsigned was = now(&ok_n), n = now(&done_n); now(&ok_n) == was; n++) {
			assert_true(n < JOBS);
			submit(key, 0, 0);
			assert_true(wait_done(n + 1, LONG_MS));
		}
}

/* Jobs wait for a PostgreSQL that comes back in time, and a lost connection costs none of them. */
static void
killed(void **state)
{
	(void)state;
	submit(0, 0, 0);
	assert_true(wait_done(1, LONG_MS));
	pg_kill(pg);
	pg_start(pg, true);
	for (unsigned i = 0; i < 20; i++)
		submit(i % 8, i, 0);
	assert_true(wait_done(21, LONG_MS));
	assert_int_equal(ok_n, 21);
}

static void
a_slow_statement_ends_at_its_deadline(void **state)
{
	int64_t began = clock_mono_ms();

	(void)state;
	submit(0, 0, 60000);
	submit(1, 0, 0);
	assert_true(wait_done(2, LONG_MS));
	assert_int_equal(ok_n, 1);
	assert_int_equal(away_n, 1);
	assert_in_range(last_ms - began, 1000, SLOW_MS);
}

static void
too_many_are_refused(void **state)
{
	(void)state;
	pg_freeze(pg);
	for (unsigned i = 0; i < JOBS; i++)
		submit(0, i, 0);
	submit(1, 0, 0);
	assert_int_equal(now(&done_n), 1);
	assert_int_equal(now(&away_n), 1);
	assert_int_equal(now(&count[1]), 1);
	pg_thaw(pg);
	assert_true(wait_done(JOBS + 1, LONG_MS));
}

static void
stop_runs_what_waits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		submit(i % 8, i, 1);
	pool_stop();
	assert_int_equal(done_n, 50);
	assert_int_equal(ok_n, 50);
	submit(0, 0, 0);
	assert_int_equal(away_n, 1);
}

static enum sql_status
cpu_work(struct job *j, struct sql *db)
{
	(void)j;
	return db ? SQL_FAILED : SQL_OK;
}

static void
cpu_jobs_need_no_database(void **state)
{
	(void)state;
	pg_freeze(pg);
	for (unsigned i = 0; i < 50; i++) {
		struct job *j = job_new(sizeof(struct work));

		j->work = cpu_work;
		j->done = done;
		pool_submit_cpu(j);
	}
	assert_true(wait_done(50, LONG_MS));
	assert_int_equal(ok_n, 50);
}

static enum sql_status
leave_open(struct job *j, struct sql *db)
{
	enum sql_status st = sql_begin(db, &j->err);

	return st == SQL_OK ? sql_do(db, &j->err, "SELECT 1 / 0", 0) : st;
}

/* A job that fails within its transaction leaves nothing of it to the next. */
static void
a_failed_transaction_ends(void **state)
{
	struct job *j = job_new(sizeof(struct work));

	(void)state;
	j->work = leave_open;
	j->done = done;
	pool_submit(j, 0);
	submit(0, 1, 0);
	assert_true(wait_done(2, LONG_MS));
	assert_int_equal(ok_n, 1);
	assert_int_equal(away_n, 0);
}

/* sql itself: types, errors, transactions. */
static void
statements(void **state)
{
	struct sql *db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	PGresult *r;
	struct err e;
	bool yes;

	(void)state;
	assert_int_equal(sql_query(db, &e, &r, "SELECT 1", 0), SQL_UNAVAILABLE);
	assert_null(r);
	assert_int_equal(sql_connect(db, 5000, &e), SQL_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sql_query(db, &e, &r,
					   "SELECT $1::text, $2::bigint, $3::bool, NULL", 3,
					   "a'b\\c", "-9223372036854775808", "t"),
				 SQL_OK);
		assert_string_equal(sql_text(r, 0, 0), "a'b\\c");
		assert_true(sql_i64(r, 0, 1) == INT64_MIN);
		assert_true(sql_bool(r, 0, 2));
		assert_true(sql_is_null(r, 0, 3));
		assert_int_equal(sql_i64(r, 0, 3), 0);
		PQclear(r);
	}
	assert_int_equal(sql_query_bool(db, &e, &yes, "SELECT $1::int > 1", 1, "2"), SQL_OK);
	assert_true(yes);
	assert_int_equal(sql_query_bool(db, &e, &yes, "SELECT true WHERE false", 0), SQL_OK);
	assert_false(yes);
	assert_int_equal(sql_do(db, &e, "SELECT nonsense", 0), SQL_FAILED);
	assert_string_equal(sql_state(db), "42703");
	assert_true(sql_is_connected(db));
	assert_int_equal(sql_begin(db, &e), SQL_OK);
	assert_int_equal(sql_do(db, &e, "SELECT 1 / 0", 0), SQL_FAILED);
	assert_int_equal(sql_commit(db, &e), SQL_FAILED);
	assert_false(sql_in_transaction(db));
	/* COPY belongs to the writer: here it is refused instead of hanging. */
	assert_int_equal(sql_script(db, &e, "COPY (SELECT 1) TO STDOUT"), SQL_UNAVAILABLE);
	assert_int_equal(sql_connect(db, 5000, &e), SQL_OK);
	sql_set_deadline(db, 300);
	assert_int_not_equal(sql_do(db, &e, "SELECT pg_sleep(5)", 0), SQL_OK);
	sql_free(db);
}

/* BEGIN and COMMIT that go with statements. */
static void
frames(void **state)
{
	struct sql *db = sql_new(pg_conninfo(pg, "postgres"), "test");
	static const char *const add = "INSERT INTO framed VALUES ($1::int) RETURNING n", *const how_many = "SELECT count(*) FROM framed";
	struct err e;
	PGresult *r;

	(void)state;
	assert_int_equal(sql_connect(db, 5000, &e), SQL_OK);
	assert_int_equal(sql_script(db, &e, "CREATE TEMPORARY TABLE framed (n int PRIMARY KEY)"), SQL_OK);
	/* One statement with both, one with each, prepared or not yet. */
	for (int i = 0; i < 2; i++) {
		static const char *const n[][3] = { { "1", "2", "3" }, { "4", "5", "6" } };

		sql_begin_with(db);
		sql_commit_with(db);
		assert_int_equal(sql_query(db, &e, &r, add, 1, n[i][0]), SQL_OK);
		assert_string_equal(sql_text(r, 0, 0), n[i][0]);
		PQclear(r);
		assert_false(sql_in_transaction(db));
		sql_begin_with(db);
		assert_int_equal(sql_do(db, &e, add, 1, n[i][1]), SQL_OK);
		assert_true(sql_in_transaction(db));
		sql_commit_with(db);
		assert_int_equal(sql_query(db, &e, &r, add, 1, n[i][2]), SQL_OK);
		assert_string_equal(sql_text(r, 0, 0), n[i][2]);
		PQclear(r);
		assert_false(sql_in_transaction(db));
	}
	/* What fails leaves nothing; which of the two it is makes no difference. */
	sql_begin_with(db);
	assert_int_equal(sql_do(db, &e, add, 1, "6"), SQL_FAILED);
	assert_string_equal(sql_state(db), "23505");
	sql_rollback(db);
	sql_begin_with(db);
	assert_int_equal(sql_do(db, &e, add, 1, "7"), SQL_OK);
	sql_commit_with(db);
	assert_int_equal(sql_query(db, &e, &r, add, 1, "7"), SQL_FAILED);
	assert_null(r);
	assert_string_equal(sql_state(db), "23505");
	assert_true(sql_in_transaction(db));
	sql_rollback(db);
	/* At the commit itself. */
	assert_int_equal(sql_script(db, &e, "ALTER TABLE framed ADD COLUMN m int REFERENCES framed (n) DEFERRABLE INITIALLY DEFERRED"), SQL_OK);
	sql_begin_with(db);
	sql_commit_with(db);
	assert_int_equal(sql_query(db, &e, &r, "INSERT INTO framed VALUES (8, 99) RETURNING n", 0), SQL_FAILED);
	assert_null(r);
	assert_string_equal(sql_state(db), "23503");
	assert_false(sql_in_transaction(db));
	/* Not prepared: then there is no transaction. What was to begin one and did not is forgotten. */
	sql_begin_with(db);
	assert_int_equal(sql_do(db, &e, "SELECT nonsense FROM framed", 0), SQL_FAILED);
	assert_false(sql_in_transaction(db));
	sql_begin_with(db);
	sql_rollback(db);
	assert_int_equal(sql_query(db, &e, &r, how_many, 0), SQL_OK);
	assert_true(sql_i64(r, 0, 0) == 6);
	PQclear(r);
	assert_false(sql_in_transaction(db));
	/* The connection breaks: nothing is left behind it. */
	sql_begin_with(db);
	sql_commit_with(db);
	assert_int_equal(sql_do(db, &e, "SELECT pg_terminate_backend(pg_backend_pid())", 0), SQL_UNAVAILABLE);
	assert_false(sql_is_connected(db));
	sql_begin_with(db);
	assert_int_equal(sql_do(db, &e, how_many, 0), SQL_UNAVAILABLE);
	assert_int_equal(sql_connect(db, 5000, &e), SQL_OK);
	assert_int_equal(sql_do(db, &e, "SELECT 1", 0), SQL_OK);
	assert_false(sql_in_transaction(db));
	sql_set_deadline(db, 300);
	sql_begin_with(db);
	assert_int_not_equal(sql_do(db, &e, "SELECT pg_sleep(5)", 0), SQL_OK);
	sql_free(db);
}

static void
assert_timeout(struct sql *db, const char *expected)
{
	PGresult *r;
	struct err e;

	assert_int_equal(sql_query(db, &e, &r, "SHOW statement_timeout", 0), SQL_OK);
	assert_string_equal(sql_text(r, 0, 0), expected);
	PQclear(r);
}

/* It costs a round trip, so it is set when it is another one, and when what set it has been undone. */
static void
timeout_follows_deadline(void **state)
{
	struct sql *db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	struct err e;

	(void)state;
	assert_int_equal(sql_connect(db, 5000, &e), SQL_OK);
	sql_set_deadline(db, 7000);
	assert_timeout(db, "7s");
	assert_int_equal(sql_script(db, &e, "SET statement_timeout = 4321"), SQL_OK);
	sql_rollback(db); /* as behind each job: there is nothing to undo */
	assert_timeout(db, "4321ms");
	assert_int_equal(sql_begin(db, &e), SQL_OK);
	sql_set_deadline(db, 8000);
	assert_timeout(db, "8s");
	sql_rollback(db);
	assert_timeout(db, "8s");
	assert_int_equal(sql_begin(db, &e), SQL_OK);
	sql_set_deadline(db, 9000);
	assert_int_equal(sql_do(db, &e, "SELECT 1 / 0", 0), SQL_FAILED);
	assert_int_equal(sql_commit(db, &e), SQL_FAILED);
	assert_timeout(db, "9s");
	sql_free(db);
}

static void
connecting_is_bounded(void **state)
{
	struct sql *db = sql_new("host=/nonexistent user=x", "test");
	struct err e;
	int64_t began;

	(void)state;
	assert_int_equal(sql_connect(db, 5000, &e), SQL_UNAVAILABLE);
	sql_free(db);
	db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	pg_freeze(pg);
	began = clock_mono_ms();
	assert_int_equal(sql_connect(db, 500, &e), SQL_UNAVAILABLE);
	assert_in_range(clock_mono_ms() - began, 400, SLOW_MS);
	pg_thaw(pg);
	sql_free(db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements),
		cmocka_unit_test(frames),
		cmocka_unit_test(timeout_follows_deadline),
		cmocka_unit_test(connecting_is_bounded),
		cmocka_unit_test_setup_teardown(same_key_keeps_order, open_patient_pool, close_pool),
		cmocka_unit_test_setup_teardown(frozen, open_pool, close_pool),
		cmocka_unit_test_setup_teardown(killed, open_patient_pool, close_pool),
		cmocka_unit_test_setup_teardown(a_slow_statement_ends_at_its_deadline, open_pool,
						close_pool),
		cmocka_unit_test_setup_teardown(too_many_are_refused, open_patient_pool, close_pool),
		cmocka_unit_test_setup_teardown(stop_runs_what_waits, open_patient_pool, close_pool),
		cmocka_unit_test_setup_teardown(cpu_jobs_need_no_database, open_patient_pool, close_pool),
		cmocka_unit_test_setup_teardown(a_failed_transaction_ends, open_patient_pool, close_pool),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
