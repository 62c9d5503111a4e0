/*
 * erasure: see erasure.h. Called by the thread of requests (admin/erasure/erasures.c) and by retention.
 */
#include "store/erasure.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/audit.h"
#include "store/record.h"


static _Atomic uint64_t rounds;

uint64_t
erasure_rounds(void)
{
	return atomic_load(&rounds);
}

static void
write_ids(struct buf *out, const uint64_t *id, size_t n)
{
	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s%" PRIu64, i > 0 ? "," : "", id[i]);
	buf_addc(out, '}');
}

/* Rows of id, log index, and whether it stays, in the order of the log. */
static enum sql_status
ask_erasable(struct sql *db, const uint64_t *id, size_t n, PGresult **rows, uint64_t *go, uint64_t *stay, struct err *e)
{
	struct buf ids = {0};
	enum sql_status st;

	write_ids(&ids, id, n);
	st = sql_query(db, e, rows, "SELECT id, log_index, stays FROM archive.erasable($1::bigint[])", 1, buf_str(&ids));
	buf_fini(&ids);
	*go = *stay = 0;
	for (int i = 0; st == SQL_OK && i < PQntuples(*rows); i++)
		++*(sql_bool(*rows, i, 2) ? stay : go);
	return st;
}

/* "erased: 3-17 20": archive.erasure_names reads it. */
static void
write_names(struct buf *out, const PGresult *rows)
{
	int n = PQntuples(rows);

	buf_adds(out, "erased:");
	for (int i = 0; i < n;) {
		int64_t first = sql_i64(rows, i, 1), last = first;

		if (sql_bool(rows, i++, 2))
			continue;
		for (; i < n && sql_i64(rows, i, 1) == last + 1 && !sql_bool(rows, i, 2); i++)
			last++;
		buf_addf(out, first < last ? " %" PRId64 "-%" PRId64 : " %" PRId64, first, last);
	}
}

static void
write_detail(struct buf *out, const struct erasure_order *o, uint64_t records)
{
	buf_adds(out, "{\"basis\":");
	audit_add_string(out, o->basis);
	buf_adds(out, ",\"why\":");
	audit_add_string(out, o->why);
	if (o->approved_by != NULL) {
		buf_adds(out, ",\"approved_by\":");
		audit_add_string(out, o->approved_by);
	}
	if (o->decision != 0)
		buf_addf(out, ",\"decision\":%" PRIu64, o->decision);
	if (o->request != 0)
		buf_addf(out, ",\"request\":%" PRId64, o->request);
	buf_addf(out, ",\"records\":%" PRIu64 "}", records);
}

static enum sql_status
record_it(const struct erasure_order *o, const PGresult *rows, uint64_t records, uint64_t *record, struct err *e)
{
	struct buf names = {0}, detail = {0};
	struct audit_event v = {.person = o->who, .role = o->role, .uid = -1, .login = -1, .origin = "erasure", .action = "erasure", .about = o->decision};
	enum sql_status st;

	write_names(&names, rows);
	write_detail(&detail, o, records);
	v.erased = buf_str(&names);
	v.detail = buf_str(&detail);
	st = audit_record(&v, record, e);
	buf_fini(&names);
	buf_fini(&detail);
	return st;
}

static enum sql_status
carry_out(struct sql *db, uint64_t record, uint64_t *erased, uint64_t *held, struct err *e)
{
	char id[SQL_NUMBER];
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r, "SELECT erased, held FROM archive.erase($1::bigint)", 1, sql_number(id, (int64_t)record));
	/* Also where nobody knows whether it was committed. */
	atomic_fetch_add(&rounds, 1);
	if (st != SQL_OK)
		return st;
	*erased = (uint64_t)sql_i64(r, 0, 0);
	*held = (uint64_t)sql_i64(r, 0, 1);
	PQclear(r);
	metric_add(METRIC_ERASED_RECORDS, *erased);
	log_info(NULL, "records-erased", "record=%" PRIu64 " erased=%" PRIu64 " held=%" PRIu64, record, *erased, *held);
	return SQL_OK;
}

enum sql_status
erasure_wipe(struct sql *db, const struct erasure_order *o, const uint64_t *id, size_t n, struct erasure_done *done, struct err *e)
{
	PGresult *rows;
	enum sql_status st;
	uint64_t go, late = 0;

	assert(n <= ERASURE_BATCH);
	*done = (struct erasure_done){0};
	st = ask_erasable(db, id, n, &rows, &go, &done->held, e);
	if (st != SQL_OK)
		return st;
	if (go > 0)
		st = record_it(o, rows, go, &done->record, e);
	PQclear(rows);
	if (st != SQL_OK || done->record == 0)
		return st;
	st = carry_out(db, done->record, &done->erased, &late, e);
	done->held += late;
	return st;
}

enum sql_status
erasure_count(struct sql *db, const uint64_t *id, size_t n, uint64_t *go, uint64_t *stay, struct err *e)
{
	PGresult *rows;
	enum sql_status st = ask_erasable(db, id, n, &rows, go, stay, e);

	if (st == SQL_OK)
		PQclear(rows);
	return st;
}

enum sql_status
erasure_resume(struct sql *db, unsigned *n, struct err *e)
{
	char upto[SQL_NUMBER];
	PGresult *rows;
	enum sql_status st;

	*n = 0;
	/* What is beyond may yet be taken back (store/record.h). */
	st = sql_query(db, e, &rows, "SELECT * FROM archive.erasures_open($1::bigint)", 1, sql_number(upto, (int64_t)record_settled_id()));
	if (st != SQL_OK)
		return st;
	for (int i = 0; i < PQntuples(rows) && st == SQL_OK; i++) {
		uint64_t erased, held;

		st = carry_out(db, (uint64_t)sql_i64(rows, i, 0), &erased, &held, e);
		*n += st == SQL_OK;
	}
	PQclear(rows);
	return st;
}
