/*
 * log_keeper: the thread that keeps the Merkle log (see log.h).
 *
 *     archive writer ─ log_committed ─▶ ring ─▶ tree ─▶ tiles and checkpoint, one transaction ─▶ sinks
 *                                       record ─▶┘ (at start, and when the ring has gone on)
 *
 * The first leaf after a pause is covered within a second or so, under traffic there is a checkpoint each log.checkpoint_every. When
 * anything goes wrong with the database, the tree in memory is thrown away and made again from what is stored: there is no
 * state that could be ahead of what is committed.
 *
 * Before it signs anything the keeper looks whether the record still goes on from what was signed before (log_keeper_load.c). When it does not, it
 * signs nothing any more, and says so: a signature would bless what somebody has changed.
 */
#include "archive/log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/log/log_keeper.h"
#include "archive/log/log_last.h"
#include "archive/log/log_stamper.h"
#include "archive/log/log_watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#define SETTLE_MS 1000      /* from the first leaf after a pause to its checkpoint */
#define RETRY_MS 1000       /* a database that is away */
#define KEY_MS 5000         /* a key that is not there */
#define IDLE_MS 60000
#define CATCH_UP_MS 20      /* between two batches from the record */
#define LAST_MS 3000        /* the same at the end */
#define BATCH 16384         /* leaves taken at once */

struct keeper log_keeper = { .lock = PTHREAD_MUTEX_INITIALIZER, .sink = LOG_SINK_CLOSED };
static pthread_t thread;

/* The database */

/* Back to what is stored, at the next turn. */
static void
forget(struct keeper *k)
{
	k->loaded = false;
	/* Another database may be there next time: it is compared again. */
	log_sink_close(&k->sink);
	k->ntiles = 0;
	k->retry_ms = clock_mono_ms() + RETRY_MS;
	/* It may have been the first checkpoint, with the key: nobody knows. */
	k->key_checked = k->key_checked && !k->unregistered;
	k->key_ms = 0;
}

static void
database_failed(struct keeper *k, const struct err *e)
{
	keeper_trouble(k, KEEPER_DATABASE, "the log is behind the record: %s", e->text);
	forget(k);
}

bool
keeper_ready(struct keeper *k)
{
	struct err e;

	if (k->loaded)
		return true;
	if (clock_mono_ms() < k->retry_ms || clock_mono_ms() < k->broken_ms)
		return false;
	if (keeper_load(k, &e) != SQL_OK) {
		database_failed(k, &e);
		return false;
	}
	keeper_trouble(k, KEEPER_DATABASE, NULL);
	if (!k->loaded)
		return false;
	keeper_trouble(k, KEEPER_BROKEN, NULL);
	return true;
}

/* The tree */

static void
keep_tile(void *arg, const struct log_tile *t)
{
	struct keeper *k = arg;

	if (k->ntiles == k->tiles_cap) {
		k->tiles_cap = k->tiles_cap ? 2 * k->tiles_cap : 32;
		k->tile = mem_realloc(k->tile, k->tiles_cap * sizeof(*k->tile));
	}
	k->tile[k->ntiles++] = *t;
}

/* The next leaves: from the ring, else from the record. How many; -1: the database failed. */
static ssize_t
take_leaves(struct keeper *k, struct err *e)
{
	uint64_t size = k->tree->f.size, end = log_ring_end();
	size_t n = log_ring_get(size, k->leaf, BATCH);

	if (end > k->records)
		k->records = end;
	if (n || size >= k->records)
		return (ssize_t)n;
	if (log_store_leaves(k->db, size, size + BATCH < k->records ? size + BATCH : k->records, k->leaf, &n, e) != SQL_OK)
		return -1;
	metric_add(METRIC_LOG_READ, (int64_t)n);
	if (!n)
		keeper_broken(k, "the record %" PRIu64 " of the log is missing (chancery archive verify)", size);
	return (ssize_t)n;
}

/* A checkpoint of what the tree has. NULL key: none. */
static int
sign(struct keeper *k, struct log_checkpoint *out, struct buf *note, struct err *e)
{
	struct checkpoint c = { .size = k->tree->f.size, .time = clock_wall_us() / 1000000 };

	snprintf(c.origin, sizeof(c.origin), "%s", note_signer_key(k->signer)->name);
	log_tree_root(k->tree, c.root);
	if (checkpoint_sign(&c, k->signer, note, e))
		return -1;
	*out = (struct log_checkpoint){ .size = c.size, .at_us = c.time * 1000000, .note = buf_str(note) };
	memcpy(out->root, c.root, sizeof(out->root));
	return 0;
}

/* What is noted outside the database, and with the first checkpoint the key in it. */
static void
note_signed(struct keeper *k, const struct log_checkpoint *c)
{
	struct err e;

	if (k->unregistered)
		log_info(NULL, "log-key-first", "size=%" PRIu64, c->size);
	k->unregistered = false;
	if (log_last_save(k->s.key_file, c->note, &e))
		keeper_trouble(k, KEEPER_NOTE, "what was signed last is not noted beside the key: %s", e.text);
	else
		keeper_trouble(k, KEEPER_NOTE, NULL);
}

/* The key of a log that has none yet goes in with its first checkpoint: a key without one is a sign that somebody has taken it away. */
static enum sql_status
store(struct keeper *k, const struct log_checkpoint *c, struct err *e)
{
	char vkey[NOTE_VKEY_MAX];
	struct log_key_row first = { .number = 1, .at_us = clock_wall_us(), .vkey = vkey };

	if (c && k->unregistered)
		note_key_text(note_signer_key(k->signer), vkey);
	return log_store_write(k->db, k->tile, k->ntiles, c, c && k->unregistered ? &first : NULL, e);
}

int
keeper_write_out(struct keeper *k, bool cover, struct err *e)
{
	struct log_checkpoint c;
	struct buf note = { 0 };
	int rc = 0;

	cover = cover && k->signer && k->tree->f.size > k->covered;
	if (!k->ntiles && !cover)
		return 0;
	if (cover && sign(k, &c, &note, e)) {
		keeper_trouble(k, KEEPER_KEY, "no checkpoints are signed: %s", e->text);
		cover = false;
	}
	if (store(k, cover ? &c : NULL, e) != SQL_OK) {
		database_failed(k, e);
		rc = -1;
	} else {
		k->ntiles = 0;
		if (cover) {
			note_signed(k, &c);
			keeper_tell(k, &c);
		}
	}
	buf_fini(&note);
	return rc;
}

bool
keeper_absorb(struct keeper *k)
{
	struct err e;
	ssize_t n = take_leaves(k, &e);

	if (n < 0) {
		database_failed(k, &e);
		return false;
	}
	for (ssize_t i = 0; i < n; i++)
		log_tree_append(k->tree, k->leaf[i], keep_tile, k);
	if (k->tree->f.size > k->records)
		k->records = k->tree->f.size;
	if (n && !k->uncovered_ms)
		k->uncovered_ms = clock_mono_ms();
	if (k->ntiles && keeper_write_out(k, false, &e))
		return false;
	return n == BATCH || (k->loaded && k->tree->f.size < k->records);
}

/* Checkpoints */

/* When the next one is due; INT64_MAX: nothing is to be covered, or nobody can sign. */
static int64_t
due_ms(struct keeper *k)
{
	int64_t settled = k->uncovered_ms + SETTLE_MS, next = k->covered_ms + (int64_t)k->s.every_ms;

	if (!k->loaded || !k->signer || k->tree->f.size <= k->covered)
		return INT64_MAX;
	return k->covered_ms && next > settled ? next : settled;
}

static void
cover_if_due(struct keeper *k)
{
	struct err e;

	if (k->loaded && k->signer && clock_mono_ms() >= due_ms(k))
		(void)keeper_write_out(k, true, &e);
}

/* The thread */

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until something is due, is called for, or the ring half full. */
static void
rest(struct keeper *k, bool more)
{
	int64_t now = clock_mono_ms(), until = now + IDLE_MS;
	uint64_t size = k->tree->f.size;
	struct timespec t;

	if (more)
		until = now + CATCH_UP_MS;
	else if (!k->loaded)
		until = k->broken_ms > k->retry_ms ? k->broken_ms : k->retry_ms;
	else
		until = earlier(until, due_ms(k));
	if (!k->signer)
		until = earlier(until, now + KEY_MS);
	if (k->loaded && k->sink_ms)
		until = earlier(until, k->sink_ms);
	t = (struct timespec){ .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
	log_ring_wake_at(k->loaded && size <= k->covered ? size + 1 : size + LOG_RING / 2);
	pthread_mutex_lock(&k->lock);
	/* What came since we looked has found nobody to wake. */
	while (!k->called && !k->stopping && !(k->loaded && size <= k->covered && log_ring_end() > size))
		if (pthread_cond_timedwait(&k->wake, &k->lock, &t) == ETIMEDOUT)
			break;
	k->called = false;
	pthread_mutex_unlock(&k->lock);
}

static bool
stops(struct keeper *k)
{
	bool stopping;

	pthread_mutex_lock(&k->lock);
	stopping = k->stopping;
	pthread_mutex_unlock(&k->lock);
	return stopping;
}

static void *
keeper_main(void *arg)
{
	struct keeper *k = arg;
	struct err e = { 0 };

	while (!stops(k)) {
		bool more = false;

		keeper_refresh(k);
		if (keeper_ready(k)) {
			keeper_check_key(k);
			more = keeper_absorb(k);
			cover_if_due(k);
		}
		keeper_obey(k);
		if (k->loaded)
			keeper_fill_file(k);
		keeper_publish(k);
		rest(k, more);
	}
	/* What the archive writer has committed last. */
	sql_set_deadline(k->db, LAST_MS);
	sql_set_until(k->db, clock_mono_ms() + LAST_MS);
	if (k->signer && k->loaded && keeper_cover_all(k, &e))
		log_warning(NULL, "log-uncovered", "from=%" PRIu64 " why=%s", k->covered, e.text);
	if (k->loaded)
		keeper_fill_file(k);
	keeper_publish(k);
	return NULL;
}

/* Life */

static int
start_thread(struct keeper *k, struct err *e)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, keeper_main, k);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!rc)
		(void)pthread_setname_np(thread, "log");
	return rc ? err_set(e, rc, "no thread for the log: %s", strerror(rc)) : 0;
}

int
log_start(const struct log_settings *s, struct err *e)
{
	struct keeper *k = &log_keeper;
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &attr);
	pthread_cond_init(&k->told, &attr);
	pthread_condattr_destroy(&attr);
	k->db = sql_new(s->conninfo, "chancery log");
	sql_set_deadline(k->db, KEEPER_DEADLINE_MS);
	k->tree = NEW(struct log_tree);
	k->tree->h = k->h = hasher_new();
	k->leaf = mem_alloc(BATCH * sizeof(*k->leaf));
	k->covered_ms = 0;
	log_configure(s);
	k->running = true;
	if (start_thread(k, e)) {
		k->running = false;
		return -1;
	}
	return log_stamper_start(s->conninfo, e) || log_watch_start(s->conninfo, e) ? -1 : 0;
}

void
log_stop(void)
{
	struct keeper *k = &log_keeper;

	if (!k->running)
		return;
	log_watch_stop();
	log_stamper_stop();
	pthread_mutex_lock(&k->lock);
	k->stopping = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(thread, NULL);
	pthread_mutex_lock(&k->lock);
	k->running = false;
	pthread_cond_broadcast(&k->told);
	pthread_mutex_unlock(&k->lock);
	log_sink_close(&k->sink);
	note_signer_free(k->signer);
	k->signer = NULL;
	sql_free(k->db);
	hasher_free(k->h);
	free(k->tree);
	free(k->tile);
	free(k->leaf);
	keeper_free_settings(k);
}

void
log_committed(uint64_t first_index, const uint8_t (*leaf)[MERKLE_HASH], size_t n)
{
	struct keeper *k = &log_keeper;

	if (!log_ring_put(first_index, leaf, n))
		return;
	pthread_mutex_lock(&k->lock);
	k->called = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
}

void
log_configure(const struct log_settings *s)
{
	struct keeper *k = &log_keeper;

	pthread_mutex_lock(&k->lock);
	keeper_take_settings(&k->next, s);
	k->configured = k->called = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	log_watch_wake();
	log_stamper_configure();
}
