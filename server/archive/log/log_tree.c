/*
 * log_tree: the growing edge of the Merkle log (see log_tree.h).
 */
#include "archive/log/log_tree.h"

#include <assert.h>
#include <string.h>

void
log_tree_init(struct log_tree *t, struct hasher *h)
{
	memset(t, 0, sizeof(*t));
	t->h = h;
}

/* A hash of tile level `level`; full tiles carry upwards. The frontier has been taken care of. */
static void
push(struct log_tree *t, int level, const uint8_t hash[MERKLE_HASH], log_tile_fn full, void *arg)
{
	for (;; level++) {
		struct log_tile *e;

		assert(level < LOG_TILE_LEVELS);
		e = &t->edge[level];
		memcpy(e->hash[t->n[level]++], hash, MERKLE_HASH);
		if (t->n[level] < MERKLE_TILE_WIDTH)
			return;
		t->n[level] = 0;
		e->level = level;
		e->index = (t->f.size >> (MERKLE_TILE_HEIGHT * (level + 1))) - 1;
		merkle_tile_root(t->h, e->hash[0], MERKLE_TILE_WIDTH, e->root);
		if (full)
			full(arg, e);
		hash = e->root;
	}
}

void
log_tree_append(struct log_tree *t, const uint8_t leaf[MERKLE_HASH], log_tile_fn full, void *arg)
{
	merkle_append(t->h, &t->f, leaf);
	push(t, 0, leaf, full, arg);
}

void
log_tree_append_tile(struct log_tree *t, const uint8_t root[MERKLE_HASH], log_tile_fn full, void *arg)
{
	bool fits = merkle_append_subtree(t->h, &t->f, MERKLE_TILE_HEIGHT, root);

	assert(fits && !t->n[0]);
	(void)fits;
	push(t, 1, root, full, arg);
}

void
log_tree_root(struct log_tree *t, uint8_t out[MERKLE_HASH])
{
	merkle_root(t->h, &t->f, out);
}
