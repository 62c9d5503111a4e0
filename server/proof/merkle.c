/*
 * merkle: nodes, the frontier and the arithmetic of tiles (see merkle.h; proofs are in merkle_proof.c).
 */
#include "proof/merkle.h"

#include <assert.h>
#include <string.h>

void
merkle_node(struct hasher *h, const uint8_t left[MERKLE_HASH], const uint8_t right[MERKLE_HASH], uint8_t out[MERKLE_HASH])
{
	uint8_t both[1 + 2 * MERKLE_HASH];

	both[0] = 0x01;
	memcpy(both + 1, left, MERKLE_HASH);
	memcpy(both + 1 + MERKLE_HASH, right, MERKLE_HASH);
	hasher_begin(h);
	hasher_add(h, both, sizeof(both));
	hasher_end(h, out);
}

void
merkle_empty(uint8_t out[MERKLE_HASH])
{
	crypt_sha256(NULL, 0, out);
}

bool
merkle_append_subtree(struct hasher *h, struct merkle_frontier *f, int level, const uint8_t root[MERKLE_HASH])
{
	uint8_t hash[MERKLE_HASH];
	uint64_t more;
	int l = level;

	if (level < 0 || level >= MERKLE_LEVELS)
		return false;
	more = UINT64_C(1) << level;
	if (f->size % more || f->size > MERKLE_SIZE_MAX - more)
		return false;
	memcpy(hash, root, MERKLE_HASH);
	/* As in binary addition: each set bit from here on is a left neighbour, and carries. */
	for (; f->size >> l & 1; l++)
		merkle_node(h, f->node[l], hash, hash);
	memcpy(f->node[l], hash, MERKLE_HASH);
	f->size += more;
	return true;
}

void
merkle_append(struct hasher *h, struct merkle_frontier *f, const uint8_t leaf[MERKLE_HASH])
{
	bool fits = merkle_append_subtree(h, f, 0, leaf);

	assert(fits);
	(void)fits;
}

void
merkle_root(struct hasher *h, const struct merkle_frontier *f, uint8_t out[MERKLE_HASH])
{
	int l;

	if (!f->size) {
		merkle_empty(out);
		return;
	}
	l = __builtin_ctzll(f->size);
	memcpy(out, f->node[l], MERKLE_HASH);
	for (l++; l <= MERKLE_LEVELS; l++)
		if (f->size >> l & 1)
			merkle_node(h, f->node[l], out, out);
}

struct merkle_tile
merkle_tile_of(int level, uint64_t index)
{
	int above = level % MERKLE_TILE_HEIGHT; /* rows over the hashes that the tile holds */
	uint64_t first = index << above;

	return (struct merkle_tile){
		.level = level / MERKLE_TILE_HEIGHT,
		.index = first / MERKLE_TILE_WIDTH,
		.first = (unsigned)(first % MERKLE_TILE_WIDTH),
		.count = 1u << above,
	};
}

void
merkle_tile_root(struct hasher *h, const uint8_t *hashes, unsigned count, uint8_t out[MERKLE_HASH])
{
	uint8_t row[MERKLE_TILE_WIDTH / 2][MERKLE_HASH];

	assert(count && count <= MERKLE_TILE_WIDTH && !(count & (count - 1)));
	if (count == 1) {
		memcpy(out, hashes, MERKLE_HASH);
		return;
	}
	count /= 2;
	for (unsigned i = 0; i < count; i++)
		merkle_node(h, hashes + 2 * i * MERKLE_HASH, hashes + (2 * i + 1) * MERKLE_HASH, row[i]);
	for (; count > 1; count /= 2)
		for (unsigned i = 0; i < count / 2; i++)
			merkle_node(h, row[2 * i], row[2 * i + 1], row[i]);
	memcpy(out, row[0], MERKLE_HASH);
}

uint64_t
merkle_tiles(int level, uint64_t size)
{
	int leaves = MERKLE_TILE_HEIGHT * (level + 1); /* a full tile has 2^leaves of them */

	return leaves > MERKLE_LEVELS ? 0 : size >> leaves;
}

bool
merkle_gap_next(struct merkle_gap *g, int *level, uint64_t *index)
{
	int aligned, fits;

	if (g->at >= g->end)
		return false;
	/* As high as both its beginning and its length allow. */
	aligned = g->at ? __builtin_ctzll(g->at) : MERKLE_LEVELS;
	fits = 63 - __builtin_clzll(g->end - g->at);
	*level = aligned < fits ? aligned : fits;
	*index = g->at >> *level;
	g->at += UINT64_C(1) << *level;
	return true;
}
