/*
 * sql: one libpq connection with deadlines (see sql.h). Used by pool.c, record.c, version.c and the
 * control threads, each with a connection of its own.
 *
 * libpq is driven without blocking throughout: connecting by PQconnectPoll, statements by PQsend*,
 * PQflush and PQconsumeInput, and every wait in wait_fd, which knows the deadline and calls the
 * owner's tick. When a deadline passes the connection is dropped: what it was doing may still happen,
 * so the caller hears SQL_UNAVAILABLE and treats a write as unknown. Statements that may arrive late
 * and out of order guard themselves (a version or a mark that only grows).
 */
#include "store/sql.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/sql_turn.h"

#define DEADLINE_MS 10000
#define LOCK_TIMEOUT_MS 5000
#define IDLE_IN_TRANSACTION_MS 30000
#define STOP_MS 200
#define LOCK_NOT_AVAILABLE "55P03"
#define STATEMENTS 512 /* slots of the cache; a power of two */
#define STATEMENTS_MAX 384
#define PARAMS_MAX 32

/* What goes with a statement */
#define BEGINS 1u
#define ENDS 2u
#define TURN 4u

struct sql {
	char *conninfo, *app;
	char *role; /* NULL: that of conninfo */
	PGconn *c;
	int deadline_ms;
	int timeout_ms; /* statement_timeout as the session has it */
	int64_t until_ms;
	bool skip_durability, standby;
	char state[6];
	unsigned frame; /* of the next statement: BEGINS, ENDS */
	struct sql_turn turn;
	const atomic_bool *stop;
	int tick_ms;
	void (*tick)(void *);
	void *tick_arg;
	const char *prepared[STATEMENTS]; /* texts known to this connection, hashed by address */
	unsigned nprepared;
};

static atomic_bool allow_unsafe;

void
sql_allow_unsafe(bool allow)
{
	atomic_store(&allow_unsafe, allow);
}

struct sql *
sql_new(const char *conninfo, const char *application_name)
{
	struct sql *db = NEW(struct sql);

	db->conninfo = mem_strdup(conninfo);
	db->app = mem_strdup(application_name);
	db->deadline_ms = DEADLINE_MS;
	return db;
}

struct sql *
sql_new_as(const char *conninfo, const char *role, const char *application_name)
{
	struct sql *db = sql_new(conninfo, application_name);

	db->role = mem_strdup(role);
	return db;
}

void
sql_free(struct sql *db)
{
	if (!db)
		return;
	sql_disconnect(db);
	/* The conninfo may hold a password. */
	explicit_bzero(db->conninfo, strlen(db->conninfo));
	free(db->conninfo);
	free(db->app);
	free(db->role);
	free(db);
}

void
sql_disconnect(struct sql *db)
{
	if (db->c)
		PQfinish(db->c);
	db->c = NULL;
	memset(db->prepared, 0, sizeof(db->prepared));
	db->nprepared = 0;
	db->frame = 0;
}

bool
sql_is_connected(const struct sql *db)
{
	return db->c != NULL;
}

void
sql_skip_durability(struct sql *db)
{
	db->skip_durability = true;
}

void
sql_allow_standby(struct sql *db)
{
	db->standby = db->skip_durability = true;
}

void
sql_set_deadline(struct sql *db, int ms)
{
	db->deadline_ms = ms;
}

void
sql_set_until(struct sql *db, int64_t mono_ms)
{
	db->until_ms = mono_ms;
}

void
sql_set_stop(struct sql *db, const atomic_bool *stop)
{
	db->stop = stop;
}

bool
sql_take_turns(struct sql *db, bool take)
{
	bool before = db->turn.takes;

	db->turn.takes = take;
	return before;
}

int64_t
sql_turns_waited_us(const struct sql *db)
{
	return db->turn.waited_us;
}

void
sql_set_tick(struct sql *db, int every_ms, void (*fn)(void *), void *arg)
{
	db->tick_ms = every_ms;
	db->tick = fn;
	db->tick_arg = arg;
}

const char *
sql_state(const struct sql *db)
{
	return db->state;
}

PGconn *
sql_raw(struct sql *db)
{
	return db->c;
}

bool
sql_in_transaction(const struct sql *db)
{
	return db->c && PQtransactionStatus(db->c) != PQTRANS_IDLE;
}

static int64_t
bounded(const struct sql *db, int64_t deadline)
{
	return db->until_ms && db->until_ms < deadline ? db->until_ms : deadline;
}

/* 1 something happened on fd, 0 deadline, -1 poll failed. Calls the tick between. */
static int
wait_fd(struct sql *db, int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	deadline = bounded(db, deadline);
	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		int slice = left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
		int r;

		if (db->stop && slice > STOP_MS)
			slice = STOP_MS;
		if (db->tick && slice > db->tick_ms)
			slice = db->tick_ms;
		r = poll(&p, 1, slice);
		if (r > 0)
			return 1;
		if (r < 0 && errno != EINTR)
			return -1;
		if (left <= 0 || (db->stop && atomic_load(db->stop)))
			return 0;
		if (db->tick)
			db->tick(db->tick_arg);
	}
}

int
sql_wait(struct sql *db, bool for_write, int64_t deadline_ms)
{
	int fd = PQsocket(db->c);

	if (fd < 0)
		return -1;
	/* Reading too while we write: the server may be waiting for us to take its notices. */
	return wait_fd(db, fd, for_write ? POLLIN | POLLOUT : POLLIN, deadline_ms);
}

/* Copies a libpq message without its line ends. */
static void
message(struct err *e, int code, const char *s)
{
	size_t n;

	err_set(e, code, "%s", s && *s ? s : "the connection to PostgreSQL broke");
	n = strlen(e->text);
	while (n > 0 && (e->text[n - 1] == '\n' || e->text[n - 1] == '\r'))
		e->text[--n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (e->text[i] == '\n' || e->text[i] == '\t')
			e->text[i] = ' ';
}

/* lock_timeout and statement_timeout (lock_not_available, query_canceled): later it may do. */
static bool
is_passing(const char *state)
{
	return !strcmp(state, LOCK_NOT_AVAILABLE) || !strcmp(state, "57014");
}

enum sql_status
sql_failure(struct sql *db, const PGresult *r, struct err *e)
{
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *severity = r ? PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
	const char *text = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	if (!text)
		text = r && *PQresultErrorMessage(r) ? PQresultErrorMessage(r) :
						       PQerrorMessage(db->c);
	message(e, state && is_passing(state) ? EAGAIN : 0, text);
	snprintf(db->state, sizeof(db->state), "%s", state ? state : "");
	/* FATAL and PANIC end the session; whether the statement took effect is unknown. */
	if (PQstatus(db->c) == CONNECTION_OK && severity && !strcmp(severity, "ERROR"))
		return SQL_FAILED;
	sql_disconnect(db);
	return SQL_UNAVAILABLE;
}

static enum sql_status
timed_out(struct sql *db, struct err *e, const char *what)
{
	err_set(e, ETIMEDOUT, "no answer from PostgreSQL in time (%s)", what);
	db->state[0] = '\0';
	sql_disconnect(db);
	return SQL_UNAVAILABLE;
}

static enum sql_status
refuse(struct sql *db, enum sql_status st, struct err *e, const char *text)
{
	err_set(e, 0, "%s", text);
	db->state[0] = '\0';
	sql_disconnect(db);
	return st;
}

/* Sends what libpq holds. */
static enum sql_status
flush(struct sql *db, int64_t deadline, struct err *e)
{
	int r;

	while ((r = PQflush(db->c)) == 1) {
		switch (sql_wait(db, true, deadline)) {
		case 0:
			return timed_out(db, e, "sending");
		case -1:
			return sql_failure(db, NULL, e);
		}
		if (!PQconsumeInput(db->c))
			return sql_failure(db, NULL, e);
	}
	return r < 0 ? sql_failure(db, NULL, e) : SQL_OK;
}

/* Waits for all results of what was sent. Keeps the first failure, else the last result. */
static enum sql_status
collect(struct sql *db, int64_t deadline, struct err *e, PGresult **out)
{
	enum sql_status st = flush(db, deadline, e);
	PGresult *keep = NULL, *r;
	bool failed = false;

	while (st == SQL_OK) {
		while (st == SQL_OK && PQisBusy(db->c)) {
			int w = sql_wait(db, false, deadline);

			if (w == 0)
				st = timed_out(db, e, "statement");
			else if (w < 0 || !PQconsumeInput(db->c))
				st = sql_failure(db, NULL, e);
		}
		if (st != SQL_OK)
			break;
		r = PQgetResult(db->c);
		if (!r)
			break;
		if (PQresultStatus(r) == PGRES_COPY_IN || PQresultStatus(r) == PGRES_COPY_OUT) {
			/* COPY is for sql_raw; left alone it would wait for us for ever. */
			PQclear(r);
			st = refuse(db, SQL_UNAVAILABLE, e, "COPY is not a statement of sql_query");
			break;
		}
		if (failed) {
			PQclear(r);
			continue;
		}
		PQclear(keep);
		keep = r;
		failed = PQresultStatus(r) != PGRES_TUPLES_OK &&
			 PQresultStatus(r) != PGRES_COMMAND_OK &&
			 PQresultStatus(r) != PGRES_EMPTY_QUERY;
	}
	if (st == SQL_OK && failed)
		st = sql_failure(db, keep, e);
	else if (st == SQL_OK && !keep)
		st = sql_failure(db, NULL, e);
	if (st == SQL_OK && out)
		*out = keep;
	else
		PQclear(keep);
	return st;
}

static enum sql_status
run_simple(struct sql *db, int64_t deadline, struct err *e, const char *text, PGresult **out)
{
	if (!db->c) {
		db->state[0] = '\0';
		err_set(e, ENOTCONN, "no connection to PostgreSQL");
		return SQL_UNAVAILABLE;
	}
	if (!PQsendQuery(db->c, text))
		return sql_failure(db, NULL, e);
	return collect(db, deadline, e, out);
}

/* statement_timeout follows the deadline, so that PostgreSQL gives up when we do. */
static enum sql_status
follow_deadline(struct sql *db, int64_t deadline, struct err *e)
{
	char text[64];
	enum sql_status st;

	if (db->timeout_ms == db->deadline_ms)
		return SQL_OK;
	snprintf(text, sizeof(text), "SET statement_timeout = %d", db->deadline_ms);
	st = run_simple(db, deadline, e, text, NULL);
	if (st == SQL_OK)
		db->timeout_ms = db->deadline_ms;
	return st;
}

static void
on_notice(void *arg, const char *text)
{
	(void)arg;
	log_debug(NULL, "postgresql-notice", "text=%s", text);
}

static PGconn *
begin_connect(const struct sql *db)
{
	/* expand_dbname: the conninfo comes first, what follows overrides it. */
	const char *const keys[] = {"dbname",           "application_name", "client_encoding",
				    "keepalives",       "keepalives_idle",  "keepalives_interval",
				    "keepalives_count", "tcp_user_timeout", db->role ? "user" : NULL, NULL};
	const char *const values[] = {db->conninfo, db->app, "UTF8",  "1", "10",
				      "5",          "3",     "20000", db->role, NULL};

	return PQconnectStartParams(keys, values, 1);
}

static enum sql_status
finish_connect(struct sql *db, int64_t deadline, struct err *e)
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	while (want != PGRES_POLLING_OK) {
		int w;

		if (want == PGRES_POLLING_FAILED || PQsocket(db->c) < 0)
			return sql_failure(db, NULL, e);
		/* The socket may be another one after each poll. */
		w = wait_fd(db, PQsocket(db->c), want == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			    deadline);
		if (w == 0)
			return timed_out(db, e, "connecting");
		if (w < 0)
			return sql_failure(db, NULL, e);
		want = PQconnectPoll(db->c);
	}
	PQsetNoticeProcessor(db->c, on_notice, NULL);
	if (PQsetnonblocking(db->c, 1) != 0)
		return sql_failure(db, NULL, e);
	return SQL_OK;
}

/* What the promises rest on (P2): commits that survive a crash. */
static enum sql_status
check_durable(struct sql *db, PGresult *r, struct err *e)
{
	static const char *const name[] = {"fsync", "full_page_writes", "synchronous_commit"};
	char text[200];

	if (db->skip_durability || atomic_load(&allow_unsafe))
		return SQL_OK;
	for (int i = 0; i < 3; i++) {
		if (strcmp(sql_text(r, 0, i), "off") != 0)
			continue;
		snprintf(text, sizeof(text),
			 "PostgreSQL runs with %s = off: what is committed could be lost; "
			 "set it to on (or, knowing that, set database.allow_unsafe_durability)",
			 name[i]);
		return refuse(db, SQL_FAILED, e, text);
	}
	return SQL_OK;
}

/* Session settings and checks in one round trip. Plans: every statement of the server finds its rows
 * by an index; a generic plan made while tables are small must not stay a sequential scan for ever. */
static enum sql_status
set_up(struct sql *db, int64_t deadline, struct err *e)
{
	char text[1024];
	PGresult *r;
	enum sql_status st;

	snprintf(
		text, sizeof(text),
		"SELECT current_setting('fsync'), current_setting('full_page_writes'),"
		" current_setting('synchronous_commit'), current_setting('server_encoding'), pg_is_in_recovery(),"
		" set_config('statement_timeout', '%d', false), set_config('lock_timeout', '%d', false),"
		" set_config('idle_in_transaction_session_timeout', '%d', false),"
		" set_config('search_path', 'pg_catalog', false), set_config('timezone', 'UTC', false),"
		/* Statements are written so that one plan is right for all values; planning anew costs more than running. */
		" set_config('plan_cache_mode', 'force_generic_plan', false),"
		" set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false),"
		/* Processors are for those who send messages: no statement takes several. */
		" set_config('max_parallel_workers_per_gather', '0', false),"
		" set_config('standard_conforming_strings', 'on', false)",
		db->deadline_ms, LOCK_TIMEOUT_MS, IDLE_IN_TRANSACTION_MS);
	st = run_simple(db, deadline, e, text, &r);
	if (st != SQL_OK)
		return st;
	db->timeout_ms = db->deadline_ms;
	if (strcmp(sql_text(r, 0, 3), "UTF8") != 0)
		st = refuse(db, SQL_FAILED, e,
			    "the database is not in UTF8: create it with ENCODING 'UTF8'");
	else if (sql_bool(r, 0, 4) && !db->standby)
		st = refuse(db, SQL_UNAVAILABLE, e,
			    "this PostgreSQL is a standby and takes no writes");
	else
		st = check_durable(db, r, e);
	PQclear(r);
	return st;
}

/* Has the other end closed while we were not looking? One system call. */
static bool
still_there(struct sql *db)
{
	struct pollfd p = {.fd = PQsocket(db->c), .events = POLLIN};

	if (p.fd < 0 || PQstatus(db->c) != CONNECTION_OK)
		return false;
	if (poll(&p, 1, 0) == 0)
		return true;
	/* Something to read while nothing was asked: a notice, or the news that we were cut off. A
	 * second read tells an end of file behind a last word from a mere notice. */
	return PQconsumeInput(db->c) && PQconsumeInput(db->c) && PQstatus(db->c) == CONNECTION_OK;
}

enum sql_status
sql_connect(struct sql *db, int timeout_ms, struct err *e)
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	enum sql_status st;

	db->state[0] = '\0';
	if (db->c && still_there(db))
		return SQL_OK;
	sql_disconnect(db);
	db->c = begin_connect(db);
	if (!db->c) {
		err_set(e, ENOMEM, "out of memory");
		return SQL_UNAVAILABLE;
	}
	if (PQstatus(db->c) == CONNECTION_BAD)
		return sql_failure(db, NULL, e);
	st = finish_connect(db, deadline, e);
	if (st == SQL_OK)
		st = set_up(db, deadline, e);
	if (st != SQL_OK)
		sql_disconnect(db);
	return st;
}

/* The slot of a statement: *known tells whether this connection has it. -1 when the table is full. */
static int
slot_of(struct sql *db, const char *text, bool *known)
{
	unsigned i = (unsigned)(((uintptr_t)text * UINT64_C(0x9E3779B97F4A7C15)) >> 40) &
		     (STATEMENTS - 1);

	while (db->prepared[i] && db->prepared[i] != text)
		i = (i + 1) & (STATEMENTS - 1);
	*known = db->prepared[i] == text;
	return *known || db->nprepared < STATEMENTS_MAX ? (int)i : -1;
}

void
sql_begin_with(struct sql *db)
{
	db->frame |= BEGINS;
}

void
sql_commit_with(struct sql *db)
{
	db->frame |= ENDS;
}

/* Takes what comes up to the end of a frame. */
static enum sql_status
leave_frame(struct sql *db, int64_t deadline, struct err *e)
{
	bool over = false;

	while (!over) {
		PGresult *r;

		while (PQisBusy(db->c)) {
			int w = sql_wait(db, false, deadline);

			if (w == 0)
				return timed_out(db, e, "statement");
			if (w < 0 || !PQconsumeInput(db->c))
				return sql_failure(db, NULL, e);
		}
		r = PQgetResult(db->c);
		over = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
		PQclear(r);
		if (PQstatus(db->c) != CONNECTION_OK)
			return sql_failure(db, NULL, e);
	}
	return PQexitPipelineMode(db->c) ? SQL_OK : sql_failure(db, NULL, e);
}

/* Waiting for a turn counts as nobody's time; PostgreSQL bounds it. */
static enum sql_status
collect_turn(struct sql *db, int64_t deadline, struct err *e)
{
	int64_t begun_us = clock_mono_us(), until_ms = db->until_ms, waited_us;
	enum sql_status st;

	db->until_ms = 0;
	st = collect(db, deadline, e, NULL);
	waited_us = clock_mono_us() - begun_us;
	sql_turn_waited(&db->turn, waited_us);
	db->until_ms = until_ms ? until_ms + waited_us / 1000 : 0;
	return st;
}

/* BEGIN's or the turn's answer, the statement's, COMMIT's; behind a failure PostgreSQL reads over the rest. */
static enum sql_status
collect_frame(struct sql *db, unsigned frame, int64_t deadline, struct err *e, PGresult **out)
{
	enum sql_status st = SQL_OK;
	struct err ignored;

	if (frame & TURN) {
		st = collect_turn(db, deadline, e);
		deadline = clock_mono_ms() + db->deadline_ms;
	}
	if (st == SQL_OK && (frame & BEGINS))
		st = collect(db, deadline, e, NULL);
	if (st == SQL_OK)
		st = collect(db, deadline, e, out);
	if (st == SQL_OK && (frame & ENDS))
		st = collect(db, deadline, e, NULL);
	if (st == SQL_OK)
		st = leave_frame(db, deadline, e);
	else if (st == SQL_FAILED && leave_frame(db, deadline, &ignored) != SQL_OK)
		st = SQL_UNAVAILABLE;
	if (st != SQL_OK && out) {
		PQclear(*out);
		*out = NULL;
	}
	return st;
}

struct statement {
	const char *text;
	int slot; /* -1: this connection does not keep it */
	int n;
	const char *const *v;
};

static bool
send_statement(struct sql *db, const struct statement *s)
{
	char name[SQL_NAME];

	if (s->slot < 0)
		return PQsendQueryParams(db->c, s->text, s->n, NULL, s->v, NULL, NULL, 0);
	snprintf(name, sizeof(name), "s%d", s->slot);
	return PQsendQueryPrepared(db->c, name, s->n, s->v, NULL, NULL, 0);
}

/* What goes before and behind it is one transaction with it, which is over when it is, however it ends: so is its turn. That this has come is told at once. */
static enum sql_status
run_prepared(struct sql *db, unsigned frame, const struct statement *turn, const struct statement *s, int64_t deadline, struct err *e, PGresult **out)
{
	bool sent = !frame || PQenterPipelineMode(db->c);

	if (sent && (frame & TURN))
		sent = send_statement(db, turn) && PQsendFlushRequest(db->c);
	if (sent && (frame & BEGINS))
		sent = PQsendQueryParams(db->c, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);
	if (sent)
		sent = send_statement(db, s);
	if (sent && (frame & ENDS))
		sent = PQsendQueryParams(db->c, "COMMIT", 0, NULL, NULL, NULL, NULL, 0);
	if (sent && frame)
		sent = PQpipelineSync(db->c);
	if (!sent)
		return sql_failure(db, NULL, e);
	return frame ? collect_frame(db, frame, deadline, e, out) : collect(db, deadline, e, out);
}

/* Makes it known to this connection by the name of its slot. */
static enum sql_status
prepare(struct sql *db, int slot, const char *text, int64_t deadline, struct err *e)
{
	enum sql_status st;
	char name[SQL_NAME];

	snprintf(name, sizeof(name), "s%d", slot);
	if (!PQsendPrepare(db->c, name, text, 0, NULL))
		return sql_failure(db, NULL, e);
	st = collect(db, deadline, e, NULL);
	if (st == SQL_OK) {
		db->prepared[slot] = text;
		db->nprepared++;
	}
	return st;
}

/* Finds its slot, and prepares it when this connection has not met it yet. */
static enum sql_status
make_known(struct sql *db, struct statement *s, int64_t deadline, struct err *e)
{
	bool known;

	s->slot = slot_of(db, s->text, &known);
	return s->slot >= 0 && !known ? prepare(db, s->slot, s->text, deadline, e) : SQL_OK;
}

enum sql_status
sql_prepare(struct sql *db, const char *text, struct err *e)
{
	struct statement s = { .text = text };
	int64_t deadline = clock_mono_ms() + db->deadline_ms;
	enum sql_status st = follow_deadline(db, deadline, e);

	return st == SQL_OK ? make_known(db, &s, deadline, e) : st;
}

bool
sql_is_prepared(struct sql *db, const char *text, char name[SQL_NAME])
{
	bool known;

	snprintf(name, SQL_NAME, "s%d", slot_of(db, text, &known));
	return known;
}

/* Who has waited too long for a turn, or with it for a table, goes on without. */
static enum sql_status
run_in_turn(struct sql *db, const struct statement *s, const char *const *asked, int64_t deadline, struct err *e, PGresult **out)
{
	struct statement turn = { .text = sql_turn_text, .n = SQL_TURN_PARAMS, .v = asked };
	enum sql_status st = make_known(db, &turn, deadline, e);

	if (st == SQL_OK)
		st = run_prepared(db, TURN, &turn, s, deadline, e, out);
	if (st != SQL_FAILED || strcmp(db->state, LOCK_NOT_AVAILABLE) != 0)
		return st;
	sql_turn_missed(&db->turn);
	*e = (struct err){ 0 };
	db->state[0] = '\0';
	return run_prepared(db, 0, NULL, s, clock_mono_ms() + db->deadline_ms, e, out);
}

enum sql_status
sql_query_v(struct sql *db, struct err *e, PGresult **out, const char *text, int n,
	    const char *const *v)
{
	struct statement s = { .text = text, .n = n, .v = v };
	unsigned frame = db->frame;
	const char *turn[SQL_TURN_PARAMS];
	enum sql_status st;
	int64_t deadline = clock_mono_ms() + db->deadline_ms;

	if (out)
		*out = NULL;
	db->state[0] = '\0';
	db->frame = 0;
	if (!db->c)
		return run_simple(db, deadline, e, text, NULL);
	st = follow_deadline(db, deadline, e);
	if (st == SQL_OK)
		st = make_known(db, &s, deadline, e);
	if (st != SQL_OK)
		return st;
	if (!frame && !sql_in_transaction(db) && sql_turn_ask(&db->turn, db->deadline_ms, turn))
		return run_in_turn(db, &s, turn, deadline, e, out);
	return run_prepared(db, frame, NULL, &s, deadline, e, out);
}

enum sql_status
sql_query(struct sql *db, struct err *e, PGresult **out, const char *text, int n, ...)
{
	const char *v[PARAMS_MAX];
	va_list ap;

	if (n > PARAMS_MAX)
		abort();
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		v[i] = va_arg(ap, const char *);
	va_end(ap);
	return sql_query_v(db, e, out, text, n, v);
}

enum sql_status
sql_do(struct sql *db, struct err *e, const char *text, int n, ...)
{
	const char *v[PARAMS_MAX];
	va_list ap;

	if (n > PARAMS_MAX)
		abort();
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		v[i] = va_arg(ap, const char *);
	va_end(ap);
	return sql_query_v(db, e, NULL, text, n, v);
}

enum sql_status
sql_query_bool(struct sql *db, struct err *e, bool *out, const char *text, int n, ...)
{
	const char *v[PARAMS_MAX];
	enum sql_status st;
	PGresult *r;
	va_list ap;

	if (n > PARAMS_MAX)
		abort();
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		v[i] = va_arg(ap, const char *);
	va_end(ap);
	*out = false;
	st = sql_query_v(db, e, &r, text, n, v);
	if (st != SQL_OK)
		return st;
	*out = PQntuples(r) > 0 && sql_bool(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
sql_script(struct sql *db, struct err *e, const char *text)
{
	int64_t deadline = clock_mono_ms() + db->deadline_ms;
	enum sql_status st = SQL_OK;

	if (db->c)
		st = follow_deadline(db, deadline, e);
	return st == SQL_OK ? run_simple(db, deadline, e, text, NULL) : st;
}

enum sql_status
sql_begin(struct sql *db, struct err *e)
{
	return sql_script(db, e, "BEGIN");
}

/* A COMMIT of a failed transaction is answered by ROLLBACK, without an error. */
enum sql_status
sql_commit(struct sql *db, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = run_simple(db, clock_mono_ms() + db->deadline_ms, e, "COMMIT", &r);

	if (st == SQL_OK && strcmp(PQcmdStatus(r), "COMMIT") != 0) {
		err_set(e, 0, "the transaction had failed and was rolled back");
		db->timeout_ms = -1; /* a SET inside it was undone with it */
		st = SQL_FAILED;
	}
	PQclear(r);
	return st;
}

void
sql_rollback(struct sql *db)
{
	char state[sizeof(db->state)];
	struct err e;

	db->frame = 0;
	if (!sql_in_transaction(db))
		return;
	memcpy(state, db->state, sizeof(state));
	if (run_simple(db, clock_mono_ms() + db->deadline_ms, &e, "ROLLBACK", NULL) != SQL_OK)
		sql_disconnect(db);
	/* A SET inside the transaction was undone with it. */
	db->timeout_ms = -1;
	/* The cause of the failure is what the caller wants to see. */
	memcpy(db->state, state, sizeof(state));
}
