/* What is on its way to other servers, and what is read of it after a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/archive.h"
#include "store/outgoing.h"

static struct pg *pg;
static struct sql *db;

static int
start(void **state)
{
	struct err e;

	(void)state;
	pg = pg_new(NULL, true);
	test_archive_start(pg, 20000, 1000);
	db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	return sql_connect(db, 5000, &e) == SQL_OK ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	sql_free(db);
	record_stop();
	pg_free(pg);
	return 0;
}

static void
send_out(struct test_entry *t, unsigned number)
{
	*t = (struct test_entry){ 0 };
	snprintf(t->from, sizeof(t->from), "romeo@example.org");
	snprintf(t->to, sizeof(t->to), "juliet@verona.test");
	snprintf(t->stanza, sizeof(t->stanza), "<message id='m%u'/>", number);
	t->e.kind = RECORD_MESSAGE;
	t->e.from_bare = t->from;
	t->e.to_bare = t->to;
	t->e.type = "chat";
	t->e.stanza = t->stanza;
	t->e.stanza_len = strlen(t->stanza);
	t->e.direction = RECORD_OUT;
	t->e.deliverable = true;
	test_submit_as_is(t);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(t->e.outcome, RECORD_COMMITTED);
}

static void
write_back(void)
{
	struct outgoing_state *s = outgoing_take();
	struct err e;

	assert_non_null(s);
	assert_int_equal(outgoing_write(db, s, &e), SQL_OK);
	outgoing_state_free(s);
}

/* What a start would send again, in pages of two. */
static size_t
read_again(uint64_t *ids, size_t max)
{
	struct outgoing_state s = { 0 };
	struct outgoing_row *row;
	struct err e;
	uint64_t after = 0;
	size_t total = 0, n = 2;

	assert_int_equal(outgoing_read_state(db, &s, &e), SQL_OK);
	while (n == 2) {
		struct arena *a = arena_new(0);

		assert_int_equal(outgoing_page(db, a, &s, after, record_last_id(), 2, &row, &n, &e), SQL_OK);
		for (size_t i = 0; i < n; i++) {
			assert_true(total < max);
			ids[total++] = after = row[i].id;
		}
		arena_free(a);
	}
	free(s.mark);
	free(s.open);
	return total;
}

static void
open_until_settled(void **state)
{
	struct test_entry t[6], local;
	uint64_t ids[16];

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		send_out(&t[i], i);
	test_submit(&local, "romeo@example.org", "benvolio@example.org", 1);
	assert_true(test_wait_open(0, 30000));
	assert_int_equal(outgoing_count(), 6);
	/* Nothing was written back: all of them may be on their way. */
	assert_int_equal(read_again(ids, 16), 6);
	/* The second to the fourth arrive, in whatever order, and one more than once. */
	outgoing_settle(t[3].e.id);
	outgoing_settle(t[1].e.id);
	outgoing_settle(t[2].e.id);
	outgoing_settle(t[2].e.id);
	outgoing_settle(local.e.id);
	assert_int_equal(outgoing_count(), 3);
	write_back();
	assert_null(outgoing_take());
	assert_int_equal(read_again(ids, 16), 3);
	assert_int_equal(ids[0], t[0].e.id);
	assert_int_equal(ids[1], t[4].e.id);
	assert_int_equal(ids[2], t[5].e.id);
	/* What comes behind the last writing back counts as open, settled or not. */
	send_out(&t[1], 7);
	outgoing_settle(t[1].e.id);
	assert_int_equal(read_again(ids, 16), 4);
	outgoing_settle(t[0].e.id);
	outgoing_settle(t[4].e.id);
	outgoing_settle(t[5].e.id);
	assert_int_equal(outgoing_count(), 0);
	write_back();
	assert_int_equal(read_again(ids, 16), 0);
}

static void
returned_is_not_sent(void **state)
{
	struct test_entry t;
	uint64_t ids[16];
	char sql[400];

	(void)state;
	send_out(&t, 1);
	assert_int_equal(read_again(ids, 16), 1);
	snprintf(sql, sizeof(sql), "INSERT INTO archive.record (id, log_index, at, refers_record, kind, direction, deliverable, shown, leaf_hash)"
		" SELECT id + 1, log_index + 1000000, at, id, 7, 2, false, false, leaf_hash FROM archive.record WHERE id = %llu",
		(unsigned long long)t.e.id);
	pg_exec(pg, sql);
	assert_int_equal(read_again(ids, 16), 0);
	outgoing_settle(t.e.id);
	write_back();
}

static void
not_written_is_taken_again(void **state)
{
	struct test_entry t;
	struct outgoing_state *s;

	(void)state;
	send_out(&t, 1);
	s = outgoing_take();
	assert_non_null(s);
	outgoing_state_free(s);
	assert_null(outgoing_take());
	outgoing_not_written();
	write_back();
	outgoing_settle(t.e.id);
	write_back();
}

/* More than can be listed: the mark stands before the first that is not, so that none of them is forgotten. */
static void
many_open(void **state)
{
	struct outgoing_state *s;
	uint64_t first = record_last_id() + 1;
	size_t commas = 0;
	char mark[24];

	(void)state;
	for (uint64_t i = 0; i < 30000; i++)
		outgoing_open(first + i);
	outgoing_upto(first + 29999);
	for (uint64_t i = 0; i < 15000; i++)
		outgoing_settle(first + 2 * i);
	assert_int_equal(outgoing_count(), 15000);
	s = outgoing_take();
	assert_non_null(s);
	for (const char *p = s->open; *p; p++)
		commas += *p == ',';
	assert_int_equal(commas, 9999);
	snprintf(mark, sizeof(mark), "%llu", (unsigned long long)(first + 2 * 10000));
	assert_string_equal(s->mark, mark);
	outgoing_state_free(s);
	for (uint64_t i = 0; i < 30000; i++)
		outgoing_settle(first + i);
	assert_int_equal(outgoing_count(), 0);
}

/* The server's role may not make itself another state than the one row. */
static void
one_row(void **state)
{
	(void)state;
	assert_string_equal(pg_try(pg, "chancery_server", "DELETE FROM chancery.outbox"), "42501");
	assert_string_equal(pg_try(pg, "chancery_server", "INSERT INTO chancery.outbox (mark) VALUES (0)"), "42501");
	assert_string_equal(pg_try(pg, "postgres", "INSERT INTO chancery.outbox (mark) VALUES (0)"), "23505");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_until_settled),
		cmocka_unit_test(returned_is_not_sent),
		cmocka_unit_test(not_written_is_taken_again),
		cmocka_unit_test(many_open),
		cmocka_unit_test(one_row),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
