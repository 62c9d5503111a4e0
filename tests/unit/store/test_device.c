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
#include "store/device_password.h"

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

static struct device_password
make_password(int64_t by, uint64_t most, const char *bare)
{
	struct device_password p = {.bare = bare, .name = "printer", .by = by, .most = most};

	ok(sql_begin(db, &e));
	ok(device_password_make(db, &p, &e));
	ok(sql_commit(db, &e));
	return p;
}

/* Which of the account's passwords this text is: -1 none, 0 its own, else a device's. */
static int64_t
whose(const char *text, enum scram_hash h)
{
	struct account_keys k;
	int64_t id;

	ok(account_keys(db, arena, ROMEO, h, &k, &e));
	return scram_keys_match(&k.keys, k.other, k.nothers, text, strlen(text), &id) ? id : -1;
}

static void
passwords(void **state)
{
	struct device_password a = make_password(0, 2, ROMEO), b = make_password(0, 2, ROMEO);
	struct account_secret s;
	struct device_row *rows;
	bool found, is, known;
	size_t n;

	(void)state;
	assert_int_equal(a.how, DEVICE_PASSWORD_MADE);
	assert_int_equal(strlen(a.text), DEVICE_PASSWORD_SIZE - 1);
	assert_string_not_equal(a.text, b.text);
	for (int h = 0; h < SCRAM_HASHES; h++) {
		assert_int_equal(whose(a.text, (enum scram_hash)h), a.id);
		assert_int_equal(whose(b.text, (enum scram_hash)h), b.id);
	}
	assert_int_equal(whose("abcd-efgh", SCRAM_SHA256), -1);
	assert_int_equal(make_password(0, 2, ROMEO).how, DEVICE_PASSWORD_TOO_MANY);
	assert_int_equal(make_password(a.id, 9, ROMEO).how, DEVICE_PASSWORD_BY_ITSELF);
	assert_int_equal(make_password(0, 9, "nobody@montague.lit").how, DEVICE_PASSWORD_NOBODY);
	/* Devices that come and go push none of them out. */
	note("99999999-2222-4333-8444-555555555556", NULL, false);
	note("99999999-2222-4333-8444-555555555557", NULL, false);
	note("99999999-2222-4333-8444-555555555558", NULL, false);
	assert_int_equal(whose(a.text, SCRAM_SHA1), a.id);
	ok(device_revoke(db, ROMEO, a.id, &found, &known, &e));
	assert_true(found && !known);
	assert_int_equal(whose(a.text, SCRAM_SHA256), -1);
	assert_int_equal(whose(b.text, SCRAM_SHA256), b.id);
	ok(device_password_is(db, b.id, &is, &e));
	assert_true(is);
	/* They are under the salts of the account's own password, and go with it. */
	make_secret(&s);
	ok(account_set_secret(db, ROMEO, &s, &found, &e));
	assert_int_equal(whose(b.text, SCRAM_SHA256), -1);
	ok(device_password_is(db, b.id, &is, &e));
	assert_false(is);
	ok(device_list(db, arena, ROMEO, INT64_MAX, &rows, &n, &e));
	for (size_t i = 0; i < n; i++)
		assert_false(rows[i].own);
}

static void
names_of_passwords(void **state)
{
	char longest[DEVICE_PASSWORD_NAME + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[DEVICE_PASSWORD_NAME + 1] = '\0';
	assert_false(device_password_is_name(longest));
	longest[DEVICE_PASSWORD_NAME] = '\0';
	assert_true(device_password_is_name(longest));
	assert_true(device_password_is_name("Büro, 2. Stock"));
	assert_false(device_password_is_name(""));
	assert_false(device_password_is_name("a\nb"));
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
		cmocka_unit_test(passwords),
		cmocka_unit_test(names_of_passwords),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
