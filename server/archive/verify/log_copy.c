/*
 * log_copy: COPY OUT over a connection of store/sql (see log_copy.h; the format is in PostgreSQL's manual, COPY, binary format).
 */
#include "archive/verify/log_copy.h"

#include <endian.h>
#include <string.h>

#include "base/clock.h"

#define SILENCE_MS 60000 /* no byte for this long */
#define SLICE_MS 200
#define HEAD 19          /* signature, flags, length of the extension */

struct copy {
	struct sql *db;
	unsigned columns;
	log_row_fn row;
	void *arg;
	const atomic_bool *stop;
	bool head_seen, ended;
};

int64_t
log_field_integer(const struct log_field *f)
{
	uint64_t v64;
	uint16_t v16;

	if (f->n == 8) {
		memcpy(&v64, f->at + 4, 8);
		return (int64_t)be64toh(v64);
	}
	if (f->n != 2)
		return 0;
	memcpy(&v16, f->at + 4, 2);
	return (int16_t)be16toh(v16);
}

/* False: not the row of so many columns that it should be. */
static bool
take_row(struct copy *c, const char *p, size_t n)
{
	struct log_field f[LOG_FIELDS_MAX];
	uint16_t columns;
	const char *end = p + n;

	if (n < 2)
		return false;
	memcpy(&columns, p, 2);
	p += 2;
	if (columns == UINT16_MAX) {
		c->ended = true;
		return true;
	}
	if (be16toh(columns) != c->columns)
		return false;
	for (unsigned i = 0; i < c->columns; i++) {
		uint32_t len;

		if (end - p < 4)
			return false;
		memcpy(&len, p, 4);
		f[i] = (struct log_field){ .at = p, .n = (int32_t)be32toh(len) };
		p += 4;
		if (f[i].n >= 0) {
			if (end - p < f[i].n)
				return false;
			p += f[i].n;
		}
	}
	c->row(c->arg, f);
	return p == end;
}

/* libpq gives a row at a time; the head comes with the first. */
static bool
take_data(struct copy *c, const char *p, size_t n)
{
	uint32_t more;

	if (!c->head_seen) {
		if (n < HEAD || memcmp(p, "PGCOPY\n\377\r\n\0", 11) != 0)
			return false;
		memcpy(&more, p + 15, 4);
		if (be32toh(more) > n - HEAD)
			return false;
		p += HEAD + be32toh(more);
		n -= HEAD + be32toh(more);
		c->head_seen = true;
		if (!n)
			return true;
	}
	return take_row(c, p, n);
}

static enum sql_status
fail(struct copy *c, struct err *e, const char *why)
{
	err_set(e, 0, "%s", why);
	sql_disconnect(c->db);
	return SQL_UNAVAILABLE;
}

/* Until there is something to read. */
static enum sql_status
await(struct copy *c, int64_t *heard_ms, struct err *e)
{
	int r = sql_wait(c->db, false, clock_mono_ms() + SLICE_MS);

	if (c->stop && atomic_load(c->stop))
		return fail(c, e, "stopped");
	if (r < 0)
		return sql_failure(c->db, NULL, e);
	if (r > 0)
		*heard_ms = clock_mono_ms();
	else if (clock_mono_ms() - *heard_ms > SILENCE_MS)
		return fail(c, e, "no answer from PostgreSQL in time");
	return r > 0 && !PQconsumeInput(sql_raw(c->db)) ? sql_failure(c->db, NULL, e) : SQL_OK;
}

static enum sql_status
next_result(struct copy *c, PGresult **r, struct err *e)
{
	int64_t heard = clock_mono_ms();
	enum sql_status st = SQL_OK;

	while (st == SQL_OK && PQisBusy(sql_raw(c->db)))
		st = await(c, &heard, e);
	if (st == SQL_OK)
		*r = PQgetResult(sql_raw(c->db));
	return st;
}

static enum sql_status
read_rows(struct copy *c, struct err *e)
{
	int64_t heard = clock_mono_ms();
	enum sql_status st;
	char *p;

	for (;;) {
		int n = PQgetCopyData(sql_raw(c->db), &p, 1);

		if (n > 0) {
			bool good = take_data(c, p, (size_t)n);

			PQfreemem(p);
			if (!good)
				return fail(c, e, "PostgreSQL sends what is no row");
		} else if (n == 0) {
			st = await(c, &heard, e);
			if (st != SQL_OK)
				return st;
		} else {
			return n == -1 ? SQL_OK : sql_failure(c->db, NULL, e);
		}
	}
}

/* The last result; what is behind it is taken as well. */
static enum sql_status
finish(struct copy *c, struct err *e)
{
	PGresult *r = NULL, *last = NULL;
	enum sql_status st;

	while ((st = next_result(c, &r, e)) == SQL_OK && r) {
		PQclear(last);
		last = r;
	}
	if (st == SQL_OK && (!last || PQresultStatus(last) != PGRES_COMMAND_OK))
		st = sql_failure(c->db, last, e);
	else if (st == SQL_OK && !c->ended)
		st = fail(c, e, "PostgreSQL ended in the middle");
	PQclear(last);
	return st;
}

enum sql_status
log_copy(struct sql *db, const char *statement, unsigned columns, log_row_fn row, void *arg, const atomic_bool *stop, struct err *e)
{
	struct copy c = { .db = db, .columns = columns, .row = row, .arg = arg, .stop = stop };
	PGresult *r = NULL;
	enum sql_status st;

	if (!PQsendQuery(sql_raw(db), statement) || PQflush(sql_raw(db)) < 0)
		return sql_failure(db, NULL, e);
	st = next_result(&c, &r, e);
	if (st != SQL_OK)
		return st;
	if (PQresultStatus(r) != PGRES_COPY_OUT) {
		PGresult *more;

		while (next_result(&c, &more, e) == SQL_OK && more)
			PQclear(more);
		st = sql_is_connected(db) ? sql_failure(db, r, e) : SQL_UNAVAILABLE;
		PQclear(r);
		return st;
	}
	PQclear(r);
	st = read_rows(&c, e);
	return st == SQL_OK ? finish(&c, e) : st;
}
