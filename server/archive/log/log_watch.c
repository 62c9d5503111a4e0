/*
 * log_watch: the thread that verifies what is new (see log_watch.h).
 */
#include "archive/log/log_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/log/log_keeper.h"
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
	/* Under the lock. */
	bool begun;          /* where to go on is known */
	uint64_t next;       /* where the next look begins */
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* One look. */
struct look {
	struct log_verify *v;
	void (*finding)(void *arg, const struct log_finding *f); /* of who has asked for it; NULL */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	bool (*gone)(void *arg);
	void *arg;
	char detail[320];    /* the first finding */
	uint64_t lowest;     /* log index of a finding */
	unsigned logged;
};

static struct sql *
connection(void)
{
	struct sql *db = sql_new(watch.conninfo, "chancery verify");

	sql_set_stop(db, &watch.stop);
	return db;
}

/* Where to go on: at findings that no later look has found to be over, else where the last one has ended. */
static enum sql_status
find_start(struct sql *db, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT coalesce((SELECT min(b.first) FROM archive.verification b WHERE b.findings > 0 AND NOT EXISTS"
		" (SELECT FROM archive.verification g WHERE g.number > b.number AND g.findings = 0 AND g.first <= b.first)),"
		" (SELECT max(size) FROM archive.verification WHERE findings = 0), 0)", 0);

	if (st != SQL_OK)
		return st;
	pthread_mutex_lock(&watch.lock);
	watch.next = (uint64_t)sql_i64(r, 0, 0);
	watch.begun = true;
	pthread_mutex_unlock(&watch.lock);
	PQclear(r);
	return SQL_OK;
}

/* The keys that ours speaks for: what has handed over to it, and what it has said to be lost. Whoever writes into the table cannot make it say so. */
static void
add_ours(struct arena *a, const struct log_key_row *row, size_t n, const char *own, struct log_verify *v)
{
	const char **key = arena_zalloc(a, (n + 1) * sizeof(*key));
	size_t i = n;

	key[v->nkeys++] = own;
	v->key = key;
	while (i > 1 && strcmp(row[i - 1].vkey, own) != 0)
		i--;
	for (; i > 1 && row[i - 1].handover; i--) {
		struct handover h;
		char from[NOTE_VKEY_MAX], to[NOTE_VKEY_MAX];
		struct err e;

		if (handover_open(row[i - 1].handover, strlen(row[i - 1].handover), &h, &e))
			return;
		note_key_text(&h.from, from);
		note_key_text(&h.to, to);
		if (strcmp(to, row[i - 1].vkey) != 0 || strcmp(from, row[i - 2].vkey) != 0)
			return;
		key[v->nkeys++] = row[i - 2].vkey;
	}
}

/* Without our key, those of the database have to do: that it is not there is alarmed. */
static enum sql_status
choose_keys(struct sql *db, struct arena *a, struct log_verify *v, struct err *e)
{
	struct log_state s;
	struct log_key_row *row;
	size_t n;
	enum sql_status st = log_keys(db, a, &row, &n, e);

	log_state(&s);
	if (st == SQL_OK && s.has_key && s.size)
		add_ours(a, row, n, arena_strdup(a, s.vkey), v);
	return st;
}

/* The file of checkpoints, where there is one that can be read. */
static void
choose_file(struct arena *a, struct log_verify *v)
{
	char *file = keeper_checkpoint_file();

	if (*file && access(file, R_OK)) {
		keeper_trouble(&log_keeper, KEEPER_OUTSIDE, "the record is not compared with %s: %s", file, strerror(errno));
	} else {
		keeper_trouble(&log_keeper, KEEPER_OUTSIDE, NULL);
		v->checkpoint_file = *file ? arena_strdup(a, file) : NULL;
	}
	free(file);
}

static void
on_finding(void *arg, const struct log_finding *f)
{
	struct look *l = arg;

	if (!l->logged)
		snprintf(l->detail, sizeof(l->detail), "%s", f->text);
	if (!l->logged || f->index < l->lowest)
		l->lowest = f->index;
	if (l->logged++ < LOGGED)
		log_error(NULL, "log-finding", "kind=%s index=%" PRIu64 " record=%" PRIu64 " what=%s", f->kind, f->index, f->record, f->text);
	if (l->finding)
		l->finding(l->arg, f);
}

static void
on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct look *l = arg;

	if (l->progress)
		l->progress(l->arg, done, total);
}

static bool
on_gone(void *arg)
{
	struct look *l = arg;

	return l->gone && l->gone(l->arg);
}

/* For the next start, and for who asks when somebody has last looked. */
static void
note(const struct look *l)
{
	const struct log_verify *v = l->v;
	char first[24], size[24], findings[24];
	struct sql *db = connection();
	struct err e;

	snprintf(first, sizeof(first), "%" PRIu64, v->findings && l->lowest < v->first ? l->lowest : v->first);
	snprintf(size, sizeof(size), "%" PRIu64, v->size);
	snprintf(findings, sizeof(findings), "%" PRIu64, v->findings);
	if ((sql_connect(db, CONNECT_MS, &e) != SQL_OK || sql_do(db, &e, "INSERT INTO archive.verification (first, size, findings, detail)"
		" VALUES ($1, $2, $3, $4)", 4, first, size, findings, v->findings ? l->detail : NULL) != SQL_OK) && !atomic_load(&watch.stop))
		log_warning(NULL, "log-verification-not-noted", "why=%s", e.text);
	sql_free(db);
}

/* What was found is in the state until a look that begins no later finds nothing. */
static void
tell(const struct look *l)
{
	const struct log_verify *v = l->v;
	bool over;

	pthread_mutex_lock(&watch.lock);
	over = !v->findings && v->first <= watch.next;
	if (over)
		watch.next = v->size;
	else if (v->findings && l->lowest < watch.next)
		watch.next = l->lowest;
	pthread_mutex_unlock(&watch.lock);
	if (v->findings || over) {
		keeper_verified(v->size, v->findings, l->detail);
		metric_set(METRIC_LOG_FINDINGS, (int64_t)v->findings);
	}
	log_info(NULL, "log-verified", "first=%" PRIu64 " size=%" PRIu64 " checkpoints=%" PRIu64 " findings=%" PRIu64, v->first, v->size, v->checkpoints,
		v->findings);
}

static int
run_look(struct look *l, bool all, struct arena *a, struct err *e)
{
	struct sql *db = connection();
	enum sql_status st = sql_connect(db, CONNECT_MS, e);
	bool begun;

	pthread_mutex_lock(&watch.lock);
	begun = watch.begun;
	pthread_mutex_unlock(&watch.lock);
	if (st == SQL_OK && !begun)
		st = find_start(db, e);
	if (st == SQL_OK)
		st = choose_keys(db, a, l->v, e);
	sql_free(db);
	if (st != SQL_OK)
		return -1;
	choose_file(a, l->v);
	pthread_mutex_lock(&watch.lock);
	l->v->since = all ? 0 : watch.next;
	pthread_mutex_unlock(&watch.lock);
	return log_verify(l->v, e);
}

int
log_look(struct log_verify *v, bool all, struct err *e)
{
	struct look l = { .v = v, .finding = v->finding, .progress = v->progress, .gone = v->gone, .arg = v->arg };
	struct arena *a = arena_new(0);
	int rc;

	v->conninfo = watch.conninfo;
	v->finding = on_finding;
	v->progress = on_progress;
	v->gone = on_gone;
	v->arg = &l;
	rc = run_look(&l, all, a, e);
	if (!rc) {
		tell(&l);
		note(&l);
	}
	v->key = NULL;
	v->checkpoint_file = NULL;
	arena_free(a);
	return rc;
}

/* 0; -1: it could not be done. */
static int
look(void)
{
	struct log_verify v = { .threads = 1, .stop = &watch.stop };
	struct err e;

	if (!log_look(&v, false, &e))
		return 0;
	if (!atomic_load(&watch.stop))
		log_warning(NULL, "log-not-verified", "why=%s", e.text);
	return -1;
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
	while (sleep_until(clock_mono_ms(), wait))
		wait = look() ? AGAIN_MS : INT64_MAX / 2;
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
