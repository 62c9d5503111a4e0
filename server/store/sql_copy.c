/*
 * sql_copy: rows into a table by COPY … FROM STDIN (see sql.h), for whoever has many of them.
 */
#include "store/sql.h"

#include <errno.h>

/* Until libpq can go on. */
static enum sql_status
await(struct sql *db, bool for_write, int64_t until_ms, struct err *e)
{
	int r = sql_wait(db, for_write, until_ms);

	if (r > 0 && PQconsumeInput(sql_raw(db)))
		return SQL_OK;
	if (r)
		return sql_failure(db, NULL, e);
	err_set(e, ETIMEDOUT, "no answer from PostgreSQL in time (COPY)");
	sql_disconnect(db);
	return SQL_UNAVAILABLE;
}

static enum sql_status
flush(struct sql *db, int64_t until_ms, struct err *e)
{
	enum sql_status st = SQL_OK;
	int r = 0;

	while (st == SQL_OK && (r = PQflush(sql_raw(db))) == 1)
		st = await(db, true, until_ms, e);
	return st == SQL_OK && r < 0 ? sql_failure(db, NULL, e) : st;
}

/* The next result has to be this; a failure takes what is behind it, too. */
static enum sql_status
expect(struct sql *db, ExecStatusType want, int64_t until_ms, struct err *e)
{
	enum sql_status st = SQL_OK;
	PGresult *r, *more;

	while (st == SQL_OK && PQisBusy(sql_raw(db)))
		st = await(db, false, until_ms, e);
	if (st != SQL_OK)
		return st;
	r = PQgetResult(sql_raw(db));
	if (!r || PQresultStatus(r) != want) {
		while (PQstatus(sql_raw(db)) == CONNECTION_OK && (more = PQgetResult(sql_raw(db))))
			PQclear(more);
		st = sql_failure(db, r, e);
	}
	PQclear(r);
	return st;
}

enum sql_status
sql_copy_in(struct sql *db, const char *statement, const void *data, size_t n, int64_t until_ms, struct err *e)
{
	enum sql_status st;

	if (!PQsendQuery(sql_raw(db), statement))
		return sql_failure(db, NULL, e);
	st = flush(db, until_ms, e);
	if (st == SQL_OK)
		st = expect(db, PGRES_COPY_IN, until_ms, e);
	if (st == SQL_OK && (PQputCopyData(sql_raw(db), data, (int)n) != 1 || PQputCopyEnd(sql_raw(db), NULL) != 1))
		st = sql_failure(db, NULL, e);
	if (st == SQL_OK)
		st = flush(db, until_ms, e);
	if (st == SQL_OK)
		st = expect(db, PGRES_COMMAND_OK, until_ms, e);
	/* Libpq's end of the statement, so that the next may be sent. */
	if (st == SQL_OK)
		PQclear(PQgetResult(sql_raw(db)));
	return st;
}
