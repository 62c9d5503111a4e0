/*
 * device: the SQL of devices and tokens (see device.h). Each function is one statement, so that it is one round trip
 * and all or nothing by itself; who needs several together opens a transaction.
 */
#include "store/device.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define MICROSECONDS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"
#define TIMESTAMP(parameter) "timestamptz 'epoch' + " parameter "::bigint * interval '1 microsecond'"

/* A row as device_find asks for it, from the column of the slot on; false when the seed is not one. */
static bool
read_token(const PGresult *r, int row, struct device_token *t)
{
	const char *seed = sql_text(r, row, 7);

	t->slot = sql_i64(r, row, 5) == DEVICE_NEW ? DEVICE_NEW : DEVICE_CURRENT;
	t->mechanism = (int)sql_i64(r, row, 6);
	t->issued_us = sql_i64(r, row, 8);
	t->expires_us = sql_i64(r, row, 9);
	t->count = (uint64_t)sql_i64(r, row, 10);
	return strlen(seed) == 2 + 2 * DEVICE_SEED && text_unhex(seed + 2, 2 * DEVICE_SEED, t->seed) == DEVICE_SEED;
}

enum sql_status
device_find(struct sql *db, const char *bare, const struct device_agent *agent, struct device_state *out, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	memset(out, 0, sizeof(*out));
	st = sql_query(db, e, &r,
		"SELECT a.id, a.disabled, d.id, d.software IS NOT DISTINCT FROM $3 AND d.device IS NOT DISTINCT FROM $4,"
		" coalesce(d.password_at >= a.secret_at, false), t.slot, t.mechanism, t.seed,"
		" " MICROSECONDS("t.issued_at") ", " MICROSECONDS("t.expires_at") ", t.count"
		" FROM chancery.account a"
		" LEFT JOIN chancery.device d ON d.account = a.id AND d.agent = $2::uuid"
		" LEFT JOIN chancery.token t ON t.device = d.id AND t.issued_at >= a.secret_at"
		" WHERE a.bare = $1 ORDER BY t.slot DESC NULLS LAST",
		4, bare, agent->id, agent->software, agent->device);
	if (st != SQL_OK)
		return st;
	for (int i = 0; i < PQntuples(r); i++) {
		out->account = sql_i64(r, i, 0);
		out->disabled = sql_bool(r, i, 1);
		out->id = sql_i64(r, i, 2);
		out->unchanged = sql_bool(r, i, 3);
		out->password = sql_bool(r, i, 4);
		if (!sql_is_null(r, i, 5) && out->ntokens < DEVICE_TOKENS && read_token(r, i, &out->tokens[out->ntokens]))
			out->ntokens++;
	}
	PQclear(r);
	return SQL_OK;
}

/* What has no access any more and was not used for long goes first, then the longest unused. */
static enum sql_status
prune(struct sql *db, const char *bare, const struct device_note *n, struct err *e)
{
	char most[SQL_NUMBER], keep[SQL_NUMBER];

	return sql_do(db, e,
		"DELETE FROM chancery.device x USING ("
		"  SELECT d.id, d.last_at < " TIMESTAMP("$3")
		"    AND coalesce(d.password_at < a.secret_at, true) AND NOT EXISTS ("
		"      SELECT FROM chancery.token t WHERE t.device = d.id AND t.expires_at > now()) AS old,"
		"   row_number() OVER (ORDER BY d.last_at DESC, d.id DESC) AS place"
		"  FROM chancery.device d JOIN chancery.account a ON a.id = d.account WHERE a.bare = $1"
		/* Passwords are ended by people, and have a bound of their own. */
		"   AND NOT EXISTS (SELECT FROM chancery.device_key k WHERE k.device = d.id)) AS p"
		" WHERE x.id = p.id AND (p.old OR p.place > $2::bigint)",
		3, bare, sql_number(most, (int64_t)n->most), sql_number(keep, n->keep_us));
}

enum sql_status
device_note(struct sql *db, const struct device_note *n, int64_t *id, struct err *e)
{
	bool is_new = false;
	PGresult *r;
	enum sql_status st;

	*id = 0;
	st = sql_query(db, e, &r,
		"INSERT INTO chancery.device AS d (account, agent, software, device, last_address, password_at)"
		" SELECT a.id, $2::uuid, $3, $4, $5, CASE WHEN $6::boolean THEN now() END"
		" FROM chancery.account a WHERE a.bare = $1"
		" ON CONFLICT (account, agent) DO UPDATE SET software = excluded.software, device = excluded.device,"
		"  last_at = now(), last_address = coalesce(excluded.last_address, d.last_address),"
		"  password_at = coalesce(excluded.password_at, d.password_at)"
		" RETURNING id, xmax = 0",
		6, n->bare, n->agent.id, n->agent.software, n->agent.device, n->address, n->password ? "t" : "f");
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1) {
		*id = sql_i64(r, 0, 0);
		is_new = sql_bool(r, 0, 1);
	}
	PQclear(r);
	return is_new ? prune(db, n->bare, n, e) : SQL_OK;
}

enum sql_status
device_token_promote(struct sql *db, int64_t device, struct err *e)
{
	char id[SQL_NUMBER];

	return sql_do(db, e,
		"WITH n AS (DELETE FROM chancery.token WHERE device = $1 AND slot = 1 RETURNING *)"
		" INSERT INTO chancery.token (device, slot, mechanism, seed, issued_at, expires_at, count)"
		" SELECT device, 0, mechanism, seed, issued_at, expires_at, count FROM n"
		" ON CONFLICT (device, slot) DO UPDATE SET mechanism = excluded.mechanism, seed = excluded.seed,"
		"  issued_at = excluded.issued_at, expires_at = excluded.expires_at, count = excluded.count",
		1, sql_number(id, device));
}

enum sql_status
device_token_count(struct sql *db, int64_t device, enum device_slot slot, uint64_t count, bool *done, struct err *e)
{
	char id[SQL_NUMBER], s[SQL_NUMBER], c[SQL_NUMBER];
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r,
		"UPDATE chancery.token SET count = $3 WHERE device = $1 AND slot = $2 AND count < $3 RETURNING slot",
		3, sql_number(id, device), sql_number(s, slot), sql_number(c, (int64_t)count));

	*done = st == SQL_OK && PQntuples(r) == 1;
	PQclear(r);
	return st;
}

enum sql_status
device_token_put(struct sql *db, int64_t device, const struct device_token *t, struct err *e)
{
	char id[SQL_NUMBER], mechanism[SQL_NUMBER], expires[SQL_NUMBER], seed[2 + 2 * DEVICE_SEED + 1] = "\\x";

	text_hex(t->seed, DEVICE_SEED, seed + 2);
	return sql_do(db, e,
		"INSERT INTO chancery.token (device, slot, mechanism, seed, expires_at)"
		" VALUES ($1, 1, $2, $3, " TIMESTAMP("$4") ")"
		" ON CONFLICT (device, slot) DO UPDATE SET mechanism = excluded.mechanism, seed = excluded.seed,"
		"  issued_at = now(), expires_at = excluded.expires_at, count = 0",
		4, sql_number(id, device), sql_number(mechanism, t->mechanism), seed, sql_number(expires, t->expires_us));
}

enum sql_status
device_tokens_expire(struct sql *db, int64_t device, struct err *e)
{
	char id[SQL_NUMBER];

	/* Not by a clock: the database's may differ from ours. */
	return sql_do(db, e, "UPDATE chancery.token SET expires_at = 'epoch' WHERE device = $1", 1, sql_number(id, device));
}

/* An address is ours (net/address): it has no quotes, no backslash. */
static void
add_address(struct buf *b, const char *address)
{
	if (address)
		buf_addf(b, "\"%s\"", address);
	else
		buf_adds(b, "NULL");
}

enum sql_status
device_touch(struct sql *db, const int64_t *ids, const int64_t *at_us, const char *const *addresses, size_t n, struct err *e)
{
	struct buf i = {0}, t = {0}, a = {0};
	enum sql_status st;

	if (n == 0)
		return SQL_OK;
	for (size_t k = 0; k < n; k++) {
		char sep = k ? ',' : '{';

		buf_addf(&i, "%c%" PRId64, sep, ids[k]);
		buf_addf(&t, "%c%" PRId64, sep, at_us[k]);
		buf_addc(&a, sep);
		add_address(&a, addresses[k]);
	}
	buf_addc(&i, '}');
	buf_addc(&t, '}');
	buf_addc(&a, '}');
	/* In the order of their ids, so that two such statements cannot deadlock. */
	st = sql_do(db, e,
		"UPDATE chancery.device d SET last_at = n.at, last_address = coalesce(n.address, d.last_address) FROM"
		" (SELECT l.id, " TIMESTAMP("u.at") " AS at, u.address"
		"   FROM (SELECT DISTINCT ON (id) * FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS v (id, at, address)"
		"     ORDER BY id, at DESC) AS u"
		"   JOIN chancery.device l ON l.id = u.id ORDER BY l.id FOR NO KEY UPDATE OF l) AS n"
		" WHERE d.id = n.id AND d.last_at < n.at",
		3, buf_str(&i), buf_str(&t), buf_str(&a));
	buf_fini(&i);
	buf_fini(&t);
	buf_fini(&a);
	return st;
}

static const char *
text_or_null(struct arena *a, const PGresult *r, int row, int col)
{
	return sql_is_null(r, row, col) ? NULL : arena_strdup(a, sql_text(r, row, col));
}

enum sql_status
device_list(struct sql *db, struct arena *a, const char *bare, int64_t since_us, struct device_row **rows, size_t *n,
	struct err *e)
{
	char since[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT * FROM (SELECT d.id, d.agent, d.software, d.device, d.last_address, " MICROSECONDS("d.first_at")
		", " MICROSECONDS("d.last_at") " AS last, coalesce(d.password_at >= a.secret_at, false) AS password,"
		" EXISTS (SELECT FROM chancery.token t WHERE t.device = d.id AND t.issued_at >= a.secret_at"
		"   AND t.expires_at > now()) AS token,"
		" EXISTS (SELECT FROM chancery.device_key k WHERE k.device = d.id) AS own"
		" FROM chancery.account a JOIN chancery.device d ON d.account = a.id WHERE a.bare = $1) AS x"
		" WHERE password OR token OR own OR last >= $2::bigint ORDER BY last DESC, id DESC",
		2, bare, sql_number(since, since_us));

	*rows = NULL;
	*n = 0;
	if (st != SQL_OK)
		return st;
	*n = (size_t)PQntuples(r);
	*rows = arena_zalloc(a, (*n + 1) * sizeof(**rows));
	for (size_t k = 0; k < *n; k++) {
		int i = (int)k;

		(*rows)[k] = (struct device_row){ .id = sql_i64(r, i, 0), .agent = text_or_null(a, r, i, 1),
			.software = text_or_null(a, r, i, 2), .device = text_or_null(a, r, i, 3),
			.address = text_or_null(a, r, i, 4), .first_us = sql_i64(r, i, 5), .last_us = sql_i64(r, i, 6),
			.password = sql_bool(r, i, 7), .token = sql_bool(r, i, 8), .own = sql_bool(r, i, 9) };
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
device_revoke(struct sql *db, const char *bare, int64_t id, bool *found, bool *password, struct err *e)
{
	char i[SQL_NUMBER];
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r,
		"WITH d AS (SELECT d.id, coalesce(d.password_at >= a.secret_at, false) AS password FROM chancery.account a"
		"   JOIN chancery.device d ON d.account = a.id WHERE a.bare = $1 AND d.id = $2),"
		" t AS (DELETE FROM chancery.token USING d WHERE token.device = d.id AND d.password),"
		" g AS (DELETE FROM chancery.device USING d WHERE device.id = d.id AND NOT d.password)"
		" SELECT password FROM d",
		2, bare, sql_number(i, id));

	*found = st == SQL_OK && PQntuples(r) == 1;
	*password = *found && sql_bool(r, 0, 0);
	PQclear(r);
	return st;
}
