/*
 * log_tree: the growing edge of the Merkle log in memory: what is in no full tile yet, and the root over all.
 *
 * Leaves are appended, full tiles come out. Used by the keeper, which stores them, and by who verifies, who compares them with
 * those that are stored. Knows no database. One thread at a time.
 */
#ifndef ARCHIVE_LOG_TREE_H
#define ARCHIVE_LOG_TREE_H

#include <stdint.h>

#include "proof/merkle.h"

#define LOG_TILE_LEVELS 7 /* 2^56 leaves */

struct log_tile {
	int level;
	uint64_t index;
	uint8_t hash[MERKLE_TILE_WIDTH][MERKLE_HASH];
	uint8_t root[MERKLE_HASH];
};

/* A tile has become full; borrowed for the call. */
typedef void (*log_tile_fn)(void *arg, const struct log_tile *t);

struct log_tree {
	struct hasher *h;             /* borrowed */
	struct merkle_frontier f;     /* the whole tree */
	struct log_tile edge[LOG_TILE_LEVELS]; /* filling; edge[l].hash holds n[l] */
	unsigned n[LOG_TILE_LEVELS];
};

/* Empty. */
void log_tree_init(struct log_tree *t, struct hasher *h);
void log_tree_append(struct log_tree *t, const uint8_t leaf[MERKLE_HASH], log_tile_fn full, void *arg);
/* A whole tile of level 0 by its root; the size must be a multiple of 256. The tile itself does not come out. */
void log_tree_append_tile(struct log_tree *t, const uint8_t root[MERKLE_HASH], log_tile_fn full, void *arg);
void log_tree_root(struct log_tree *t, uint8_t out[MERKLE_HASH]);

#endif
