/*
 * log_verify_tree: the tree is made again from the leaves, in their order, and compared with the tiles that are stored and with signed checkpoints.
 */
#include "archive/verify/log_verify_priv.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NUMBER 24

/* Tiles above */

/* As it is stored. NULL: it cannot be read, and so nothing can be said. */
static PGresult *
read_upper(struct run *r, const struct log_tile *t)
{
	char level[NUMBER], index[NUMBER];
	struct err e;
	PGresult *row;

	snprintf(level, sizeof(level), "%d", t->level);
	snprintf(index, sizeof(index), "%" PRIu64, t->index);
	for (int i = 0; i < VERIFY_TRIES && !verify_is_stopped(r); i++) {
		if (verify_ready(r->db, &e) == SQL_OK && sql_query(r->db, &e, &row, "SELECT encode(hashes, 'hex'), encode(root, 'hex') FROM archive.tile"
			" WHERE level = $1 AND index = $2", 2, level, index) == SQL_OK)
			return row;
		poll(NULL, 0, VERIFY_AGAIN_MS);
	}
	if (!verify_is_stopped(r))
		verify_fail(r, &e);
	return NULL;
}

/* One that the tree has made, of level 1 or higher, against the one that is stored. */
static void
compare_upper(void *arg, const struct log_tile *t)
{
	struct run *r = arg;
	char hex[2 * MERKLE_TILE_BYTES + 1];
	struct findings l = { 0 };
	PGresult *row;
	bool good;

	if (!t->level || !(row = read_upper(r, t)))
		return;
	text_hex(t->hash, MERKLE_TILE_BYTES, hex);
	good = PQntuples(row) == 1 && !strcmp(sql_text(row, 0, 0), hex);
	text_hex(t->root, MERKLE_HASH, hex);
	good = good && !strcmp(sql_text(row, 0, 1), hex);
	if (!good && (PQntuples(row) || r->tree.f.size <= r->y.covered))
		finding_add(&l, "tile", t->index << (MERKLE_TILE_HEIGHT * (t->level + 1)), 0, "the stored tile %d/%" PRIu64 " %s", t->level, t->index,
			PQntuples(row) ? "does not match the tree" : "is missing");
	PQclear(row);
	verify_tell(r, &l);
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
	if (p->size > r->signed_to)
		r->signed_to = p->size;
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

void
verify_grow_tree(struct run *r, struct chunk *c, struct findings *l)
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
