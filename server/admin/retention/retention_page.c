/*
 * retention_page: see retention_page.h. On the thread of retention.
 */
#include "admin/retention/retention_page.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/metric.h"

#define PAGE "5000" /* records looked at together */

/* Columns of what is read; the last row has them all but the second. */
enum { ID, CLASS, LOOKED, CLASSES, MEMBERS, DUE, DUE_JOINED, FROM };

enum sql_status
retention_classes(struct sql *db, int64_t *version, struct err *e)
{
	PGresult *rows;
	enum sql_status st = sql_query(db, e, &rows, "SELECT classes FROM compliance.retention_rules()", 0);

	if (st != SQL_OK)
		return st;
	*version = sql_i64(rows, 0, 0);
	PQclear(rows);
	return SQL_OK;
}

enum sql_status
retention_page_read(struct retention_page *p, struct sql *db, int64_t run, int64_t after, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER];
	/* All of it as one moment has it: what is passed over, what has expired, and what is noted. */
	enum sql_status st = sql_query(db, e, &p->rows,
		"SELECT x.id, x.class, x.looked, x.classes, x.members, x.due, x.due_joined, f.at FROM compliance.retention_run n,"
		" LATERAL archive.retention_from($2::bigint, n.now_at) f (at), LATERAL archive.expired(f.at, n.now_at, " PAGE ") x"
		" WHERE n.id = $1::bigint ORDER BY x.class, x.id", 2, sql_number(a, run), sql_number(b, after));

	if (st != SQL_OK || PQntuples(p->rows) == 0)
		return st;
	p->n = (size_t)PQntuples(p->rows) - 1;
	p->id = mem_alloc((p->n + 1) * sizeof *p->id);
	p->class = mem_alloc((p->n + 1) * sizeof *p->class);
	for (size_t i = 0; i < p->n; i++) {
		p->id[i] = (uint64_t)sql_i64(p->rows, (int)i, ID);
		p->class[i] = sql_i64(p->rows, (int)i, CLASS);
	}
	p->upto = sql_i64(p->rows, (int)p->n, ID);
	p->classes = sql_i64(p->rows, (int)p->n, CLASSES);
	p->more = true;
	return SQL_OK;
}

enum sql_status
retention_page_note(const struct retention_page *p, struct sql *db, int64_t run, uint64_t stayed, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER], c[SQL_NUMBER];
	const PGresult *rows = p->rows;
	int last = (int)p->n;
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = sql_do(db, e, "UPDATE compliance.retention_run SET looked_to = $2::bigint, held = held + $3::bigint, looked = looked + $4::bigint"
			" WHERE id = $1::bigint", 4, sql_number(a, run), sql_number(b, p->upto), sql_number(c, (int64_t)stayed), sql_text(rows, last, LOOKED));
	/* The end of the record, to which more will come, is looked at by each run. */
	if (st == SQL_OK && !sql_is_null(rows, last, DUE))
		st = sql_do(db, e, "INSERT INTO compliance.retention_note (after, upto, classes, members, due, due_joined)"
			" VALUES ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::timestamptz, $6::timestamptz) ON CONFLICT (after) DO UPDATE"
			" SET upto = excluded.upto, classes = excluded.classes, members = excluded.members, due = excluded.due, due_joined = excluded.due_joined",
			6, sql_text(rows, last, FROM), b, sql_text(rows, last, CLASSES), sql_text(rows, last, MEMBERS),
			stayed > 0 ? "-infinity" : sql_text(rows, last, DUE), sql_text(rows, last, DUE_JOINED));
	if (st == SQL_OK)
		st = sql_commit(db, e);
	if (st == SQL_OK)
		metric_add(METRIC_RETENTION_LOOKED, (uint64_t)sql_i64(rows, last, LOOKED));
	return st;
}

void
retention_page_fini(struct retention_page *p)
{
	PQclear(p->rows);
	free(p->id);
	free(p->class);
	*p = (struct retention_page){0};
}
