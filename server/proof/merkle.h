/*
 * merkle: the hash tree over the log (RFC 9162 §2.1, which is RFC 6962's), without a memory of its own.
 *
 * A node is named by level and index: (0, i) is leaf i; (l, i) is the root over the 2^l leaves from i * 2^l. Only whole ("perfect")
 * subtrees are nodes: what the right edge of a tree needs beyond them is computed from them. Leaves are given as their hashes
 * (proof/canonical.h): nothing here hashes content.
 *
 * Everything is bounded by the depth of a tree (64), never recursive, and belongs to one thread at a time.
 */
#ifndef PROOF_MERKLE_H
#define PROOF_MERKLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crypt.h"
#include "base/err.h"
#include "proof/hasher.h"

#define MERKLE_HASH SHA256_SIZE
#define MERKLE_LEVELS 63       /* sizes and indexes are those of PostgreSQL's bigint: below 2^63 */
#define MERKLE_PROOF_MAX 64    /* hashes in an inclusion or consistency proof, at most */
#define MERKLE_SIZE_MAX (UINT64_MAX >> 1)

/* SHA-256(0x01 || left || right): §2.1.1. `out` may be one of the two. */
void merkle_node(struct hasher *h, const uint8_t left[MERKLE_HASH], const uint8_t right[MERKLE_HASH], uint8_t out[MERKLE_HASH]);
/* The root of the tree without leaves: SHA-256 of nothing. */
void merkle_empty(uint8_t out[MERKLE_HASH]);

/*
 * The frontier: a tree that is only appended to, as the roots of its perfect subtrees, one for each bit of its size. Zeroed is the
 * empty tree; it owns nothing.
 */
struct merkle_frontier {
	uint64_t size;
	uint8_t node[MERKLE_LEVELS + 1][MERKLE_HASH]; /* [l] counts where bit l of size is set */
};

void merkle_append(struct hasher *h, struct merkle_frontier *f, const uint8_t leaf[MERKLE_HASH]);
/* Appends 2^level leaves at once, by their root. False, and nothing is done: the size is no multiple of 2^level, or the tree would
 * be too large. */
bool merkle_append_subtree(struct hasher *h, struct merkle_frontier *f, int level, const uint8_t root[MERKLE_HASH]);
void merkle_root(struct hasher *h, const struct merkle_frontier *f, uint8_t out[MERKLE_HASH]);

/* ---- tiles (C2SP tlog-tiles, height 8): full tiles hold the 256 nodes of one level that are a multiple of 8 ---- */

#define MERKLE_TILE_HEIGHT 8
#define MERKLE_TILE_WIDTH 256
#define MERKLE_TILE_BYTES (MERKLE_TILE_WIDTH * MERKLE_HASH)

/* Where a node is: it is the root over `count` hashes from the `first` of tile (level, index). The tile's level counts tiles: its
 * hashes are nodes of level 8 * level. A node on such a level is itself in the tile: count is 1. */
struct merkle_tile {
	int level;
	uint64_t index;
	unsigned first, count;
};

struct merkle_tile merkle_tile_of(int level, uint64_t index);
/* The root over `count` hashes, a power of two up to 256, that lie one behind the other (a piece of a tile). */
void merkle_tile_root(struct hasher *h, const uint8_t *hashes, unsigned count, uint8_t out[MERKLE_HASH]);
/* Full tiles of this level in a tree of `size` leaves. */
uint64_t merkle_tiles(int level, uint64_t size);

/* ---- proofs ---- */

/* Gives the node (level, index). It is asked only for nodes that lie whole within the tree that the proof is of. 0, or -1: it cannot
 * (whoever gives it says why to whom it belongs). */
typedef int (*merkle_node_fn)(void *arg, int level, uint64_t index, uint8_t out[MERKLE_HASH]);

struct merkle_proof {
	unsigned n;
	uint8_t hash[MERKLE_PROOF_MAX][MERKLE_HASH];
};

/* The root of the first `size` leaves of a tree. -1: the reader failed. */
int merkle_root_of(struct hasher *h, uint64_t size, merkle_node_fn node, void *arg, uint8_t out[MERKLE_HASH]) MUST_CHECK;
/* PATH(index, D[size]), §2.1.3.1. -1: index is not below size, or the reader failed. */
int merkle_prove_inclusion(struct hasher *h, uint64_t index, uint64_t size, merkle_node_fn node, void *arg, struct merkle_proof *p) MUST_CHECK;
/* PROOF(old, D[size]), §2.1.4.1; empty when old is 0 or size. -1: old is above size, or the reader failed. */
int merkle_prove_consistency(struct hasher *h, uint64_t old, uint64_t size, merkle_node_fn node, void *arg, struct merkle_proof *p) MUST_CHECK;

/* §2.1.3.2 and §2.1.4.2, the other side of the two above: by these the tests check whatever is proven. True: proven. Both tell nothing
 * about where the roots come from. */
bool merkle_verify_inclusion(struct hasher *h, uint64_t index, uint64_t size, const uint8_t leaf[MERKLE_HASH], const struct merkle_proof *p,
	const uint8_t root[MERKLE_HASH]);
bool merkle_verify_consistency(struct hasher *h, uint64_t old, uint64_t size, const uint8_t old_root[MERKLE_HASH],
	const uint8_t root[MERKLE_HASH], const struct merkle_proof *p);

/* ---- what is left out ---- */

/* The maximal aligned subtrees of the leaves [at, end), from left to right: at most two for each level. */
struct merkle_gap {
	uint64_t at, end;
};

/* The next of them; false: the gap is over. */
bool merkle_gap_next(struct merkle_gap *g, int *level, uint64_t *index);

#endif
