/*
 * approval_clock: looks at compliance.approval every few seconds. A request that has expired is refused from that moment on, whether this has seen it or
 * not: admin/access/approval.c asks the clock as well.
 */
#include "admin/access/approval_clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "admin/access/approval.h"
#include "admin/audit/audit.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#define CONNECT_MS 3000
#define LOOK_S 5
#define WITHIN_MS 2000 /* for the archive: a stop waits no longer, and it is tried again */

struct outcome {
	struct list link;
	int64_t id;
	char *state, *decided_at, *text; /* the second may be NULL */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool running;
	atomic_bool stopping;
	struct list outcomes;
	struct sql *db;
} timer = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* A request that is `from`, and that nobody decides any more, becomes `to`. */
static int
settle(const struct audit_who *who, const char *id, const char *to, const char *from, const char *action, struct err *e)
{
	PGresult *rows = NULL;
	json_t *detail = NULL;
	int rc = -1;

	if (sql_begin(timer.db, e) != SQL_OK ||
	    sql_query(timer.db, e, &rows,
		      "UPDATE compliance.approval SET state = $2 WHERE id = $1::bigint AND state = $3 RETURNING id, noun || '.' || verb, asked_by", 3, id, to,
		      from) != SQL_OK)
		goto out;
	rc = 0;
	if (PQntuples(rows) == 0) /* somebody was faster */
		goto out;
	detail = json_pack("{s:I, s:s}", "approval", (json_int_t)sql_i64(rows, 0, 0), "asked_by", sql_text(rows, 0, 2));
	rc = -1;
	if (audit_write(timer.db, who, action, sql_text(rows, 0, 1), detail, e) == SQL_OK && sql_commit(timer.db, e) == SQL_OK) {
		audit_log(who, action, sql_text(rows, 0, 1));
		rc = 0;
	}
out:
	json_decref(detail);
	PQclear(rows);
	sql_rollback(timer.db);
	return rc;
}

/* All that `which` finds. `within_ms` as in struct audit_who. */
static int
settle_all(const char *which, const char *to, const char *from, const char *action, unsigned within_ms, struct err *e)
{
	PGresult *rows = NULL;
	size_t begun = audit_begin();
	int rc = sql_query(timer.db, e, &rows, which, 0) == SQL_OK ? 0 : -1;
	struct audit_who who = audit_ourselves("approvals");

	who.within_ms = within_ms;
	for (int i = 0; rc == 0 && i < PQntuples(rows); i++)
		rc = settle(&who, sql_text(rows, i, 0), to, from, action, e);
	audit_end(begun, timer.db, &who, rc == 0 ? NULL : e);
	PQclear(rows);
	return rc;
}

/* Outcomes that are late */

void
approval_clock_outcome(int64_t id, const char *state, const char *decided_at, const char *outcome)
{
	struct outcome *o = NEW(struct outcome);

	o->id = id;
	o->state = mem_strdup(state);
	o->decided_at = decided_at != NULL ? mem_strdup(decided_at) : NULL;
	o->text = mem_strdup(outcome);
	pthread_mutex_lock(&timer.lock);
	list_append(&timer.outcomes, &o->link);
	pthread_cond_signal(&timer.wake);
	pthread_mutex_unlock(&timer.lock);
}

static struct outcome *
first_outcome(void)
{
	struct outcome *o = NULL;

	pthread_mutex_lock(&timer.lock);
	if (!list_is_empty(&timer.outcomes))
		o = LIST_ENTRY(timer.outcomes.next, struct outcome, link);
	pthread_mutex_unlock(&timer.lock);
	return o;
}

static void
drop(struct outcome *o)
{
	pthread_mutex_lock(&timer.lock);
	list_remove(&o->link);
	pthread_mutex_unlock(&timer.lock);
	free(o->state);
	free(o->decided_at);
	free(o->text);
	free(o);
}

static int
tell_outcomes(struct err *e)
{
	struct outcome *o;
	char id[24];

	while ((o = first_outcome()) != NULL) {
		snprintf(id, sizeof id, "%" PRId64, o->id);
		/* The transaction that made it run may be about to commit, unseen yet: the row is that one's until then. */
		if (sql_do(timer.db, e, "SELECT FROM compliance.approval WHERE id = $1::bigint FOR UPDATE", 1, id) != SQL_OK ||
		    sql_do(timer.db, e, "UPDATE compliance.approval SET state = $2, outcome = $3 WHERE id = $1::bigint AND state = 'running'"
			   " AND ($4::text IS NULL OR decided_at = $4::text::timestamptz)", 4, id, o->state, o->text, o->decided_at) != SQL_OK)
			return -1;
		drop(o);
	}
	return 0;
}

/* The thread */

static void
look(void)
{
	struct err e = {0};

	if (sql_connect(timer.db, CONNECT_MS, &e) != SQL_OK || tell_outcomes(&e) != 0 ||
	    settle_all("SELECT id FROM compliance.approval WHERE state = 'waiting' AND expires_at <= now() ORDER BY id LIMIT 1000", "expired", "waiting",
		       "approval.expire", WITHIN_MS, &e) != 0)
		log_debug(NULL, "approvals-not-looked-at", "why=%s", e.text);
}

static void *
run(void *arg)
{
	struct timespec until;

	(void)arg;
	pthread_mutex_lock(&timer.lock);
	while (!atomic_load(&timer.stopping)) {
		pthread_mutex_unlock(&timer.lock);
		look();
		pthread_mutex_lock(&timer.lock);
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += LOOK_S;
		if (!atomic_load(&timer.stopping))
			(void)pthread_cond_timedwait(&timer.wake, &timer.lock, &until);
	}
	pthread_mutex_unlock(&timer.lock);
	return NULL;
}

int
approval_clock_start(const char *conninfo, struct err *e)
{
	struct config *c = config_get();
	int rc = 0;

	timer.db = sql_new(conninfo, "chanceryd approvals");
	atomic_store(&timer.stopping, false);
	sql_set_stop(timer.db, &timer.stopping);
	list_init(&timer.outcomes);
	if (sql_connect(timer.db, CONNECT_MS, e) != SQL_OK || approval_tell_policy(timer.db, c, e) != 0 ||
	    settle_all("SELECT id FROM compliance.approval WHERE state = 'running' ORDER BY id", "interrupted", "running", "approval.interrupt", 0, e) != 0 ||
	    pthread_create(&timer.thread, NULL, run, NULL) != 0) {
		sql_free(timer.db);
		timer.db = NULL;
		rc = err_prefix(e, "requests that wait for a second person cannot be looked at");
	}
	timer.running = rc == 0;
	config_unref(c);
	return rc;
}

void
approval_clock_stop(void)
{
	struct outcome *o;
	struct err e = {0};

	if (!timer.running)
		return;
	pthread_mutex_lock(&timer.lock);
	atomic_store(&timer.stopping, true);
	pthread_cond_signal(&timer.wake);
	pthread_mutex_unlock(&timer.lock);
	(void)pthread_join(timer.thread, NULL);
	sql_set_stop(timer.db, NULL);
	sql_set_deadline(timer.db, WITHIN_MS);
	if (sql_is_connected(timer.db))
		(void)tell_outcomes(&e);
	/* What could not be told is interrupted after the next start. */
	while ((o = first_outcome()) != NULL)
		drop(o);
	sql_free(timer.db);
	timer.running = false;
}
