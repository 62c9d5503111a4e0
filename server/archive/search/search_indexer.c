/*
 * search_indexer: the thread (see search_indexer.h; search_batch.c has what it does).
 */
#include "archive/search/search_indexer.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "archive/search/search_words.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/record.h"

#define BATCH_FULL 500  /* so many at once: there may be more */
#define LOOK_MS 200     /* for what the writer has committed */
#define RETRY_MS 1000
#define CONNECT_MS 3000
#define DEADLINE_MS 120000 /* an index of a chunk is made in some seconds, or more on a slow disk */

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool running, stopping; /* the second under the lock */
	struct sql *db;
	atomic_int_fast64_t behind_us; /* what was said up to then is in the index; 0: all is */
	bool failing;                  /* said so */
} indexer = { .lock = PTHREAD_MUTEX_INITIALIZER };

uint64_t
search_indexer_lag(void)
{
	int64_t since = atomic_load(&indexer.behind_us), now = clock_wall_us();

	return since && now > since ? (uint64_t)(now - since) / 1000000 : 0;
}

/* Sleeps; false when it is time to end. */
static bool
nap(int ms)
{
	struct timespec t;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += ms % 1000 * 1000000L;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&indexer.lock);
	if (!indexer.stopping && ms)
		pthread_cond_timedwait(&indexer.wake, &indexer.lock, &t);
	go_on = !indexer.stopping;
	pthread_mutex_unlock(&indexer.lock);
	return go_on;
}

static void
failed(const struct err *e)
{
	metric_add(METRIC_SEARCH_FAILURES, 1);
	if (!indexer.failing)
		log_warning(NULL, "search-index-failed", "why=%s", e->text);
	indexer.failing = true;
}

/* How far it was when the server began; the record may have gone on without it. Returns how long to wait. */
static int
step(struct search_words *w, uint64_t *done)
{
	uint64_t upto = record_last_id();
	int64_t at = 0;
	unsigned n = 0;
	struct err e = { 0 };

	metric_set(METRIC_SEARCH_LAG, (int64_t)search_indexer_lag());
	if (upto == *done)
		return LOOK_MS;
	if (!atomic_load(&indexer.behind_us))
		atomic_store(&indexer.behind_us, clock_wall_us());
	if (sql_connect(indexer.db, CONNECT_MS, &e) != SQL_OK || search_index_batch(indexer.db, w, upto, &n, &at, &e) != SQL_OK) {
		failed(&e);
		return RETRY_MS;
	}
	if (indexer.failing)
		log_info(NULL, "search-index-again", "");
	indexer.failing = false;
	metric_add(METRIC_SEARCH_INDEXED, n);
	atomic_store(&indexer.behind_us, n ? at : 0);
	*done = n ? *done : upto;
	metric_set(METRIC_SEARCH_LAG, (int64_t)search_indexer_lag());
	/* Small batches are collected: a transaction for each commit of the writer's would cost as much as it. */
	return n < BATCH_FULL ? LOOK_MS : 0;
}

static void *
run(void *arg)
{
	struct search_words *w = search_words_new();
	uint64_t done = UINT64_MAX;
	int ms = 0;

	(void)arg;
	(void)pthread_setname_np(pthread_self(), "search");
	while (nap(ms))
		ms = step(w, &done);
	search_words_free(w);
	return NULL;
}

int
search_indexer_start(const char *conninfo, struct err *e)
{
	sigset_t all, old;
	pthread_condattr_t attr;
	int rc;

	/* A clock that is set back does not make it sleep. */
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&indexer.wake, &attr);
	pthread_condattr_destroy(&attr);
	indexer.db = sql_new(conninfo, "chanceryd search");
	sql_set_deadline(indexer.db, DEADLINE_MS);
	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&indexer.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	indexer.running = !rc;
	return rc ? err_set(e, rc, "the index for searches: no thread: %s", strerror(rc)) : 0;
}

void
search_indexer_stop(void)
{
	if (!indexer.running)
		return;
	pthread_mutex_lock(&indexer.lock);
	indexer.stopping = true;
	pthread_cond_signal(&indexer.wake);
	pthread_mutex_unlock(&indexer.lock);
	pthread_join(indexer.thread, NULL);
	sql_free(indexer.db);
	indexer.db = NULL;
	indexer.running = false;
}
