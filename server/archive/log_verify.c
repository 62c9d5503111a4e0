/*
 * log_verify: the order of a verification (see log_verify.h): ranges are read and judged by threads (log_verify_chunk.c), and come here in the
 * order of the log, where the tree is made again from their leaves and compared with signed checkpoints.
 */
#include "archive/log_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/log_store.h"
#include "archive/log_verify_priv.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "proof/canonical.h"

#define THREADS_MAX 8
#define CONNECT_MS 10000
#define DEADLINE_MS 60000
#define TRIES 10          /* of a range, when the connection breaks or a standby cancels the statement */
#define AGAIN_MS 1000
#define NOTE_MS 2000      /* between two notes in the resume file */
#define SUSPECTS_ALL 1024 /* looked at for swaps: each with each */
#define NUMBER 24

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_DONE };

struct run {
	struct verify y;
	struct sql *db;
	uint64_t first_chunk, chunks;
	struct findings early;          /* of what is looked at before the record is read */
	uint64_t told;

	/* The tree, in order. */
	struct log_tree tree;
	struct hasher *h;
	bool unknown;                   /* a leaf that nobody knows: no tree from here on */
	uint64_t last_id;
	uint64_t good;                  /* the last checkpoint that the tree has */
	bool bad;                       /* and the one behind it is not in it */
	uint64_t uncompared, untrusted;
	size_t outside_at;              /* the next of the file */
	struct suspect *suspect;
	size_t nsuspects;
	struct resume note;
	int64_t noted_ms;

	/* Threads. */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t thread[THREADS_MAX];
	unsigned nthreads, nslots;
	struct chunk **slot;
	enum slot_state *state;
	uint64_t next, consumed;        /* chunks: to be taken, to be looked at here */
	bool failed, over;
	struct err err;
};

static bool
is_stopped(const struct run *r)
{
	return r->y.v->stop && atomic_load(r->y.v->stop);
}

/* Findings */

static void
tell(struct run *r, const struct findings *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct findings *kept = &r->note.findings;

		if (r->told++ < LOG_FINDINGS_MAX)
			r->y.v->finding(r->y.v->arg, &l->f[i]);
		if (r->y.v->resume_file)
			finding_add(kept, l->f[i].kind, l->f[i].index, l->f[i].record, "%s", l->f[i].text);
	}
	r->y.v->findings += l->total;
	r->note.findings.total = r->y.v->findings;
}

/* Threads */

static struct sql *
connection(const struct log_verify *v)
{
	struct sql *db = sql_new(v->conninfo, "chancery verify");

	sql_allow_standby(db);
	sql_set_deadline(db, DEADLINE_MS);
	sql_set_stop(db, v->stop);
	return db;
}

/* The log's own index gives the order: no sort of whole ranges. */
static enum sql_status
ready(struct sql *db, struct err *e)
{
	enum sql_status st = sql_is_connected(db) ? SQL_OK : sql_connect(db, CONNECT_MS, e);

	return st == SQL_OK ? sql_script(db, e, "SET enable_sort = off; SET enable_bitmapscan = off; SET statement_timeout = 0") : st;
}

static int
read_chunk(struct run *r, struct sql *db, struct chunk *c, uint64_t number)
{
	uint64_t first = number * CHUNK, end = first + CHUNK < r->y.v->size ? first + CHUNK : r->y.v->size;
	struct err e = { 0 };

	for (int i = 0; i < TRIES && !atomic_load(&r->y.stop); i++) {
		chunk_begin(c, first, end, r->y.covered);
		if (ready(db, &e) == SQL_OK && chunk_read(&r->y, db, c, &e) == SQL_OK)
			return 0;
		if (!atomic_load(&r->y.stop))
			poll(NULL, 0, AGAIN_MS);
	}
	pthread_mutex_lock(&r->lock);
	if (!r->failed)
		r->err = e;
	r->failed = true;
	pthread_mutex_unlock(&r->lock);
	return -1;
}

/* The number of the next chunk, when there is room for it; UINT64_MAX: it is over. */
static uint64_t
take_chunk(struct run *r)
{
	uint64_t number = UINT64_MAX;

	pthread_mutex_lock(&r->lock);
	while (!r->over && !r->failed && r->next < r->chunks && r->next >= r->consumed + r->nslots)
		pthread_cond_wait(&r->moved, &r->lock);
	if (!r->over && !r->failed && r->next < r->chunks) {
		number = r->next++;
		r->state[number % r->nslots] = SLOT_BUSY;
	}
	pthread_mutex_unlock(&r->lock);
	return number;
}

static void *
reader_main(void *arg)
{
	struct run *r = arg;
	struct sql *db = connection(r->y.v);
	uint64_t number;

	while ((number = take_chunk(r)) != UINT64_MAX) {
		(void)read_chunk(r, db, r->slot[number % r->nslots], number);
		pthread_mutex_lock(&r->lock);
		r->state[number % r->nslots] = SLOT_DONE;
		pthread_cond_broadcast(&r->moved);
		pthread_mutex_unlock(&r->lock);
	}
	sql_free(db);
	return NULL;
}

/* The next chunk in order; NULL: it failed, or was stopped. */
static struct chunk *
await_chunk(struct run *r)
{
	struct chunk *c = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && !is_stopped(r) && r->state[r->consumed % r->nslots] != SLOT_DONE) {
		int64_t ms = clock_mono_ms() + 200;
		struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

		pthread_cond_timedwait(&r->moved, &r->lock, &t);
	}
	if (!r->failed && !is_stopped(r))
		c = r->slot[r->consumed % r->nslots];
	pthread_mutex_unlock(&r->lock);
	return c;
}

static void
give_back(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->state[r->consumed % r->nslots] = SLOT_FREE;
	r->consumed++;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

static int
start_threads(struct run *r, struct err *e)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned want = r->y.v->threads ? r->y.v->threads : cores < 1 ? 1 : (unsigned)cores;
	uint64_t todo = r->chunks - r->first_chunk;
	sigset_t all, old;
	int rc = 0;

	want = want > THREADS_MAX ? THREADS_MAX : want;
	want = todo < want ? (unsigned)todo : want;
	r->nslots = want + 1;
	r->slot = mem_zalloc(r->nslots * sizeof(*r->slot));
	r->state = mem_zalloc(r->nslots * sizeof(*r->state));
	for (unsigned i = 0; i < r->nslots; i++)
		r->slot[i] = NEW(struct chunk);
	r->next = r->consumed = r->first_chunk;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (r->nthreads < want && !(rc = pthread_create(&r->thread[r->nthreads], NULL, reader_main, r)))
		r->nthreads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc && !r->nthreads ? err_set(e, rc, "no thread: %s", strerror(rc)) : 0;
}

static void
stop_threads(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->over = true;
	atomic_store(&r->y.stop, true);
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < r->nthreads; i++)
		pthread_join(r->thread[i], NULL);
	for (unsigned i = 0; i < r->nslots; i++) {
		chunk_fini(r->slot[i]);
		free(r->slot[i]);
	}
	free(r->slot);
	free(r->state);
}

/* Tiles above */

/* One that the tree has made, of level 1 or higher, against the one that is stored. */
static void
compare_upper(void *arg, const struct log_tile *t)
{
	struct run *r = arg;
	char level[NUMBER], index[NUMBER], hex[2 * MERKLE_TILE_BYTES + 1];
	struct findings l = { 0 };
	PGresult *row;
	struct err e;
	bool good;

	if (!t->level)
		return;
	snprintf(level, sizeof(level), "%d", t->level);
	snprintf(index, sizeof(index), "%" PRIu64, t->index);
	if (sql_query(r->db, &e, &row, "SELECT encode(hashes, 'hex'), encode(root, 'hex') FROM archive.tile WHERE level = $1 AND index = $2", 2, level,
			index) != SQL_OK)
		return; /* the ranges tell whether the database is there */
	text_hex(t->hash, MERKLE_TILE_BYTES, hex);
	good = PQntuples(row) == 1 && !strcmp(sql_text(row, 0, 0), hex);
	text_hex(t->root, MERKLE_HASH, hex);
	good = good && !strcmp(sql_text(row, 0, 1), hex);
	if (!good && (PQntuples(row) || r->tree.f.size <= r->y.covered))
		finding_add(&l, "tile", t->index << (MERKLE_TILE_HEIGHT * (t->level + 1)), 0, "the stored tile %d/%" PRIu64 " %s", t->level, t->index,
			PQntuples(row) ? "does not match the tree" : "is missing");
	PQclear(row);
	tell(r, &l);
	free(l.f);
}

/* Checkpoints */

static void
compare_point(struct run *r, const struct point *p, struct findings *l)
{
	const char *where = p->outside ? "in the file" : "in the database";
	uint8_t root[MERKLE_HASH];

	r->y.v->checkpoints++;
	if (p->forged) {
		finding_add(l, "forged", p->size, 0, "the checkpoint of %" PRIu64 " records %s is not signed by the log's key, or not what was signed", p->size,
			where);
		return;
	}
	if (p->foreign && r->untrusted++ == 0)
		finding_add(l, "untrusted", p->size, 0, "the checkpoint of %" PRIu64 " records %s is signed by a key that nobody who is trusted has handed over to",
			p->size, where);
	if (r->unknown) {
		r->uncompared++;
		return;
	}
	log_tree_root(&r->tree, root);
	if (memcmp(root, p->root, MERKLE_HASH) == 0) {
		r->good = p->size;
		r->bad = false;
	} else if (!r->bad) {
		r->bad = true;
		finding_add(l, "tree", p->size, 0, "the records do not give the checkpoint of %" PRIu64 " records %s; those up to log index %" PRIu64
			" gave theirs", p->size, where, r->good);
	}
}

/* All that are of this size: those of the table in the chunk from *at on, and of the file. */
static void
compare_points(struct run *r, struct chunk *c, size_t *at, uint64_t size, struct findings *l)
{
	struct points *out = &r->y.outside;
	bool there = false;

	for (; *at < c->points.n && c->points.p[*at].size <= size; ++*at) {
		compare_point(r, &c->points.p[*at], l);
		there = true;
	}
	for (; r->outside_at < out->n && out->p[r->outside_at].size <= size; r->outside_at++) {
		compare_point(r, &out->p[r->outside_at], l);
		r->y.v->outside++;
		if (!there)
			finding_add(l, "checkpoint", size, 0, "the file has a checkpoint of %" PRIu64 " records that the database has not", size);
	}
}

/* The size of the next one; UINT64_MAX: there is none in this chunk. */
static uint64_t
next_point(const struct run *r, const struct chunk *c, size_t at)
{
	uint64_t next = at < c->points.n ? c->points.p[at].size : UINT64_MAX;

	if (r->outside_at < r->y.outside.n && r->y.outside.p[r->outside_at].size < next)
		next = r->y.outside.p[r->outside_at].size;
	return next;
}

/* The tree */

/* Its leaves one by one, with a look at the checkpoints between them. */
static void
append_leaves(struct run *r, struct chunk *c, uint64_t from, uint64_t to, size_t *at, struct findings *l)
{
	for (uint64_t i = from; i < to; i++) {
		if (!(c->state[i - c->first] & LEAF_KNOWN) && !r->unknown) {
			r->unknown = true;
			finding_add(l, "tree", i, 0, "from log index %" PRIu64 " on nobody knows the tree: its record is missing, and so is the tile", i);
		}
		if (!r->unknown)
			log_tree_append(&r->tree, c->leaf[i - c->first], compare_upper, r);
		if (next_point(r, c, *at) <= i + 1)
			compare_points(r, c, at, i + 1, l);
	}
}

static bool
is_known(const struct chunk *c, uint64_t from, uint64_t to)
{
	for (uint64_t i = from - c->first; i < to - c->first; i++)
		if (!(c->state[i] & LEAF_KNOWN))
			return false;
	return true;
}

static void
grow_tree(struct run *r, struct chunk *c, struct findings *l)
{
	size_t at = 0;

	for (uint64_t from = c->first; from < c->end; from += MERKLE_TILE_WIDTH) {
		uint64_t to = from + MERKLE_TILE_WIDTH < c->end ? from + MERKLE_TILE_WIDTH : c->end;

		if (to - from < MERKLE_TILE_WIDTH || r->unknown || next_point(r, c, at) < to || !is_known(c, from, to)) {
			append_leaves(r, c, from, to, &at, l);
			continue;
		}
		log_tree_append_tile(&r->tree, c->root[(from - c->first) / MERKLE_TILE_WIDTH], compare_upper, r);
		if (next_point(r, c, at) == to)
			compare_points(r, c, &at, to, l);
	}
}

/* Swaps */

/* The leaf that this content has in another place of the log: field 2 of the form is the index. */
static void
leaf_at(const struct run *r, const struct suspect *s, uint64_t index, uint8_t out[MERKLE_HASH])
{
	char *form = mem_alloc(s->n + 1);

	memcpy(form, s->form, s->n);
	canonical_field64(form + 12, index);
	canonical_leaf(r->h, s->salt, form, s->n, out);
	free(form);
}

static bool
are_swapped(const struct run *r, const struct suspect *a, const struct suspect *b)
{
	uint8_t leaf[MERKLE_HASH];

	leaf_at(r, a, b->index, leaf);
	if (memcmp(leaf, a->leaf, MERKLE_HASH) != 0)
		return false;
	leaf_at(r, b, a->index, leaf);
	return memcmp(leaf, b->leaf, MERKLE_HASH) == 0;
}

static void
say_altered(const struct suspect *s, struct findings *l)
{
	finding_add(l, "altered", s->index, s->id, "record %" PRIu64 " (log index %" PRIu64 ") is not what was recorded", s->id, s->index);
}

/* The last word on rows whose content does not match their leaf. */
static void
judge_suspects(struct run *r)
{
	struct findings l = { 0 };

	for (size_t i = 0; i < r->nsuspects; i++) {
		struct suspect *a = &r->suspect[i];

		for (size_t j = i + 1; j < r->nsuspects && !a->told; j++) {
			struct suspect *b = &r->suspect[j];

			if (b->told || !are_swapped(r, a, b))
				continue;
			a->told = b->told = true;
			finding_add(&l, "swapped", a->index, a->id, "the records %" PRIu64 " and %" PRIu64 " are in each other's places, log indexes %" PRIu64
				" and %" PRIu64, a->id, b->id, a->index, b->index);
		}
		if (!a->told)
			say_altered(a, &l);
		free(a->form);
	}
	r->nsuspects = 0;
	tell(r, &l);
	free(l.f);
}

static void
take_suspects(struct run *r, struct chunk *c, struct findings *l)
{
	for (size_t i = 0; i < c->nsuspects; i++) {
		if (r->nsuspects == SUSPECTS_ALL) {
			say_altered(&c->suspect[i], l);
			continue;
		}
		r->suspect[r->nsuspects++] = c->suspect[i];
		c->suspect[i].form = NULL;
	}
}

/* A chunk, in order */

static void
note_progress(struct run *r, uint64_t done, bool now)
{
	struct log_verify *v = r->y.v;
	struct err e;

	r->note.done = done;
	r->note.records = v->records, r->note.erased = v->erased, r->note.dropped = v->dropped, r->note.checkpoints = v->checkpoints;
	r->note.last_id = r->last_id;
	if (!v->resume_file || r->unknown || done % CHUNK || (!now && clock_mono_ms() - r->noted_ms < NOTE_MS))
		return;
	/* Who has a row in somebody else's place may meet it later: what is open is told of first. */
	judge_suspects(r);
	log_tree_root(&r->tree, r->note.root);
	if (!resume_save(v->resume_file, &r->note, &e))
		r->noted_ms = clock_mono_ms();
}

static void
consume(struct run *r, struct chunk *c)
{
	struct log_verify *v = r->y.v;
	struct findings l = { 0 };

	if (c->first_id && c->first_id <= r->last_id)
		finding_add(&l, "order", c->first, c->first_id, "record %" PRIu64 " is older than the one before it in the log, %" PRIu64, c->first_id, r->last_id);
	r->last_id = c->last_id > r->last_id ? c->last_id : r->last_id;
	v->records += c->records;
	v->erased += c->erased;
	v->dropped += c->dropped;
	tell(r, &c->findings);
	take_suspects(r, c, &l);
	grow_tree(r, c, &l);
	tell(r, &l);
	free(l.f);
	note_progress(r, c->end, false);
	if (v->progress)
		v->progress(v->arg, c->end - v->first, v->size - v->first);
}

/* Before */

/* How far the record goes: by its newest id, and by its highest index, as one of them may be a lie. */
static enum sql_status
read_size(struct run *r, struct err *e)
{
	PGresult *row;
	uint64_t newest = 0, highest = 0;
	enum sql_status st = log_store_records(r->db, &newest, e);

	if (st == SQL_OK)
		st = sql_query(r->db, e, &row, "SELECT coalesce(max(log_index) + 1, 0), coalesce(min(log_index), 0) FROM archive.record", 0);
	if (st != SQL_OK)
		return st;
	highest = (uint64_t)sql_i64(row, 0, 0);
	if (sql_i64(row, 0, 1) < 0)
		finding_add(&r->early, "duplicate", 0, 0, "there are records with negative log indexes");
	PQclear(row);
	r->y.v->size = newest > highest ? newest : highest;
	return SQL_OK;
}

/* Checkpoints of more than there is. */
static enum sql_status
find_cut(struct run *r, uint64_t newest, struct err *e)
{
	struct arena *a = arena_new(0);
	struct log_checkpoint *c;
	struct points *out = &r->y.outside;
	uint64_t size = r->y.v->size, cut = 0;
	size_t n;
	enum sql_status st = log_store_above(r->db, a, size, 100, &c, &n, e);

	for (size_t i = 0; i < n && st == SQL_OK; i++) {
		struct point p = { .size = c[i].size };

		/* Made while we look at it: the record has grown. */
		if (c[i].size > newest)
			continue;
		memcpy(p.root, c[i].root, MERKLE_HASH);
		keyring_judge(&r->y.keys, c[i].note, strlen(c[i].note), c[i].size, &p);
		if (p.forged)
			finding_add(&r->early, "forged", p.size, 0, "the checkpoint of %" PRIu64 " records in the database is not signed by the log's key, or not "
				"what was signed", p.size);
		else
			cut = p.size;
	}
	arena_free(a);
	if (out->n && out->p[out->n - 1].size > size && out->p[out->n - 1].size > cut)
		cut = out->p[out->n - 1].size;
	if (cut)
		finding_add(&r->early, "truncated", size, 0, "the record ends at %" PRIu64 " records, and there is a signed checkpoint of %" PRIu64
			": the newest %" PRIu64 " are gone", size, cut, cut - size);
	return st;
}

/* The tree up to the beginning of a chunk, as it is stored. */
static enum sql_status
load_tree(struct run *r, uint64_t size, struct err *e)
{
	r->tree.h = r->h;
	return log_store_edge(r->db, &r->tree, size / MERKLE_TILE_WIDTH, e);
}

/* The tree in front of the first chunk; when it is not there, all of it has to be made. */
static int
load_start(struct run *r, struct err *e)
{
	struct log_verify *v = r->y.v;
	enum sql_status st;

	if (v->first > v->size)
		v->first = v->size / CHUNK * CHUNK;
	st = load_tree(r, v->first, e);
	if (st == SQL_FAILED && v->first) {
		finding_add(&r->early, "tile", v->first, 0, "the tiles below %" PRIu64 " records are not all there: everything is looked at", v->first);
		v->first = v->resumed = 0;
		v->records = v->erased = v->dropped = v->checkpoints = 0;
		st = load_tree(r, 0, e);
	}
	r->first_chunk = v->first / CHUNK;
	r->chunks = (v->size + CHUNK - 1) / CHUNK;
	return st == SQL_OK ? 0 : -1;
}

/* Where to begin: where the last time ended, or at the chunk that the given size is in. */
static int
find_start(struct run *r, struct err *e)
{
	struct log_verify *v = r->y.v;
	struct resume note = { 0 };
	uint8_t root[MERKLE_HASH];
	int there = v->resume_file ? resume_load(v->resume_file, &note, e) : 0;

	if (there < 0)
		return -1;
	v->first = v->since / CHUNK * CHUNK;
	if (there && note.since == v->since && note.done <= v->size && note.done > v->first && load_tree(r, note.done, e) == SQL_OK) {
		log_tree_root(&r->tree, root);
		if (memcmp(root, note.root, MERKLE_HASH) == 0) {
			v->first = v->resumed = note.done;
			v->records = note.records, v->erased = note.erased, v->dropped = note.dropped, v->checkpoints = note.checkpoints;
			r->last_id = note.last_id;
			tell(r, &note.findings);
		}
	}
	free(note.findings.f);
	r->note.since = v->since;
	return load_start(r, e);
}

static int
prepare(struct run *r, struct err *e)
{
	struct log_verify *v = r->y.v;
	struct log_checkpoint newest;
	struct arena *a = arena_new(0);
	int rc = -1;

	/* In this order: what is added meanwhile, to the file, then to the table, then to the record, is later, and nothing is missing for it. */
	if (ready(r->db, e) != SQL_OK || keyring_load(r->db, v, &r->y.keys, &r->early, e) != SQL_OK)
		goto out;
	if (v->checkpoint_file && outside_read(&r->y.keys, v->checkpoint_file, &r->y.outside, &r->early, e))
		goto out;
	if (log_newest(r->db, a, &newest, e) != SQL_OK || read_size(r, e) != SQL_OK)
		goto out;
	r->y.covered = newest.size;
	if (find_cut(r, newest.size, e) != SQL_OK)
		goto out;
	rc = find_start(r, e);
	while (!rc && r->outside_at < r->y.outside.n && r->y.outside.p[r->outside_at].size <= v->first)
		r->outside_at++;
	r->good = v->first;
	tell(r, &r->early);
out:
	arena_free(a);
	return rc;
}

/* All of it */

static int
run(struct run *r, struct err *e)
{
	struct chunk *c;

	if (r->first_chunk < r->chunks && start_threads(r, e))
		return -1;
	while (r->consumed < r->chunks && r->nthreads && (c = await_chunk(r))) {
		consume(r, c);
		give_back(r);
	}
	if (r->nthreads)
		stop_threads(r);
	if (r->failed) {
		*e = r->err;
		return -1;
	}
	if (r->nthreads && r->consumed < r->chunks) {
		note_progress(r, r->note.done, true);
		return err_set(e, 0, "stopped after %" PRIu64 " of %" PRIu64 " records", r->note.done, r->y.v->size);
	}
	return 0;
}

static void
conclude(struct run *r)
{
	struct findings l = { 0 };

	judge_suspects(r);
	if (r->uncompared)
		finding_add(&l, "tree", 0, 0, "%" PRIu64 " checkpoints could not be compared", r->uncompared);
	if (r->untrusted > 1)
		finding_add(&l, "untrusted", 0, 0, "and so are %" PRIu64 " more", r->untrusted - 1);
	tell(r, &l);
	free(l.f);
	if (r->y.v->resume_file)
		(void)unlink(r->y.v->resume_file);
}

int
log_verify(struct log_verify *v, struct err *e)
{
	struct run *r = NEW(struct run);
	pthread_condattr_t attr;
	int rc;

	v->first = v->size = v->findings = v->records = v->erased = v->dropped = v->checkpoints = v->outside = v->resumed = 0;
	v->trusted = v->nkeys > 0;
	r->y.v = v;
	r->db = connection(v);
	r->h = hasher_new();
	r->suspect = mem_alloc(SUSPECTS_ALL * sizeof(*r->suspect));
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->moved, &attr);
	pthread_condattr_destroy(&attr);
	rc = prepare(r, e);
	if (!rc)
		rc = run(r, e);
	if (!rc)
		conclude(r);
	for (size_t i = 0; i < r->nsuspects; i++)
		free(r->suspect[i].form);
	free(r->suspect);
	free(r->early.f);
	free(r->note.findings.f);
	free(r->y.outside.p);
	keyring_fini(&r->y.keys);
	hasher_free(r->h);
	sql_free(r->db);
	pthread_cond_destroy(&r->moved);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return rc;
}
