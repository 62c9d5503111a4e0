/*
 * record_link: the writer's connection (see record_writer.h).
 *
 * A new connection may write only when it holds the advisory lock: then no other server writes, and the
 * backend of our own last connection, which could still be committing, is gone. What that backend did is
 * asked before anything new is written.
 */
#include "store/record_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define CONNECT_MS 2000
#define PROBE_MS 5000
#define PROBE_EVERY_MS 10000
#define DENIED_MS 2000 /* then the backend of our lost connection is ended */
#define MONTHS "3"
#define DAY_MS 86400000
#define WEEK_US (UINT64_C(7) * 86400 * 1000000)

bool
link_is_ready(const struct writer *w)
{
	return sql_is_connected(w->db) && w->locked && w->head_known;
}

/* The connection is gone, or of no more use. Its backend may live on. */
void
link_lost(struct writer *w)
{
	sql_disconnect(w->db);
	if (w->locked) {
		memcpy(w->old_pid, w->pid, sizeof(w->old_pid));
		memcpy(w->old_start, w->start, sizeof(w->old_start));
	}
	w->locked = w->head_known = false;
}

static enum sql_status
connect_anew(struct writer *w, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	link_lost(w);
	st = sql_connect(w->db, CONNECT_MS, e);
	if (st == SQL_OK)
		st = sql_query(
			w->db, e, &r,
			"SELECT pid, backend_start::text, current_setting('log_parameter_max_length') = '0'"
			" FROM pg_stat_activity WHERE pid = pg_backend_pid()",
			0);
	if (st != SQL_OK)
		return st;
	snprintf(w->pid, sizeof(w->pid), "%s", sql_text(r, 0, 0));
	snprintf(w->start, sizeof(w->start), "%s", sql_text(r, 0, 1));
	w->may_insert = sql_bool(r, 0, 2);
	PQclear(r);
	return SQL_OK;
}

/* Ends the backend with this number and this time of birth: a number alone may be somebody else's now. */
static enum sql_status
end_backend(struct sql *db, const char *pid, const char *start, struct err *e)
{
	return sql_do(
		db, e,
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
		" WHERE pid = $1::int AND backend_start = $2::timestamptz AND usename = current_user",
		2, pid, start);
}

static enum sql_status
take_lock(struct writer *w, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(w->db, e, &r, "SELECT pg_try_advisory_lock(4841263, 1)", 0);

	if (st != SQL_OK)
		return st;
	w->locked = sql_bool(r, 0, 0);
	PQclear(r);
	if (w->locked) {
		w->denied_ms = 0;
		return SQL_OK;
	}
	if (!w->denied_ms)
		w->denied_ms = clock_mono_ms();
	else if (w->old_pid[0] && clock_mono_ms() - w->denied_ms > DENIED_MS)
		st = end_backend(w->db, w->old_pid, w->old_start, e);
	if (st == SQL_OK)
		err_set(e, 0, "another server writes to this archive: it holds the writer's lock");
	return SQL_UNAVAILABLE;
}

/* Ids and indexes grow together, so the newest row has the highest of both. */
static enum sql_status
read_head(struct writer *w, struct err *e)
{
	PGresult *r;
	uint64_t index = 0, id = 0;
	enum sql_status st =
		sql_query(w->db, e, &r,
			  "SELECT id, log_index FROM archive.record ORDER BY id DESC LIMIT 1", 0);

	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1) {
		id = (uint64_t)sql_i64(r, 0, 0);
		index = (uint64_t)sql_i64(r, 0, 1) + 1;
	}
	PQclear(r);
	/* We have seen a commit that is not there any more: a database from before, or one that lies. */
	if (id < atomic_load(&w->committed_id))
		log_error(NULL, "archive-went-back", "newest=%" PRIu64 " committed=%" PRIu64, id,
			  (uint64_t)atomic_load(&w->committed_id));
	w->next_index = index;
	if (id > w->last_id)
		w->last_id = id;
	atomic_store(&w->committed_id, id);
	writer_settle(w);
	leaf_forget_spans(w->hasher);
	w->head_known = true;
	return SQL_OK;
}

enum sql_status
link_partitions(struct writer *w, uint64_t id, struct err *e)
{
	int64_t now = clock_mono_ms();
	PGresult *r;
	enum sql_status st;

	if (id < w->covered && now < w->partitions_ms)
		return SQL_OK;
	st = sql_query(w->db, e, &r, "SELECT archive.make_partitions(" MONTHS ")", 0);
	if (st == SQL_OK) {
		w->covered = (uint64_t)sql_i64(r, 0, 0);
		PQclear(r);
	}
	/* Months ahead there is time to try again. */
	w->partitions_ms = now + (st == SQL_OK ? DAY_MS : DAY_MS / 24);
	if (st == SQL_FAILED)
		log_warning(NULL, "archive-partitions-failed", "why=%s", e->text);
	if (st == SQL_OK && id >= w->covered) {
		err_set(e, 0,
			"this machine's clock is months ahead of PostgreSQL's: no partition for new records");
		return SQL_FAILED;
	}
	return st == SQL_FAILED && id + WEEK_US < w->covered ? SQL_OK : st;
}

enum sql_status
link_attempt(struct writer *w, struct err *e)
{
	enum sql_status st = SQL_OK;
	uint64_t now = (uint64_t)clock_wall_us();

	if (!sql_is_connected(w->db))
		st = connect_anew(w, e);
	if (st == SQL_OK && !w->locked)
		st = take_lock(w, e);
	if (st == SQL_OK && w->batch.unknown)
		st = batch_resolve(w, e);
	if (st == SQL_OK && !w->head_known)
		st = write_prepare(w, e);
	if (st == SQL_OK && !w->head_known)
		st = read_head(w, e);
	if (st == SQL_OK)
		st = link_partitions(w, (w->last_id > now ? w->last_id : now) + BATCH_ROWS_MAX, e);
	return st;
}

static void
on_tick(void *arg)
{
	writer_expire(arg);
}

void
link_probe(struct writer *w)
{
	struct sql *db = sql_new(w->conninfo, "chancery archive probe");
	struct err e;

	sql_set_tick(db, TICK_MS, on_tick, w);
	sql_set_deadline(db, PROBE_MS);
	/* When all of PostgreSQL hung and wakes up now, our backend deserves a moment too. */
	if (sql_connect(db, PROBE_MS, &e) == SQL_OK &&
	    sql_wait(w->db, false, clock_mono_ms() + 1000) == 0 &&
	    end_backend(db, w->pid, w->start, &e) == SQL_OK)
		log_warning(NULL, "archive-backend-ended", "pid=%s why=%s", w->pid,
			    "it gave no answer while PostgreSQL answers others");
	sql_free(db);
	w->probe_ms = clock_mono_ms() + PROBE_EVERY_MS;
}
