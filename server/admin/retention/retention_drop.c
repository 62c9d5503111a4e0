/*
 * retention_drop: see retention_drop.h. On the thread of retention.
 */
#include "admin/retention/retention_drop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/config/config.h"
#include "store/audit.h"

#define PAGE 5000 /* rows looked at together */

struct drop {
	struct sql *db;
	int64_t run;
	bool (*rest)(int64_t ms);
	struct err *e;
};

static void
read_limits(unsigned *per_second, unsigned *pack_ms)
{
	struct config *c = config_get();

	*per_second = (unsigned)c->limits.retention_per_second;
	*pack_ms = (unsigned)c->limits.retention_pack_ms;
	config_unref(c);
}

/* In the record first: which month, which log indexes, how many rows. */
static enum sql_status
record_month(const struct drop *d, const PGresult *rows, uint64_t *record)
{
	struct buf names = {0}, detail = {0};
	struct audit_event v = {.person = "chanceryd", .uid = -1, .login = -1, .origin = "retention", .action = "retention.drop", .target = sql_text(rows, 0, 0)};
	enum sql_status st;

	buf_addf(&names, "dropped: %" PRId64 "-%" PRId64, sql_i64(rows, 0, 1), sql_i64(rows, 0, 2));
	buf_addf(&detail, "{\"rows\":%" PRId64 ",\"run\":%" PRId64 "}", sql_i64(rows, 0, 3), d->run);
	v.erased = buf_str(&names);
	v.detail = buf_str(&detail);
	st = audit_record(&v, record, d->e);
	buf_fini(&names);
	buf_fini(&detail);
	return st;
}

/* The next month whose rows may go. *any false: there is none. */
static enum sql_status
begin_month(const struct drop *d, bool *any)
{
	char run[SQL_NUMBER], id[SQL_NUMBER];
	uint64_t record = 0;
	PGresult *rows;
	enum sql_status st = sql_query(d->db, d->e, &rows, "SELECT x.month, x.first_index, x.last_index, x.rows, x.said FROM compliance.retention_run n,"
		" archive.droppable(n.now_at, NULL) x WHERE n.id = $1::bigint ORDER BY x.month LIMIT 1", 1, sql_number(run, d->run));

	*any = false;
	if (st != SQL_OK)
		return st;
	*any = PQntuples(rows) == 1;
	if (*any && !sql_is_null(rows, 0, 4))
		record = (uint64_t)sql_i64(rows, 0, 4);
	else if (*any)
		st = record_month(d, rows, &record);
	if (*any && st == SQL_OK)
		st = sql_do(d->db, d->e, "SELECT archive.drop_month($1, $2::bigint)", 2, sql_text(rows, 0, 0), sql_number(id, (int64_t)record));
	if (*any && st == SQL_OK)
		log_info(NULL, "retention-dropping", "month=%s record=%" PRIu64 " rows=%" PRId64, sql_text(rows, 0, 0), record, sql_i64(rows, 0, 3));
	PQclear(rows);
	return st;
}

/* Some rows of one that was begun, and that they have gone. */
static enum sql_status
drop_page(const struct drop *d, const char *record, int64_t *gone, bool *more)
{
	char page[SQL_NUMBER], run[SQL_NUMBER], n[SQL_NUMBER];
	PGresult *rows;
	enum sql_status st = sql_begin(d->db, d->e);

	if (st == SQL_OK)
		st = sql_query(d->db, d->e, &rows, "SELECT gone, more FROM archive.drop_rows($1::bigint, $2::int)", 2, record, sql_number(page, PAGE));
	if (st != SQL_OK)
		return st;
	*gone = sql_i64(rows, 0, 0);
	*more = sql_bool(rows, 0, 1);
	PQclear(rows);
	st = sql_do(d->db, d->e, "UPDATE compliance.retention_run SET dropped = dropped + $2::bigint WHERE id = $1::bigint", 2,
		sql_number(run, d->run), sql_number(n, *gone));
	if (st == SQL_OK)
		st = sql_commit(d->db, d->e);
	if (st == SQL_OK)
		metric_add(METRIC_RETENTION_DROPPED, (uint64_t)*gone);
	return st;
}

/* One that was begun, to its end. *any false: there is none; *over: the server stops. */
static enum sql_status
go_on_month(const struct drop *d, bool *any, bool *over)
{
	char record[SQL_NUMBER];
	unsigned per_second, pack_ms;
	PGresult *rows;
	int64_t gone = 0;
	bool more = true;
	enum sql_status st = sql_query(d->db, d->e, &rows, "SELECT record FROM archive.dropped WHERE finished_at IS NULL ORDER BY record LIMIT 1", 0);

	*any = false;
	if (st != SQL_OK)
		return st;
	*any = PQntuples(rows) == 1;
	snprintf(record, sizeof record, "%s", *any ? sql_text(rows, 0, 0) : "");
	PQclear(rows);
	while (*any && st == SQL_OK && more && !*over) {
		st = drop_page(d, record, &gone, &more);
		read_limits(&per_second, &pack_ms);
		*over = st == SQL_OK && !d->rest(gone * 1000 / per_second);
	}
	return st;
}

/* Whoever asks for the month waits as long as this does, so it has its time. What does not end in it, or lacks room on the disk, is tried again by the next run, and
 * keeps this one from nothing. */
static enum sql_status
pack(const struct drop *d, const char *record, const char *month)
{
	unsigned per_second, pack_ms;
	char ms[SQL_NUMBER];
	bool packed = false;
	enum sql_status st;

	read_limits(&per_second, &pack_ms);
	st = sql_begin(d->db, d->e);
	if (st == SQL_OK)
		st = sql_do(d->db, d->e, "SELECT set_config('statement_timeout', $1, true)", 1, sql_number(ms, pack_ms));
	if (st == SQL_OK)
		st = sql_query_bool(d->db, d->e, &packed, "SELECT archive.pack_month($1::bigint)", 1, record);
	if (st == SQL_OK)
		st = sql_commit(d->db, d->e);
	if (st == SQL_OK)
		log_info(NULL, packed ? "retention-packed" : "retention-not-packed", "month=%s why=%s", month,
			 packed ? "its empty rows have gone" : "somebody may still see them");
	if (st != SQL_FAILED)
		return st;
	log_warning(NULL, "retention-not-packed", "month=%s why=%s", month, d->e->text);
	sql_rollback(d->db);
	return SQL_OK;
}

static enum sql_status
pack_all(const struct drop *d)
{
	PGresult *rows;
	enum sql_status st = sql_query(d->db, d->e, &rows, "SELECT record, month FROM archive.dropped WHERE finished_at IS NOT NULL AND packed_at IS NULL ORDER BY record", 0);

	if (st != SQL_OK)
		return st;
	for (int i = 0; i < PQntuples(rows) && st == SQL_OK && d->rest(0); i++)
		st = pack(d, sql_text(rows, i, 0), sql_text(rows, i, 1));
	PQclear(rows);
	return st;
}

enum sql_status
retention_drop(struct sql *db, int64_t run, bool (*rest)(int64_t ms), bool *done, struct err *e)
{
	struct drop d = {.db = db, .run = run, .rest = rest, .e = e};
	enum sql_status st = SQL_OK;
	bool any = true, over = false;

	while (st == SQL_OK && any && !over) {
		st = go_on_month(&d, &any, &over);
		if (st == SQL_OK && !any)
			st = begin_month(&d, &any);
	}
	if (st == SQL_OK && !over)
		st = pack_all(&d);
	*done = st == SQL_OK && !over && rest(0);
	return st;
}
