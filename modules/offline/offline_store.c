/* offline_store: RECORD_BACKLOG_ROWS says what waits; the table is in schema/0014_offline.sql. */
#include "offline_store.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/address.h"
#include "store/record.h"

/* $4: those that clients have. */
#define WAITING " FROM archive.record r WHERE " RECORD_BACKLOG_ROWS " AND r.id <> ALL ($4::bigint[])"
#define NAMED " AND r.id = ANY ($6::bigint[])"
#define COLUMNS "r.id, (extract(epoch FROM r.at) * 1000000)::bigint, "
#define TAKE_OUT "INSERT INTO chancery.offline_removed (record, account) SELECT f.id, a.id FROM found f, chancery.account a WHERE a.id = "

struct values {
	char after[24], upto[24], hash[24], limit[24], account[24], nids[24];
};

static struct values
values_of(const struct offline_query *q)
{
	struct values v;

	snprintf(v.after, sizeof(v.after), "%" PRIu64, q->after);
	snprintf(v.upto, sizeof(v.upto), "%" PRIu64, q->upto);
	snprintf(v.hash, sizeof(v.hash), "%" PRId64, address_hash(q->bare));
	snprintf(v.limit, sizeof(v.limit), "%u", q->limit);
	snprintf(v.account, sizeof(v.account), "%" PRId64, q->account);
	snprintf(v.nids, sizeof(v.nids), "%zu", q->nids);
	return v;
}

static enum sql_status
take_count(enum sql_status st, PGresult *r, struct offline_query *q)
{
	if (st == SQL_OK)
		q->count = (uint64_t)sql_i64(r, 0, 0);
	PQclear(r);
	return st;
}

enum sql_status
offline_count(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct offline_query *q = data;
	struct values v = values_of(q);
	enum sql_status st;
	PGresult *r;

	(void)a;
	st = sql_query(db, e, &r, "SELECT count(*)" WAITING, 5, q->bare, v.after, v.upto, q->given, v.hash);
	return take_count(st, r, q);
}

enum sql_status
offline_find(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct offline_query *q = data;
	struct values v = values_of(q);
	enum sql_status st;
	PGresult *r;

	(void)a;
	st = sql_query(db, e, &r, "SELECT count(*)" WAITING NAMED, 6, q->bare, v.after, v.upto, q->given, v.hash, q->ids);
	return take_count(st, r, q);
}

enum sql_status
offline_list(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct offline_query *q = data;
	struct values v = values_of(q);
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT r.id, r.from_bare || coalesce('/' || r.from_resource, '')" WAITING " ORDER BY r.id LIMIT $6::bigint", 6, q->bare,
		v.after, v.upto, q->given, v.hash, v.limit);

	if (st != SQL_OK)
		return st;
	q->n = (size_t)PQntuples(r);
	q->row = arena_zalloc(a, (q->n + 1) * sizeof(*q->row));
	for (size_t i = 0; i < q->n; i++) {
		q->row[i].id = (uint64_t)sql_i64(r, (int)i, 0);
		q->row[i].from = arena_strdup(a, sql_text(r, (int)i, 1));
	}
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
take_rows(enum sql_status st, PGresult *r, struct offline_query *q)
{
	struct arena *a = q->page;

	q->n = 0;
	if (st != SQL_OK)
		return st;
	q->n = (size_t)PQntuples(r);
	q->row = arena_zalloc(a, (q->n + 1) * sizeof(*q->row));
	for (size_t i = 0; i < q->n; i++) {
		q->row[i].id = (uint64_t)sql_i64(r, (int)i, 0);
		q->row[i].at_us = sql_i64(r, (int)i, 1);
		q->row[i].len = (size_t)PQgetlength(r, (int)i, 2);
		q->row[i].stanza = arena_strndup(a, sql_text(r, (int)i, 2), q->row[i].len);
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
offline_read(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct offline_query *q = data;
	struct values v = values_of(q);
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT " COLUMNS "r.stanza" WAITING " ORDER BY r.id LIMIT $6::bigint", 6, q->bare,
		v.after, v.upto, q->given, v.hash, v.limit);

	(void)a;
	return take_rows(st, r, q);
}

enum sql_status
offline_read_some(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct offline_query *q = data;
	struct values v = values_of(q);
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT " COLUMNS "r.stanza" WAITING NAMED " ORDER BY r.id LIMIT $7::bigint", 7, q->bare,
		v.after, v.upto, q->given, v.hash, q->ids, v.limit);

	(void)a;
	return take_rows(st, r, q);
}

/* What lies below the mark waits no longer: nothing need be known of it. */
static enum sql_status
forget_old(struct sql *db, const struct values *v, struct err *e)
{
	return sql_do(db, e,
		"DELETE FROM chancery.offline_removed o USING chancery.delivery_mark m"
		" WHERE m.account = $1::bigint AND o.account = m.account AND o.record <= m.mark",
		1, v->account);
}

enum sql_status
offline_remove(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct offline_query *q = data;
	struct values v = values_of(q);
	enum sql_status st = forget_old(db, &v, e);
	PGresult *r;

	(void)a;
	if (st != SQL_OK)
		return st;
	st = sql_query(db, e, &r,
		"WITH found AS (SELECT r.id" WAITING NAMED "),"
		" out AS (" TAKE_OUT "$7::bigint AND (SELECT count(*) FROM found) = $8::bigint)"
		" SELECT count(*) FROM found",
		8, q->bare, v.after, v.upto, q->given, v.hash, q->ids, v.account, v.nids);
	return take_count(st, r, q);
}

enum sql_status
offline_purge(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct offline_query *q = data;
	struct values v = values_of(q);
	enum sql_status st = forget_old(db, &v, e);
	PGresult *r;

	(void)a;
	if (st != SQL_OK)
		return st;
	st = sql_query(db, e, &r,
		"WITH found AS (SELECT r.id" WAITING "), out AS (" TAKE_OUT "$6::bigint) SELECT count(*) FROM found",
		6, q->bare, v.after, v.upto, q->given, v.hash, v.account);
	return take_count(st, r, q);
}
