/* upload_store: see upload_store.h. */
#include "upload_store.h"

#include <inttypes.h>
#include <stdio.h>

/* Slots */

/* What counts: what is kept, and slots that may yet be used or have been. When there will be room: for one slot more when the next of them ends; for
 * so many bytes when enough of all this has. */
static enum sql_status
find_room(struct sql *db, struct upload_slot *s, const char *account, const char *size, const char *quota, struct err *e)
{
	enum sql_status st;
	PGresult *r;

	st = s->outcome == UPLOAD_TOO_MANY ?
		sql_query(db, e, &r, "SELECT (extract(epoch FROM min(until)) * 1000000)::bigint FROM chancery.upload"
			" WHERE account = $1 AND state = 1 AND until > now()", 1, account) :
		sql_query(db, e, &r, "WITH u AS (SELECT CASE state WHEN 1 THEN until + " UPLOAD_JUDGED " ELSE expires_at END AS at, size FROM chancery.upload"
			" WHERE account = $1 AND (state = 2 OR (state = 1 AND until > now() - " UPLOAD_JUDGED "))),"
			" t AS (SELECT at, sum(size) OVER (ORDER BY at NULLS LAST ROWS UNBOUNDED PRECEDING) AS gone, sum(size) OVER () AS bytes FROM u)"
			" SELECT (extract(epoch FROM min(at)) * 1000000)::bigint FROM t WHERE bytes - gone + $2::bigint <= $3::bigint",
			3, account, size, quota);
	if (st != SQL_OK)
		return st;
	s->retry_us = PQntuples(r) ? sql_i64(r, 0, 0) : 0;
	PQclear(r);
	return SQL_OK;
}

/* In a transaction that holds the account: nobody counts between the counting and the row. */
static enum sql_status
make_slot(struct sql *db, struct upload_slot *s, struct err *e)
{
	char put[2 * SHA256_SIZE + 1], token[2 * SHA256_SIZE + 1], size[24], seconds[24], before[24], most[24], quota[24], account[24];
	enum sql_status st;
	PGresult *r;

	upload_hash(s->put, put);
	upload_hash(s->token, token);
	snprintf(size, sizeof(size), "%" PRIu64, s->size);
	snprintf(seconds, sizeof(seconds), "%" PRIu64, s->seconds);
	snprintf(before, sizeof(before), "%" PRId64, s->expire_before_us);
	snprintf(most, sizeof(most), "%" PRIu64, s->most);
	snprintf(quota, sizeof(quota), "%" PRIu64, s->quota);
	/* A slot need not outlive the database: this commit does not wait for a disk. */
	st = sql_query(db, e, &r, "WITH s AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS off),"
		" a AS (SELECT id FROM chancery.account WHERE bare = $1),"
		" u AS (SELECT count(*) FILTER (WHERE state = 1 AND until > now()) AS open,"
		" coalesce(sum(size) FILTER (WHERE state = 2 OR until > now() - " UPLOAD_JUDGED "), 0) AS bytes"
		" FROM chancery.upload WHERE account = (SELECT id FROM a) AND state IN (1, 2)),"
		" n AS (INSERT INTO chancery.upload (put, token, account, owner, groups, domain, name, type, size, until, expire_before)"
		" SELECT decode($2, 'hex'), decode($3, 'hex'), a.id, $13, $4, $5, $6, $7, $8, now() + make_interval(secs => $9::bigint),"
		" CASE WHEN $10::bigint > 0 THEN to_timestamp($10::bigint / 1000000.0) END FROM a, u, s"
		" WHERE u.open < $11::bigint AND u.bytes + $8::bigint <= $12::bigint AND s.off = 'off' RETURNING id)"
		" SELECT a.id, n.id IS NOT NULL, u.open >= $11::bigint FROM a CROSS JOIN u LEFT JOIN n ON true",
		13, s->account, put, token, s->groups, s->domain, s->name, s->type, size, seconds, before, most, quota, s->owner);
	if (st != SQL_OK)
		return st;
	s->outcome = !PQntuples(r) ? UPLOAD_NO_ACCOUNT : sql_bool(r, 0, 1) ? UPLOAD_MADE : sql_bool(r, 0, 2) ? UPLOAD_TOO_MANY : UPLOAD_OVER_QUOTA;
	snprintf(account, sizeof(account), "%" PRId64, PQntuples(r) ? sql_i64(r, 0, 0) : 0);
	PQclear(r);
	return s->outcome == UPLOAD_TOO_MANY || s->outcome == UPLOAD_OVER_QUOTA ? find_room(db, s, account, size, quota, e) : SQL_OK;
}

enum sql_status
upload_store_slot(struct sql *db, struct arena *a, void *slot, struct err *e)
{
	struct upload_slot *s = slot;
	enum sql_status st = sql_begin(db, e);

	(void)a;
	if (st == SQL_OK)
		st = sql_do(db, e, "SELECT FROM chancery.account WHERE bare = $1 FOR NO KEY UPDATE", 1, s->account);
	if (st == SQL_OK)
		st = make_slot(db, s, e);
	if (st == SQL_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

/* The owner's */

enum sql_status
upload_store_list(struct sql *db, struct arena *a, void *list, struct err *e)
{
	struct upload_list *l = list;
	char account[24], most[16];
	enum sql_status st;
	PGresult *r;

	snprintf(account, sizeof(account), "%" PRId64, l->account);
	snprintf(most, sizeof(most), "%u", l->most);
	st = sql_query(db, e, &r, "SELECT id, (extract(epoch FROM kept_at) * 1000000)::bigint, name, size FROM chancery.upload"
		" WHERE account = $1 AND state = 2 AND hidden_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
		" ORDER BY kept_at DESC, id DESC LIMIT $2", 2, account, most);
	if (st != SQL_OK)
		return st;
	l->n = (unsigned)PQntuples(r);
	l->item = arena_alloc(a, (l->n + 1) * sizeof(*l->item));
	for (unsigned i = 0; i < l->n; i++)
		l->item[i] = (struct upload_listed){ .id = sql_i64(r, (int)i, 0), .kept_us = sql_i64(r, (int)i, 1),
			.name = arena_strdup(a, sql_text(r, (int)i, 2)), .size = (uint64_t)sql_i64(r, (int)i, 3) };
	PQclear(r);
	return SQL_OK;
}

enum sql_status
upload_store_hide(struct sql *db, struct arena *a, void *hiding, struct err *e)
{
	struct upload_hiding *d = hiding;
	char account[24];
	enum sql_status st;
	PGresult *r;

	(void)a;
	snprintf(account, sizeof(account), "%" PRId64, d->account);
	st = sql_query(db, e, &r, "UPDATE chancery.upload SET hidden_at = now() WHERE account = $1 AND id = ANY ($2::bigint[]) AND state = 2"
		" AND hidden_at IS NULL RETURNING id", 2, account, d->ids);
	if (st != SQL_OK)
		return st;
	d->done = (unsigned)PQntuples(r);
	PQclear(r);
	return SQL_OK;
}

/* What is behind an address */

enum sql_status
upload_store_behind(struct sql *db, struct arena *a, void *behind, struct err *e)
{
	struct upload_behind *b = behind;
	enum sql_status st = SQL_OK;

	for (unsigned i = 0; i < b->links.n && st == SQL_OK; i++) {
		struct upload *u;

		st = upload_find(db, a, b->links.token[i], false, &u, e);
		if (st != SQL_OK || !u)
			continue;
		b->file[i].state = u->state;
		b->file[i].size = u->size;
		b->file[i].name = u->name;
		b->file[i].type = u->true_type ? u->true_type : "";
	}
	return st;
}

/* Who was sent an address */

static enum sql_status
note(struct sql *db, struct arena *a, const struct upload_sent *s, const char *token, struct err *e)
{
	struct file_event v = { .path = "link", .from = s->from, .to = s->to, .verdict = "sent", .record_id = s->record_id };
	struct upload *u;
	enum sql_status st = upload_find(db, a, token, false, &u, e);

	if (st != SQL_OK || !u || u->state == UPLOAD_OPEN)
		return st;
	v.sha256 = u->sha256;
	v.name = u->name;
	v.declared = u->type;
	return file_event_add(db, &v, e);
}

enum sql_status
upload_store_sent(struct sql *db, struct arena *a, void *sent, struct err *e)
{
	struct upload_sent *s = sent;
	enum sql_status st = SQL_OK;

	for (unsigned i = 0; i < s->links.n && st == SQL_OK; i++)
		st = note(db, a, s, s->links.token[i], e);
	return st;
}
