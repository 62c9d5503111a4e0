/*
 * log_watch: the thread that verifies what is new (see log_watch.h).
 */
#include "archive/log_watch.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/log_keeper.h"
#include "archive/log_verify.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/turns.h"

#define FIRST_MS 60000 /* after the start */
#define AGAIN_MS 60000 /* after one that could not be done */
#define CONNECT_MS 3000
#define LOGGED 20      /* findings of a look that are logged */
#define NICE 10

static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	char *conninfo;
	bool begun;          /* where to go on is known */
	uint64_t verified;
	char detail[320];    /* the first finding */
	unsigned logged;
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct sql *
connection(void)
{
	struct sql *db = sql_new(watch.conninfo, "chancery verify");

	sql_set_stop(db, &watch.stop);
	return db;
}

/* Where the last look that found nothing has ended. */
static enum sql_status
find_start(struct err *e)
{
	struct sql *db = connection();
	PGresult *r;
	enum sql_status st = sql_connect(db, CONNECT_MS, e);

	if (st == SQL_OK)
		st = sql_query(db, e, &r, "SELECT coalesce(max(size), 0) FROM archive.verification WHERE findings = 0", 0);
	if (st == SQL_OK) {
		watch.verified = (uint64_t)sql_i64(r, 0, 0);
		watch.begun = true;
		PQclear(r);
	}
	sql_free(db);
	return st;
}

static enum sql_status
note(const struct log_verify *v, struct err *e)
{
	char first[24], size[24], findings[24];
	struct sql *db = connection();
	enum sql_status st = sql_connect(db, CONNECT_MS, e);

	snprintf(first, sizeof(first), "%" PRIu64, v->first);
	snprintf(size, sizeof(size), "%" PRIu64, v->size);
	snprintf(findings, sizeof(findings), "%" PRIu64, v->findings);
	if (st == SQL_OK)
		st = sql_do(db, e, "INSERT INTO archive.verification (first, size, findings, detail) VALUES ($1, $2, $3, $4)", 4, first, size, findings,
			v->findings ? watch.detail : NULL);
	sql_free(db);
	return st;
}

static void
on_finding(void *arg, const struct log_finding *f)
{
	(void)arg;
	if (!watch.detail[0])
		snprintf(watch.detail, sizeof(watch.detail), "%s", f->text);
	if (watch.logged++ < LOGGED)
		log_error(NULL, "log-finding", "kind=%s index=%" PRIu64 " record=%" PRIu64 " what=%s", f->kind, f->index, f->record, f->text);
}

/* What was found is in the state until a look finds nothing. */
static void
tell(const struct log_verify *v)
{
	if (v->findings) {
		keeper_verified(0, v->findings, watch.detail);
	} else {
		watch.verified = v->size;
		keeper_verified(v->size, 0, NULL);
	}
	metric_set(METRIC_LOG_FINDINGS, (int64_t)v->findings);
	log_info(NULL, "log-verified", "first=%" PRIu64 " size=%" PRIu64 " checkpoints=%" PRIu64 " findings=%" PRIu64, v->first, v->size, v->checkpoints,
		v->findings);
}

/* 0; -1: it could not be done. */
static int
look(char *checkpoint_file)
{
	struct log_verify v = { .conninfo = watch.conninfo, .threads = 1, .stop = &watch.stop, .finding = on_finding,
		.checkpoint_file = *checkpoint_file && !access(checkpoint_file, R_OK) ? checkpoint_file : NULL };
	struct err e;

	if (!watch.begun && find_start(&e) != SQL_OK)
		return -1;
	watch.detail[0] = '\0';
	watch.logged = 0;
	v.since = watch.verified;
	if (log_verify(&v, &e)) {
		if (!atomic_load(&watch.stop))
			log_warning(NULL, "log-not-verified", "why=%s", e.text);
		return -1;
	}
	tell(&v);
	if (note(&v, &e) != SQL_OK && !atomic_load(&watch.stop))
		log_warning(NULL, "log-verification-not-noted", "why=%s", e.text);
	return 0;
}

/* False: it is over. */
static bool
sleep_until(int64_t began_ms, int64_t ms)
{
	bool stop;

	pthread_mutex_lock(&watch.lock);
	while (!(stop = atomic_load(&watch.stop))) {
		uint64_t every = keeper_verify_every();
		int64_t until = began_ms + (every && (int64_t)every < ms ? (int64_t)every : ms);
		struct timespec t = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };

		if (!every)
			pthread_cond_wait(&watch.moved, &watch.lock);
		else if (clock_mono_ms() >= until)
			break;
		else
			pthread_cond_timedwait(&watch.moved, &watch.lock, &t);
	}
	pthread_mutex_unlock(&watch.lock);
	return !stop;
}

static void *
watch_main(void *arg)
{
	int64_t wait = FIRST_MS;

	(void)arg;
	/* Whoever talks goes first. */
	turns_long(NICE);
	while (sleep_until(clock_mono_ms(), wait)) {
		char *file = keeper_checkpoint_file();

		wait = look(file) ? AGAIN_MS : INT64_MAX / 2;
		free(file);
	}
	return NULL;
}

int
log_watch_start(const char *conninfo, struct err *e)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch.moved, &attr);
	pthread_condattr_destroy(&attr);
	watch.conninfo = mem_strdup(conninfo);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&watch.thread, NULL, watch_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	watch.running = rc == 0;
	return rc ? err_set(e, rc, "no thread to verify the log: %s", strerror(rc)) : 0;
}

void
log_watch_stop(void)
{
	if (!watch.running)
		return;
	pthread_mutex_lock(&watch.lock);
	atomic_store(&watch.stop, true);
	pthread_cond_signal(&watch.moved);
	pthread_mutex_unlock(&watch.lock);
	pthread_join(watch.thread, NULL);
	watch.running = false;
	free(watch.conninfo);
}

void
log_watch_wake(void)
{
	pthread_mutex_lock(&watch.lock);
	if (watch.running)
		pthread_cond_signal(&watch.moved);
	pthread_mutex_unlock(&watch.lock);
}
