/*
 * exports_store: statements. The states are those of enum export_state.
 */
#include "admin/export/exports_store.h"

enum sql_status
exports_store_recover(struct sql *db, struct err *e)
{
	return sql_do(db, e, "UPDATE compliance.export SET state = 1, attempts = greatest(attempts - 1, 0) WHERE state = 2", 0);
}

static const char *
text(struct arena *a, const PGresult *r, int col)
{
	return sql_is_null(r, 0, col) ? NULL : arena_strdup(a, sql_text(r, 0, col));
}

#define MICROSECONDS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

enum sql_status
exports_store_next(struct sql *db, struct arena *a, struct exports_job *j, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT id, " MICROSECONDS("asked_at") ", " MICROSECONDS("started_at") ", asked_by, approved_by, reason, query::text, query_text,"
		" to_json(formats)::text, checkpoint, size, attempts, csv_bom, crashes FROM compliance.export WHERE state = 1 ORDER BY attempts, id LIMIT 1", 0);

	*j = (struct exports_job){0};
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1)
		*j = (struct exports_job){.id = sql_i64(r, 0, 0), .asked_us = sql_i64(r, 0, 1), .started_us = sql_i64(r, 0, 2),
			.asked_by = text(a, r, 3), .approved_by = text(a, r, 4), .reason = text(a, r, 5), .query = text(a, r, 6),
			.query_text = text(a, r, 7), .formats = text(a, r, 8), .checkpoint = text(a, r, 9), .size = (uint64_t)sql_i64(r, 0, 10),
			.attempts = (int)sql_i64(r, 0, 11), .csv_bom = sql_bool(r, 0, 12), .crashes = (int)sql_i64(r, 0, 13)};
	PQclear(r);
	return SQL_OK;
}

enum sql_status
exports_store_pin(struct sql *db, int64_t id, uint64_t size, const char *checkpoint, int64_t *started_us, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"UPDATE compliance.export SET size = $2::bigint, checkpoint = $3, started_at = now() WHERE id = $1::bigint"
		" RETURNING " MICROSECONDS("started_at"), 3, sql_number(a, id), sql_number(b, (int64_t)size), checkpoint);

	if (st != SQL_OK)
		return st;
	*started_us = PQntuples(r) == 1 ? sql_i64(r, 0, 0) : 0;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
exports_store_run(struct sql *db, struct exports_job *j, struct err *e)
{
	char a[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"UPDATE compliance.export SET state = 2, attempts = attempts + 1, stage = '', done = 0 WHERE id = $1::bigint AND state = 1"
		" RETURNING attempts", 1, sql_number(a, j->id));

	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1)
		j->attempts = (int)sql_i64(r, 0, 0);
	else
		j->id = 0;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
exports_store_progress(struct sql *db, int64_t id, const char *stage, uint64_t done, uint64_t records, uint64_t bytes, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER], c[SQL_NUMBER], d[SQL_NUMBER];

	return sql_do(db, e,
		"UPDATE compliance.export SET stage = $2, done = $3::bigint, records = $4::bigint, bytes = $5::bigint"
		" WHERE id = $1::bigint AND state = 2", 5, sql_number(a, id), stage, sql_number(b, (int64_t)done), sql_number(c, (int64_t)records),
		sql_number(d, (int64_t)bytes));
}

enum sql_status
exports_store_altered(struct sql *db, int64_t id, uint64_t altered, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER];

	return sql_do(db, e, "UPDATE compliance.export SET altered = $2::bigint WHERE id = $1::bigint", 2, sql_number(a, id),
		sql_number(b, (int64_t)altered));
}

enum sql_status
exports_store_missing(struct sql *db, int64_t id, uint64_t missing, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER];

	return sql_do(db, e, "UPDATE compliance.export SET missing = $2::bigint WHERE id = $1::bigint", 2, sql_number(a, id),
		sql_number(b, (int64_t)missing));
}

enum sql_status
exports_store_manifest(struct sql *db, int64_t id, const char *hex, struct err *e)
{
	char a[SQL_NUMBER];

	return sql_do(db, e, "UPDATE compliance.export SET manifest = decode($2, 'hex') WHERE id = $1::bigint", 2, sql_number(a, id), hex);
}

enum sql_status
exports_store_done(struct sql *db, int64_t id, uint64_t bytes, uint64_t records, uint64_t keep_ms, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER], c[SQL_NUMBER], d[SQL_NUMBER];

	return sql_do(db, e,
		"UPDATE compliance.export SET state = 3, stage = 'done', done = $3::bigint, records = $3::bigint, bytes = $2::bigint,"
		" finished_at = now(), error = NULL, expires_at = CASE WHEN $4::bigint > 0 THEN now() + make_interval(secs => $4::bigint / 1000.0) END"
		" WHERE id = $1::bigint AND state = 2", 4, sql_number(a, id), sql_number(b, (int64_t)bytes), sql_number(c, (int64_t)records),
		sql_number(d, (int64_t)keep_ms));
}

enum sql_status
exports_store_failed(struct sql *db, int64_t id, int crashes, bool again, const char *why, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER];

	return sql_do(db, e,
		"UPDATE compliance.export SET state = CASE WHEN $2::boolean THEN 1 ELSE 4 END, error = $3, crashes = $4::smallint,"
		" finished_at = CASE WHEN $2::boolean THEN NULL ELSE now() END WHERE id = $1::bigint AND state IN (1, 2)", 4, sql_number(a, id),
		again ? "t" : "f", why, sql_number(b, crashes));
}

enum sql_status
exports_store_is_wanted(struct sql *db, int64_t id, bool *wanted, struct err *e)
{
	char a[SQL_NUMBER];

	return sql_query_bool(db, e, wanted, "SELECT state = 2 FROM compliance.export WHERE id = $1::bigint", 1, sql_number(a, id));
}

enum sql_status
exports_store_expired(struct sql *db, int64_t *id, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"UPDATE compliance.export SET state = 6 WHERE id = (SELECT x.id FROM compliance.export x WHERE x.state = 3"
		" AND x.expires_at < now() ORDER BY x.id LIMIT 1) RETURNING id", 0);

	*id = 0;
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1)
		*id = sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
exports_store_keeps(struct sql *db, int64_t id, bool *keeps, struct err *e)
{
	char a[SQL_NUMBER];

	return sql_query_bool(db, e, keeps, "SELECT state IN (1, 2, 3) FROM compliance.export WHERE id = $1::bigint", 1, sql_number(a, id));
}
