/*
 * log_store: reads and writes the tables of the Merkle log (see log_store.h and log.h). SQL only.
 */
#include "archive/log/log_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define EPOCH_US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"
#define CHECKPOINT_COLUMNS "size, " EPOCH_US("at") ", encode(root, 'hex'), note"
#define TILES_AT_ONCE 64 /* half a MiB, as text one */
#define NUMBER 24        /* bytes of a number as text */

static const char *
number(char *out, uint64_t n)
{
	snprintf(out, NUMBER, "%" PRIu64, n);
	return out;
}

/* False: not the hex of `n` bytes. */
static bool
unhex(const char *s, uint8_t *out, size_t n)
{
	return strlen(s) == 2 * n && text_unhex(s, 2 * n, out) == (ssize_t)n;
}

static enum sql_status
broken(struct err *e, const char *what)
{
	err_set(e, 0, "the tables of the log are not what they should be: %s", what);
	return SQL_FAILED;
}

/* Checkpoints */

static bool
take_checkpoint(const PGresult *r, int row, struct arena *a, struct log_checkpoint *c)
{
	c->size = (uint64_t)sql_i64(r, row, 0);
	c->at_us = sql_i64(r, row, 1);
	c->note = arena_strdup(a, sql_text(r, row, 3));
	return unhex(sql_text(r, row, 2), c->root, MERKLE_HASH);
}

static enum sql_status
one_checkpoint(PGresult *r, struct arena *a, struct log_checkpoint *c, struct err *e)
{
	bool good = !PQntuples(r) || take_checkpoint(r, 0, a, c);

	PQclear(r);
	return good ? SQL_OK : broken(e, "a checkpoint's root");
}

enum sql_status
log_newest(struct sql *db, struct arena *a, struct log_checkpoint *c, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT " CHECKPOINT_COLUMNS " FROM archive.checkpoint ORDER BY size DESC LIMIT 1", 0);

	*c = (struct log_checkpoint){ 0 };
	return st == SQL_OK ? one_checkpoint(r, a, c, e) : st;
}

enum sql_status
log_first_over(struct sql *db, struct arena *a, uint64_t size, struct log_checkpoint *c, struct err *e)
{
	char least[NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT " CHECKPOINT_COLUMNS " FROM archive.checkpoint WHERE size >= $1 ORDER BY size LIMIT 1",
		1, number(least, size));

	*c = (struct log_checkpoint){ 0 };
	return st == SQL_OK ? one_checkpoint(r, a, c, e) : st;
}

enum sql_status
log_store_above(struct sql *db, struct arena *a, uint64_t size, unsigned limit, struct log_checkpoint **c, size_t *n, struct err *e)
{
	char above[NUMBER], most[NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT " CHECKPOINT_COLUMNS " FROM archive.checkpoint WHERE size > $1 ORDER BY size LIMIT $2",
		2, number(above, size), number(most, limit));

	*n = 0;
	if (st != SQL_OK)
		return st;
	*c = arena_zalloc(a, (size_t)PQntuples(r) * sizeof(**c) + 1);
	for (int i = 0; i < PQntuples(r); i++)
		if (take_checkpoint(r, i, a, &(*c)[*n]))
			++*n;
		else
			st = SQL_FAILED;
	PQclear(r);
	return st == SQL_OK ? SQL_OK : broken(e, "a checkpoint's root");
}

/* Keys */

enum sql_status
log_keys(struct sql *db, struct arena *a, struct log_key_row **keys, size_t *n, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT number, since, " EPOCH_US("at") ", vkey, handover, lost FROM archive.log_key"
		" ORDER BY number", 0);

	*n = 0;
	if (st != SQL_OK)
		return st;
	*n = (size_t)PQntuples(r);
	*keys = arena_zalloc(a, *n * sizeof(**keys) + 1);
	for (int i = 0; i < (int)*n; i++)
		(*keys)[i] = (struct log_key_row){ .number = (unsigned)sql_i64(r, i, 0), .since = (uint64_t)sql_i64(r, i, 1),
			.at_us = sql_i64(r, i, 2), .vkey = arena_strdup(a, sql_text(r, i, 3)),
			.handover = sql_is_null(r, i, 4) ? NULL : arena_strdup(a, sql_text(r, i, 4)), .lost = sql_bool(r, i, 5) };
	PQclear(r);
	return SQL_OK;
}

enum sql_status
log_store_key(struct sql *db, const struct log_key_row *k, struct err *e)
{
	char num[NUMBER], since[NUMBER], at[NUMBER];

	return sql_do(db, e, "INSERT INTO archive.log_key (number, vkey, since, at, handover, lost)"
		" VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000000.0), $5, $6)", 6, number(num, k->number), k->vkey, number(since, k->since),
		number(at, (uint64_t)k->at_us), k->handover, k->lost ? "t" : "f");
}

/* The edge */

enum sql_status
log_store_records(struct sql *db, uint64_t *n, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT log_index + 1 FROM archive.record ORDER BY id DESC LIMIT 1", 0);

	*n = 0;
	if (st != SQL_OK)
		return st;
	if (PQntuples(r))
		*n = (uint64_t)sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

/* The roots of the tiles of `level` from `first` to below `end`, which fill the tile above them so far. */
static enum sql_status
load_level(struct sql *db, struct log_tree *t, int level, uint64_t first, uint64_t end, struct err *e)
{
	char which[NUMBER], from[NUMBER], to[NUMBER];
	uint8_t root[MERKLE_HASH];
	PGresult *r;
	enum sql_status st;
	bool good;

	if (first == end)
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT encode(root, 'hex') FROM archive.tile WHERE level = $1 AND index >= $2 AND index < $3 ORDER BY index", 3,
		number(which, (uint64_t)level), number(from, first), number(to, end));
	if (st != SQL_OK)
		return st;
	good = (uint64_t)PQntuples(r) == end - first;
	for (int i = 0; i < PQntuples(r) && good; i++) {
		good = unhex(sql_text(r, i, 0), root, sizeof(root)) &&
			merkle_append_subtree(t->h, &t->f, MERKLE_TILE_HEIGHT * (level + 1), root);
		if (good)
			memcpy(t->edge[level + 1].hash[t->n[level + 1]++], root, MERKLE_HASH);
	}
	PQclear(r);
	return good ? SQL_OK : broken(e, "a tile is missing");
}

enum sql_status
log_store_edge(struct sql *db, struct log_tree *t, uint64_t most, struct err *e)
{
	struct hasher *h = t->h;
	PGresult *r;
	uint64_t tiles;
	enum sql_status st = sql_query(db, e, &r, "SELECT coalesce(max(index) + 1, 0) FROM archive.tile WHERE level = 0", 0);

	if (st != SQL_OK)
		return st;
	tiles = (uint64_t)sql_i64(r, 0, 0);
	PQclear(r);
	if (tiles > most)
		tiles = most;
	log_tree_init(t, h);
	/* From the left, which is from above. */
	for (int level = LOG_TILE_LEVELS - 2; level >= 0 && st == SQL_OK; level--) {
		uint64_t end = tiles >> (MERKLE_TILE_HEIGHT * level);

		st = load_level(db, t, level, end / MERKLE_TILE_WIDTH * MERKLE_TILE_WIDTH, end, e);
	}
	return st;
}

enum sql_status
log_store_leaves(struct sql *db, uint64_t first, uint64_t end, uint8_t (*out)[MERKLE_HASH], size_t *n, struct err *e)
{
	char from[NUMBER], to[NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT log_index, encode(leaf_hash, 'hex') FROM archive.record"
		" WHERE log_index >= $1 AND log_index < $2 ORDER BY log_index", 2, number(from, first), number(to, end));

	*n = 0;
	if (st != SQL_OK)
		return st;
	for (int i = 0; i < PQntuples(r); i++) {
		if ((uint64_t)sql_i64(r, i, 0) != first + *n || !unhex(sql_text(r, i, 1), out[*n], MERKLE_HASH))
			break;
		++*n;
	}
	PQclear(r);
	return SQL_OK;
}

/* Writing */

static void
add_item(struct buf *out, const char *text)
{
	buf_addc(out, buf_len(out) ? ',' : '{');
	buf_adds(out, text);
}

static enum sql_status
write_tiles(struct sql *db, const struct log_tile *tile, size_t n, struct err *e)
{
	struct buf level = { 0 }, index = { 0 }, hashes = { 0 }, root = { 0 };
	char hex[2 * MERKLE_TILE_BYTES + 1];
	enum sql_status st;

	for (size_t i = 0; i < n; i++) {
		add_item(&level, number(hex, (uint64_t)tile[i].level));
		add_item(&index, number(hex, tile[i].index));
		text_hex(tile[i].hash, MERKLE_TILE_BYTES, hex);
		add_item(&hashes, hex);
		text_hex(tile[i].root, MERKLE_HASH, hex);
		add_item(&root, hex);
	}
	buf_addc(&level, '}'), buf_addc(&index, '}'), buf_addc(&hashes, '}'), buf_addc(&root, '}');
	st = sql_do(db, e, "INSERT INTO archive.tile (level, index, hashes, root)"
		" SELECT l, i, decode(h, 'hex'), decode(r, 'hex') FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[]) AS t (l, i, h, r)",
		4, buf_str(&level), buf_str(&index), buf_str(&hashes), buf_str(&root));
	buf_fini(&level), buf_fini(&index), buf_fini(&hashes), buf_fini(&root);
	return st;
}

static enum sql_status
write_checkpoint(struct sql *db, const struct log_checkpoint *c, struct err *e)
{
	char size[NUMBER], at[NUMBER], root[2 * MERKLE_HASH + 1];

	text_hex(c->root, MERKLE_HASH, root);
	return sql_do(db, e, "INSERT INTO archive.checkpoint (size, at, root, note)"
		" VALUES ($1, to_timestamp($2::bigint / 1000000.0), decode($3, 'hex'), $4)", 4, number(size, c->size),
		number(at, (uint64_t)c->at_us), root, c->note);
}

enum sql_status
log_store_write(struct sql *db, const struct log_tile *tile, size_t n, const struct log_checkpoint *c, const struct log_key_row *first,
	struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	for (size_t i = 0; i < n && st == SQL_OK; i += TILES_AT_ONCE)
		st = write_tiles(db, tile + i, n - i < TILES_AT_ONCE ? n - i : TILES_AT_ONCE, e);
	if (st == SQL_OK && first)
		st = log_store_key(db, first, e);
	if (st == SQL_OK && c)
		st = write_checkpoint(db, c, e);
	if (st == SQL_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

/* Time stamps */

enum sql_status
log_store_stamped(struct sql *db, int64_t *at_us, uint64_t *size, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT " EPOCH_US("at") ", size FROM archive.checkpoint_stamp ORDER BY size DESC LIMIT 1", 0);

	*at_us = 0;
	*size = 0;
	if (st != SQL_OK)
		return st;
	if (PQntuples(r)) {
		*at_us = sql_i64(r, 0, 0);
		*size = (uint64_t)sql_i64(r, 0, 1);
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
log_store_stamp(struct sql *db, uint64_t size, const char *url, const void *token, size_t n, struct err *e)
{
	char num[NUMBER];
	struct buf hex = { 0 };
	enum sql_status st;

	text_hex(token, n, buf_reserve(&hex, 2 * n + 1));
	buf_added(&hex, 2 * n);
	st = sql_do(db, e, "INSERT INTO archive.checkpoint_stamp (size, at, url, token) VALUES ($1, now(), $2, decode($3, 'hex'))", 3,
		number(num, size), url, buf_str(&hex));
	buf_fini(&hex);
	return st;
}
