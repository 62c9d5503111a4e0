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
 * Before it signs anything the keeper looks whether the record still goes on from the last checkpoint, in the table and in the file
 * outside. When it does not, it signs nothing any more, and says so: a signature would bless what somebody has changed.
 */
#include "archive/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/log_keeper.h"
#include "archive/log_watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#define SETTLE_MS 1000      /* from the first leaf after a pause to its checkpoint */
#define RETRY_MS 1000       /* a database that is away */
#define BROKEN_MS 60000     /* a log that does not fit: somebody may have mended it */
#define KEY_MS 5000         /* a key that is not there */
#define IDLE_MS 60000
#define CATCH_UP_MS 20      /* between two batches from the record */
#define CONNECT_MS 3000
#define DEADLINE_MS 10000
#define LAST_MS 3000        /* the same at the end */
#define BATCH 16384         /* leaves taken at once */
#define LISTENERS 4

static struct keeper keeper = { .lock = PTHREAD_MUTEX_INITIALIZER, .sink = LOG_SINK_CLOSED };
static pthread_t thread;
static struct { log_listener_fn fn; void *arg; } listener[LISTENERS];

/* What is wrong, each in words; "" when it is not. */
void
keeper_trouble(struct keeper *k, enum keeper_trouble what, const char *fmt, ...)
{
	char text[sizeof(k->trouble[0])] = "";
	va_list ap;
	bool changed;

	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
	}
	pthread_mutex_lock(&k->lock);
	changed = strcmp(k->trouble[what], text) != 0;
	memcpy(k->trouble[what], text, sizeof(text));
	pthread_mutex_unlock(&k->lock);
	if (changed && fmt)
		log_error(NULL, "log-trouble", "why=%s", text);
	else if (changed)
		log_info(NULL, "log-trouble-over", "of=%s", keeper_trouble_name(what));
	if (changed)
		metric_set(METRIC_LOG_TROUBLES, (int64_t)keeper_troubles(k));
}

const char *
keeper_trouble_name(enum keeper_trouble what)
{
	static const char *const name[] = { [KEEPER_BROKEN] = "record", [KEEPER_DATABASE] = "database", [KEEPER_KEY] = "key", [KEEPER_FILE] = "file",
		[KEEPER_STAMP] = "time-stamp", [KEEPER_FINDINGS] = "findings" };

	return name[what];
}

unsigned
keeper_troubles(struct keeper *k)
{
	unsigned n = 0;

	pthread_mutex_lock(&k->lock);
	for (int i = 0; i < KEEPER_TROUBLES; i++)
		n += k->trouble[i][0] != '\0';
	pthread_mutex_unlock(&k->lock);
	return n;
}

/* The database */

/* Back to what is stored, at the next turn. */
static void
forget(struct keeper *k)
{
	k->loaded = false;
	k->ntiles = 0;
	k->retry_ms = clock_mono_ms() + RETRY_MS;
}

static void
database_failed(struct keeper *k, const struct err *e)
{
	keeper_trouble(k, KEEPER_DATABASE, "the log is behind the record: %s", e->text);
	forget(k);
}

/* Does the record go on from this tree head? 1 yes, 0 no (said so), -1: the database failed. */
static int
goes_on_from(struct keeper *k, uint64_t size, const uint8_t root[MERKLE_HASH], const char *where, struct err *e)
{
	uint8_t now[MERKLE_HASH];

	if (!size)
		return 1;
	if (size > k->records) {
		keeper_trouble(k, KEEPER_BROKEN, "no checkpoints are signed: %s knows %" PRIu64 " records, and %" PRIu64 " are there", where, size,
			k->records);
		return 0;
	}
	if (log_root(k->db, size, now, e)) {
		if (!sql_is_connected(k->db))
			return -1;
		keeper_trouble(k, KEEPER_BROKEN, "no checkpoints are signed: the log cannot be read: %s", e->text);
		return 0;
	}
	if (memcmp(now, root, MERKLE_HASH) == 0)
		return 1;
	keeper_trouble(k, KEEPER_BROKEN, "no checkpoints are signed: the record does not fit to the checkpoint of %" PRIu64 " records in %s "
		"(chancery archive verify)", size, where);
	return 0;
}

static enum sql_status
load(struct keeper *k, struct err *e)
{
	struct log_checkpoint last;
	struct arena *a = arena_new(0);
	enum sql_status st = sql_connect(k->db, CONNECT_MS, e);
	int fits = 1;

	if (st == SQL_OK)
		st = log_store_records(k->db, &k->records, e);
	if (st == SQL_OK)
		st = log_newest(k->db, a, &last, e);
	if (st == SQL_OK)
		st = log_store_edge(k->db, k->tree, UINT64_MAX, e);
	if (st == SQL_OK) {
		k->covered = last.size;
		k->covered_us = last.at_us;
		fits = goes_on_from(k, last.size, last.root, "the last one", e);
		st = fits < 0 ? SQL_UNAVAILABLE : SQL_OK;
	}
	arena_free(a);
	if (st == SQL_OK && !fits)
		k->broken_ms = clock_mono_ms() + BROKEN_MS;
	k->loaded = st == SQL_OK && fits;
	return st;
}

/* False: not now. */
static bool
ready(struct keeper *k)
{
	struct err e;

	if (k->loaded)
		return true;
	if (clock_mono_ms() < k->retry_ms || clock_mono_ms() < k->broken_ms)
		return false;
	if (load(k, &e) != SQL_OK) {
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
	if (!n) {
		keeper_trouble(k, KEEPER_BROKEN, "no checkpoints are signed: the record %" PRIu64 " of the log is missing (chancery archive verify)", size);
		k->broken_ms = clock_mono_ms() + BROKEN_MS;
		k->loaded = false;
	}
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

static void
tell(struct keeper *k, const struct log_checkpoint *c)
{
	k->covered = c->size;
	k->covered_us = c->at_us;
	k->covered_ms = clock_mono_ms();
	k->uncovered_ms = 0;
	metric_add(METRIC_LOG_CHECKPOINTS, 1);
	for (int i = 0; i < LISTENERS && listener[i].fn; i++)
		listener[i].fn(listener[i].arg, c->size, c->note);
}

/* Tiles that are full, and with `cover` a checkpoint behind them. */
static int
write_out(struct keeper *k, bool cover, struct err *e)
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
	if (log_store_write(k->db, k->tile, k->ntiles, cover ? &c : NULL, e) != SQL_OK) {
		database_failed(k, e);
		rc = -1;
	} else {
		k->ntiles = 0;
		if (cover)
			tell(k, &c);
	}
	buf_fini(&note);
	return rc;
}

/* Everything that is committed goes into the tree; full tiles are written. True: there is more. */
static bool
absorb(struct keeper *k)
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
	if (k->ntiles && write_out(k, false, &e))
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
		(void)write_out(k, true, &e);
}

static void
publish(struct keeper *k)
{
	uint64_t end = log_ring_end();

	pthread_mutex_lock(&k->lock);
	k->state.records = end > k->records ? end : k->records;
	k->state.size = k->covered;
	k->state.at_us = k->covered_us;
	k->state.has_key = k->signer != NULL;
	k->state.vkey[0] = '\0';
	if (k->signer) {
		char text[NOTE_VKEY_MAX];

		note_key_text(note_signer_key(k->signer), text);
		snprintf(k->state.vkey, sizeof(k->state.vkey), "%s", text);
	}
	metric_set(METRIC_LOG_SIZE, (int64_t)k->covered);
	metric_set(METRIC_LOG_LAG, (int64_t)(k->state.records - k->covered));
	pthread_mutex_unlock(&k->lock);
}

/* Orders */

static void
answer(struct keeper *k, struct keeper_order *o, int rc, const struct err *e)
{
	pthread_mutex_lock(&k->lock);
	o->rc = rc;
	if (rc)
		o->err = *e;
	o->done = true;
	pthread_cond_broadcast(&k->told);
	pthread_mutex_unlock(&k->lock);
}

static struct keeper_order *
next_order(struct keeper *k)
{
	struct keeper_order *o;

	pthread_mutex_lock(&k->lock);
	o = k->orders;
	if (o)
		k->orders = o->next;
	pthread_mutex_unlock(&k->lock);
	return o;
}

/* What a checkpoint that covers everything needs, done now. -1: why it cannot be had. */
static int
cover_all(struct keeper *k, struct err *e)
{
	if (!k->loaded) {
		k->retry_ms = k->broken_ms = 0;
		if (!ready(k))
			return err_set(e, 0, "%s", k->trouble[KEEPER_BROKEN][0] ? k->trouble[KEEPER_BROKEN] : k->trouble[KEEPER_DATABASE]);
	}
	while (absorb(k))
		;
	if (!k->loaded)
		return err_set(e, 0, "%s", k->trouble[KEEPER_BROKEN][0] ? k->trouble[KEEPER_BROKEN] : k->trouble[KEEPER_DATABASE]);
	if (!k->signer)
		return err_set(e, 0, "%s", k->trouble[KEEPER_KEY]);
	return write_out(k, true, e);
}

static void
obey(struct keeper *k)
{
	struct keeper_order *o;
	struct err e = { 0 };

	while ((o = next_order(k))) {
		int rc = o->rotate ? 0 : cover_all(k, &e);

		if (o->rotate)
			rc = keeper_rotate(k, o->lost, o->vkey, o->vkey_size, &e);
		publish(k);
		answer(k, o, rc, &e);
	}
}

/* -1 and `e` when it is not done, or not in time: then the keeper may still be at it, and has forgotten us. */
static int
order(struct keeper_order *o, unsigned wait_ms, struct err *e)
{
	struct keeper *k = &keeper;
	struct timespec until;
	int64_t ms = clock_mono_ms() + wait_ms;

	until = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	pthread_mutex_lock(&k->lock);
	if (!k->running) {
		pthread_mutex_unlock(&k->lock);
		return err_set(e, 0, "the log is not kept");
	}
	o->next = k->orders;
	k->orders = o;
	k->called = true;
	pthread_cond_signal(&k->wake);
	while (!o->done && k->running)
		if (pthread_cond_timedwait(&k->told, &k->lock, &until) == ETIMEDOUT && !o->done) {
			struct keeper_order **p = &k->orders;

			while (*p && *p != o)
				p = &(*p)->next;
			if (*p) {
				*p = o->next;
				break;
			}
			/* It is at work on it: its end is bounded by the deadlines of the database. */
			until.tv_sec += DEADLINE_MS / 1000;
		}
	if (!o->done)
		err_set(&o->err, 0, "the keeper of the log has no time");
	*e = o->err;
	pthread_mutex_unlock(&k->lock);
	return o->done ? o->rc : -1;
}

int
log_cover(uint64_t size, unsigned wait_ms, struct err *e)
{
	struct keeper_order o = { 0 };
	struct log_state st;

	log_state(&st);
	if (st.size >= size && size)
		return 0;
	return order(&o, wait_ms, e);
}

int
log_rotate(bool lost, char *vkey, size_t size, struct err *e)
{
	struct keeper_order o = { .rotate = true, .lost = lost, .vkey = vkey, .vkey_size = size };

	return order(&o, DEADLINE_MS, e);
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
	if (k->loaded) {
		until = earlier(until, k->sink_ms ? k->sink_ms : INT64_MAX);
		until = earlier(until, k->stamp_ms ? k->stamp_ms : INT64_MAX);
	}
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
		if (ready(k)) {
			keeper_check_key(k);
			more = absorb(k);
			cover_if_due(k);
		}
		obey(k);
		if (k->loaded)
			keeper_sinks(k);
		publish(k);
		rest(k, more);
	}
	/* What the archive writer has committed last. */
	sql_set_deadline(k->db, LAST_MS);
	sql_set_until(k->db, clock_mono_ms() + LAST_MS);
	if (k->signer && k->loaded && cover_all(k, &e))
		log_warning(NULL, "log-uncovered", "from=%" PRIu64 " why=%s", k->covered, e.text);
	k->ending = true;
	if (k->loaded)
		keeper_sinks(k);
	publish(k);
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
	return rc ? err_set(e, rc, "no thread for the log: %s", strerror(rc)) : 0;
}

int
log_start(const struct log_settings *s, struct err *e)
{
	struct keeper *k = &keeper;
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &attr);
	pthread_cond_init(&k->told, &attr);
	pthread_condattr_destroy(&attr);
	k->db = sql_new(s->conninfo, "chancery log");
	sql_set_deadline(k->db, DEADLINE_MS);
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
	return log_watch_start(s->conninfo, e);
}

void
log_stop(void)
{
	struct keeper *k = &keeper;

	if (!k->running)
		return;
	log_watch_stop();
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
	struct keeper *k = &keeper;

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
	struct keeper *k = &keeper;

	pthread_mutex_lock(&k->lock);
	keeper_take_settings(&k->next, s);
	k->configured = k->called = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	log_watch_wake();
}

void
keeper_verified(uint64_t size, uint64_t findings, const char *first)
{
	struct keeper *k = &keeper;

	pthread_mutex_lock(&k->lock);
	if (!findings)
		k->state.verified = size;
	k->state.verified_us = clock_wall_us();
	k->state.findings = findings;
	pthread_mutex_unlock(&k->lock);
	if (findings)
		keeper_trouble(k, KEEPER_FINDINGS, "the record is not what was recorded, %" PRIu64 " findings (chancery archive verify): %s", findings, first);
	else
		keeper_trouble(k, KEEPER_FINDINGS, NULL);
}

uint64_t
keeper_verify_every(void)
{
	uint64_t every;

	pthread_mutex_lock(&keeper.lock);
	every = keeper.next.verify_every_ms;
	pthread_mutex_unlock(&keeper.lock);
	return every;
}

char *
keeper_checkpoint_file(void)
{
	char *file;

	pthread_mutex_lock(&keeper.lock);
	file = mem_strdup(keeper.next.checkpoint_file);
	pthread_mutex_unlock(&keeper.lock);
	return file;
}

void
log_listen(log_listener_fn fn, void *arg)
{
	for (int i = 0; i < LISTENERS; i++)
		if (!listener[i].fn) {
			listener[i].fn = fn;
			listener[i].arg = arg;
			return;
		}
	abort(); /* make room for it */
}

void
log_state(struct log_state *out)
{
	struct keeper *k = &keeper;
	size_t n = 0;

	pthread_mutex_lock(&k->lock);
	*out = k->state;
	out->trouble[0] = '\0';
	for (int i = 0; i < KEEPER_TROUBLES; i++)
		if (k->trouble[i][0] && n < sizeof(out->trouble))
			n += (size_t)snprintf(out->trouble + n, sizeof(out->trouble) - n, "%s%s", n ? "; " : "", k->trouble[i]);
	pthread_mutex_unlock(&k->lock);
	if (log_ring_end() > out->records)
		out->records = log_ring_end();
}
