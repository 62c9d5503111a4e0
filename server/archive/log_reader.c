/*
 * log_reader: nodes of the tree, from tiles and the newest leaves (see log.h), and the proofs made of them.
 *
 * Tiles that were read are kept for a while, with all nodes in them: whoever proves many records that lie together asks the database
 * once for 256 of them.
 */
#include "archive/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define KEPT 32
#define ROWS (MERKLE_TILE_HEIGHT + 1)

/* A tile, full or not, and what is above its hashes: row r holds n >> r nodes. */
struct kept {
	int level;
	uint64_t index;
	unsigned n;    /* 0: an empty place */
	uint64_t used; /* when, for the oldest to go */
	uint8_t node[2 * MERKLE_TILE_WIDTH][MERKLE_HASH];
};

struct log_reader {
	struct sql *db;
	uint64_t size, uses;
	struct hasher *h;
	struct err err;
	struct kept kept[KEPT];
};

struct log_reader *
log_reader_new(struct sql *db, uint64_t size)
{
	struct log_reader *r = NEW(struct log_reader);

	r->db = db;
	r->size = size;
	r->h = hasher_new();
	return r;
}

void
log_reader_free(struct log_reader *r)
{
	if (!r)
		return;
	hasher_free(r->h);
	free(r);
}

const struct err *
log_reader_err(const struct log_reader *r)
{
	return &r->err;
}

struct hasher *
log_reader_hasher(struct log_reader *r)
{
	return r->h;
}

/* Where row r begins: 256 places, then 128, and so on. */
static unsigned
row_at(unsigned row)
{
	return 2 * MERKLE_TILE_WIDTH - (2 * MERKLE_TILE_WIDTH >> row);
}

static void
fill_rows(struct log_reader *r, struct kept *k)
{
	for (unsigned row = 1; row < ROWS; row++)
		for (unsigned i = 0; i < k->n >> row; i++)
			merkle_node(r->h, k->node[row_at(row - 1) + 2 * i], k->node[row_at(row - 1) + 2 * i + 1], k->node[row_at(row) + i]);
}

/* `want` hashes that lie one behind the other, from one row or from many. */
static int
take_hashes(struct log_reader *r, PGresult *rows, struct kept *k, unsigned want)
{
	size_t got = 0;

	for (int i = 0; i < PQntuples(rows); i++) {
		const char *hex = sql_text(rows, i, 0);
		size_t n = strlen(hex) / (2 * MERKLE_HASH);

		if (strlen(hex) != n * 2 * MERKLE_HASH || got + n > want || text_unhex(hex, strlen(hex), k->node[got]) < 0)
			break;
		got += n;
	}
	PQclear(rows);
	if (got != want)
		return err_set(&r->err, 0, "the log lacks hashes of level %d from %" PRIu64 " on: %zu of %u are there", MERKLE_TILE_HEIGHT * k->level,
			k->index * MERKLE_TILE_WIDTH, got, want);
	k->n = want;
	fill_rows(r, k);
	return 0;
}

/* A full tile is a row; of one that is not, the hashes are the roots of those below it, or leaves. */
static int
load(struct log_reader *r, struct kept *k, unsigned n)
{
	char level[24], from[24], to[24];
	uint64_t first = k->index * MERKLE_TILE_WIDTH;
	PGresult *rows;
	enum sql_status st;

	snprintf(level, sizeof(level), "%d", n == MERKLE_TILE_WIDTH ? k->level : k->level - 1);
	snprintf(from, sizeof(from), "%" PRIu64, n == MERKLE_TILE_WIDTH ? k->index : first);
	snprintf(to, sizeof(to), "%" PRIu64, first + n);
	if (n == MERKLE_TILE_WIDTH)
		st = sql_query(r->db, &r->err, &rows, "SELECT encode(hashes, 'hex') FROM archive.tile WHERE level = $1 AND index = $2", 2, level, from);
	else if (k->level)
		st = sql_query(r->db, &r->err, &rows, "SELECT encode(root, 'hex') FROM archive.tile WHERE level = $1 AND index >= $2 AND index < $3"
			" ORDER BY index", 3, level, from, to);
	else
		st = sql_query(r->db, &r->err, &rows, "SELECT encode(leaf_hash, 'hex') FROM archive.record WHERE log_index >= $1 AND log_index < $2"
			" ORDER BY log_index", 2, from, to);
	return st == SQL_OK ? take_hashes(r, rows, k, n) : -1;
}

/* NULL: r->err says why. */
static struct kept *
tile(struct log_reader *r, int level, uint64_t index)
{
	struct kept *oldest = &r->kept[0];
	uint64_t there = (level < 8 ? r->size >> (MERKLE_TILE_HEIGHT * level) : 0) - index * MERKLE_TILE_WIDTH;

	r->uses++;
	for (struct kept *k = r->kept; k < r->kept + KEPT; k++) {
		if (k->n && k->level == level && k->index == index) {
			k->used = r->uses;
			return k;
		}
		if (!k->n || (oldest->n && k->used < oldest->used))
			oldest = k;
	}
	oldest->level = level;
	oldest->index = index;
	oldest->used = r->uses;
	oldest->n = 0;
	return load(r, oldest, there > MERKLE_TILE_WIDTH ? MERKLE_TILE_WIDTH : (unsigned)there) ? NULL : oldest;
}

int
log_reader_node(void *arg, int level, uint64_t index, uint8_t out[MERKLE_HASH])
{
	struct log_reader *r = arg;
	struct merkle_tile t;
	struct kept *k;
	unsigned row;

	if (level < 0 || level >= MERKLE_LEVELS || index >= r->size >> level)
		return err_set(&r->err, 0, "a tree of %" PRIu64 " leaves has no node %d/%" PRIu64, r->size, level, index);
	t = merkle_tile_of(level, index);
	k = tile(r, t.level, t.index);
	if (!k)
		return -1;
	row = (unsigned)(level % MERKLE_TILE_HEIGHT);
	memcpy(out, k->node[row_at(row) + (t.first >> row)], MERKLE_HASH);
	return 0;
}

/* Proofs */

/* What `r` knows of the failure goes to the caller. */
static int
finish(struct log_reader *r, int rc, struct err *e)
{
	if (rc)
		*e = r->err.text[0] ? r->err : (struct err){ .text = "there is no such proof" };
	log_reader_free(r);
	return rc;
}

int
log_inclusion(struct sql *db, uint64_t index, uint64_t size, struct merkle_proof *p, struct err *e)
{
	struct log_reader *r = log_reader_new(db, size);

	return finish(r, merkle_prove_inclusion(r->h, index, size, log_reader_node, r, p), e);
}

int
log_consistency(struct sql *db, uint64_t old, uint64_t size, struct merkle_proof *p, struct err *e)
{
	struct log_reader *r = log_reader_new(db, size);

	return finish(r, merkle_prove_consistency(r->h, old, size, log_reader_node, r, p), e);
}

int
log_root(struct sql *db, uint64_t size, uint8_t out[MERKLE_HASH], struct err *e)
{
	struct log_reader *r = log_reader_new(db, size);

	return finish(r, merkle_root_of(r->h, size, log_reader_node, r, out), e);
}
