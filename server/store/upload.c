/* upload: see upload.h. */
#include "store/upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define IDLE_SLOTS "1 day" /* so long who comes late is told that */

void
upload_hash(const char *token, char out[2 * SHA256_SIZE + 1])
{
	uint8_t sum[SHA256_SIZE];

	crypt_sha256(token, strlen(token), sum);
	text_hex(sum, sizeof(sum), out);
}

bool
upload_is_token(const char *s)
{
	return strlen(s) == UPLOAD_TOKEN && strspn(s, "0123456789abcdef") == UPLOAD_TOKEN;
}

/* Nobody's, and not about to be somebody's. What people have released and nobody has uploaded stays. */
#define UNUSED \
	"f.kept AND (f.state = 1 OR (f.state = 5 AND EXISTS (SELECT FROM chancery.upload u WHERE u.sha256 = f.sha256 AND u.state = 4))) AND f.seen_at < now() - interval '1 minute'" \
	" AND NOT EXISTS (SELECT FROM chancery.upload u WHERE u.sha256 = f.sha256 AND u.state = 2)"

#define COLUMNS \
	"SELECT u.id, u.owner, u.groups, u.domain, u.name, u.type, u.size, u.state," \
	" (extract(epoch FROM u.until - now()) * 1000000)::bigint, (extract(epoch FROM u.expires_at - now()) * 1000000)::bigint," \
	" u.hidden_at IS NOT NULL, u.expires_at IS NOT NULL, encode(u.sha256, 'hex'), u.record," \
	" f.state, f.kept, f.type FROM chancery.upload u LEFT JOIN chancery.file f ON f.sha256 = u.sha256 WHERE "

static struct upload *
read_row(const PGresult *r, struct arena *a)
{
	struct upload *u = arena_zalloc(a, sizeof(*u));

	u->id = sql_i64(r, 0, 0);
	u->owner = arena_strdup(a, sql_text(r, 0, 1));
	u->groups = arena_strdup(a, sql_text(r, 0, 2));
	u->domain = arena_strdup(a, sql_text(r, 0, 3));
	u->name = arena_strdup(a, sql_text(r, 0, 4));
	u->type = sql_is_null(r, 0, 5) ? NULL : arena_strdup(a, sql_text(r, 0, 5));
	u->size = (uint64_t)sql_i64(r, 0, 6);
	u->state = (enum upload_state)sql_i64(r, 0, 7);
	u->left_us = sql_i64(r, 0, 8);
	u->expires_us = sql_i64(r, 0, 9);
	u->hidden = sql_bool(r, 0, 10);
	u->expires = sql_bool(r, 0, 11);
	if (!sql_is_null(r, 0, 12))
		(void)text_unhex(sql_text(r, 0, 12), 2 * SHA256_SIZE, u->sha256);
	u->record = (uint64_t)sql_i64(r, 0, 13);
	u->content = (enum file_state)sql_i64(r, 0, 14);
	u->content_kept = sql_bool(r, 0, 15);
	u->true_type = arena_strdup(a, sql_text(r, 0, 16));
	return u;
}

enum sql_status
upload_find(struct sql *db, struct arena *a, const char *token, bool put, struct upload **out, struct err *e)
{
	char hash[2 * SHA256_SIZE + 1];
	enum sql_status st;
	PGresult *r;

	*out = NULL;
	upload_hash(token, hash);
	st = put ? sql_query(db, e, &r, COLUMNS "u.put = decode($1, 'hex')"
				" AND NOT EXISTS (SELECT FROM chancery.account a WHERE a.id = u.account AND a.disabled)", 1, hash) :
		   sql_query(db, e, &r, COLUMNS "u.token = decode($1, 'hex')", 1, hash);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r))
		*out = read_row(r, a);
	PQclear(r);
	return SQL_OK;
}

/* $1 the slot, $2 the content, $3 the record, $4 the declared type; then the event's. */
#define FINISH(with, set, from) \
	"WITH e AS (INSERT INTO chancery.file_event (" FILE_EVENT_COLUMNS ") VALUES ($5, $2::bytea, $6, $7, $8, $9, $10, $11, nullif($3::bigint, 0))" \
	" RETURNING id)" with " UPDATE chancery.upload u SET sha256 = $2::bytea, type = coalesce(u.type, $4), event = e.id, record = nullif($3::bigint, 0)," set \
	" FROM e" from " WHERE u.id = $1 AND u.state = 1 RETURNING true"

enum sql_status
upload_finish(struct sql *db, struct upload_end *u, struct err *e)
{
	const struct file_event *v = u->event;
	char id[24], sha[FILE_HASH_SIZE], record[24], keep[24], state[24];

	snprintf(id, sizeof(id), "%" PRId64, u->id);
	snprintf(record, sizeof(record), "%" PRIu64, v->record_id);
	snprintf(keep, sizeof(keep), "%" PRIu64, u->keep_ms);
	snprintf(state, sizeof(state), "%d", u->state);
	file_hash(v->sha256, sha);
	if (u->state != UPLOAD_KEPT)
		return sql_query_bool(db, e, &u->done, FINISH("", " state = $12::smallint", ""), 12, id, sha, record, u->type, v->path, v->from, v->to,
			v->name, v->declared, v->verdict, v->text ? v->text : "", state);
	return sql_query_bool(db, e, &u->done,
		FINISH(", f AS (SELECT FROM chancery.file WHERE sha256 = $2::bytea AND kept)", " state = 2, kept_at = now(),"
		" expires_at = least(expire_before, CASE WHEN $12::bigint > 0 THEN now() + $12::bigint * interval '1 millisecond' END)", ", f"), 12, id, sha,
		record, u->type, v->path, v->from, v->to, v->name, v->declared, v->verdict, v->text ? v->text : "", keep);
}

/* What counts against quotas: an account's, or those of a domain elsewhere and of one of its people. */
#define BYTES "coalesce(sum(size) FILTER (WHERE state = 2 OR until > now() - " UPLOAD_JUDGED "), 0)"
#define OF_ACCOUNT(account) "SELECT " BYTES " AS bytes, 0 AS own FROM chancery.upload WHERE account = " account " AND state IN (1, 2)"
#define OF_DOMAIN(domain, owner) \
	"SELECT " BYTES " AS bytes, coalesce(sum(size) FILTER (WHERE owner = " owner " AND (state = 2 OR until > now() - " UPLOAD_JUDGED ")), 0) AS own" \
	" FROM chancery.upload WHERE account IS NULL AND (owner = " domain " OR right(owner, length(" domain ") + 1) = '@' || " domain ") AND state IN (1, 2)"

#define LEFT(uses) "SELECT greatest(0, least($1::bigint - u.bytes, $2::bigint - u.own))::bigint FROM (" uses ") u"

#define ADOPT(uses) \
	"WITH f AS MATERIALIZED (SELECT 1 AS one FROM chancery.file WHERE sha256 = decode($1, 'hex') AND kept FOR SHARE)," \
	" u AS (" uses ")," \
	" n AS (INSERT INTO chancery.upload (put, token, account, owner, groups, domain, name, type, size, state, until, sha256, event, record," \
	" kept_at, expires_at) SELECT decode($2, 'hex'), decode($3, 'hex'), nullif($4::bigint, 0), $5, $6, $7, $8, $9, $10::bigint, 2, now()," \
	" decode($1, 'hex'), nullif($11::bigint, 0), nullif($12::bigint, 0), now()," \
	" CASE WHEN $13::bigint > 0 THEN now() + $13::bigint * interval '1 millisecond' END FROM f, u" \
	" WHERE u.bytes + $10::bigint <= $14::bigint AND u.own + $10::bigint <= $15::bigint RETURNING 1 AS one)" \
	" SELECT CASE WHEN EXISTS (SELECT FROM n) THEN 0 WHEN EXISTS (SELECT FROM f) THEN 1 ELSE 2 END"

static enum sql_status
adopt(struct sql *db, struct upload_adopt *u, struct err *e)
{
	char sha[2 * SHA256_SIZE + 1], put[2 * SHA256_SIZE + 1], token[2 * SHA256_SIZE + 1], account[24], size[24], event[24], record[24], keep[24],
		quota[24], own_quota[24];
	enum sql_status st;
	PGresult *r;

	text_hex(u->sha256, SHA256_SIZE, sha);
	upload_hash(u->put, put);
	upload_hash(u->token, token);
	snprintf(account, sizeof(account), "%" PRId64, u->account);
	snprintf(size, sizeof(size), "%" PRIu64, u->size);
	snprintf(event, sizeof(event), "%" PRId64, u->event);
	snprintf(record, sizeof(record), "%" PRIu64, u->record);
	snprintf(keep, sizeof(keep), "%" PRIu64, u->keep_ms);
	snprintf(quota, sizeof(quota), "%" PRIu64, u->quota);
	snprintf(own_quota, sizeof(own_quota), "%" PRIu64, u->own_quota);
	st = u->account ? sql_query(db, e, &r, ADOPT(OF_ACCOUNT("$4")), 15, sha, put, token, account, u->owner, u->groups, u->domain, u->name,
				  u->type, size, event, record, keep, quota, own_quota) :
			  sql_query(db, e, &r, ADOPT(OF_DOMAIN("$16", "$5")), 16, sha, put, token, account, u->owner, u->groups, u->domain,
				  u->name, u->type, size, event, record, keep, quota, own_quota, u->sender);
	if (st != SQL_OK)
		return st;
	u->outcome = sql_i64(r, 0, 0) == 0 ? UPLOAD_ADOPTED : sql_i64(r, 0, 0) == 1 ? UPLOAD_ADOPT_QUOTA : UPLOAD_ADOPT_GONE;
	PQclear(r);
	return SQL_OK;
}

/* Nobody counts between the counting and the row. */
enum sql_status
upload_adopt(struct sql *db, struct upload_adopt *u, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK && u->account)
		st = sql_do(db, e, "SELECT FROM chancery.account WHERE bare = $1 FOR NO KEY UPDATE", 1, u->owner);
	else if (st == SQL_OK)
		st = sql_do(db, e, "SELECT pg_advisory_xact_lock(4841264, hashtext($1))", 1, u->sender);
	if (st == SQL_OK)
		st = adopt(db, u, e);
	if (st == SQL_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

enum sql_status
upload_room(struct sql *db, struct upload_room *u, struct err *e)
{
	char account[24], quota[24], own_quota[24];
	enum sql_status st;
	PGresult *r;

	snprintf(account, sizeof(account), "%" PRId64, u->account);
	snprintf(quota, sizeof(quota), "%" PRIu64, u->quota);
	snprintf(own_quota, sizeof(own_quota), "%" PRIu64, u->own_quota);
	st = u->account ? sql_query(db, e, &r, LEFT(OF_ACCOUNT("$3")), 3, quota, own_quota, account) :
			  sql_query(db, e, &r, LEFT(OF_DOMAIN("$3", "$4")), 4, quota, own_quota, u->sender, u->owner);
	if (st != SQL_OK)
		return st;
	u->bytes = (uint64_t)sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
upload_fetched(struct sql *db, struct upload_fetch *f, struct err *e)
{
	char id[24];
	enum sql_status st;

	snprintf(id, sizeof(id), "%" PRId64, f->id);
	st = sql_do(db, e, "UPDATE chancery.upload SET fetched = fetched + 1, fetched_at = now() WHERE id = $1", 1, id);
	return st == SQL_OK ? file_event_add(db, &f->event, e) : st;
}

enum sql_status
upload_sweep(struct sql *db, struct arena *a, unsigned most, uint8_t (**sha256)[SHA256_SIZE], unsigned *n, struct err *e)
{
	const char *rows = "100";
	char limit[16];
	enum sql_status st;
	PGresult *r;

	*n = 0;
	snprintf(limit, sizeof(limit), "%u", most);
	st = sql_do(db, e, "UPDATE chancery.upload SET state = 4 WHERE id IN"
		" (SELECT id FROM chancery.upload WHERE state = 2 AND expires_at <= now() ORDER BY expires_at LIMIT $1)", 1, rows);
	if (st == SQL_OK)
		st = sql_do(db, e, "DELETE FROM chancery.upload WHERE id IN (SELECT id FROM chancery.upload"
			" WHERE state = 1 AND until < now() - interval '" IDLE_SLOTS "' LIMIT $1)", 1, rows);
	/* Also what was kept when the server died before it was anybody's. */
	if (st == SQL_OK)
		st = sql_query(db, e, &r, "SELECT encode(f.sha256, 'hex') FROM chancery.file f WHERE " UNUSED
			" AND (f.held_at IS NULL OR f.held_at < now() - interval '1 day') LIMIT $1", 1, limit);
	if (st != SQL_OK)
		return st;
	*sha256 = arena_alloc(a, (size_t)PQntuples(r) * SHA256_SIZE + 1);
	for (int i = 0; i < PQntuples(r); i++)
		if (text_unhex(sql_text(r, i, 0), 2 * SHA256_SIZE, (*sha256)[*n]) == SHA256_SIZE)
			++*n;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
upload_note_held(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool *held, struct err *e)
{
	char sha[2 * SHA256_SIZE + 1];

	text_hex(sha256, SHA256_SIZE, sha);
	return sql_query_bool(db, e, held, "UPDATE chancery.file f SET held_at = now() WHERE f.sha256 = decode($1, 'hex')"
		" AND archive.file_held(f.sha256) RETURNING true", 1, sha);
}

enum sql_status
upload_unkeep(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool *done, struct err *e)
{
	char sha[2 * SHA256_SIZE + 1];

	text_hex(sha256, SHA256_SIZE, sha);
	return sql_query_bool(db, e, done, "UPDATE chancery.file f SET kept = false WHERE f.sha256 = decode($1, 'hex') AND " UNUSED
		" RETURNING true", 1, sha);
}
