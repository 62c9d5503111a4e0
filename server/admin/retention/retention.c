/*
 * retention: see retention.h. One thread; nobody waits for it.
 */
#include "admin/retention/retention.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/archive/archive_query.h"
#include "admin/audit/audit.h"
#include "admin/request/request.h"
#include "admin/retention/retention_drop.h"
#include "admin/retention/retention_page.h"
#include "archive/hold.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/config/config.h"
#include "store/erasure.h"

#define CONNECT_MS 3000
#define DEADLINE_MS 60000
#define LOOK_MS 60000   /* at the table, and at the clock */
#define RETRY_MS 5000
#define FIRST_MS 1000
#define BATCH 1000      /* wiped together, at most */

_Static_assert(ERASURE_BATCH >= BATCH, "what is wiped together");

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool running, woken;  /* the second, and what follows, under the lock */
	char trouble[160];
	bool at_work;
	int64_t last_us;
	uint64_t held;
	atomic_bool stop;
	char *conninfo;
	struct sql *db;
	bool told;            /* that it fails */
} retention = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Sleeps, or until somebody wakes it. False: it is over. */
static bool
nap(int64_t ms, bool wakeable)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += ms % 1000 * 1000000L;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&retention.lock);
	while (!atomic_load(&retention.stop) && !(wakeable && retention.woken) &&
	       pthread_cond_timedwait(&retention.wake, &retention.lock, &t) == 0)
		;
	retention.woken = retention.woken && !wakeable;
	pthread_mutex_unlock(&retention.lock);
	return !atomic_load(&retention.stop);
}

static void
set_state(bool at_work, const char *trouble)
{
	pthread_mutex_lock(&retention.lock);
	retention.at_work = at_work;
	snprintf(retention.trouble, sizeof retention.trouble, "%.150s", trouble != NULL ? trouble : "");
	pthread_mutex_unlock(&retention.lock);
}

static void
remember(int64_t last_us, int64_t held)
{
	pthread_mutex_lock(&retention.lock);
	retention.last_us = last_us;
	retention.held = (uint64_t)held;
	pthread_mutex_unlock(&retention.lock);
	metric_set(METRIC_RETENTION_HELD, held);
}

json_t *
retention_row(void)
{
	json_t *row;

	pthread_mutex_lock(&retention.lock);
	row = json_pack("{s:s, s:o, s:I}", "retention", retention.trouble[0] != '\0' ? retention.trouble : retention.at_work ? "running" : "idle",
			"retention_last", request_time(retention.last_us), "retention_held", (json_int_t)retention.held);
	pthread_mutex_unlock(&retention.lock);
	return row;
}

static const struct audit_who *
ourselves(struct audit_who *who)
{
	*who = (struct audit_who){.uid = getuid(), .login = -1, .name = "chanceryd", .origin = "retention"};
	return who;
}

static enum sql_status
note_erased(int64_t run, uint64_t erased, struct err *e)
{
	char a[SQL_NUMBER], b[SQL_NUMBER];

	return sql_do(retention.db, e, "UPDATE compliance.retention_run SET erased = erased + $2::bigint WHERE id = $1::bigint", 2, sql_number(a, run),
		sql_number(b, (int64_t)erased));
}

static unsigned
rate(void)
{
	struct config *c = config_get();
	unsigned n = (unsigned)c->limits.retention_per_second;

	config_unref(c);
	return n;
}

/* So many of one class. */
static enum sql_status
wipe(int64_t run, int64_t class, const uint64_t *id, size_t n, uint64_t *erased, struct err *e)
{
	struct erasure_done done = {0};
	struct erasure_order o = {.basis = "retention", .who = "chanceryd"};
	char why[80];
	enum sql_status st;

	snprintf(why, sizeof why, "class %" PRId64 ", run %" PRId64, class, run);
	o.why = why;
	st = erasure_wipe(retention.db, &o, id, n, &done, e);
	if (st != SQL_OK)
		return st;
	*erased += done.erased;
	metric_add(METRIC_RETENTION_ERASED, done.erased);
	return note_erased(run, done.erased, e);
}

/* *erased: of this page. SQL_OK when it is over (retention.stop), too. *valid false: what belongs to which class has changed, so it has to be read again. */
static enum sql_status
wipe_page(int64_t run, const struct retention_page *p, uint64_t *erased, bool *valid, struct err *e)
{
	enum sql_status st = SQL_OK;
	unsigned most = rate(), batch = most < BATCH ? most : BATCH;

	for (size_t at = 0, n; at < p->n && st == SQL_OK; at += n) {
		size_t end = at;
		int64_t classes = p->classes;

		while (end < p->n && p->class[end] == p->class[at] && end - at < batch)
			end++;
		n = end - at;
		st = retention_classes(retention.db, &classes, e);
		*valid = classes == p->classes;
		if (st == SQL_OK && !*valid)
			break;
		if (st == SQL_OK)
			st = wipe(run, p->class[at], p->id + at, n, erased, e);
		if (st == SQL_OK && !nap((int64_t)n * 1000 / most, false))
			break;
	}
	return st;
}

/* A run. *done: all has been looked at; without it and SQL_OK the server stops. */
static enum sql_status
go_on(int64_t run, int64_t looked_to, bool *done, struct err *e)
{
	enum sql_status st = SQL_OK;

	log_info(NULL, "retention-running", "run=%" PRId64 " from=%" PRId64, run, looked_to);
	for (*done = false; st == SQL_OK && !*done && !atomic_load(&retention.stop);) {
		struct retention_page p = {0};
		uint64_t erased = 0;
		bool valid = true;

		st = retention_page_read(&p, retention.db, run, looked_to, e);
		if (st == SQL_OK)
			st = wipe_page(run, &p, &erased, &valid, e);
		/* What is not erased is held, or has gone in another way meanwhile. */
		if (st == SQL_OK && valid && !atomic_load(&retention.stop) && p.more) {
			looked_to = p.upto;
			st = retention_page_note(&p, retention.db, run, p.n - erased, e);
		}
		*done = st == SQL_OK && valid && !p.more;
		retention_page_fini(&p);
	}
	return st;
}

static bool
rest(int64_t ms)
{
	return nap(ms, false);
}

/* Its end, in the audit trail and in the table. */
static enum sql_status
finish(int64_t run, struct err *e)
{
	char a[SQL_NUMBER], target[32];
	struct audit_who who;
	PGresult *rows;
	json_t *detail;
	enum sql_status st = sql_begin(retention.db, e);

	if (st == SQL_OK)
		st = sql_query(retention.db, e, &rows,
			       "UPDATE compliance.retention_run SET state = 'done', finished_at = now() WHERE id = $1::bigint RETURNING erased, held, dropped, looked", 1,
			       sql_number(a, run));
	if (st != SQL_OK)
		return st;
	snprintf(target, sizeof target, "run %" PRId64, run);
	detail = json_pack("{s:I, s:I, s:I, s:I}", "erased", (json_int_t)sql_i64(rows, 0, 0), "held", (json_int_t)sql_i64(rows, 0, 1), "dropped",
			   (json_int_t)sql_i64(rows, 0, 2), "looked", (json_int_t)sql_i64(rows, 0, 3));
	st = audit_write(retention.db, ourselves(&who), "retention.finish", target, detail, e);
	json_decref(detail);
	if (st == SQL_OK)
		st = sql_commit(retention.db, e);
	if (st == SQL_OK) {
		remember(clock_wall_us(), sql_i64(rows, 0, 1));
		audit_log(&who, "retention.finish", target);
		log_info(NULL, "retention-finished", "run=%" PRId64 " looked=%" PRId64 " erased=%" PRId64 " held=%" PRId64 " dropped=%" PRId64, run,
			 sql_i64(rows, 0, 3), sql_i64(rows, 0, 0), sql_i64(rows, 0, 1), sql_i64(rows, 0, 2));
	}
	PQclear(rows);
	return st;
}

/* The index may have another form since they were set. */
static enum sql_status
renew_holds(struct err *e)
{
	struct config *c = config_get();
	struct search_limits limits = archive_query_limits(&c->limits);
	struct sql *db = sql_new_as(retention.conninfo, "chancery_officer", "chanceryd retention");
	enum sql_status st;

	config_unref(c);
	sql_set_stop(db, &retention.stop);
	st = sql_connect(db, CONNECT_MS, e);
	if (st == SQL_OK)
		st = hold_renew(db, &limits, e);
	sql_free(db);
	return st;
}

/* One whose time has come, unless another is under way. A start that lies ahead of the clock, which was set back, says nothing. */
static enum sql_status
begin_if_due(struct err *e)
{
	struct config *c = config_get();
	uint64_t every_ms = c->compliance.retention_every_ms;
	char every[SQL_NUMBER], now[SQL_NUMBER], target[32];
	struct audit_who who;
	PGresult *rows;
	bool due = false;
	enum sql_status st = SQL_OK;

	config_unref(c);
	if (every_ms > 0)
		st = sql_query_bool(retention.db, e, &due,
				    "SELECT EXISTS (SELECT FROM compliance.retention_class WHERE removed_at IS NULL AND days IS NOT NULL)"
				    " AND NOT EXISTS (SELECT FROM compliance.retention_run WHERE state = 'running' OR"
				    " (started_at <= now() AND started_at > now() - $1::bigint * interval '1 millisecond'))", 1,
				    sql_number(every, (int64_t)every_ms));
	if (st != SQL_OK || !due)
		return st;
	st = sql_begin(retention.db, e);
	if (st == SQL_OK)
		st = sql_query(retention.db, e, &rows, RETENTION_BEGIN, 2, NULL, sql_number(now, clock_wall_us()));
	if (st != SQL_OK)
		return st;
	snprintf(target, sizeof target, "run %" PRId64, sql_i64(rows, 0, 0));
	PQclear(rows);
	st = audit_write(retention.db, ourselves(&who), "retention.run", target, NULL, e);
	if (st == SQL_OK)
		st = sql_commit(retention.db, e);
	if (st == SQL_OK)
		audit_log(&who, "retention.run", target);
	return st;
}

static enum sql_status
look(struct err *e)
{
	PGresult *rows;
	int64_t run = 0, looked_to = 0;
	bool done = false;
	enum sql_status st = sql_connect(retention.db, CONNECT_MS, e);

	if (st == SQL_OK)
		st = begin_if_due(e);
	if (st == SQL_OK)
		st = sql_query(retention.db, e, &rows, "SELECT id, looked_to FROM compliance.retention_run WHERE state = 'running'", 0);
	if (st != SQL_OK)
		return st;
	if (PQntuples(rows) > 0) {
		run = sql_i64(rows, 0, 0);
		looked_to = sql_i64(rows, 0, 1);
	}
	PQclear(rows);
	if (run == 0)
		return SQL_OK;
	set_state(true, NULL);
	st = renew_holds(e);
	if (st == SQL_OK)
		st = go_on(run, looked_to, &done, e);
	if (st == SQL_OK && done)
		st = retention_drop(retention.db, run, rest, &done, e);
	return st == SQL_OK && done ? finish(run, e) : st;
}

/* What the last run before this start said. */
static enum sql_status
recall(struct err *e)
{
	PGresult *rows;
	enum sql_status st = sql_connect(retention.db, CONNECT_MS, e);

	if (st == SQL_OK)
		st = sql_query(retention.db, e, &rows, "SELECT (extract(epoch FROM finished_at) * 1000000)::bigint, held FROM compliance.retention_run"
			" WHERE state = 'done' ORDER BY id DESC LIMIT 1", 0);
	if (st != SQL_OK)
		return st;
	if (PQntuples(rows) > 0)
		remember(sql_i64(rows, 0, 0), sql_i64(rows, 0, 1));
	PQclear(rows);
	return SQL_OK;
}

/* Who lets it run each second, for a trial, does not wait for a minute. */
static int64_t
pause_ms(void)
{
	struct config *c = config_get();
	uint64_t every_ms = c->compliance.retention_every_ms;

	config_unref(c);
	return every_ms > 0 && every_ms < LOOK_MS ? (int64_t)every_ms : LOOK_MS;
}

static void
failed(const struct err *e)
{
	sql_rollback(retention.db);
	if (atomic_load(&retention.stop))
		return;
	metric_add(METRIC_RETENTION_FAILURES, 1);
	if (!retention.told)
		log_warning(NULL, "retention-failed", "why=%s", e->text);
	retention.told = true;
	set_state(false, e->text);
}

static void *
run_thread(void *arg)
{
	bool recalled = false;
	int64_t ms = FIRST_MS;

	(void)arg;
	while (nap(ms, true)) {
		struct err e = {0};
		enum sql_status st = recalled ? SQL_OK : recall(&e);

		recalled = st == SQL_OK;
		if (st == SQL_OK)
			st = look(&e);
		ms = st == SQL_OK ? pause_ms() : RETRY_MS;
		if (st != SQL_OK) {
			failed(&e);
			continue;
		}
		retention.told = false;
		set_state(false, NULL);
	}
	return NULL;
}

int
retention_start(const char *conninfo, struct err *e)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&retention.wake, &attr);
	pthread_condattr_destroy(&attr);
	retention.conninfo = mem_strdup(conninfo);
	retention.db = sql_new_as(conninfo, "chancery_retention", "chanceryd retention");
	sql_set_deadline(retention.db, DEADLINE_MS);
	sql_set_stop(retention.db, &retention.stop);
	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&retention.thread, NULL, run_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	retention.running = rc == 0;
	return rc == 0 ? 0 : err_set(e, rc, "retention: no thread: %s", strerror(rc));
}

void
retention_stop(void)
{
	if (!retention.running)
		return;
	pthread_mutex_lock(&retention.lock);
	atomic_store(&retention.stop, true);
	pthread_cond_signal(&retention.wake);
	pthread_mutex_unlock(&retention.lock);
	pthread_join(retention.thread, NULL);
	sql_free(retention.db);
	free(retention.conninfo);
	retention.running = false;
}

void
retention_wake(void)
{
	pthread_mutex_lock(&retention.lock);
	retention.woken = true;
	pthread_cond_signal(&retention.wake);
	pthread_mutex_unlock(&retention.lock);
}
