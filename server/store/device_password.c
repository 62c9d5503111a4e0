/*
 * device_password: see device_password.h. The account's row is locked while the keys are made, as they are under the salts of its own password, which
 * must not be changed meanwhile.
 */
#include "store/device_password.h"

#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/text.h"
#include "xmpp/scram.h"

bool
device_password_is_name(const char *name)
{
	if (!*name || strlen(name) > DEVICE_PASSWORD_NAME)
		return false;
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

/* What people can read aloud: no 0 and o, 1 and l. */
static void
make_text(char out[DEVICE_PASSWORD_SIZE])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	uint8_t random[DEVICE_PASSWORD_SIZE];

	crypt_random(random, sizeof(random));
	for (int i = 0; i < DEVICE_PASSWORD_SIZE - 1; i++)
		out[i] = i % 5 == 4 ? '-' : letters[random[i] % 32];
	out[DEVICE_PASSWORD_SIZE - 1] = '\0';
	crypt_wipe(random, sizeof(random));
}

/* The account, locked; 0: none. */
static enum sql_status
lock_account(struct sql *db, const char *bare, int64_t *account, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r, "SELECT id FROM chancery.account WHERE bare = $1 FOR NO KEY UPDATE", 1, bare);

	*account = st == SQL_OK && PQntuples(r) == 1 ? sql_i64(r, 0, 0) : 0;
	PQclear(r);
	return st;
}

/* Salt, rounds and hash of a row; false when they are none. */
static bool
read_row(const PGresult *r, int row, struct scram_keys *k)
{
	const char *salt = sql_text(r, row, 2);
	size_t digits = strlen(salt);
	int64_t hash = sql_i64(r, row, 0);

	k->iterations = (uint32_t)sql_i64(r, row, 1);
	if (hash < 0 || hash >= SCRAM_HASHES || !k->iterations || digits < 4 || digits > 2 + 2 * SCRAM_SALT_MAX ||
		text_unhex(salt + 2, digits - 2, k->salt) < 1)
		return false;
	k->hash = (enum scram_hash)hash;
	k->salt_len = (uint8_t)((digits - 2) / 2);
	return true;
}

static void
add_hex(struct buf *b, char sep, const void *p, size_t n)
{
	/* Within the quotes of an array literal a backslash is doubled. */
	buf_addf(b, "%c\"\\\\x", sep);
	text_hex(p, n, buf_reserve(b, 2 * n + 1));
	buf_added(b, 2 * n);
	buf_addc(b, '"');
}

/* The keys as three arrays for unnest. */
static void
add_keys(struct buf b[3], const PGresult *r, int row, const struct device_password *p)
{
	struct scram_keys at = { 0 }, keys;
	char sep = buf_len(&b[0]) ? ',' : '{';
	size_t size;

	if (!read_row(r, row, &at))
		return;
	scram_keys_make(&keys, at.hash, p->text, strlen(p->text), at.salt, at.salt_len, at.iterations);
	size = scram_hash_size(keys.hash);
	buf_addf(&b[0], "%c%d", sep, (int)keys.hash);
	add_hex(&b[1], sep, keys.stored_key, size);
	add_hex(&b[2], sep, keys.server_key, size);
	crypt_wipe(&keys, sizeof(keys));
}

static enum sql_status
put(struct sql *db, int64_t account, const PGresult *rows, struct device_password *p, struct err *e)
{
	struct buf b[3] = { { 0 }, { 0 }, { 0 } };
	char id[SQL_NUMBER];
	PGresult *r = NULL;
	enum sql_status st;

	for (int i = 0; i < PQntuples(rows); i++)
		add_keys(b, rows, i, p);
	for (int i = 0; i < 3; i++)
		buf_addc(&b[i], '}');
	st = sql_query(db, e, &r,
		"WITH d AS (INSERT INTO chancery.device (account, agent, device) VALUES ($1, gen_random_uuid(), $2) RETURNING id),"
		" k AS (INSERT INTO chancery.device_key (account, device, hash, stored_key, server_key)"
		"  SELECT $1::bigint, d.id, u.* FROM d, unnest($3::smallint[], $4::bytea[], $5::bytea[]) AS u)"
		" SELECT id FROM d",
		5, sql_number(id, account), p->name, buf_str(&b[0]), buf_str(&b[1]), buf_str(&b[2]));
	p->id = st == SQL_OK ? sql_i64(r, 0, 0) : 0;
	PQclear(r);
	for (int i = 0; i < 3; i++) {
		crypt_wipe(b[i].data, b[i].cap);
		buf_fini(&b[i]);
	}
	return st;
}

enum sql_status
device_password_make(struct sql *db, struct device_password *p, struct err *e)
{
	char id[SQL_NUMBER], by[SQL_NUMBER];
	PGresult *r = NULL;
	int64_t account = 0;
	enum sql_status st = lock_account(db, p->bare, &account, e);

	p->how = DEVICE_PASSWORD_NOBODY;
	if (st != SQL_OK || !account)
		return st;
	/* Behind the lock: what the account has now. */
	st = sql_query(db, e, &r,
		"SELECT k.hash, k.iterations, k.salt, (SELECT count(*) FROM chancery.device_key n WHERE n.account = k.account AND n.hash = k.hash),"
		" EXISTS (SELECT FROM chancery.device_key n WHERE n.device = $2)"
		" FROM chancery.account_key k WHERE k.account = $1 ORDER BY k.hash",
		2, sql_number(id, account), sql_number(by, p->by));
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) > 0)
		p->how = sql_bool(r, 0, 4) ? DEVICE_PASSWORD_BY_ITSELF :
			(uint64_t)sql_i64(r, 0, 3) >= p->most ? DEVICE_PASSWORD_TOO_MANY : DEVICE_PASSWORD_MADE;
	if (p->how == DEVICE_PASSWORD_MADE) {
		make_text(p->text);
		st = put(db, account, r, p, e);
	}
	PQclear(r);
	return st;
}

enum sql_status
device_password_is(struct sql *db, int64_t device, bool *is, struct err *e)
{
	char id[SQL_NUMBER];
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r, "SELECT FROM chancery.device_key WHERE device = $1 LIMIT 1", 1, sql_number(id, device));

	*is = st == SQL_OK && PQntuples(r) == 1;
	PQclear(r);
	return st;
}
