/*
 * record: the archive writer's queue and thread (see record.h for what it promises; record_writer.h for
 * the other files).
 *
 * Submitters push into the inbox under a mutex; the thread moves all of it to its own queue at once, so the
 * lock is held for a few instructions. The thread never waits without a tick: while PostgreSQL hangs in
 * whatever call, entries still come back when their patience ends.
 */
#include "store/record.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/turns.h"
#include "store/record_writer.h"

#define START_MS 10000
#define LINK_RETRY_MS 200
#define LINK_RETRY_MAX_MS 1000
#define SILENCE_MS 60000
#define ENTRY_BYTES 512 /* what an entry holds besides its stanza, about */

/* One writer per process: the record has one order. */
static struct writer writer;
static pthread_t thread;

/* What submitters touch. */
static struct {
	pthread_mutex_t lock;
	struct record_entry *first, **last;
	bool open, asleep;
	int wake; /* eventfd */
	uint64_t max, max_bytes;
} inbox = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &inbox.first, .wake = -1};

static atomic_uint_fast64_t waiting, waiting_bytes;

void
writer_complete(struct record_entry *e, enum record_outcome outcome, const char *why)
{
	e->outcome = outcome;
	e->why = why;
	if (outcome == RECORD_REFUSED)
		metric_add(METRIC_ARCHIVE_REFUSED, 1);
	atomic_fetch_sub(&waiting_bytes, e->stanza_len + ENTRY_BYTES);
	metric_set(METRIC_ARCHIVE_WAITING, (int64_t)atomic_fetch_sub(&waiting, 1) - 1);
	if (e->home)
		reactor_post(e->home, &e->mail);
	else
		e->mail.run(&e->mail);
}

void
writer_went_down(struct writer *w, const char *why)
{
	if (!atomic_exchange(&w->up, false))
		return;
	w->down_ms = clock_mono_ms();
	metric_set(METRIC_ARCHIVE_UP, 0);
	log_error(NULL, "archive-down", "why=%s waiting=%llu", why,
		  (unsigned long long)atomic_load(&waiting));
}

void
writer_came_up(struct writer *w)
{
	if (atomic_exchange(&w->up, true))
		return;
	metric_set(METRIC_ARCHIVE_UP, 1);
	log_info(NULL, "archive-up", "after_ms=%lld waiting=%llu",
		 (long long)(w->down_ms ? clock_mono_ms() - w->down_ms : 0),
		 (unsigned long long)atomic_load(&waiting));
}

/* The full one. Counted before it is known to fit, so that many threads cannot pass together. */
static const char *
refusal(const struct record_entry *e)
{
	uint64_t n = atomic_fetch_add(&waiting, 1);
	uint64_t bytes = atomic_fetch_add(&waiting_bytes, e->stanza_len + ENTRY_BYTES);

	metric_set(METRIC_ARCHIVE_WAITING, (int64_t)n + 1);
	if (!inbox.open)
		return "the server stops";
	if (n >= inbox.max || bytes + e->stanza_len > inbox.max_bytes)
		return "too many messages wait for the archive";
	return NULL;
}

void
record_submit(struct record_entry *e)
{
	static const uint64_t one = 1;
	const char *why;
	bool wake = false;

	e->outcome = RECORD_WAITING;
	e->next = NULL;
	if (!e->accepted_ms)
		e->accepted_ms = clock_mono_ms();
	pthread_mutex_lock(&inbox.lock);
	why = refusal(e);
	if (!why) {
		*inbox.last = e;
		inbox.last = &e->next;
		wake = inbox.asleep;
		inbox.asleep = false;
		/* Under the lock: the descriptor is closed under it. */
		if (wake && write(inbox.wake, &one, sizeof(one)) < 0)
			log_error(NULL, "archive-wake-failed", "why=%s", strerror(errno));
	}
	pthread_mutex_unlock(&inbox.lock);
	if (why)
		writer_complete(e, RECORD_REFUSED, why);
}

/* Inbox to queue. With `sleep` it is marked: the next submitter wakes us. */
static void
take_inbox(struct writer *w, bool sleep)
{
	pthread_mutex_lock(&inbox.lock);
	if (inbox.first) {
		*w->last = inbox.first;
		w->last = inbox.last;
		inbox.first = NULL;
		inbox.last = &inbox.first;
	}
	inbox.asleep = sleep;
	pthread_mutex_unlock(&inbox.lock);
}

static void
expire_queue(struct writer *w, int64_t limit_ms)
{
	struct record_entry **p = &w->first, *e;

	while ((e = *p)) {
		if (e->accepted_ms > limit_ms) {
			p = &e->next;
			continue;
		}
		*p = e->next;
		if (!*p)
			w->last = p;
		e->next = NULL;
		writer_complete(e, RECORD_REFUSED, "the archive did not take it in time");
	}
}

void
writer_expire(struct writer *w)
{
	int64_t now = clock_mono_ms(), limit;

	if (now - w->scan_ms < TICK_MS)
		return;
	w->scan_ms = now;
	limit = now - (int64_t)atomic_load(&w->patience_ms);
	take_inbox(w, false);
	expire_queue(w, limit);
	batch_expire(w, limit);
}

bool
writer_has_live(const struct writer *w)
{
	bool live = w->first != NULL;

	for (size_t i = 0; i < w->batch.n && !live; i++)
		live = w->batch.row[i].entry != NULL;
	return live;
}

void
writer_settle(struct writer *w)
{
	if (!w->late_first)
		atomic_store(&w->settled_id, atomic_load(&w->committed_id));
}

static bool
has_work(const struct writer *w)
{
	return w->first || w->late_first;
}

/* When the queue is to be written: at once, unless all that is in it may wait for company; there are few of those before
 * one that may not. Never while there is nothing in it, also when we stop: there is no batch without rows. */
static int64_t
due_ms(const struct writer *w)
{
	int64_t due = INT64_MAX;

	if (w->late_first || (w->first && atomic_load(&w->stopping)))
		return 0;
	for (const struct record_entry *e = w->first; e && due; e = e->next)
		if (!e->may_wait_ms)
			due = 0;
		else if (e->accepted_ms + e->may_wait_ms < due)
			due = e->accepted_ms + e->may_wait_ms;
	return due;
}

/* Until `until_ms`, something is submitted that is due earlier (if asked for), or PostgreSQL hangs up. */
static void
doze(struct writer *w, int64_t until_ms, bool for_work)
{
	int64_t left = until_ms - clock_mono_ms();
	uint64_t count;
	struct pollfd p[2] = {{.fd = inbox.wake, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

	take_inbox(w, for_work);
	if ((for_work && due_ms(w) < until_ms) || left <= 0)
		return;
	if (sql_is_connected(w->db))
		p[1].fd = PQsocket(sql_raw(w->db));
	if (poll(p, 2,
		 left > TICK_MS && !for_work ? TICK_MS :
		 left > 60000                ? 60000 :
					       (int)left) > 0) {
		if ((p[0].revents & POLLIN) && read(inbox.wake, &count, sizeof(count)) < 0)
			log_error(NULL, "archive-wake-failed", "why=%s", strerror(errno));
		if (p[1].revents && (!PQconsumeInput(sql_raw(w->db)) ||
				     PQstatus(sql_raw(w->db)) != CONNECTION_OK)) {
			writer_went_down(w, "PostgreSQL closed the connection");
			link_lost(w);
		}
	}
}

/* Connects when it is time, with a pause that grows from one attempt to the next. */
static void
link_try(struct writer *w, int64_t *pause)
{
	struct err e = {0};

	if (clock_mono_ms() < w->link_ms)
		return;
	if (link_attempt(w, &e) == SQL_OK) {
		*pause = LINK_RETRY_MS;
		/* After a failed write the next write tells. */
		if (clock_mono_ms() >= w->write_ms && w->row_limit == 0)
			writer_came_up(w);
		return;
	}
	writer_went_down(w, e.text);
	w->link_ms = clock_mono_ms() + *pause;
	*pause = *pause * 2 > LINK_RETRY_MAX_MS ? LINK_RETRY_MAX_MS : *pause * 2;
}

/* For what comes next, and once a day months ahead. */
static bool
has_partitions(struct writer *w)
{
	uint64_t now = (uint64_t)clock_wall_us();
	struct err e;

	if (link_partitions(w, (w->last_id > now ? w->last_id : now) + BATCH_ROWS_MAX, &e) ==
	    SQL_OK)
		return true;
	writer_went_down(w, e.text);
	w->write_ms = clock_mono_ms() + LINK_RETRY_MAX_MS;
	if (!sql_is_connected(w->db))
		link_lost(w);
	return false;
}

static void
write_next(struct writer *w)
{
	if (!has_partitions(w))
		return;
	batch_build(w);
	batch_run(w);
}

/* The link is ready. */
static void
work(struct writer *w)
{
	int64_t now = clock_mono_ms(), due = due_ms(w);

	if (now < w->write_ms)
		doze(w, w->write_ms, !has_work(w));
	else if (due <= now)
		write_next(w);
	else if (w->partitions_ms <= now)
		(void)has_partitions(w);
	else
		doze(w, due < w->partitions_ms ? due : w->partitions_ms, true);
}

static bool
may_end(const struct writer *w)
{
	/* What has to be said about returned records is worth a try, but not when there is nobody to
	 * say it to. */
	return atomic_load(&w->stopping) && !writer_has_live(w) &&
	       (!w->late_first || !link_is_ready(w) || clock_mono_ms() > atomic_load(&w->stop_ms));
}

static void *
writer_main(void *arg)
{
	struct writer *w = arg;
	int64_t pause = LINK_RETRY_MS;

	(void)pthread_setname_np(pthread_self(), "archive");
	turns_short(); /* every message waits for it */

	for (;;) {
		take_inbox(w, false);
		writer_expire(w);
		if (may_end(w))
			return NULL;
		if (!link_is_ready(w))
			link_try(w, &pause);
		if (!link_is_ready(w))
			doze(w, w->link_ms, false);
		else
			work(w);
	}
}

static void
on_tick(void *arg)
{
	writer_expire(arg);
}

static void
writer_init(struct writer *w, const struct record_settings *s)
{
	memset(w, 0, sizeof(*w));
	w->conninfo = mem_strdup(s->conninfo);
	w->db = sql_new(s->conninfo, "chancery archive");
	sql_set_tick(w->db, TICK_MS, on_tick, w);
	w->hasher = leaf_hasher_new();
	w->last = &w->first;
	w->late_last = &w->late_first;
	w->silence_ms = s->silence_ms ? s->silence_ms : SILENCE_MS;
	w->leaves = s->leaves;
	for (size_t i = 0; i < INSERTED_ROWS && !s->copies; i++)
		w->insert[i] = leaf_insert_sql(i + 1);
	record_set_limits(s->patience_ms, s->batch_max);
	inbox.max = s->waiting_max;
	inbox.max_bytes = s->waiting_bytes_max;
}

static void
writer_fini(struct writer *w)
{
	if (w->late_first || w->batch.unknown)
		log_error(NULL, "returned-unrecorded", "why=%s",
			  "stopped before the record could say which messages were returned");
	while (w->late_first) {
		struct late *l = w->late_first;

		w->late_first = l->next;
		late_free(l);
	}
	for (size_t i = 0; i < w->batch.n; i++)
		late_free(w->batch.row[i].late);
	sql_free(w->db);
	leaf_hasher_free(w->hasher);
	buf_fini(&w->batch.copy);
	for (size_t i = 0; i < INSERTED_ROWS; i++)
		free(w->insert[i]);
	free(w->batch.row);
	free(w->batch.leaf);
	free(w->conninfo);
	w->db = NULL;
}

/* PostgreSQL may be starting too, or our predecessor ending: some patience, but not for what it refuses. */
static int
first_link(struct writer *w, struct err *e)
{
	int64_t until = clock_mono_ms() + START_MS;
	enum sql_status st;

	while ((st = link_attempt(w, e)) == SQL_UNAVAILABLE && clock_mono_ms() < until)
		poll(NULL, 0, LINK_RETRY_MS);
	return st == SQL_OK ? 0 : err_prefix(e, "archive");
}

static int
start_thread(struct writer *w, struct err *e)
{
	sigset_t all, old;
	int rc;

	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : err_set(e, rc, "archive: no thread: %s", strerror(rc));
}

int
record_start(const struct record_settings *s, struct err *e)
{
	struct writer *w = &writer;

	if (s->allow_unsafe)
		sql_allow_unsafe(true);
	inbox.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (inbox.wake < 0)
		return err_set(e, errno, "archive: eventfd: %s", strerror(errno));
	writer_init(w, s);
	if (first_link(w, e) != 0)
		goto fail;
	writer_came_up(w);
	if (start_thread(w, e) == 0) {
		pthread_mutex_lock(&inbox.lock);
		inbox.open = true;
		pthread_mutex_unlock(&inbox.lock);
		return 0;
	}
fail:
	writer_fini(w);
	close(inbox.wake);
	inbox.wake = -1;
	return -1;
}

void
record_stop(void)
{
	static const uint64_t one = 1;

	pthread_mutex_lock(&inbox.lock);
	if (!inbox.open) {
		pthread_mutex_unlock(&inbox.lock);
		return;
	}
	inbox.open = false;
	atomic_store(&writer.stop_ms, clock_mono_ms() + atomic_load(&writer.patience_ms));
	atomic_store(&writer.stopping, true);
	if (write(inbox.wake, &one, sizeof(one)) < 0)
		log_error(NULL, "archive-wake-failed", "why=%s", strerror(errno));
	pthread_mutex_unlock(&inbox.lock);
	pthread_join(thread, NULL);
	writer_fini(&writer);
	atomic_store(&writer.up, false);
	metric_set(METRIC_ARCHIVE_UP, 0);
	close(inbox.wake);
	inbox.wake = -1;
}

void
record_set_limits(unsigned patience_ms, unsigned batch_max)
{
	atomic_store(&writer.patience_ms, patience_ms);
	atomic_store(&writer.batch_max, batch_max);
}

unsigned
record_patience_ms(void)
{
	return atomic_load(&writer.patience_ms);
}

bool
record_is_up(void)
{
	return atomic_load(&writer.up);
}

uint64_t
record_settled_id(void)
{
	return atomic_load(&writer.settled_id);
}

uint64_t
record_last_id(void)
{
	return atomic_load(&writer.committed_id);
}
