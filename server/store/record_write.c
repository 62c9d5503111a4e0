/*
 * record_write: how a batch gets to PostgreSQL, as one statement, which is one transaction (see record_writer.h).
 *
 * Many rows are a COPY. That takes two round trips, as no row may be sent before PostgreSQL has said that it takes them, and is parsed each
 * time. A few rows, which is what most batches have, are a prepared INSERT with as many parameters, of the same bytes, in one round trip
 * (tests/bench/README.md, "How a batch is written"). What PostgreSQL says against a row has the same SQLSTATE either way.
 *
 * What a slow statement's parameters were, PostgreSQL writes into its own log if it is told to look for slow statements. Nobody's words
 * belong there: without log_parameter_max_length = 0, which schema/roles.sql sets for our role, all batches are copied.
 */
#include "store/record_writer.h"

#include "base/clock.h"

#define SILENT_MS 3000 /* no answer for this long: the archive counts as down */
#define INSERTED_BYTES 65536 /* of more, what is saved is nothing */

/* Waits for the connection, however long PostgreSQL is silent: the outcome will come with its answer.
 * Meanwhile entries expire (the tick). After a minute beyond patience another connection is asked to
 * end the silent backend. -1: broken, or we stop and nobody waits any more. */
static int
await(struct writer *w, bool for_write)
{
	int64_t since = w->batch.sent_us / 1000;

	for (;;) {
		int r = sql_wait(w->db, for_write, clock_mono_ms() + 500);
		int64_t silent = clock_mono_ms() - since;

		if (r != 0)
			return r;
		if (silent > SILENT_MS)
			writer_went_down(w, "PostgreSQL gives no answer");
		if (atomic_load(&w->stopping) && !writer_has_live(w))
			return -1;
		if (silent > (int64_t)atomic_load(&w->patience_ms) + w->silence_ms &&
		    clock_mono_ms() >= w->probe_ms) {
			writer_went_down(w, "PostgreSQL gives no answer");
			link_probe(w);
		}
	}
}

static int
flush(struct writer *w)
{
	int r;

	while ((r = PQflush(sql_raw(w->db))) == 1)
		if (await(w, true) < 0 || !PQconsumeInput(sql_raw(w->db)))
			return -1;
	return r;
}

/* The next result; NULL at the end of a statement. -1: broken. */
static int
answer(struct writer *w, PGresult **r)
{
	PGconn *c = sql_raw(w->db);

	*r = NULL;
	while (PQisBusy(c))
		if (await(w, false) < 0 || !PQconsumeInput(c))
			return -1;
	*r = PQgetResult(c);
	return PQstatus(c) == CONNECTION_OK ? 0 : -1;
}

/* The next result, NULL at the end or when the connection broke. */
static PGresult *
result(struct writer *w)
{
	PGresult *r;

	(void)answer(w, &r);
	return r;
}

/* Takes the result `r` and those behind it; true when it has the status `want`. */
static bool
expect(struct writer *w, PGresult *r, ExecStatusType want, enum sql_status *st, struct err *e)
{
	if (r && PQresultStatus(r) == want) {
		PQclear(r);
		return true;
	}
	*st = SQL_UNAVAILABLE;
	if (r && PQstatus(sql_raw(w->db)) == CONNECTION_OK) {
		PGresult *more;

		while ((more = result(w)))
			PQclear(more);
	}
	*st = sql_failure(w->db, r, e);
	PQclear(r);
	return false;
}

static enum sql_status
write_copy(struct writer *w, struct err *e)
{
	struct batch *b = &w->batch;
	PGconn *c = sql_raw(w->db);
	enum sql_status st = SQL_UNAVAILABLE;
	PGresult *r;

	if (!PQsendQuery(c, leaf_copy_sql) || flush(w) != 0)
		return sql_failure(w->db, NULL, e);
	if (!expect(w, result(w), PGRES_COPY_IN, &st, e))
		return st;
	if (PQputCopyData(c, buf_data(&b->copy), (int)buf_len(&b->copy)) != 1 ||
	    PQputCopyEnd(c, NULL) != 1 || flush(w) != 0)
		return sql_failure(w->db, NULL, e);
	if (!expect(w, result(w), PGRES_COMMAND_OK, &st, e))
		return st;
	/* Libpq's end of the statement, so that the next may be sent. */
	r = result(w);
	PQclear(r);
	if (r)
		return sql_failure(w->db, NULL, e);
	return SQL_OK;
}

/* Of a failure and what may be behind it the first result is kept. */
static void
keep_failure(PGresult *r, PGresult **failed)
{
	if (!r || *failed || PQresultStatus(r) == PGRES_COMMAND_OK)
		PQclear(r);
	else
		*failed = r;
}

/* The statement's answer comes before its transaction is over (PostgreSQL manual, 55.2.3): that the rows were taken says nothing until
 * libpq has come to the end, where PostgreSQL is ready for the next. A commit that fails is a second answer. */
static enum sql_status
take_outcome(struct writer *w, struct err *e)
{
	PGresult *r, *failed = NULL;
	enum sql_status st = SQL_OK;
	bool whole;

	do {
		whole = answer(w, &r) == 0;
		keep_failure(r, &failed);
	} while (whole && r);
	if (!whole || failed)
		st = sql_failure(w->db, failed, e);
	PQclear(failed);
	if (whole)
		return st;
	sql_disconnect(w->db);
	return SQL_UNAVAILABLE;
}

static enum sql_status
write_insert(struct writer *w, const char *statement, struct err *e)
{
	const struct batch *b = &w->batch;
	const char *value[INSERTED_ROWS * LEAF_COLUMNS];
	int len[INSERTED_ROWS * LEAF_COLUMNS], binary[INSERTED_ROWS * LEAF_COLUMNS], n = (int)b->n * LEAF_COLUMNS;

	leaf_insert_params(&b->copy, b->n, value, len);
	for (int i = 0; i < n; i++)
		binary[i] = 1;
	if (!PQsendQueryPrepared(sql_raw(w->db), statement, n, value, len, binary, 0) || flush(w) != 0)
		return sql_failure(w->db, NULL, e);
	return take_outcome(w, e);
}

enum sql_status
write_prepare(struct writer *w, struct err *e)
{
	enum sql_status st = SQL_OK;

	for (size_t i = 0; i < INSERTED_ROWS && st == SQL_OK && w->may_insert && w->insert[i]; i++)
		st = sql_prepare(w->db, w->insert[i], e);
	return st;
}

enum sql_status
batch_write(struct writer *w, struct err *e)
{
	const struct batch *b = &w->batch;
	const char *insert = b->n <= INSERTED_ROWS && buf_len(&b->copy) <= INSERTED_BYTES ? w->insert[b->n - 1] : NULL;
	char name[SQL_NAME];

	return insert && sql_is_prepared(w->db, insert, name) ? write_insert(w, name, e) : write_copy(w, e);
}
