/*
 * log_stamper: when to ask, and what became of it (see log_stamper.h). How far it is, says the table: nothing is lost while an authority is away.
 */
#include "archive/log/log_stamper.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "archive/log/log_keeper.h"
#include "archive/log/log_stamp.h"
#include "base/clock.h"
#include "base/metric.h"

#define CONNECT_MS 3000
#define RETRY_MS 30000

static struct {
	pthread_t thread;
	bool running;
	atomic_bool stop;
	struct sql *db;
	uint64_t stamped;   /* the size of the last checkpoint that has one */

	pthread_mutex_t lock;
	pthread_cond_t moved;
	/* Under the lock. */
	bool called;        /* there is something to do */
	bool known;         /* `stamped` is what the table says */
	int64_t next_ms;    /* not before */
} stamper = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
wait_until(int64_t ms)
{
	pthread_mutex_lock(&stamper.lock);
	stamper.next_ms = ms;
	pthread_mutex_unlock(&stamper.lock);
}

static bool
is_due(void)
{
	bool due;

	pthread_mutex_lock(&stamper.lock);
	due = clock_mono_ms() >= stamper.next_ms;
	pthread_mutex_unlock(&stamper.lock);
	return due;
}

static bool
set_known(bool now)
{
	bool before;

	pthread_mutex_lock(&stamper.lock);
	before = stamper.known;
	stamper.known = now;
	pthread_mutex_unlock(&stamper.lock);
	return before;
}

/* When the last one was. */
static int
know_stamped(uint64_t every_ms, struct err *e)
{
	int64_t at_us;

	if (set_known(true))
		return 0;
	if (log_store_stamped(stamper.db, &at_us, &stamper.stamped, e) != SQL_OK) {
		(void)set_known(false);
		return -1;
	}
	wait_until(at_us ? clock_mono_ms() + (int64_t)every_ms - (clock_wall_us() - at_us) / 1000 : 0);
	return 0;
}

/* The newest checkpoint: it covers all before it. */
static int
stamp_newest(const char *url, uint64_t every_ms, struct err *e)
{
	struct arena *a = arena_new(0);
	struct log_checkpoint c;
	struct buf token = { 0 };
	int rc = log_newest(stamper.db, a, &c, e) == SQL_OK ? 0 : -1;

	if (!rc && c.size > stamper.stamped) {
		rc = log_stamp_ask(url, c.note, &stamper.stop, &token, e);
		if (!rc && log_store_stamp(stamper.db, c.size, url, buf_data(&token), buf_len(&token), e) != SQL_OK)
			rc = -1;
		if (!rc) {
			stamper.stamped = c.size;
			wait_until(clock_mono_ms() + (int64_t)every_ms);
		}
	}
	buf_fini(&token);
	arena_free(a);
	return rc;
}

static void
turn(const char *url, uint64_t every_ms)
{
	struct err e;
	int rc = sql_connect(stamper.db, CONNECT_MS, &e) == SQL_OK ? know_stamped(every_ms, &e) : -1;

	if (!rc && is_due())
		rc = stamp_newest(url, every_ms, &e);
	if (!rc) {
		keeper_trouble(&log_keeper, KEEPER_STAMP, NULL);
	} else if (!atomic_load(&stamper.stop)) {
		metric_add(METRIC_LOG_SINK_FAILED, 1);
		keeper_trouble(&log_keeper, KEEPER_STAMP, "checkpoints get no time stamps of %s: %s", url, e.text);
		wait_until(clock_mono_ms() + RETRY_MS);
		log_stamper_wake();
	}
}

/* Until there is something to do, and it may be done. */
static void
rest(void)
{
	pthread_mutex_lock(&stamper.lock);
	while (!atomic_load(&stamper.stop) && !(stamper.called && clock_mono_ms() >= stamper.next_ms)) {
		struct timespec t = { .tv_sec = stamper.next_ms / 1000, .tv_nsec = stamper.next_ms % 1000 * 1000000 };

		if (stamper.called)
			pthread_cond_timedwait(&stamper.moved, &stamper.lock, &t);
		else
			pthread_cond_wait(&stamper.moved, &stamper.lock);
	}
	stamper.called = false;
	pthread_mutex_unlock(&stamper.lock);
}

static void *
stamper_main(void *arg)
{
	(void)arg;
	while (!atomic_load(&stamper.stop)) {
		uint64_t every_ms;
		char *url = keeper_timestamp(&every_ms);

		if (*url)
			turn(url, every_ms);
		else
			keeper_trouble(&log_keeper, KEEPER_STAMP, NULL);
		free(url);
		rest();
	}
	return NULL;
}

int
log_stamper_start(const char *conninfo, struct err *e)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stamper.moved, &attr);
	pthread_condattr_destroy(&attr);
	stamper.db = sql_new(conninfo, "chancery stamps");
	sql_set_deadline(stamper.db, KEEPER_DEADLINE_MS);
	sql_set_stop(stamper.db, &stamper.stop);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&stamper.thread, NULL, stamper_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	stamper.running = rc == 0;
	return rc ? err_set(e, rc, "no thread for time stamps: %s", strerror(rc)) : 0;
}

void
log_stamper_stop(void)
{
	if (!stamper.running)
		return;
	pthread_mutex_lock(&stamper.lock);
	atomic_store(&stamper.stop, true);
	pthread_cond_signal(&stamper.moved);
	pthread_mutex_unlock(&stamper.lock);
	pthread_join(stamper.thread, NULL);
	stamper.running = false;
	sql_free(stamper.db);
}

void
log_stamper_wake(void)
{
	pthread_mutex_lock(&stamper.lock);
	stamper.called = true;
	if (stamper.running)
		pthread_cond_signal(&stamper.moved);
	pthread_mutex_unlock(&stamper.lock);
}

void
log_stamper_configure(void)
{
	pthread_mutex_lock(&stamper.lock);
	stamper.called = true;
	stamper.known = false;
	stamper.next_ms = 0;
	if (stamper.running)
		pthread_cond_signal(&stamper.moved);
	pthread_mutex_unlock(&stamper.lock);
}
