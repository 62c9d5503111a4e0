/* Accounts, keys, marks: written, read back, and only ever moved forward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lib/pg.h"
#include "store/account.h"

static struct pg *pg;
static struct sql *db;
static struct arena *arena;
static struct err e;

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, true);
	db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	arena = arena_new(0);
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

static void
ok(enum sql_status st)
{
	if (st != SQL_OK)
		fail_msg("%s", e.text);
}

/* Keys that are easy to tell apart; computing real ones is scram's business. */
static void
make_secret(struct account_secret *s, uint8_t seed)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < SCRAM_HASHES; i++) {
		struct scram_keys *k = &s->keys[i];

		k->hash = (enum scram_hash)i;
		k->iterations = 10000 + seed;
		k->salt_len = i == 0 ? SCRAM_SALT_MAX : SCRAM_SALT;
		memset(k->salt, seed + i, k->salt_len);
		memset(k->stored_key, seed + 0x40 + i, scram_hash_size(k->hash));
		memset(k->server_key, seed + 0x80 + i, scram_hash_size(k->hash));
	}
}

static void
add(const char *bare)
{
	struct account_secret s;
	bool created;

	make_secret(&s, 1);
	ok(account_add(db, bare, &s, &created, &e));
	assert_true(created);
}

static void
assert_keys(const char *bare, const struct account_secret *s)
{
	struct account_keys k;

	for (int i = 0; i < SCRAM_HASHES; i++) {
		ok(account_keys(db, arena, bare, (enum scram_hash)i, &k, &e));
		assert_true(k.have);
		assert_memory_equal(&k.keys, &s->keys[i], sizeof(k.keys));
	}
}

static void
added_and_found(void **state)
{
	struct account_secret s;
	struct account a;
	bool created;
	int64_t before = clock_wall_us();

	(void)state;
	make_secret(&s, 7);
	ok(account_add(db, "romeo@example.org", &s, &created, &e));
	assert_true(created);
	ok(account_find(db, arena, "romeo@example.org", &a, &e));
	assert_true(a.id > 0);
	assert_false(a.disabled);
	assert_true((int64_t)a.mark >= before && (int64_t)a.mark <= clock_wall_us());
	assert_in_range(a.created_us, before - 5000000, clock_wall_us() + 5000000);
	assert_int_equal(a.last_seen_us, 0);
	assert_null(a.last_status);
	assert_keys("romeo@example.org", &s);
	/* A second one of that name changes nothing. */
	make_secret(&s, 9);
	ok(account_add(db, "romeo@example.org", &s, &created, &e));
	assert_false(created);
	make_secret(&s, 7);
	assert_keys("romeo@example.org", &s);
}

static void
unknown(void **state)
{
	struct account_keys k;
	struct account a;
	bool found;

	(void)state;
	ok(account_find(db, arena, "nobody@example.org", &a, &e));
	assert_int_equal(a.id, 0);
	ok(account_keys(db, arena, "nobody@example.org", SCRAM_SHA256, &k, &e));
	assert_int_equal(k.account.id, 0);
	assert_false(k.have);
	ok(account_delete(db, "nobody@example.org", &found, &e));
	assert_false(found);
	ok(account_set_disabled(db, "nobody@example.org", true, &found, &e));
	assert_false(found);
}

static void
secret_changes(void **state)
{
	struct account_secret s;
	struct account_keys k;
	bool found;

	(void)state;
	add("secret@example.org");
	make_secret(&s, 3);
	ok(account_set_secret(db, "secret@example.org", &s, &found, &e));
	assert_true(found);
	assert_keys("secret@example.org", &s);
	ok(account_set_secret(db, "nobody@example.org", &s, &found, &e));
	assert_false(found);
	/* Keys that were damaged are an error, not an account without keys. */
	pg_exec(pg, "UPDATE chancery.account_key SET stored_key = 'x' WHERE hash = 1 AND account ="
		    " (SELECT id FROM chancery.account WHERE bare = 'secret@example.org')");
	assert_int_equal(account_keys(db, arena, "secret@example.org", SCRAM_SHA256, &k, &e),
			 SQL_FAILED);
	assert_false(k.have);
}

static void
disabled(void **state)
{
	struct account a;
	bool found;

	(void)state;
	add("disabled@example.org");
	ok(account_set_disabled(db, "disabled@example.org", true, &found, &e));
	assert_true(found);
	ok(account_find(db, arena, "disabled@example.org", &a, &e));
	assert_true(a.disabled);
	ok(account_set_disabled(db, "disabled@example.org", false, &found, &e));
	ok(account_find(db, arena, "disabled@example.org", &a, &e));
	assert_false(a.disabled);
}

static void
rights(void **state)
{
	const bool yes = true;
	struct account_rights r = {.set_admin = &yes, .add = "staff\nsales, north\nstaff", .remove = ""};
	struct account a;
	bool found;

	(void)state;
	add("rights@example.org");
	ok(account_find(db, arena, "rights@example.org", &a, &e));
	assert_false(a.admin);
	assert_string_equal(a.groups, "");
	ok(account_set_rights(db, arena, "rights@example.org", &r, &found, &e));
	assert_true(found && r.admin && r.ngroups == 2);
	assert_string_equal(r.groups, "sales, north\nstaff");
	r = (struct account_rights){.add = NULL, .remove = "staff\nnobody's"};
	ok(account_set_rights(db, arena, "rights@example.org", &r, &found, &e));
	ok(account_find(db, arena, "rights@example.org", &a, &e));
	assert_true(a.admin);
	assert_string_equal(a.groups, "sales, north");
	ok(account_set_rights(db, arena, "nobody@example.org", &r, &found, &e));
	assert_false(found);
	/* A name that is used again has none of it. */
	ok(account_delete(db, "rights@example.org", &found, &e));
	add("rights@example.org");
	ok(account_find(db, arena, "rights@example.org", &a, &e));
	assert_false(a.admin);
	assert_string_equal(a.groups, "");
}

/* The same name again is somebody else, whose backlog begins behind everything there is. */
static void
deleted_and_added_again(void **state)
{
	struct account first, second;
	bool found;
	char sql[400];

	(void)state;
	add("again@example.org");
	ok(account_find(db, arena, "again@example.org", &first, &e));
	ok(account_delete(db, "again@example.org", &found, &e));
	assert_true(found);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM chancery.account_key WHERE account = %lld",
		 (long long)first.id);
	assert_int_equal(pg_number(pg, sql), 0);
	/* The log runs ahead of the clock. */
	pg_exec(pg, "SELECT archive.make_partitions(1)");
	pg_exec(pg,
		"INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, leaf_hash)"
		" VALUES ((extract(epoch FROM now() + interval '1 hour') * 1000000)::bigint, 0, now(), 1, 0,"
		" true, sha256('x'))");
	add("again@example.org");
	ok(account_find(db, arena, "again@example.org", &second, &e));
	assert_true(second.id > first.id);
	assert_int_equal(second.mark, pg_number(pg, "SELECT max(id) FROM archive.record"));
}

static void
marks_only_grow(void **state)
{
	int64_t ids[4];
	uint64_t marks[4];
	struct account a, b;

	(void)state;
	add("a@marks.example");
	add("b@marks.example");
	ok(account_find(db, arena, "a@marks.example", &a, &e));
	ok(account_find(db, arena, "b@marks.example", &b, &e));
	ids[0] = b.id;
	marks[0] = b.mark + 10;
	ids[1] = a.id;
	marks[1] = a.mark - 10;
	/* Twice in one call: the higher counts. An account that is gone: nothing happens. */
	ids[2] = b.id;
	marks[2] = b.mark + 5;
	ids[3] = INT64_MAX;
	marks[3] = 1;
	ok(account_set_marks(db, ids, marks, 4, &e));
	ok(account_set_marks(db, NULL, NULL, 0, &e));
	marks[0] = a.mark;
	ok(account_find(db, arena, "a@marks.example", &a, &e));
	assert_int_equal(a.mark, marks[0]);
	marks[0] = b.mark + 10;
	ok(account_find(db, arena, "b@marks.example", &b, &e));
	assert_int_equal(b.mark, marks[0]);
}

static void
last_seen(void **state)
{
	struct account a;

	(void)state;
	add("seen@example.org");
	ok(account_find(db, arena, "seen@example.org", &a, &e));
	ok(account_set_last_seen(db, a.id, 1767225600123456, "Gone 'fishing' \\o/", &e));
	ok(account_set_last_seen(db, a.id, 1767225600123455, "late", &e));
	ok(account_find(db, arena, "seen@example.org", &a, &e));
	assert_int_equal(a.last_seen_us, 1767225600123456);
	assert_string_equal(a.last_status, "Gone 'fishing' \\o/");
	ok(account_set_last_seen(db, a.id, 1767225600123457, NULL, &e));
	ok(account_find(db, arena, "seen@example.org", &a, &e));
	assert_null(a.last_status);
}

static void
listed(void **state)
{
	PGresult *r;

	(void)state;
	add("c@list.example");
	add("a@list.example");
	add("b@list.example");
	ok(account_list(db, NULL, "%@list.example", 2, &r, &e));
	assert_int_equal(PQntuples(r), 2);
	assert_string_equal(sql_text(r, 0, 0), "a@list.example");
	assert_string_equal(sql_text(r, 1, 0), "b@list.example");
	assert_true(sql_i64(r, 0, 1) > 0);
	assert_true(sql_i64(r, 0, 3) > 0);
	assert_true(sql_is_null(r, 0, 4));
	PQclear(r);
	ok(account_list(db, "b@list.example", "%@list.example", 2, &r, &e));
	assert_int_equal(PQntuples(r), 1);
	assert_string_equal(sql_text(r, 0, 0), "c@list.example");
	PQclear(r);
}

static void
server_secret_is_stable(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	ok(account_server_secret(db, a, &e));
	ok(account_server_secret(db, b, &e));
	assert_memory_equal(a, b, 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_and_found),
		cmocka_unit_test(unknown),
		cmocka_unit_test(secret_changes),
		cmocka_unit_test(rights),
		cmocka_unit_test(disabled),
		cmocka_unit_test(deleted_and_added_again),
		cmocka_unit_test(marks_only_grow),
		cmocka_unit_test(last_seen),
		cmocka_unit_test(listed),
		cmocka_unit_test(server_secret_is_stable),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
