/* Devices and tokens: noted, found, used up, revoked, forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "lib/pg.h"
#include "store/account.h"
#include "store/device.h"

#define ROMEO "romeo@montague.lit"
#define PHONE "d4565fa7-4d72-4749-b3d3-740edbf87770"
#define LAPTOP "11111111-2222-4333-8444-555555555555"

static struct pg *pg;
static struct sql *db;
static struct arena *arena;
static struct err e;

static void
ok(enum sql_status st)
{
	if (st != SQL_OK)
		fail_msg("%s", e.text);
}

static void
make_secret(struct account_secret *s)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < SCRAM_HASHES; i++) {
		s->keys[i].hash = (enum scram_hash)i;
		s->keys[i].iterations = 10000;
		s->keys[i].salt_len = 16;
	}
}

static int
start(void **state)
{
	struct account_secret s;
	bool created;

	(void)state;
	pg = pg_new(NULL, true);
	db = sql_new(pg_conninfo(pg, "chancery_server"), "test");
	arena = arena_new(0);
	if (sql_connect(db, 5000, &e) != SQL_OK)
		return -1;
	make_secret(&s);
	return account_add(db, ROMEO, &s, &created, &e) == SQL_OK && created ? 0 : -1;
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

static int64_t
note(const char *agent, const char *software, bool password)
{
	const struct device_note n = {.bare = ROMEO, .agent = {agent, software, NULL}, .address = "192.0.2.1",
				      .password = password, .most = 2};
	int64_t id;

	ok(device_note(db, &n, &id, &e));
	assert_true(id > 0);
	return id;
}

static struct device_state
find(const char *agent, const char *software)
{
	const struct device_agent a = {agent, software, NULL};
	struct device_state s;

	ok(device_find(db, ROMEO, &a, &s, &e));
	return s;
}

static void
put(int64_t device, uint8_t seed)
{
	struct device_token t = {.mechanism = 7, .expires_us = clock_wall_us() + 1000000000};

	memset(t.seed, seed, sizeof(t.seed));
	ok(device_token_put(db, device, &t, &e));
}

static void
devices(void **state)
{
	const struct device_note nobody = {.bare = "nobody@montague.lit", .agent = {PHONE, NULL, NULL}, .most = 2};
	int64_t id = note(PHONE, "Gajim", false), none;
	struct device_state s = find(PHONE, "Gajim");

	(void)state;
	assert_int_equal(s.id, id);
	assert_true(s.unchanged && !s.password && s.account > 0 && !s.disabled);
	assert_false(find(PHONE, NULL).unchanged);
	assert_int_equal(note(PHONE, NULL, true), id);
	s = find(PHONE, NULL);
	assert_true(s.unchanged && s.password);
	assert_int_equal(find(LAPTOP, NULL).id, 0);
	ok(device_note(db, &nobody, &none, &e));
	assert_int_equal(none, 0);
}

static void
two_tokens(void **state)
{
	int64_t id = note(PHONE, NULL, true);
	struct device_state s;
	bool done;

	(void)state;
	put(id, 1);
	put(id, 2); /* the first was never used */
	s = find(PHONE, NULL);
	assert_int_equal(s.ntokens, 1);
	assert_true(s.tokens[0].slot == DEVICE_NEW && s.tokens[0].seed[0] == 2);
	ok(device_token_promote(db, id, &e));
	put(id, 3);
	s = find(PHONE, NULL);
	assert_int_equal(s.ntokens, 2);
	assert_true(s.tokens[0].slot == DEVICE_NEW && s.tokens[0].seed[0] == 3);
	assert_true(s.tokens[1].slot == DEVICE_CURRENT && s.tokens[1].seed[0] == 2);
	ok(device_token_count(db, id, DEVICE_NEW, 5, &done, &e));
	assert_true(done);
	ok(device_token_count(db, id, DEVICE_NEW, 5, &done, &e));
	assert_false(done);
	ok(device_token_promote(db, id, &e));
	s = find(PHONE, NULL);
	assert_int_equal(s.ntokens, 1);
	assert_true(s.tokens[0].slot == DEVICE_CURRENT && s.tokens[0].seed[0] == 3 && s.tokens[0].count == 5);
}

static void
a_password_ends_tokens(void **state)
{
	struct account_secret secret;
	bool found;

	(void)state;
	assert_int_equal(find(PHONE, NULL).ntokens, 1);
	make_secret(&secret);
	ok(account_set_secret(db, ROMEO, &secret, &found, &e));
	assert_true(found);
	assert_int_equal(find(PHONE, NULL).ntokens, 0);
	assert_false(find(PHONE, NULL).password);
}

static void
revoking(void **state)
{
	int64_t id = find(PHONE, NULL).id, laptop = note(LAPTOP, "Dino", true);
	bool found, password;

	(void)state;
	put(id, 4);
	put(laptop, 5);
	ok(device_revoke(db, "juliet@capulet.lit", id, &found, &password, &e));
	assert_false(found);
	ok(device_revoke(db, ROMEO, id, &found, &password, &e));
	assert_true(found && !password);
	assert_int_equal(find(PHONE, NULL).id, 0);
	ok(device_revoke(db, ROMEO, laptop, &found, &password, &e));
	assert_true(found && password);
	assert_int_equal(find(LAPTOP, "Dino").id, laptop);
	assert_int_equal(find(LAPTOP, "Dino").ntokens, 0);
}

static void
last_use_and_room(void **state)
{
	int64_t phone = note(PHONE, NULL, true), laptop = find(LAPTOP, "Dino").id;
	const int64_t ids[] = {laptop, laptop, phone};
	const int64_t at[] = {clock_wall_us() + 2000000, clock_wall_us() + 1000000, 1000};
	const char *const addresses[] = {"2001:db8::1", "192.0.2.9", NULL};
	struct device_row *rows;
	size_t n;

	(void)state;
	ok(device_touch(db, ids, at, addresses, 3, &e));
	ok(device_list(db, arena, ROMEO, 0, &rows, &n, &e));
	assert_int_equal(n, 2);
	assert_int_equal(rows[0].id, laptop);
	assert_int_equal(rows[0].last_us, at[0]);
	assert_string_equal(rows[0].address, "2001:db8::1");
	assert_string_equal(rows[1].address, "192.0.2.1");
	/* The third one pushes out the one that was not used for longest. */
	note("99999999-2222-4333-8444-555555555555", NULL, false);
	assert_int_equal(find(LAPTOP, "Dino").id, laptop);
	assert_int_equal(find(PHONE, NULL).id, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices),
		cmocka_unit_test(two_tokens),
		cmocka_unit_test(a_password_ends_tokens),
		cmocka_unit_test(revoking),
		cmocka_unit_test(last_use_and_room),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
