/*
 * account: the SQL of accounts, SCRAM keys and delivery marks (see account.h; tables in
 * schema/0002_accounts.sql). Each change is one statement, so one transaction and one round trip.
 */
#include "store/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/text.h"

#define ACCOUNT_COLUMNS \
	"a.id, a.disabled, m.mark, (extract(epoch FROM a.created_at) * 1000000)::bigint," \
	" (extract(epoch FROM a.last_seen_at) * 1000000)::bigint, a.last_status," \
	" a.admin, array_to_string(a.groups, E'\\n')"

#define ACCOUNT_NCOLUMNS 8

static void
read_account(struct arena *a, const PGresult *r, int row, struct account *out)
{
	out->id = sql_i64(r, row, 0);
	out->disabled = sql_bool(r, row, 1);
	out->mark = (uint64_t)sql_i64(r, row, 2);
	out->created_us = sql_i64(r, row, 3);
	out->last_seen_us = sql_i64(r, row, 4);
	out->last_status = sql_is_null(r, row, 5) ? NULL : arena_strdup(a, sql_text(r, row, 5));
	out->admin = sql_bool(r, row, 6);
	out->groups = arena_strdup(a, sql_text(r, row, 7));
}

enum sql_status
account_find(struct sql *db, struct arena *a, const char *bare, struct account *out, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	*out = (struct account){0};
	st = sql_query(db, e, &r,
		       "SELECT " ACCOUNT_COLUMNS " FROM chancery.account a"
		       " JOIN chancery.delivery_mark m ON m.account = a.id WHERE a.bare = $1",
		       1, bare);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1)
		read_account(a, r, 0, out);
	PQclear(r);
	return SQL_OK;
}

/* Hex as PostgreSQL writes it (\x…) into `out`, exactly `want` bytes, or any number up to `max` when
 * want is 0. The length or -1. */
static ssize_t
read_bytes(const PGresult *r, int col, void *out, size_t want, size_t max)
{
	const char *s = sql_text(r, 0, col);
	size_t n = strlen(s);

	if (n < 2 || s[0] != '\\' || s[1] != 'x' || (n - 2) / 2 > max ||
	    (want && n - 2 != 2 * want))
		return -1;
	return text_unhex(s + 2, n - 2, out);
}

static int
read_keys(const PGresult *r, enum scram_hash h, struct scram_keys *k, struct err *e)
{
	size_t size = scram_hash_size(h);
	ssize_t salt = read_bytes(r, ACCOUNT_NCOLUMNS + 1, k->salt, 0, sizeof(k->salt));

	k->hash = h;
	k->iterations = (uint32_t)sql_i64(r, 0, ACCOUNT_NCOLUMNS);
	if (salt < 1 || k->iterations == 0 || read_bytes(r, ACCOUNT_NCOLUMNS + 2, k->stored_key, size, size) < 0 ||
	    read_bytes(r, ACCOUNT_NCOLUMNS + 3, k->server_key, size, size) < 0)
		return err_set(e, 0, "the stored SCRAM keys of account %" PRId64 " are not valid",
			       sql_i64(r, 0, 0));
	k->salt_len = (uint8_t)salt;
	return 0;
}

/* One of the lines "DEVICE STORED SERVER", in hexadecimal; false when it is not one. */
static bool
read_other(const char *line, size_t n, size_t size, struct scram_other *o)
{
	const char *space = memchr(line, ' ', n);
	uint64_t id;

	if (!space || !text_u64(line, (size_t)(space - line), 1, INT64_MAX, &id) || n - (size_t)(space + 1 - line) != 4 * size + 1 ||
		text_unhex(space + 1, 2 * size, o->stored_key) != (ssize_t)size || text_unhex(space + 2 + 2 * size, 2 * size, o->server_key) != (ssize_t)size)
		return false;
	o->id = (int64_t)id;
	return true;
}

static void
read_others(const char *text, enum scram_hash h, struct account_keys *out)
{
	for (size_t n; *text && out->nothers < SCRAM_OTHERS; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (read_other(text, n, scram_hash_size(h), &out->other[out->nothers]))
			out->nothers++;
	}
}

enum sql_status
account_keys(struct sql *db, struct arena *a, const char *bare, enum scram_hash h,
	     struct account_keys *out, struct err *e)
{
	char hash[12];
	PGresult *r;
	enum sql_status st;

	memset(out, 0, sizeof(*out));
	snprintf(hash, sizeof(hash), "%d", (int)h);
	st = sql_query(
		db, e, &r,
		"SELECT " ACCOUNT_COLUMNS ", k.iterations, k.salt, k.stored_key, k.server_key,"
		" (SELECT string_agg(concat_ws(' ', d.device, encode(d.stored_key, 'hex'), encode(d.server_key, 'hex')), E'\n')"
		"  FROM chancery.device_key d WHERE d.account = a.id AND d.hash = $2),"
		" EXISTS (SELECT FROM chancery.second_factor f WHERE f.account = a.id AND f.confirmed_at IS NOT NULL)"
		" FROM chancery.account a JOIN chancery.delivery_mark m ON m.account = a.id"
		" LEFT JOIN chancery.account_key k ON k.account = a.id AND k.hash = $2 WHERE a.bare = $1",
		2, bare, hash);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1) {
		read_account(a, r, 0, &out->account);
		if (!sql_is_null(r, 0, ACCOUNT_NCOLUMNS)) {
			out->have = read_keys(r, h, &out->keys, e) == 0;
			st = out->have ? SQL_OK : SQL_FAILED;
			read_others(sql_text(r, 0, ACCOUNT_NCOLUMNS + 4), h, out);
			out->second_factor = sql_bool(r, 0, ACCOUNT_NCOLUMNS + 5);
		}
	}
	PQclear(r);
	return st;
}

static void
add_hex(struct buf *b, const void *p, size_t n)
{
	buf_adds(b, "\\\\x");
	text_hex(p, n, buf_reserve(b, 2 * n + 1));
	buf_added(b, 2 * n);
}

/* The keys as five arrays for unnest: hash, iterations, salt, stored key, server key. */
#define KEY_ARRAYS 5
struct key_arrays {
	struct buf b[KEY_ARRAYS];
};

static void
key_arrays_make(struct key_arrays *k, const struct account_secret *s)
{
	memset(k, 0, sizeof(*k));
	for (int i = 0; i < SCRAM_HASHES; i++) {
		const struct scram_keys *key = &s->keys[i];
		size_t size = scram_hash_size(key->hash);

		for (int j = 0; j < KEY_ARRAYS; j++)
			buf_addc(&k->b[j], i == 0 ? '{' : ',');
		buf_addf(&k->b[0], "%d", (int)key->hash);
		buf_addf(&k->b[1], "%" PRIu32, key->iterations);
		/* Within the quotes of an array literal a backslash is doubled. */
		for (int j = 2; j < KEY_ARRAYS; j++)
			buf_addc(&k->b[j], '"');
		add_hex(&k->b[2], key->salt, key->salt_len);
		add_hex(&k->b[3], key->stored_key, size);
		add_hex(&k->b[4], key->server_key, size);
		for (int j = 2; j < KEY_ARRAYS; j++)
			buf_addc(&k->b[j], '"');
	}
	for (int j = 0; j < KEY_ARRAYS; j++)
		buf_addc(&k->b[j], '}');
}

static void
key_arrays_fini(struct key_arrays *k)
{
	for (int j = 0; j < KEY_ARRAYS; j++) {
		if (k->b[j].data)
			crypt_wipe(k->b[j].data, k->b[j].cap);
		buf_fini(&k->b[j]);
	}
}

/* One row that says "it was there": sets *yes. */
static enum sql_status
was_done(enum sql_status st, PGresult *r, bool *yes)
{
	*yes = st == SQL_OK && PQntuples(r) == 1;
	PQclear(r);
	return st;
}

/* The mark begins at the newest record, so that nothing older, sent to an earlier owner of the name, is
 * ever delivered. Record ids are microseconds: the clock says it, unless the log runs ahead of it. */
enum sql_status
account_add(struct sql *db, const char *bare, const struct account_secret *s, bool *created,
	    struct err *e)
{
	struct key_arrays k;
	char now[24];
	PGresult *r = NULL;
	enum sql_status st;

	key_arrays_make(&k, s);
	snprintf(now, sizeof(now), "%" PRId64, clock_wall_us());
	st = sql_query(
		db, e, &r,
		"WITH a AS (INSERT INTO chancery.account (bare) VALUES ($1)"
		"  ON CONFLICT (bare) DO NOTHING RETURNING id),"
		" m AS (INSERT INTO chancery.delivery_mark (account, mark)"
		"  SELECT id, greatest($2::bigint, (SELECT max(id) FROM archive.record)) FROM a),"
		" k AS (INSERT INTO chancery.account_key"
		"  (account, hash, iterations, salt, stored_key, server_key)"
		"  SELECT a.id, u.* FROM a, unnest($3::smallint[], $4::int[], $5::bytea[], $6::bytea[],"
		"   $7::bytea[]) AS u)"
		" SELECT id FROM a",
		7, bare, now, buf_str(&k.b[0]), buf_str(&k.b[1]), buf_str(&k.b[2]),
		buf_str(&k.b[3]), buf_str(&k.b[4]));
	key_arrays_fini(&k);
	return was_done(st, r, created);
}

enum sql_status
account_set_secret(struct sql *db, const char *bare, const struct account_secret *s, bool *found,
		   struct err *e)
{
	struct key_arrays k;
	PGresult *r = NULL;
	enum sql_status st;

	key_arrays_make(&k, s);
	st = sql_query(
		db, e, &r,
		"WITH a AS (UPDATE chancery.account SET secret_at = now() WHERE bare = $1 RETURNING id),"
		" k AS (INSERT INTO chancery.account_key AS old"
		"  (account, hash, iterations, salt, stored_key, server_key)"
		"  SELECT a.id, u.* FROM a, unnest($2::smallint[], $3::int[], $4::bytea[], $5::bytea[],"
		"   $6::bytea[]) AS u"
		"  ON CONFLICT (account, hash) DO UPDATE SET iterations = excluded.iterations,"
		"   salt = excluded.salt, stored_key = excluded.stored_key, server_key = excluded.server_key),"
		/* What was given for the old password goes with it. */
		" t AS (DELETE FROM chancery.token USING a, chancery.device d"
		"  WHERE d.account = a.id AND token.device = d.id),"
		/* Other passwords, too: they are stored under the old one's salts. */
		" p AS (DELETE FROM chancery.device USING a, chancery.device_key k"
		"  WHERE k.account = a.id AND device.id = k.device)"
		" SELECT id FROM a",
		6, bare, buf_str(&k.b[0]), buf_str(&k.b[1]), buf_str(&k.b[2]), buf_str(&k.b[3]),
		buf_str(&k.b[4]));
	key_arrays_fini(&k);
	return was_done(st, r, found);
}

enum sql_status
account_set_disabled(struct sql *db, const char *bare, bool disabled, bool *found, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = sql_query(
		db, e, &r,
		"WITH a AS (UPDATE chancery.account SET disabled = $2 WHERE bare = $1 RETURNING id),"
		" t AS (DELETE FROM chancery.token USING a, chancery.device d"
		"  WHERE d.account = a.id AND token.device = d.id)"
		" SELECT id FROM a",
		2, bare, disabled ? "t" : "f");

	return was_done(st, r, found);
}

enum sql_status
account_set_rights(struct sql *db, struct arena *a, const char *bare, struct account_rights *r, bool *found, struct err *e)
{
	PGresult *rows = NULL;
	enum sql_status st = sql_query(
		db, e, &rows,
		"UPDATE chancery.account SET admin = coalesce($2::boolean, admin), groups = ARRAY(SELECT DISTINCT g"
		"  FROM unnest(groups || string_to_array(coalesce($3, ''), E'\\n')) AS g"
		"  WHERE g <> ALL (string_to_array(coalesce($4, ''), E'\\n')) ORDER BY g)"
		" WHERE bare = $1 RETURNING admin, array_to_string(groups, E'\\n'), cardinality(groups)",
		4, bare, !r->set_admin ? NULL : *r->set_admin ? "t" : "f", r->add, r->remove);

	*found = st == SQL_OK && PQntuples(rows) == 1;
	if (*found) {
		r->admin = sql_bool(rows, 0, 0);
		r->groups = arena_strdup(a, sql_text(rows, 0, 1));
		r->ngroups = (unsigned)sql_i64(rows, 0, 2);
	}
	PQclear(rows);
	return st;
}

/* What hangs on the account goes with it (ON DELETE CASCADE). */
enum sql_status
account_delete(struct sql *db, const char *bare, bool *found, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = sql_query(
		db, e, &r, "DELETE FROM chancery.account WHERE bare = $1 RETURNING id", 1, bare);

	return was_done(st, r, found);
}

enum sql_status
account_list(struct sql *db, const char *after, const char *like, unsigned limit, PGresult **out,
	     struct err *e)
{
	char n[12];

	snprintf(n, sizeof(n), "%u", limit);
	return sql_query(
		db, e, out,
		"SELECT bare, id, disabled, (extract(epoch FROM created_at) * 1000000)::bigint,"
		" (extract(epoch FROM last_seen_at) * 1000000)::bigint FROM chancery.account"
		" WHERE bare > coalesce($1, '') AND ($2::text IS NULL OR bare LIKE $2) ORDER BY bare LIMIT $3::bigint",
		3, after, like, n);
}

enum sql_status
account_count(struct sql *db, int64_t *all, int64_t *disabled, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT count(*), count(*) FILTER (WHERE disabled) FROM chancery.account", 0);

	if (st != SQL_OK)
		return st;
	*all = sql_i64(r, 0, 0);
	*disabled = sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}

/* All keys of an account are made together, so one kind of them is enough. */
enum sql_status
account_rounds(struct sql *db, struct account_rounds out[ACCOUNT_ROUNDS], size_t *n, struct err *e)
{
	char hash[12], most[12];
	PGresult *r;
	enum sql_status st;

	snprintf(hash, sizeof(hash), "%d", (int)SCRAM_SHA256);
	snprintf(most, sizeof(most), "%d", ACCOUNT_ROUNDS);
	st = sql_query(db, e, &r,
		"SELECT * FROM (SELECT iterations, count(*) AS accounts FROM chancery.account_key WHERE hash = $1"
		"  GROUP BY iterations ORDER BY accounts DESC LIMIT $2::bigint) AS x ORDER BY iterations",
		2, hash, most);
	*n = 0;
	if (st != SQL_OK)
		return st;
	for (*n = 0; *n < (size_t)PQntuples(r); ++*n)
		out[*n] = (struct account_rounds){.rounds = (uint32_t)sql_i64(r, (int)*n, 0), .accounts = (uint64_t)sql_i64(r, (int)*n, 1)};
	PQclear(r);
	return SQL_OK;
}

enum sql_status
account_set_marks(struct sql *db, const int64_t *ids, const uint64_t *marks, size_t n,
		  struct err *e)
{
	struct buf i = {0}, m = {0};
	enum sql_status st;

	if (n == 0)
		return SQL_OK;
	for (size_t k = 0; k < n; k++) {
		buf_addf(&i, "%c%" PRId64, k ? ',' : '{', ids[k]);
		buf_addf(&m, "%c%" PRIu64, k ? ',' : '{', marks[k]);
	}
	buf_addc(&i, '}');
	buf_addc(&m, '}');
	/* Rows are locked in the order of their ids, so that two such statements cannot deadlock. An
	 * account named twice gets its highest mark. */
	st = sql_do(
		db, e,
		"UPDATE chancery.delivery_mark d SET mark = n.mark FROM"
		" (SELECT l.account, n.mark FROM"
		"   (SELECT account, max(mark) AS mark FROM unnest($1::bigint[], $2::bigint[]) AS u (account, mark)"
		"     GROUP BY account) AS n"
		"   JOIN chancery.delivery_mark l ON l.account = n.account AND l.mark < n.mark"
		"   ORDER BY l.account FOR NO KEY UPDATE OF l) AS n"
		" WHERE d.account = n.account AND d.mark < n.mark",
		2, buf_str(&i), buf_str(&m));
	buf_fini(&i);
	buf_fini(&m);
	return st;
}

enum sql_status
account_set_last_seen(struct sql *db, int64_t id, int64_t at_us, const char *status, struct err *e)
{
	char i[24], at[24];

	snprintf(i, sizeof(i), "%" PRId64, id);
	snprintf(at, sizeof(at), "%" PRId64, at_us);
	/* A statement that comes late must not undo a newer one. */
	return sql_do(db, e,
		      "UPDATE chancery.account SET last_status = $3, last_seen_at ="
		      " timestamptz 'epoch' + $2::bigint * interval '1 microsecond'"
		      " WHERE id = $1 AND (last_seen_at IS NULL OR last_seen_at <="
		      "  timestamptz 'epoch' + $2::bigint * interval '1 microsecond')",
		      3, i, at, status);
}

static enum sql_status
read_secret(struct sql *db, const char *name, uint8_t out[32], struct err *e)
{
	struct buf b = {0};
	uint8_t fresh[32];
	PGresult *r;
	enum sql_status st;

	crypt_random(fresh, sizeof(fresh));
	buf_adds(&b, "\\x");
	text_hex(fresh, sizeof(fresh), buf_reserve(&b, 65));
	buf_added(&b, 64);
	/* Two servers that start at once agree on whoever came first: the second statement sees it. */
	st = sql_do(db, e,
		    "INSERT INTO chancery.secret (name, value) VALUES ($2, $1::bytea)"
		    " ON CONFLICT (name) DO NOTHING",
		    2, buf_str(&b), name);
	crypt_wipe(b.data, b.cap);
	buf_fini(&b);
	if (st == SQL_OK)
		st = sql_query(db, e, &r,
			       "SELECT value FROM chancery.secret WHERE name = $1", 1, name);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) != 1 || read_bytes(r, 0, out, 32, 32) != 32) {
		err_set(e, 0, "the server's secret in chancery.secret is not valid");
		st = SQL_FAILED;
	}
	PQclear(r);
	return st;
}

enum sql_status
account_server_secret(struct sql *db, uint8_t out[32], struct err *e)
{
	return read_secret(db, "fake-salt", out, e);
}

enum sql_status
account_token_secret(struct sql *db, uint8_t out[32], struct err *e)
{
	return read_secret(db, "token", out, e);
}
