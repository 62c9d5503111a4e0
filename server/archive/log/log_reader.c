/*
 * log_reader: nodes of the tree, from tiles and the newest leaves (see log.h), and the proofs made of them.
 *
 * Tiles that were read are kept for a while, with all nodes in them: whoever proves many records that lie together asks the database
 * once for 256 of them.
 */
#include "archive/log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define KEPT 32
#define AHEAD 16 /* tiles that are read at once: half of those kept */
#define NEAR 4   /* so many left out are still going on */
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
	int next_level;      /* where the tiles read last end, */
	uint64_t next_index;
	unsigned ahead;      /* and how many they were */
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
	r->ahead = 1;
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

static int
lacks(struct log_reader *r, int level, uint64_t index, size_t got, unsigned want)
{
	return err_set(&r->err, 0, "the log lacks hashes of level %d from %" PRIu64 " on: %zu of %u are there", MERKLE_TILE_HEIGHT * level,
		index * MERKLE_TILE_WIDTH, got, want);
}

/* The place that nobody has asked for the longest. */
static struct kept *
place(struct log_reader *r, int level, uint64_t index)
{
	struct kept *oldest = &r->kept[0];

	for (struct kept *k = r->kept; k < r->kept + KEPT && oldest->n; k++)
		if (!k->n || k->used < oldest->used)
			oldest = k;
	oldest->level = level;
	oldest->index = index;
	oldest->used = ++r->uses;
	oldest->n = 0;
	return oldest;
}

/* So many more of its hashes; none when they are not that. */
static size_t
add_hashes(struct kept *k, size_t got, unsigned want, const char *hex)
{
	size_t n = strlen(hex) / (2 * MERKLE_HASH);

	return strlen(hex) == n * 2 * MERKLE_HASH && got + n <= want && text_unhex(hex, strlen(hex), k->node[got]) >= 0 ? n : 0;
}

static void
complete(struct log_reader *r, struct kept *k, unsigned n)
{
	k->n = n;
	fill_rows(r, k);
}

void
log_reader_give(struct log_reader *r, uint64_t index, const char *hex)
{
	struct kept *k = place(r, 0, index);

	if (add_hashes(k, 0, MERKLE_TILE_WIDTH, hex) == MERKLE_TILE_WIDTH)
		complete(r, k, MERKLE_TILE_WIDTH);
}

/* Who goes on where the last tiles ended gets more of them at once. */
static unsigned
how_many(struct log_reader *r, int level, uint64_t index)
{
	uint64_t full = r->size >> (MERKLE_TILE_HEIGHT * (level + 1));

	if (level == r->next_level && index >= r->next_index && index - r->next_index < NEAR)
		r->ahead = r->ahead * 2 > AHEAD ? AHEAD : r->ahead * 2;
	else
		r->ahead = 1;
	if (r->ahead > full - index)
		r->ahead = (unsigned)(full - index);
	r->next_level = level;
	r->next_index = index + r->ahead;
	return r->ahead;
}

/* A full tile is a row. */
static struct kept *
load_full(struct log_reader *r, int level, uint64_t index)
{
	char what[24], from[24], to[24];
	struct kept *first = NULL, *k;
	PGresult *rows;

	snprintf(what, sizeof(what), "%d", level);
	snprintf(from, sizeof(from), "%" PRIu64, index);
	snprintf(to, sizeof(to), "%" PRIu64, index + how_many(r, level, index));
	if (sql_query(r->db, &r->err, &rows, "SELECT index, encode(hashes, 'hex') FROM archive.tile WHERE level = $1 AND index >= $2 AND index < $3"
			" ORDER BY index", 3, what, from, to) != SQL_OK)
		return NULL;
	for (int i = 0; i < PQntuples(rows); i++) {
		if ((uint64_t)sql_i64(rows, i, 0) != index + (uint64_t)i)
			break;
		k = place(r, level, index + (uint64_t)i);
		if (add_hashes(k, 0, MERKLE_TILE_WIDTH, sql_text(rows, i, 1)) != MERKLE_TILE_WIDTH)
			break;
		complete(r, k, MERKLE_TILE_WIDTH);
		if (i == 0)
			first = k;
	}
	PQclear(rows);
	if (!first)
		lacks(r, level, index, 0, MERKLE_TILE_WIDTH);
	return first;
}

/* The first leaves of a tile that is full meanwhile: their rows may have gone (RETENTION.md). */
static size_t
read_full(struct log_reader *r, struct kept *k, uint64_t index, unsigned n)
{
	char number[24], bytes[24];
	PGresult *rows;
	size_t got;

	snprintf(number, sizeof(number), "%" PRIu64, index);
	snprintf(bytes, sizeof(bytes), "%u", n * MERKLE_HASH);
	if (sql_query(r->db, &r->err, &rows, "SELECT encode(substr(hashes, 1, $2::int), 'hex') FROM archive.tile WHERE level = 0 AND index = $1", 2, number,
			bytes) != SQL_OK)
		return 0;
	got = PQntuples(rows) ? add_hashes(k, 0, n, sql_text(rows, 0, 0)) : 0;
	PQclear(rows);
	return got;
}

/* Of one that is not full, the hashes are the roots of those below it, or leaves. */
static struct kept *
load_part(struct log_reader *r, int level, uint64_t index, unsigned n)
{
	char below[24], from[24], to[24];
	uint64_t first = index * MERKLE_TILE_WIDTH;
	struct kept *k;
	enum sql_status st;
	PGresult *rows;
	size_t got = 0;

	snprintf(below, sizeof(below), "%d", level - 1);
	snprintf(from, sizeof(from), "%" PRIu64, first);
	snprintf(to, sizeof(to), "%" PRIu64, first + n);
	if (level)
		st = sql_query(r->db, &r->err, &rows, "SELECT encode(root, 'hex') FROM archive.tile WHERE level = $1 AND index >= $2 AND index < $3"
			" ORDER BY index", 3, below, from, to);
	else
		st = sql_query(r->db, &r->err, &rows, "SELECT encode(leaf_hash, 'hex') FROM archive.record WHERE log_index >= $1 AND log_index < $2"
			" ORDER BY log_index", 2, from, to);
	if (st != SQL_OK)
		return NULL;
	k = place(r, level, index);
	for (int i = 0; i < PQntuples(rows); i++)
		got += add_hashes(k, got, n, sql_text(rows, i, 0));
	PQclear(rows);
	if (got != n && !level)
		got = read_full(r, k, index, n);
	if (got != n) {
		lacks(r, level, index, got, n);
		return NULL;
	}
	complete(r, k, n);
	return k;
}

/* NULL: r->err says why. */
static struct kept *
tile(struct log_reader *r, int level, uint64_t index)
{
	uint64_t there = (level < 8 ? r->size >> (MERKLE_TILE_HEIGHT * level) : 0) - index * MERKLE_TILE_WIDTH;

	for (struct kept *k = r->kept; k < r->kept + KEPT; k++)
		if (k->n && k->level == level && k->index == index) {
			k->used = ++r->uses;
			return k;
		}
	return there >= MERKLE_TILE_WIDTH ? load_full(r, level, index) : load_part(r, level, index, (unsigned)there);
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
