/* Rosters: round trips, versions that only grow, tombstones that stay bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/pg.h"
#include "store/roster_store.h"

static struct pg *pg;
static struct sql *db;
static struct arena *arena;
static struct err e;
static int64_t account;

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, true);
	db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	return sql_connect(db, 5000, &e) == SQL_OK ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	sql_free(db);
	arena_free(arena);
	pg_free(pg);
	return 0;
}

static int
fresh(void **state)
{
	(void)state;
	arena_free(arena);
	arena = arena_new(0);
	pg_exec(pg, "DELETE FROM chancery.account");
	account = pg_number(
		pg,
		"INSERT INTO chancery.account (bare) VALUES ('romeo@example.org') RETURNING id");
	return 0;
}

static void
ok(enum sql_status st)
{
	if (st != SQL_OK)
		fail_msg("%s", e.text);
}

static void
put(const char *jid, uint64_t version)
{
	struct roster_row row = {.jid = jid, .version = version, .listed = true};

	ok(roster_store_put(db, account, &row, version, &e));
}

static struct roster_rows
load(void)
{
	struct roster_rows rows;

	ok(roster_store_load(db, arena, account, &rows, &e));
	return rows;
}

static void
round_trip(void **state)
{
	static const char *const groups[] = {
		"Friends", "a \"quoted\" \\ group", "comma, {brace}", "", "NULL", "\xc3\xa9toile"};
	struct roster_row in = {.jid = "juliet@example.org",
				.name = "Juliet, \"J\"",
				.groups = groups,
				.ngroups = 6,
				.subscription = 3,
				.ask = true,
				.approved = true,
				.listed = true,
				.version = 5,
				.request = "<presence type='subscribe'/>"};
	struct roster_rows rows;

	(void)state;
	rows = load();
	assert_int_equal(rows.n, 0);
	assert_int_equal(rows.version, 0);
	ok(roster_store_put(db, account, &in, 5, &e));
	put("aaa@example.org", 6);
	rows = load();
	assert_int_equal(rows.version, 6);
	assert_int_equal(rows.n, 2);
	assert_string_equal(rows.rows[0].jid, "aaa@example.org");
	assert_null(rows.rows[0].name);
	assert_null(rows.rows[0].request);
	assert_int_equal(rows.rows[0].ngroups, 0);
	assert_string_equal(rows.rows[1].name, in.name);
	assert_string_equal(rows.rows[1].request, in.request);
	assert_int_equal(rows.rows[1].subscription, 3);
	assert_true(rows.rows[1].ask && rows.rows[1].approved && rows.rows[1].listed);
	assert_int_equal(rows.rows[1].version, 5);
	assert_int_equal(rows.rows[1].ngroups, 6);
	for (int i = 0; i < 6; i++)
		assert_string_equal(rows.rows[1].groups[i], groups[i]);
}

static void
replaced(void **state)
{
	struct roster_row row = {
		.jid = "a@example.org", .name = "old", .version = 1, .listed = true};
	struct roster_rows rows;

	(void)state;
	ok(roster_store_put(db, account, &row, 1, &e));
	row = (struct roster_row){.jid = "a@example.org", .subscription = 2};
	ok(roster_store_put(db, account, &row, 2, &e));
	rows = load();
	assert_int_equal(rows.n, 1);
	assert_null(rows.rows[0].name);
	assert_int_equal(rows.rows[0].subscription, 2);
	assert_false(rows.rows[0].listed);
	assert_int_equal(rows.rows[0].version, 2);
}

/* A statement that hung and comes after its successors must not undo them. */
static void
late_statements_change_nothing(void **state)
{
	struct roster_row row = {
		.jid = "a@example.org", .name = "late", .version = 3, .listed = true};
	struct roster_rows rows;

	(void)state;
	put("a@example.org", 4);
	ok(roster_store_put(db, account, &row, 3, &e));
	assert_null(load().rows[0].name);
	ok(roster_store_remove(db, account, "a@example.org", 3, &e));
	assert_int_equal(load().n, 1);
	ok(roster_store_remove(db, account, "a@example.org", 6, &e));
	row.version = 5;
	ok(roster_store_put(db, account, &row, 5, &e));
	rows = load();
	assert_int_equal(rows.n, 0);
	assert_int_equal(rows.version, 6);
	put("a@example.org", 7);
	assert_int_equal(load().n, 1);
}

static void
removed_are_told(void **state)
{
	const char *const *jids;
	size_t n;

	(void)state;
	put("a@example.org", 1);
	put("b@example.org", 2);
	ok(roster_store_remove(db, account, "a@example.org", 3, &e));
	ok(roster_store_remove(db, account, "b@example.org", 4, &e));
	ok(roster_store_removed(db, arena, account, 2, &jids, &n, &e));
	assert_int_equal(n, 2);
	assert_string_equal(jids[0], "a@example.org");
	ok(roster_store_removed(db, arena, account, 3, &jids, &n, &e));
	assert_int_equal(n, 1);
	assert_string_equal(jids[0], "b@example.org");
	/* Back again: no longer gone. */
	put("b@example.org", 5);
	ok(roster_store_removed(db, arena, account, 0, &jids, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(load().floor, 0);
}

static void
tombstones_are_bounded(void **state)
{
	const char *const *jids;
	struct roster_rows rows;
	char jid[40];
	size_t n;

	(void)state;
	for (unsigned i = 1; i <= 520; i++) {
		snprintf(jid, sizeof(jid), "u%u@example.org", i);
		ok(roster_store_remove(db, account, jid, i, &e));
	}
	ok(roster_store_removed(db, arena, account, 0, &jids, &n, &e));
	assert_in_range(n, 500, 502);
	rows = load();
	assert_int_equal(rows.version, 520);
	/* Who knows the floor or more is told everything. */
	ok(roster_store_removed(db, arena, account, rows.floor, &jids, &n, &e));
	assert_int_equal(n, 520 - rows.floor);
	assert_in_range(rows.floor, 18, 20);
}

static void
gone_account(void **state)
{
	struct roster_row row = {.jid = "a@example.org", .listed = true};

	(void)state;
	assert_int_equal(roster_store_put(db, account + 1000, &row, 1, &e), SQL_FAILED);
	assert_string_equal(sql_state(db), "23503");
	put("a@example.org", 1);
	pg_exec(pg, "DELETE FROM chancery.account");
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.roster_item"), 0);
	assert_int_equal(load().version, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(round_trip, fresh),
		cmocka_unit_test_setup(replaced, fresh),
		cmocka_unit_test_setup(late_statements_change_nothing, fresh),
		cmocka_unit_test_setup(removed_are_told, fresh),
		cmocka_unit_test_setup(tombstones_are_bounded, fresh),
		cmocka_unit_test_setup(gone_account, fresh),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
