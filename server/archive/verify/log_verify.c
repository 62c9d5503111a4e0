/*
 * log_verify: the order of a verification (see log_verify.h): ranges are read and judged by threads (log_verify_chunk.c), and come here in the
 * order of the log, where the tree is made again from their leaves and compared with signed checkpoints.
 */
#include "archive/verify/log_verify.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/log/log_store.h"
#include "archive/verify/log_verify_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#define NOTE_MS 2000           /* between two notes in the resume file */
#define UNCOVERED_SECONDS 7200 /* twice the longest log.checkpoint_every */

/* Findings */

void
verify_tell(struct run *r, const struct findings *l)
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
	verify_judge_suspects(r);
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
	verify_tell(r, &c->findings);
	verify_take_suspects(r, c, &l);
	verify_grow_tree(r, c, &l);
	verify_tell(r, &l);
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
	if (!cut && r->y.v->since > size)
		finding_add(&r->early, "truncated", size, 0, "the record ends at %" PRIu64 " records, and %" PRIu64 " were there when it was verified before",
			size, r->y.v->since);
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
			verify_tell(r, &note.findings);
		}
	}
	free(note.findings.f);
	r->note.since = v->since;
	return load_start(r, e);
}

static void
judge_newest(struct run *r, const struct log_checkpoint *c)
{
	struct point p = { .size = c->size };

	if (!c->size)
		return;
	memcpy(p.root, c->root, MERKLE_HASH);
	keyring_judge(&r->y.keys, c->note, strlen(c->note), c->size, &p);
	if (!p.forged)
		r->signed_to = c->size;
}

static int
prepare(struct run *r, struct err *e)
{
	struct log_verify *v = r->y.v;
	struct log_checkpoint newest;
	struct arena *a = arena_new(0);
	int rc = -1;

	/* In this order: what is added meanwhile, to the file, then to the table, then to the record, is later, and nothing is missing for it. */
	if (verify_ready(r->db, e) != SQL_OK || keyring_load(r->db, v, &r->y.keys, &r->early, e) != SQL_OK)
		goto out;
	if (v->checkpoint_file && outside_read(&r->y.keys, v->checkpoint_file, &r->y.outside, &r->early, e))
		goto out;
	if (log_newest(r->db, a, &newest, e) != SQL_OK || read_size(r, e) != SQL_OK)
		goto out;
	r->y.covered = newest.size;
	judge_newest(r, &newest);
	if (find_cut(r, newest.size, e) != SQL_OK)
		goto out;
	rc = find_start(r, e);
	while (!rc && r->outside_at < r->y.outside.n && r->y.outside.p[r->outside_at].size <= v->first)
		r->outside_at++;
	r->good = v->first;
	verify_tell(r, &r->early);
out:
	arena_free(a);
	return rc;
}

/* All of it */

static int
run(struct run *r, struct err *e)
{
	struct chunk *c;

	if (r->first_chunk < r->chunks && verify_start_threads(r, e))
		return -1;
	while (r->consumed < r->chunks && r->nthreads && (c = verify_await(r))) {
		consume(r, c);
		verify_give_back(r);
	}
	if (r->nthreads)
		verify_stop_threads(r);
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

/* What is new is not covered yet; what is not new should be. */
static int
find_uncovered(struct run *r, struct findings *l, struct err *e)
{
	char from[24];
	PGresult *row;

	if (r->signed_to >= r->y.v->size)
		return 0;
	snprintf(from, sizeof(from), "%" PRIu64, r->signed_to);
	if (verify_ready(r->db, e) != SQL_OK || sql_query(r->db, e, &row, "SELECT extract(epoch FROM now() - at)::bigint FROM archive.record"
		" WHERE log_index >= $1 ORDER BY log_index LIMIT 1", 1, from) != SQL_OK)
		return -1;
	if (PQntuples(row) && sql_i64(row, 0, 0) > UNCOVERED_SECONDS)
		finding_add(l, "uncovered", r->signed_to, 0, "no signed checkpoint covers the records from log index %" PRIu64 " on, the first of which is "
			"%" PRId64 " hours old", r->signed_to, sql_i64(row, 0, 0) / 3600);
	PQclear(row);
	return 0;
}

static int
conclude(struct run *r, struct err *e)
{
	struct findings l = { 0 };
	int rc;

	verify_judge_suspects(r);
	if (r->uncompared)
		finding_add(&l, "tree", r->y.v->first, 0, "%" PRIu64 " checkpoints could not be compared", r->uncompared);
	if (r->untrusted > 1)
		finding_add(&l, "untrusted", r->y.v->first, 0, "and so are %" PRIu64 " more", r->untrusted - 1);
	rc = find_uncovered(r, &l, e);
	verify_tell(r, &l);
	free(l.f);
	if (!rc && r->y.v->resume_file)
		(void)unlink(r->y.v->resume_file);
	return rc;
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
	r->db = verify_connection(v);
	r->h = hasher_new();
	r->suspect = mem_alloc(VERIFY_SUSPECTS_ALL * sizeof(*r->suspect));
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->moved, &attr);
	pthread_condattr_destroy(&attr);
	rc = prepare(r, e);
	if (!rc)
		rc = run(r, e);
	if (!rc)
		rc = conclude(r, e);
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
