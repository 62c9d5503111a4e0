/* The archive writer in good times: order, density, leaves, limits, bad rows, the backlog. By both ways (store/record_write.c) what
 * they could tell apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/archive.h"

static struct pg *pg;

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, true);
	test_archive_start(pg, 20000, 1000);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	record_stop();
	pg_free(pg);
	return 0;
}

static int
empty(void **state)
{
	(void)state;
	record_stop();
	pg_exec(pg, "TRUNCATE archive.record");
	test_archive_start(pg, 20000, 1000);
	return 0;
}

static void
assert_sound(const struct test_entry *t, size_t n)
{
	const char *fault = test_archive_fault(pg);

	if (!fault)
		fault = test_entries_fault(pg, t, n);
	if (fault)
		fail_msg("%s", fault);
}

static void
one(void **state)
{
	struct test_entry t;

	(void)state;
	test_submit(&t, "romeo@example.org", "juliet@example.org", 1);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(t.e.outcome, RECORD_COMMITTED);
	assert_int_equal(t.e.log_index, 0);
	assert_int_equal(record_last_id(), t.e.id);
	assert_true(llabs(t.e.at_us - clock_wall_us()) < 5000000);
	assert_sound(&t, 1);
}

/* What may wait is written with the next that may not, in its place in the order; by itself when it has waited so long, and when the writer stops. */
static void
what_may_wait_goes_in_company(void **state)
{
	struct test_entry t[4];

	(void)state;
	test_submit_later(&t[0], "romeo@example.org", 0, 3600000);
	test_submit_later(&t[1], "romeo@example.org", 1, 3600000);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record"), 0);
	assert_int_equal(test_open_entries(), 2);
	test_submit(&t[2], "romeo@example.org", "juliet@example.org", 2);
	assert_true(test_wait_open(0, 30000));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(t[i].e.outcome, RECORD_COMMITTED);
		assert_int_equal(t[i].e.log_index, i);
		assert_int_equal(t[i].e.at_us, t[0].e.at_us);
	}
	test_submit_later(&t[3], "romeo@example.org", 3, 1);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(t[3].e.outcome, RECORD_COMMITTED);
	assert_sound(t, 4);
}

/* A record that may wait wakes the writer, and that is all it does here. */
static void
partitions_are_made_while_nothing_is_written(void **state)
{
	static const char all[] = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'archive.record'::regclass";
	struct test_entry t[2];
	long n;

	(void)state;
	n = pg_number(pg, all);
	pg_exec(pg, "DO $$ BEGIN EXECUTE 'DROP TABLE ' || (SELECT max(inhrelid::regclass::text) FROM pg_inherits"
		    " WHERE inhparent = 'archive.record'::regclass); END $$");
	assert_int_equal(pg_number(pg, all), n - 1);
	clock_fake(clock_wall_us(), clock_mono_us() + INT64_C(86401000000));
	test_submit_later(&t[0], "romeo@example.org", 0, 3600000);
	while (pg_number(pg, all) < n)
		usleep(10000);
	assert_int_equal(test_open_entries(), 1);
	clock_fake(-1, -1);
	test_submit(&t[1], "romeo@example.org", "juliet@example.org", 1);
	assert_true(test_wait_open(0, 30000));
	assert_sound(t, 2);
}

static void
what_may_wait_is_written_at_the_end(void **state)
{
	struct test_entry t;

	(void)state;
	test_submit_later(&t, "romeo@example.org", 0, 3600000);
	record_stop();
	assert_int_equal(test_open_entries(), 0);
	assert_int_equal(t.e.outcome, RECORD_COMMITTED);
	assert_sound(&t, 1);
	test_archive_start(pg, 20000, 1000);
}

#define SENDERS 4
#define EACH 500

struct sender {
	pthread_t thread;
	char name[32];
	struct test_entry *t;
};

static void *
send_all(void *arg)
{
	struct sender *s = arg;

	for (unsigned i = 0; i < EACH; i++)
		test_submit(&s->t[i], s->name, "juliet@example.org", i);
	return NULL;
}

static void
many_senders_keep_their_order(void **state)
{
	struct sender s[SENDERS];
	struct test_entry *t = calloc(SENDERS * EACH, sizeof(*t));

	(void)state;
	for (int i = 0; i < SENDERS; i++) {
		snprintf(s[i].name, sizeof(s[i].name), "sender%d@example.org", i);
		s[i].t = t + i * EACH;
		assert_int_equal(pthread_create(&s[i].thread, NULL, send_all, &s[i]), 0);
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(s[i].thread, NULL);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM archive.record"), SENDERS * EACH);
	assert_null(test_archive_fault(pg));
	for (int i = 0; i < SENDERS * EACH; i++)
		assert_int_equal(t[i].e.outcome, RECORD_COMMITTED);
	free(t);
}

/* Bytes that are not UTF-8 (22021) reach the writer only by a fault of ours; they must cost themselves
 * and nobody else. */
static void
a_bad_row_goes_alone(void **state)
{
	struct test_entry *t = calloc(100, sizeof(*t));

	(void)state;
	pg_freeze(pg);
	for (unsigned i = 0; i < 100; i++) {
		if (i != 37 && i != 38 && i != 99) {
			test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
			continue;
		}
		snprintf(t[i].from, sizeof(t[i].from), "romeo@example.org");
		snprintf(t[i].to, sizeof(t[i].to), "juliet@example.org");
		snprintf(t[i].id, sizeof(t[i].id), "%u", i);
		snprintf(t[i].body, sizeof(t[i].body), "\xff\xfe");
		snprintf(t[i].stanza, sizeof(t[i].stanza), "<message/>");
		test_submit_as_is(&t[i]);
	}
	pg_thaw(pg);
	assert_true(test_wait_open(0, 30000));
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(t[i].e.outcome,
				 i == 37 || i == 38 || i == 99 ? RECORD_REFUSED : RECORD_COMMITTED);
	assert_sound(t, 100);
	free(t);
}

static void
a_full_queue_refuses(void **state)
{
	struct record_settings s = {.conninfo = pg_conninfo(pg, "chancery_server"),
				    .patience_ms = 20000,
				    .batch_max = 1000,
				    .waiting_max = 10,
				    .waiting_bytes_max = 1 << 20,
				    .copies = test_archive_copies};
	struct test_entry t[20];
	struct err e;
	int refused = 0;

	(void)state;
	record_stop();
	assert_int_equal(record_start(&s, &e), 0);
	pg_freeze(pg);
	for (unsigned i = 0; i < 20; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	pg_thaw(pg);
	assert_true(test_wait_open(0, 30000));
	for (int i = 0; i < 20; i++)
		refused += t[i].e.outcome == RECORD_REFUSED;
	assert_int_equal(refused, 10);
	assert_sound(t, 20);
}

static void
backlog_begins_behind_the_mark(void **state)
{
	struct test_entry t[5];
	struct sql *db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	struct arena *a = arena_new(0);
	struct record_row *row;
	size_t n;
	struct err e;
	char sql[500];

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		test_submit(&t[i], "romeo@example.org",
			    i == 3 ? "nurse@example.org" : "juliet@example.org", i);
	assert_true(test_wait_open(0, 30000));
	/* The third was returned to its sender. */
	snprintf(
		sql, sizeof(sql),
		"INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, refers_record,"
		" leaf_hash) VALUES (%llu, 5, now(), 7, 0, false, %llu, sha256('x'))",
		(unsigned long long)t[4].e.id + 1, (unsigned long long)t[2].e.id);
	pg_exec(pg, sql);
	assert_int_equal(sql_connect(db, 5000, &e), SQL_OK);
	assert_int_equal(record_backlog(db, a, "juliet@example.org", t[0].e.id, INT64_MAX, 10, &row, &n, &e),
			 SQL_OK);
	assert_int_equal(n, 2);
	assert_int_equal(row[0].id, t[1].e.id);
	assert_string_equal(row[0].stanza, t[1].stanza);
	assert_int_equal(row[0].stanza_len, strlen(t[1].stanza));
	assert_int_equal(row[0].at_us, t[1].e.at_us);
	assert_int_equal(row[1].id, t[4].e.id);
	assert_int_equal(record_backlog(db, a, "juliet@example.org", 0, INT64_MAX, 1, &row, &n, &e), SQL_OK);
	assert_int_equal(n, 1);
	assert_int_equal(row[0].id, t[0].e.id);
	assert_int_equal(record_backlog(db, a, "nobody@example.org", 0, INT64_MAX, 10, &row, &n, &e), SQL_OK);
	assert_int_equal(n, 0);
	arena_free(a);
	sql_free(db);
}

/* The backlog of a user with few messages among many is found by its index. */
static void
backlog_uses_its_index(void **state)
{
	const char *plan;

	(void)state;
	pg_exec(pg,
		"SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;"
		"PREPARE b (text, bigint, bigint) AS SELECT id FROM archive.record r WHERE"
		" to_hash = archive.address_hash($1) AND to_bare = $1 AND"
		" deliverable AND id > $2 AND NOT EXISTS (SELECT FROM archive.record x WHERE"
		" x.refers_record = r.id AND x.kind = 7 AND x.id > r.id) ORDER BY id LIMIT $3");
	plan = pg_value(pg, "EXPLAIN (FORMAT json) EXECUTE b ('a', 1, 10)");
	assert_non_null(strstr(plan, "to_hash_id_idx"));
	assert_null(strstr(plan, "Seq Scan"));
}

/* The clock went back: ids go on from the newest, and so does the index, over a restart as well. */
static void
ids_survive_a_clock_set_back(void **state)
{
	struct test_entry t[2];

	(void)state;
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 1);
	assert_true(test_wait_open(0, 30000));
	record_stop();
	pg_exec(pg,
		"INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, from_bare,"
		" salt, leaf_hash) SELECT id + 86400000000::bigint, 1, now(), 1, 0, false, 'x', salt ||"
		" '\\x00', leaf_hash FROM archive.record");
	test_archive_start(pg, 20000, 1000);
	test_submit(&t[1], "romeo@example.org", "juliet@example.org", 2);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(t[1].e.outcome, RECORD_COMMITTED);
	assert_int_equal(t[1].e.id, t[0].e.id + 86400000000 + 1);
	assert_int_equal(t[1].e.log_index, 2);
}

/* Somebody restored a row under the index that is next (23505): the head is read again. */
static void
a_conflict_is_resolved(void **state)
{
	struct test_entry t[3];

	(void)state;
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 1);
	assert_true(test_wait_open(0, 30000));
	pg_exec(pg,
		"INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, leaf_hash)"
		" SELECT id + 1, 1, now(), 1, 0, false, leaf_hash FROM archive.record");
	test_submit(&t[1], "romeo@example.org", "juliet@example.org", 2);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(t[1].e.outcome, RECORD_COMMITTED);
	assert_int_equal(t[1].e.log_index, 2);
	assert_true(record_is_up());
}

/* There is no partition for what is written (23514): one is made. */
static void
a_missing_partition_is_made(void **state)
{
	struct test_entry t[2];

	(void)state;
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 0);
	assert_true(test_wait_open(0, 30000));
	pg_exec(pg, "DO $$ DECLARE p regclass; BEGIN FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'archive.record'::regclass"
		    " LOOP EXECUTE 'DROP TABLE ' || p::text; END LOOP; END $$");
	test_submit(&t[1], "romeo@example.org", "juliet@example.org", 1);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(t[1].e.outcome, RECORD_COMMITTED);
	assert_int_equal(t[1].e.log_index, 0);
	assert_true(record_is_up());
	assert_sound(&t[1], 1);
}

/* Something at the end of the transaction refuses what the statement had taken: it is not in the record, and is tried again. */
static void
what_fails_at_the_commit_is_not_committed(void **state)
{
	struct test_entry t[4];

	(void)state;
	pg_exec(pg,
		"CREATE SEQUENCE public.commits;"
		"CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
		" IF nextval('public.commits') <= 2 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'; END IF; RETURN NULL; END $$;"
		"CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON archive.record DEFERRABLE INITIALLY DEFERRED"
		" FOR EACH ROW EXECUTE FUNCTION public.fail()");
	for (unsigned i = 0; i < 4; i++)
		test_submit(&t[i], "romeo@example.org", "juliet@example.org", i);
	assert_true(test_wait_open(0, 30000));
	assert_true(pg_number(pg, "SELECT last_value FROM public.commits") > 2);
	pg_exec(pg, "DROP TRIGGER fail ON archive.record; DROP FUNCTION public.fail; DROP SEQUENCE public.commits");
	for (int i = 0; i < 4; i++)
		assert_int_equal(t[i].e.outcome, RECORD_COMMITTED);
	assert_true(record_is_up());
	assert_sound(t, 4);
}

/* Is this in PostgreSQL's own log? */
static bool
is_logged(const char *what)
{
	char path[200], *text;
	FILE *f;
	long n;
	bool found;

	snprintf(path, sizeof(path), "%s/postgres.log", pg_dir(pg));
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)n + 1);
	assert_int_equal(fread(text, 1, (size_t)n, f), n);
	fclose(f);
	found = strstr(text, what) != NULL;
	free(text);
	return found;
}

static void
log_statements(const char *which)
{
	char sql[100];

	record_stop();
	snprintf(sql, sizeof(sql), "ALTER SYSTEM SET log_statement = '%s'", which);
	pg_exec(pg, sql);
	pg_exec(pg, "SELECT pg_reload_conf()");
	while (strcmp(pg_value(pg, "SHOW log_statement"), which) != 0)
		usleep(10000);
	test_archive_start(pg, 20000, 1000);
}

/* PostgreSQL may be told to log statements: what people say is not among what it logs, with the roles of before either. */
static void
nothing_that_is_said_is_in_postgresqls_log(void **state)
{
	struct test_entry t[2];

	(void)state;
	log_statements("all");
	test_submit(&t[0], "romeo@example.org", "juliet@example.org", 12345);
	assert_true(test_wait_open(0, 30000));
	assert_true(is_logged(test_archive_copies ? "COPY archive.record" : "INSERT INTO archive.record"));
	assert_false(is_logged(t[0].body));
	pg_exec(pg, "ALTER ROLE chancery_server RESET log_parameter_max_length");
	log_statements("all");
	test_submit(&t[1], "romeo@example.org", "juliet@example.org", 12346);
	assert_true(test_wait_open(0, 30000));
	assert_true(is_logged("COPY archive.record"));
	assert_false(is_logged(t[1].body));
	pg_exec(pg, "ALTER ROLE chancery_server SET log_parameter_max_length = 0");
	log_statements("none");
	assert_sound(t, 2);
}

static void
a_second_server_is_refused(void **state)
{
	const char *got;

	(void)state;
	got = pg_value(pg, "SELECT pg_try_advisory_lock(4841263, 1)");
	assert_string_equal(got, "f");
}

static void
unsafe_settings_are_refused(void **state)
{
	static const char *const name[] = {"fsync", "full_page_writes", "synchronous_commit"};
	struct record_settings s = {.conninfo = pg_conninfo(pg, "chancery_server"),
				    .patience_ms = 1000,
				    .batch_max = 100,
				    .waiting_max = 10,
				    .waiting_bytes_max = 1 << 20};
	struct err e;
	char sql[100];

	(void)state;
	record_stop();
	for (int i = 0; i < 3; i++) {
		snprintf(sql, sizeof(sql), "ALTER SYSTEM SET %s = off", name[i]);
		pg_exec(pg, sql);
		pg_restart(pg);
		assert_int_equal(record_start(&s, &e), -1);
		if (!strstr(e.text, name[i]))
			fail_msg("%s", e.text);
		pg_exec(pg, "ALTER SYSTEM RESET ALL");
	}
	s.allow_unsafe = true;
	assert_int_equal(record_start(&s, &e), 0);
	sql_allow_unsafe(false);
	record_stop();
	pg_restart(pg);
	test_archive_start(pg, 20000, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one, empty),
		cmocka_unit_test_setup(what_may_wait_goes_in_company, empty),
		cmocka_unit_test_setup(what_may_wait_is_written_at_the_end, empty),
		cmocka_unit_test_setup(partitions_are_made_while_nothing_is_written, empty),
		cmocka_unit_test_setup(many_senders_keep_their_order, empty),
		cmocka_unit_test_setup(a_bad_row_goes_alone, empty),
		cmocka_unit_test_setup(a_full_queue_refuses, empty),
		cmocka_unit_test_setup(backlog_begins_behind_the_mark, empty),
		cmocka_unit_test(backlog_uses_its_index),
		cmocka_unit_test_setup(ids_survive_a_clock_set_back, empty),
		cmocka_unit_test_setup(a_conflict_is_resolved, empty),
		cmocka_unit_test_setup(a_missing_partition_is_made, empty),
		cmocka_unit_test_setup(what_fails_at_the_commit_is_not_committed, empty),
		cmocka_unit_test_setup(nothing_that_is_said_is_in_postgresqls_log, empty),
		cmocka_unit_test(a_second_server_is_refused),
		cmocka_unit_test(unsafe_settings_are_refused),
	};

	const struct CMUnitTest copied[] = {
		cmocka_unit_test_setup(one, empty),
		cmocka_unit_test_setup(what_may_wait_goes_in_company, empty),
		cmocka_unit_test_setup(many_senders_keep_their_order, empty),
		cmocka_unit_test_setup(a_bad_row_goes_alone, empty),
		cmocka_unit_test_setup(a_full_queue_refuses, empty),
		cmocka_unit_test_setup(a_conflict_is_resolved, empty),
		cmocka_unit_test_setup(a_missing_partition_is_made, empty),
		cmocka_unit_test_setup(what_fails_at_the_commit_is_not_committed, empty),
		cmocka_unit_test_setup(nothing_that_is_said_is_in_postgresqls_log, empty),
	};
	int failed = cmocka_run_group_tests(tests, start, stop);

	test_archive_copies = true;
	return failed + cmocka_run_group_tests(copied, start, stop);
}
