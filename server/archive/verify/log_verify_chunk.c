/*
 * log_verify_chunk: one range of the record (see log_verify_priv.h): every row's leaf from its content, then the leaves against the tiles.
 *
 * Three hashes speak for a place in the log: that of the content as it is now, the row's leaf_hash, and the one in the tile. When row and tile
 * differ, the tile above tells which of them belongs to the tree; signed checkpoints have the last word.
 */
#include "archive/verify/log_verify_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/verify/log_copy.h"
#include "base/mem.h"
#include "proof/canonical.h"

#define CANONICAL_COLUMNS 16
#define COLUMNS 18 /* and salt and leaf_hash */

#define RECORD_COLUMNS "id, log_index, at, refers_record, kind, direction, deliverable, from_bare, from_resource, to_bare, to_resource, type," \
	" client_id, refers_to, body, stanza, salt, leaf_hash"

void
finding_add(struct findings *l, const char *kind, uint64_t index, uint64_t record, const char *fmt, ...)
{
	struct log_finding *f;
	va_list ap;

	l->total++;
	if (l->n == LOG_FINDINGS_MAX)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 8;
		l->f = mem_realloc(l->f, l->cap * sizeof(*l->f));
	}
	f = &l->f[l->n++];
	*f = (struct log_finding){ .kind = kind, .index = index, .record = record };
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

void
point_add(struct points *l, const struct point *p)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->p = mem_realloc(l->p, l->cap * sizeof(*l->p));
	}
	l->p[l->n++] = *p;
}

void
chunk_begin(struct chunk *c, uint64_t first, uint64_t end, uint64_t covered)
{
	for (size_t i = 0; i < c->nsuspects; i++)
		free(c->suspect[i].form);
	c->nsuspects = c->suspect_bytes = 0;
	c->first = c->expected = first;
	c->end = end;
	c->covered = covered;
	c->first_id = c->last_id = 0;
	c->points.n = 0;
	c->findings.n = 0;
	c->findings.total = 0;
	c->records = c->erased = c->dropped = 0;
	c->has_parent = false;
	memset(c->state, 0, sizeof(c->state));
	memset(c->has_tile, 0, sizeof(c->has_tile));
	memset(c->id, 0, sizeof(c->id));
	if (!c->h)
		c->h = hasher_new();
}

void
chunk_fini(struct chunk *c)
{
	chunk_begin(c, 0, 0, 0);
	hasher_free(c->h);
	free(c->points.p);
	free(c->findings.f);
}

/* Rows */

static void
suspect_add(struct chunk *c, uint64_t index, const struct log_field *f)
{
	struct suspect *s;
	size_t n = (size_t)(f[CANONICAL_COLUMNS].at - f[0].at);

	if (c->nsuspects == SUSPECTS || c->suspect_bytes + n > SUSPECT_BYTES) {
		finding_add(&c->findings, "altered", index, c->id[index - c->first], "record %" PRIu64 " (log index %" PRIu64 ") is not what was recorded",
			c->id[index - c->first], index);
		return;
	}
	s = &c->suspect[c->nsuspects++];
	*s = (struct suspect){ .index = index, .id = c->id[index - c->first], .n = n, .form = mem_alloc(n + 1) };
	memcpy(s->form, f[0].at, n);
	memcpy(s->salt, f[CANONICAL_COLUMNS].at + 4, sizeof(s->salt));
	memcpy(s->leaf, f[CANONICAL_COLUMNS + 1].at + 4, MERKLE_HASH);
	c->suspect_bytes += n;
}

/* Where the salt has gone, so has what it was about: any text that is there nobody can check. */
static void
judge_erased(struct chunk *c, uint64_t index, const struct log_field *f)
{
	for (int i = CANONICAL_COLUMNS - CANONICAL_TEXTS; i < CANONICAL_COLUMNS; i++)
		if (f[i].n >= 0) {
			finding_add(&c->findings, "erased", index, c->id[index - c->first], "record %" PRIu64 " (log index %" PRIu64
				") has lost its salt and says something all the same, which nobody can check", c->id[index - c->first], index);
			return;
		}
}

/* The row of this index: its content against its leaf. */
static void
judge_content(struct chunk *c, uint64_t index, const struct log_field *f)
{
	const struct log_field *salt = &f[CANONICAL_COLUMNS], *leaf = salt + 1;
	size_t at = (size_t)(index - c->first);
	uint8_t now[MERKLE_HASH];

	memcpy(c->leaf[at], leaf->at + 4, MERKLE_HASH);
	c->state[at] = LEAF_HAVE | LEAF_KNOWN;
	if (salt->n < 0) {
		c->state[at] |= LEAF_ERASED;
		c->erased++;
		judge_erased(c, index, f);
		return;
	}
	if (salt->n == CANONICAL_SALT) {
		canonical_leaf(c->h, (const uint8_t *)salt->at + 4, f[0].at, (size_t)(salt->at - f[0].at), now);
		if (memcmp(now, c->leaf[at], MERKLE_HASH) == 0)
			return;
		suspect_add(c, index, f);
	} else {
		finding_add(&c->findings, "altered", index, c->id[at], "record %" PRIu64 " (log index %" PRIu64 ") is not what was recorded: its salt",
			c->id[at], index);
	}
	c->state[at] |= LEAF_ALTERED;
}

static void
take_row(void *arg, const struct log_field *f)
{
	struct chunk *c = arg;
	uint64_t id = (uint64_t)log_field_integer(&f[0]), index = (uint64_t)log_field_integer(&f[1]);

	c->records++;
	if (index < c->expected || index >= c->end || f[CANONICAL_COLUMNS + 1].n != MERKLE_HASH) {
		finding_add(&c->findings, "duplicate", index, id, "record %" PRIu64 " has a log index, %" PRIu64 ", that another record has", id, index);
		return;
	}
	if (id <= c->last_id)
		finding_add(&c->findings, "order", index, id, "record %" PRIu64 " (log index %" PRIu64 ") is older than the one before it in the log, %" PRIu64,
			id, index, c->last_id);
	if (!c->first_id)
		c->first_id = id;
	c->last_id = id > c->last_id ? id : c->last_id;
	c->id[index - c->first] = id;
	c->expected = index + 1;
	judge_content(c, index, f);
}

static enum sql_status
read_rows(const struct verify *y, struct sql *db, struct chunk *c, struct err *e)
{
	char text[600];

	snprintf(text, sizeof(text), "COPY (SELECT " RECORD_COLUMNS " FROM archive.record WHERE log_index >= %" PRIu64 " AND log_index < %" PRIu64
		" ORDER BY log_index) TO STDOUT BINARY", c->first, c->end);
	return log_copy(db, text, COLUMNS, take_row, c, &y->stop, e);
}

/* Tiles */

static void
take_tile(void *arg, const struct log_field *f)
{
	struct chunk *c = arg;
	uint64_t at = (uint64_t)log_field_integer(&f[0]) - c->first / MERKLE_TILE_WIDTH;

	if (at >= CHUNK_TILES || f[1].n != MERKLE_TILE_BYTES || f[2].n != MERKLE_HASH)
		return;
	memcpy(c->tile[at], f[1].at + 4, MERKLE_TILE_BYTES);
	memcpy(c->tile_root[at], f[2].at + 4, MERKLE_HASH);
	c->has_tile[at] = true;
}

static void
take_parent(void *arg, const struct log_field *f)
{
	struct chunk *c = arg;

	if (f[0].n != MERKLE_TILE_BYTES)
		return;
	memcpy(c->parent, f[0].at + 4, MERKLE_TILE_BYTES);
	c->has_parent = true;
}

static enum sql_status
read_tiles(const struct verify *y, struct sql *db, struct chunk *c, struct err *e)
{
	char text[200];
	enum sql_status st;

	snprintf(text, sizeof(text), "COPY (SELECT index, hashes, root FROM archive.tile WHERE level = 0 AND index >= %" PRIu64 " AND index < %" PRIu64
		") TO STDOUT BINARY", c->first / MERKLE_TILE_WIDTH, c->end / MERKLE_TILE_WIDTH);
	st = log_copy(db, text, 3, take_tile, c, &y->stop, e);
	if (st != SQL_OK)
		return st;
	snprintf(text, sizeof(text), "COPY (SELECT hashes FROM archive.tile WHERE level = 1 AND index = %" PRIu64 ") TO STDOUT BINARY", c->first / CHUNK);
	return log_copy(db, text, 1, take_parent, c, &y->stop, e);
}

static void
say_altered_leaf(struct chunk *c, size_t at)
{
	for (size_t i = 0; i < c->nsuspects; i++)
		if (c->suspect[i].index == c->first + at)
			return; /* that is told of already */
	finding_add(&c->findings, "altered", c->first + at, c->id[at], "record %" PRIu64 " (log index %" PRIu64
		") is not what was recorded: its leaf hash was changed to fit", c->id[at], c->first + at);
}

/* Row and tile differ somewhere: which of them the tree has, by the node above. The tile stands when neither fits, and both are told of. */
static void
judge_tile(struct chunk *c, size_t tile, const uint8_t above[MERKLE_HASH])
{
	uint8_t (*leaf)[MERKLE_HASH] = &c->leaf[tile * MERKLE_TILE_WIDTH];
	uint8_t of_rows[MERKLE_HASH], of_tile[MERKLE_HASH];

	merkle_tile_root(c->h, leaf[0], MERKLE_TILE_WIDTH, of_rows);
	merkle_tile_root(c->h, c->tile[tile][0], MERKLE_TILE_WIDTH, of_tile);
	if (memcmp(of_rows, above, MERKLE_HASH) == 0 || memcmp(of_tile, above, MERKLE_HASH) != 0)
		finding_add(&c->findings, "tile", c->first + tile * MERKLE_TILE_WIDTH, 0, "the stored tile 0/%" PRIu64 " (log indexes %" PRIu64 " to %" PRIu64
			") does not match the records", c->first / MERKLE_TILE_WIDTH + tile, c->first + tile * MERKLE_TILE_WIDTH,
			c->first + (tile + 1) * MERKLE_TILE_WIDTH - 1);
	if (memcmp(of_rows, above, MERKLE_HASH) == 0)
		return;
	for (size_t i = 0; i < MERKLE_TILE_WIDTH; i++) {
		size_t at = tile * MERKLE_TILE_WIDTH + i;

		if (memcmp(leaf[i], c->tile[tile][i], MERKLE_HASH) == 0)
			continue;
		if (c->state[at] & LEAF_HAVE && memcmp(of_tile, above, MERKLE_HASH) == 0)
			say_altered_leaf(c, at);
		memcpy(leaf[i], c->tile[tile][i], MERKLE_HASH);
		c->state[at] |= LEAF_KNOWN;
	}
}

static void
compare_tile(struct chunk *c, size_t tile)
{
	uint8_t (*leaf)[MERKLE_HASH] = &c->leaf[tile * MERKLE_TILE_WIDTH];
	uint64_t first = c->first + tile * MERKLE_TILE_WIDTH;
	bool whole = true;

	if (!c->has_tile[tile]) {
		if (first + MERKLE_TILE_WIDTH <= c->covered)
			finding_add(&c->findings, "tile", first, 0, "the tile 0/%" PRIu64 " (log indexes %" PRIu64 " to %" PRIu64 ") is missing",
				first / MERKLE_TILE_WIDTH, first, first + MERKLE_TILE_WIDTH - 1);
		return;
	}
	for (size_t i = 0; i < MERKLE_TILE_WIDTH && whole; i++)
		whole = c->state[tile * MERKLE_TILE_WIDTH + i] & LEAF_KNOWN;
	if (!whole)
		/* What is missing is told of elsewhere; what the tree had there, the tile knows. */
		for (size_t i = 0; i < MERKLE_TILE_WIDTH; i++)
			if (!(c->state[tile * MERKLE_TILE_WIDTH + i] & LEAF_KNOWN)) {
				memcpy(leaf[i], c->tile[tile][i], MERKLE_HASH);
				c->state[tile * MERKLE_TILE_WIDTH + i] |= LEAF_KNOWN;
			}
	if (memcmp(leaf, c->tile[tile], MERKLE_TILE_BYTES) != 0)
		judge_tile(c, tile, c->has_parent ? c->parent[tile] : c->tile_root[tile]);
	merkle_tile_root(c->h, leaf[0], MERKLE_TILE_WIDTH, c->root[tile]);
	if (memcmp(c->root[tile], c->tile_root[tile], MERKLE_HASH) != 0)
		finding_add(&c->findings, "tile", first, 0, "the root that is stored with the tile 0/%" PRIu64 " does not match its hashes", first / MERKLE_TILE_WIDTH);
}

static void
compare_tiles(struct chunk *c)
{
	for (size_t tile = 0; tile < (c->end - c->first) / MERKLE_TILE_WIDTH; tile++) {
		compare_tile(c, tile);
		if (!c->has_tile[tile])
			merkle_tile_root(c->h, c->leaf[tile * MERKLE_TILE_WIDTH], MERKLE_TILE_WIDTH, c->root[tile]);
	}
}

/* What is not there */

/* The next places from *to on, as many as lie together, of which these bits are as wanted. */
static bool
next_run(const struct chunk *c, uint8_t bits, uint8_t wanted, uint64_t *from, uint64_t *to)
{
	uint64_t n = c->end - c->first;

	for (*from = *to; *from < n && (c->state[*from] & bits) != wanted; ++*from)
		;
	for (*to = *from; *to < n && (c->state[*to] & bits) == wanted; ++*to)
		;
	return *from < n;
}

/* Log indexes without a row, each run of them once. */
static void
say_missing(struct chunk *c)
{
	uint64_t from, to = 0;

	while (next_run(c, LEAF_HAVE | LEAF_DROPPED, 0, &from, &to))
		if (to - from == 1)
			finding_add(&c->findings, "missing", c->first + from, 0, "the record of log index %" PRIu64 " is missing", c->first + from);
		else
			finding_add(&c->findings, "missing", c->first + from, 0, "the records of the log indexes %" PRIu64 " to %" PRIu64 " are missing",
				c->first + from, c->first + to - 1);
}

/* The same of those that have lost their salt without an erasure. */
static void
say_erased(struct chunk *c)
{
	uint64_t from, to = 0;

	while (next_run(c, LEAF_ERASED | LEAF_NAMED, LEAF_ERASED, &from, &to))
		if (to - from == 1)
			finding_add(&c->findings, "erased", c->first + from, c->id[from], "record %" PRIu64 " (log index %" PRIu64 ") cannot be read any more,"
				" and no erasure is recorded", c->id[from], c->first + from);
		else
			finding_add(&c->findings, "erased", c->first + from, c->id[from], "the records of the log indexes %" PRIu64 " to %" PRIu64
				" cannot be read any more, and no erasure is recorded", c->first + from, c->first + to - 1);
}

/* Checkpoints of the table */

struct table {
	const struct verify *y;
	struct chunk *c;
};

static void
take_point(void *arg, const struct log_field *f)
{
	struct table *t = arg;
	struct point p = { .size = (uint64_t)log_field_integer(&f[0]) };

	if (f[1].n != MERKLE_HASH || f[2].n < 0) {
		p.forged = true;
	} else {
		memcpy(p.root, f[1].at + 4, MERKLE_HASH);
		keyring_judge(&t->y->keys, f[2].at + 4, (size_t)f[2].n, p.size, &p);
	}
	point_add(&t->c->points, &p);
}

static enum sql_status
read_points(const struct verify *y, struct sql *db, struct chunk *c, struct err *e)
{
	struct table t = { y, c };
	char text[300];

	snprintf(text, sizeof(text), "COPY (SELECT size, root, note FROM archive.checkpoint WHERE size > %" PRIu64 " AND size <= %" PRIu64
		" ORDER BY size) TO STDOUT BINARY", c->first, c->end);
	return log_copy(db, text, 3, take_point, &t, &y->stop, e);
}

enum sql_status
chunk_read(const struct verify *y, struct sql *db, struct chunk *c, struct err *e)
{
	enum sql_status st = read_rows(y, db, c, e);
	uint64_t from, to = 0;

	if (st == SQL_OK)
		st = read_tiles(y, db, c, e);
	if (st == SQL_OK)
		st = read_points(y, db, c, e);
	if (st == SQL_OK && (c->erased || next_run(c, LEAF_HAVE, 0, &from, &to)))
		st = erased_read(y, db, c, e);
	if (st != SQL_OK)
		return st;
	say_missing(c);
	say_erased(c);
	compare_tiles(c);
	return SQL_OK;
}
