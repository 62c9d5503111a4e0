/*
 * second_factor: see second_factor.h. What is sealed is the secret in hexadecimal, bound to the account's address as credentials are to a gateway
 * and an address: the gateway is "".
 */
#include "store/second_factor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <liboath/oath.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/device_password.h"
#include "store/sealed.h"

#define SECRET 20          /* bytes: as long as the hash (RFC 4226 §4) */
#define STEP_US (30 * INT64_C(1000000))

/* Codes */

/* Once, before anything else of the library. */
static void
start(void)
{
	if (oath_init() != OATH_OK)
		abort();
}

uint64_t
second_factor_step(const uint8_t *secret, size_t n, const char *code, int64_t now_us, uint64_t steps)
{
	uint64_t now = (uint64_t)(now_us / STEP_US), found = 0;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char good[SECOND_FACTOR_DIGITS + 1];

	pthread_once(&once, start);
	if (strlen(code) != SECOND_FACTOR_DIGITS)
		return 0;
	for (uint64_t step = now - steps; step <= now + steps; step++)
		if (!oath_hotp_generate((const char *)secret, n, step, SECOND_FACTOR_DIGITS, false, OATH_HOTP_DYNAMIC_TRUNCATION, good) &&
			crypt_equal(good, code, SECOND_FACTOR_DIGITS))
			found = step;
	crypt_wipe(good, sizeof(good));
	return found;
}

/* The secret */

static const char *
owner_of(struct arena *a, const char *bare, size_t *n)
{
	char *owner = arena_zalloc(a, strlen(bare) + 2);

	*n = 1 + strlen(bare);
	memcpy(owner + 1, bare, strlen(bare));
	return owner;
}

/* False: it cannot be opened. */
static bool
open_secret(struct arena *a, const char *bare, const struct sealed *s, uint8_t secret[SECRET])
{
	struct err e = { 0 };
	size_t n;
	const char *owner = owner_of(a, bare, &n);
	char *text = sealed_open(a, owner, n, s, &e);
	bool ok = text && strlen(text) == 2 * SECRET && text_unhex(text, 2 * SECRET, secret) == SECRET;

	if (text)
		crypt_wipe(text, strlen(text));
	if (!ok)
		log_error(NULL, "second-factor-lost", "jid=%s why=%s", bare, e.text);
	return ok;
}

/* While keys are exchanged (admin/gateway/verb_gateway.c) nothing is sealed: it would be under the old one. A first key is made, but not in the place of one
 * that is lost. */
static enum sql_status
need_key(struct sql *db, struct err *e)
{
	bool sealed = false;
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r, "SELECT pg_advisory_xact_lock_shared(4841263, 48)", 0);

	PQclear(r);
	if (st != SQL_OK || sealed_has_key())
		return st;
	st = sql_query_bool(db, e, &sealed,
		"SELECT EXISTS (SELECT FROM chancery.gateway_credential) OR EXISTS (SELECT FROM chancery.second_factor)", 0);
	if (st != SQL_OK)
		return st;
	if (sealed)
		err_set(e, 0, "there are secrets sealed, and gateways.key_file is not there");
	return !sealed && !sealed_make(e) ? SQL_OK : SQL_FAILED;
}

/* otpauth://totp/ISSUER:ACCOUNT?secret=BASE32&issuer=ISSUER */
static char *
make_uri(struct arena *a, const char *bare, const uint8_t secret[SECRET])
{
	const char *domain = strchr(bare, '@') + 1;
	struct buf b = { 0 };
	char *base32, *uri;
	size_t n;

	if (oath_base32_encode((const char *)secret, SECRET, &base32, &n))
		mem_exhausted(2 * SECRET);
	buf_adds(&b, "otpauth://totp/");
	text_percent(&b, domain);
	buf_adds(&b, ":");
	text_percent(&b, bare);
	buf_addf(&b, "?secret=%.*s&issuer=", (int)n, base32);
	text_percent(&b, domain);
	uri = arena_strdup(a, buf_str(&b));
	crypt_wipe(base32, n);
	crypt_wipe(b.data, b.cap);
	free(base32);
	buf_fini(&b);
	return uri;
}

/* Making */

static enum sql_status
put(struct sql *db, struct arena *a, const struct second_factor *f, const uint8_t secret[SECRET], bool confirmed, struct err *e)
{
	char hex[2 * SECRET + 1], id[SQL_NUMBER];
	struct sealed s;
	size_t n;
	const char *owner = owner_of(a, f->bare, &n);
	enum sql_status st = SQL_FAILED;

	text_hex(secret, SECRET, hex);
	if (!sealed_seal(a, owner, n, hex, &s, e))
		st = sql_do(db, e,
			"WITH x AS (INSERT INTO chancery.second_factor AS f (account, key_id, nonce, sealed, confirmed_at)"
			"  SELECT id, $2::int, decode($3, 'hex'), decode($4, 'hex'), CASE WHEN $5::boolean THEN now() END FROM chancery.account WHERE bare = $1"
			"  ON CONFLICT (account) DO UPDATE SET key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed,"
			"   confirmed_at = excluded.confirmed_at, step = 0, wrong = CASE WHEN $5::boolean THEN 0 ELSE f.wrong END RETURNING account)"
			" DELETE FROM chancery.token USING chancery.device d, x WHERE $5::boolean AND d.account = x.account AND token.device = d.id",
			5, f->bare, sql_number(id, s.key_id), s.nonce, s.text, confirmed ? "t" : "f");
	crypt_wipe(hex, sizeof(hex));
	return st;
}

/* Whether one may be made; the account is locked until the transaction's end. */
static enum sql_status
may_make(struct sql *db, struct second_factor *f, bool confirmed, struct err *e)
{
	bool found, device = false;
	int64_t since = 0;
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r, "SELECT id FROM chancery.account WHERE bare = $1 FOR NO KEY UPDATE", 1, f->bare);

	PQclear(r);
	if (st == SQL_OK)
		st = second_factor_look(db, f->bare, &found, &since, e);
	if (st == SQL_OK && f->by)
		st = device_password_is(db, f->by, &device, e);
	if (st == SQL_OK)
		f->how = !found ? SECOND_FACTOR_NONE : device ? SECOND_FACTOR_BY_DEVICE : since && !confirmed ? SECOND_FACTOR_ALREADY : SECOND_FACTOR_DONE;
	return st;
}

enum sql_status
second_factor_make(struct sql *db, struct arena *a, struct second_factor *f, bool confirmed, struct err *e)
{
	uint8_t secret[SECRET];
	enum sql_status st = may_make(db, f, confirmed, e);

	if (st != SQL_OK || f->how != SECOND_FACTOR_DONE)
		return st;
	st = need_key(db, e);
	crypt_random(secret, sizeof(secret));
	if (st == SQL_OK)
		st = put(db, a, f, secret, confirmed, e);
	if (st == SQL_OK)
		f->uri = make_uri(a, f->bare, secret);
	crypt_wipe(secret, sizeof(secret));
	return st;
}

/* Checking */

/* Uses up what the code is good for: that step, and all before it. Or counts that it was wrong. */
static enum sql_status
judge(struct sql *db, struct arena *a, const PGresult *r, struct second_factor *f, struct err *e)
{
	struct sealed s = { .key_id = (unsigned)sql_i64(r, 0, 1), .nonce = sql_text(r, 0, 2), .text = sql_text(r, 0, 3) };
	uint64_t last = (uint64_t)sql_i64(r, 0, 4), step;
	uint8_t secret[SECRET];
	char id[SQL_NUMBER], n[SQL_NUMBER];

	f->how = SECOND_FACTOR_LOCKED;
	if ((uint64_t)sql_i64(r, 0, 5) >= f->most_wrong)
		return SQL_OK;
	f->how = SECOND_FACTOR_LOST;
	if (!open_secret(a, f->bare, &s, secret))
		return SQL_OK;
	step = second_factor_step(secret, sizeof(secret), f->code, f->now_us, f->steps);
	crypt_wipe(secret, sizeof(secret));
	f->how = step > last ? SECOND_FACTOR_DONE : SECOND_FACTOR_WRONG;
	if (f->how == SECOND_FACTOR_DONE)
		return sql_do(db, e, "UPDATE chancery.second_factor SET step = $2, wrong = 0 WHERE account = $1", 2, sql_number(id, sql_i64(r, 0, 0)),
			sql_number(n, (int64_t)step));
	return sql_do(db, e,
		"UPDATE chancery.second_factor SET wrong = CASE WHEN wrong > 0 AND wrong_at > now() - interval '1 hour' THEN wrong + 1 ELSE 1 END,"
		" wrong_at = CASE WHEN wrong > 0 AND wrong_at > now() - interval '1 hour' THEN wrong_at ELSE now() END WHERE account = $1",
		1, sql_number(id, sql_i64(r, 0, 0)));
}

/* The row stays locked to the transaction's end: of two logins with the same code one is too late. */
static enum sql_status
try_code(struct sql *db, struct arena *a, struct second_factor *f, bool confirmed, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT f.account, f.key_id, encode(f.nonce, 'hex'), encode(f.sealed, 'hex'), f.step,"
		" CASE WHEN f.wrong_at > now() - interval '1 hour' THEN f.wrong ELSE 0 END"
		" FROM chancery.account a JOIN chancery.second_factor f ON f.account = a.id"
		" WHERE a.bare = $1 AND NOT a.disabled AND (f.confirmed_at IS NOT NULL) = $2::boolean FOR UPDATE OF f",
		2, f->bare, confirmed ? "t" : "f");

	f->how = SECOND_FACTOR_NONE;
	if (st == SQL_OK && PQntuples(r) == 1)
		st = judge(db, a, r, f, e);
	PQclear(r);
	return st;
}

enum sql_status
second_factor_confirm(struct sql *db, struct arena *a, struct second_factor *f, struct err *e)
{
	enum sql_status st = try_code(db, a, f, false, e);

	if (st != SQL_OK || f->how != SECOND_FACTOR_DONE)
		return st;
	return sql_do(db, e,
		"WITH x AS (UPDATE chancery.second_factor f SET confirmed_at = now() FROM chancery.account a WHERE a.bare = $1 AND f.account = a.id"
		"  RETURNING f.account)"
		" DELETE FROM chancery.token USING chancery.device d, x WHERE d.account = x.account AND token.device = d.id",
		1, f->bare);
}

enum sql_status
second_factor_check(struct sql *db, struct arena *a, struct second_factor *f, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = try_code(db, a, f, true, e);
	if (st == SQL_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

enum sql_status
second_factor_drop(struct sql *db, const char *bare, bool *had, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r,
		"DELETE FROM chancery.second_factor f USING chancery.account a WHERE a.bare = $1 AND f.account = a.id RETURNING f.account", 1, bare);

	*had = st == SQL_OK && PQntuples(r) == 1;
	PQclear(r);
	return st;
}

enum sql_status
second_factor_look(struct sql *db, const char *bare, bool *found, int64_t *since_us, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT (extract(epoch FROM f.confirmed_at) * 1000000)::bigint FROM chancery.account a"
		" LEFT JOIN chancery.second_factor f ON f.account = a.id WHERE a.bare = $1", 1, bare);

	*found = st == SQL_OK && PQntuples(r) == 1;
	*since_us = *found ? sql_i64(r, 0, 0) : 0;
	PQclear(r);
	return st;
}
