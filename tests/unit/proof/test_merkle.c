/* The well-known tree of eight leaves (RFC 6962's and 9162's test vectors), and every proof of trees of all sizes up to 300 against a
 * tree that is computed by the definition, by recursion. Whatever single bit is changed, no proof holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/text.h"
#include "proof/merkle.h"

static const char *const inputs[8] = { "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f" };
static const char *const roots[9] = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

#define MOST 300
static struct hasher *h;
static uint8_t leaves[MOST][MERKLE_HASH];

static void
leaf_of(const void *p, size_t n, uint8_t out[MERKLE_HASH])
{
	hasher_begin(h);
	hasher_add(h, "\0", 1);
	hasher_add(h, p, n);
	hasher_end(h, out);
}

/* MTH(D[lo:hi]) by its definition. */
static void
by_definition(uint64_t lo, uint64_t hi, uint8_t out[MERKLE_HASH])
{
	uint8_t left[MERKLE_HASH], right[MERKLE_HASH];
	uint64_t k = 1;

	if (hi == lo) {
		merkle_empty(out);
		return;
	}
	if (hi - lo == 1) {
		memcpy(out, leaves[lo], MERKLE_HASH);
		return;
	}
	while (2 * k < hi - lo)
		k *= 2;
	by_definition(lo, lo + k, left);
	by_definition(lo + k, hi, right);
	merkle_node(h, left, right, out);
}

/* The perfect subtrees of a tree of `size`; asked for no other. */
struct tree {
	uint64_t size;
	uint8_t node[10][MOST][MERKLE_HASH];
	int fail_after; /* the reader fails then; -1: never */
};

static int
read_node(void *arg, int level, uint64_t index, uint8_t out[MERKLE_HASH])
{
	struct tree *t = arg;

	assert_true(level >= 0 && level < 10 && (index + 1) << level <= t->size);
	if (t->fail_after == 0)
		return -1;
	if (t->fail_after > 0)
		t->fail_after--;
	memcpy(out, t->node[level][index], MERKLE_HASH);
	return 0;
}

static struct tree *
tree_new(uint64_t size)
{
	struct tree *t = NEW(struct tree);

	t->size = size;
	t->fail_after = -1;
	memcpy(t->node[0], leaves, size * MERKLE_HASH);
	for (int l = 1; l < 10; l++)
		for (uint64_t i = 0; (i + 1) << l <= size; i++)
			merkle_node(h, t->node[l - 1][2 * i], t->node[l - 1][2 * i + 1], t->node[l][i]);
	return t;
}

static void
hex_is(const uint8_t hash[MERKLE_HASH], const char *hex)
{
	char text[2 * MERKLE_HASH + 1];

	text_hex(hash, MERKLE_HASH, text);
	assert_string_equal(text, hex);
}

static void
known_leaves(void)
{
	for (int i = 0; i < 8; i++) {
		uint8_t raw[16];

		leaf_of(raw, (size_t)text_unhex(inputs[i], strlen(inputs[i]), raw), leaves[i]);
	}
}

static void
known_roots(void **state)
{
	struct merkle_frontier f = { 0 };
	uint8_t root[MERKLE_HASH];

	(void)state;
	known_leaves();
	for (int i = 0; i <= 8; i++) {
		merkle_root(h, &f, root);
		hex_is(root, roots[i]);
		if (i < 8)
			merkle_append(h, &f, leaves[i]);
	}
}

static void
known_proof(bool inclusion, uint64_t a, uint64_t size, unsigned n, const char *const *hashes)
{
	struct merkle_proof p;
	struct tree *t;

	known_leaves();
	t = tree_new(size);
	if (inclusion)
		assert_int_equal(merkle_prove_inclusion(h, a, size, read_node, t, &p), 0);
	else
		assert_int_equal(merkle_prove_consistency(h, a, size, read_node, t, &p), 0);
	assert_int_equal(p.n, n);
	for (unsigned i = 0; i < n; i++)
		hex_is(p.hash[i], hashes[i]);
	free(t);
}

#define H01 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
#define H02 "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define H05 "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
#define H12 "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
#define H34 "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
#define H56 "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
#define H78 "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
#define H14 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
#define H58 "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
#define HASHES(...) (sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)), (const char *const[]){ __VA_ARGS__ }

static void
known_proofs(void **state)
{
	(void)state;
	known_proof(true, 0, 1, 0, NULL);
	known_proof(true, 0, 8, HASHES(H02, H34, H58));
	known_proof(true, 5, 8, HASHES(H05, H78, H14));
	known_proof(true, 2, 3, HASHES(H12));
	known_proof(true, 1, 5, HASHES(H01, H34, H05));
	known_proof(false, 1, 1, 0, NULL);
	known_proof(false, 1, 8, HASHES(H02, H34, H58));
	known_proof(false, 6, 8, HASHES(H56, H78, H14));
	known_proof(false, 2, 5, HASHES(H34, H05));
}

static void
random_leaves(unsigned seed)
{
	for (unsigned i = 0; i < MOST; i++) {
		unsigned what[2] = { seed, i };

		leaf_of(what, sizeof(what), leaves[i]);
	}
}

static void
every_size(void **state)
{
	struct merkle_frontier f = { 0 };
	uint8_t root[MERKLE_HASH], right[MERKLE_HASH];

	(void)state;
	random_leaves(1);
	for (uint64_t n = 0; n <= MOST; n++) {
		struct tree *t = tree_new(n);

		by_definition(0, n, right);
		merkle_root(h, &f, root);
		assert_memory_equal(root, right, MERKLE_HASH);
		assert_int_equal(merkle_root_of(h, n, read_node, t, root), 0);
		assert_memory_equal(root, right, MERKLE_HASH);
		free(t);
		if (n < MOST)
			merkle_append(h, &f, leaves[n]);
	}
}

static void
every_inclusion(void **state)
{
	uint8_t root[MERKLE_HASH];
	struct merkle_proof p;

	(void)state;
	random_leaves(2);
	for (uint64_t n = 1; n <= MOST; n++) {
		struct tree *t = tree_new(n);

		by_definition(0, n, root);
		for (uint64_t i = 0; i < n; i++) {
			assert_int_equal(merkle_prove_inclusion(h, i, n, read_node, t, &p), 0);
			assert_true(merkle_verify_inclusion(h, i, n, leaves[i], &p, root));
			/* Of another leaf, of another size, with a hash more or less it is none. (The size may be another one of the
			 * same path, as 5 and 6 are to leaf 0: the root is not.) */
			assert_false(merkle_verify_inclusion(h, i ^ 1, n, leaves[i], &p, root));
			assert_false(merkle_verify_inclusion(h, n, n, leaves[i], &p, root));
			if (p.n) {
				p.n--;
				assert_false(merkle_verify_inclusion(h, i, n, leaves[i], &p, root));
				p.n++;
			}
			p.n++;
			memset(p.hash[p.n - 1], 7, MERKLE_HASH);
			assert_false(merkle_verify_inclusion(h, i, n, leaves[i], &p, root));
		}
		assert_int_equal(merkle_prove_inclusion(h, n, n, read_node, t, &p), -1);
		free(t);
	}
}

static void
every_consistency(void **state)
{
	static uint8_t root[MOST + 1][MERKLE_HASH];
	struct merkle_proof p;

	(void)state;
	random_leaves(3);
	for (uint64_t n = 0; n <= MOST; n++)
		by_definition(0, n, root[n]);
	for (uint64_t n = 1; n <= MOST; n++) {
		struct tree *t = tree_new(n);

		for (uint64_t m = 0; m <= n; m++) {
			assert_int_equal(merkle_prove_consistency(h, m, n, read_node, t, &p), 0);
			assert_true(merkle_verify_consistency(h, m, n, root[m], root[n], &p));
			assert_false(merkle_verify_consistency(h, n + 1, n, root[n], root[n], &p));
			if (m < n)
				assert_false(merkle_verify_consistency(h, m, n, root[m + 1], root[n], &p));
			if (p.n) {
				p.n--;
				assert_false(merkle_verify_consistency(h, m, n, root[m], root[n], &p));
				p.n++;
			}
			p.n++;
			memset(p.hash[p.n - 1], 7, MERKLE_HASH);
			assert_false(merkle_verify_consistency(h, m, n, root[m], root[n], &p));
		}
		assert_int_equal(merkle_prove_consistency(h, n + 1, n, read_node, t, &p), -1);
		free(t);
	}
}

/* Each bit of every hash of a proof, of the leaf and of the roots. */
static void
every_bit(void **state)
{
	static const uint64_t sizes[] = { 2, 3, 7, 8, 21, 64, 300 };
	uint8_t root[MERKLE_HASH], old[MERKLE_HASH];
	struct merkle_proof p;

	(void)state;
	random_leaves(4);
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		uint64_t n = sizes[s], i = n * 2 / 3, m = n - n / 3;
		struct tree *t = tree_new(n);
		uint8_t *what[] = { root, leaves[i], NULL };

		by_definition(0, n, root);
		assert_int_equal(merkle_prove_inclusion(h, i, n, read_node, t, &p), 0);
		for (unsigned b = 0; b < (p.n + 2) * 256; b++) {
			uint8_t *hash = b / 256 < 2 ? what[b / 256] : p.hash[b / 256 - 2];

			hash[b % 256 / 8] ^= (uint8_t)(1 << b % 8);
			assert_false(merkle_verify_inclusion(h, i, n, leaves[i], &p, root));
			hash[b % 256 / 8] ^= (uint8_t)(1 << b % 8);
		}
		assert_true(merkle_verify_inclusion(h, i, n, leaves[i], &p, root));
		by_definition(0, m, old);
		what[1] = old;
		assert_int_equal(merkle_prove_consistency(h, m, n, read_node, t, &p), 0);
		for (unsigned b = 0; b < (p.n + 2) * 256; b++) {
			uint8_t *hash = b / 256 < 2 ? what[b / 256] : p.hash[b / 256 - 2];

			/* Where the sizes are equal the proof is empty, and the two are compared. */
			hash[b % 256 / 8] ^= (uint8_t)(1 << b % 8);
			assert_false(merkle_verify_consistency(h, m, n, old, root, &p));
			hash[b % 256 / 8] ^= (uint8_t)(1 << b % 8);
		}
		assert_true(merkle_verify_consistency(h, m, n, old, root, &p));
		free(t);
	}
}

/* A reader that fails makes no proof, whenever it does. */
static void
reader_fails(void **state)
{
	uint8_t root[MERKLE_HASH];
	struct merkle_proof p;
	struct tree *t;

	(void)state;
	random_leaves(5);
	t = tree_new(299);
	for (int i = 0; i < 5; i++) {
		t->fail_after = i;
		assert_int_equal(merkle_prove_inclusion(h, 77, 299, read_node, t, &p), -1);
		t->fail_after = i;
		assert_int_equal(merkle_prove_consistency(h, 77, 299, read_node, t, &p), -1);
	}
	t->fail_after = 1;
	assert_int_equal(merkle_root_of(h, 299, read_node, t, root), -1);
	free(t);
}

/* Any choice of leaves, with the subtrees of the gaps between them, gives the root. */
static void
gaps(void **state)
{
	uint8_t root[MERKLE_HASH], got[MERKLE_HASH];

	(void)state;
	random_leaves(6);
	srand(9162);
	for (uint64_t n = 1; n <= MOST; n++) {
		struct tree *t = tree_new(n);

		by_definition(0, n, root);
		for (int density = 0; density <= 3; density++) {
			struct merkle_frontier f = { 0 };
			struct merkle_gap g = { 0 };
			uint64_t index;
			int level;

			for (uint64_t i = 0; i <= n; i++) {
				if (i < n && rand() % 9 >= density * density)
					continue;
				g.end = i;
				while (merkle_gap_next(&g, &level, &index)) {
					assert_int_equal(f.size, index << level);
					assert_true((index + 1) << level <= i);
					assert_true(merkle_append_subtree(h, &f, level, t->node[level][index]));
				}
				assert_int_equal(f.size, i);
				if (i < n)
					merkle_append(h, &f, leaves[i]);
				g.at = i + 1;
			}
			merkle_root(h, &f, got);
			assert_memory_equal(got, root, MERKLE_HASH);
		}
		free(t);
	}
}

/* A subtree is in a gap exactly when it is whole within it and its parent is not. */
static void
gaps_are_maximal(void **state)
{
	(void)state;
	for (uint64_t a = 0; a < 70; a++)
		for (uint64_t b = a; b < 140; b++) {
			struct merkle_gap g = { a, b };
			uint64_t index, at = a;
			int level;

			while (merkle_gap_next(&g, &level, &index)) {
				uint64_t up_from = index >> 1 << (level + 1), up_to = ((index >> 1) + 1) << (level + 1);

				assert_int_equal(index << level, at);
				at = (index + 1) << level;
				assert_true(at <= b && (up_from < a || up_to > b));
			}
			assert_int_equal(at, b);
		}
}

static void
refused_subtrees(void **state)
{
	struct merkle_frontier f = { 0 };
	uint8_t hash[MERKLE_HASH] = { 1 };

	(void)state;
	assert_false(merkle_append_subtree(h, &f, -1, hash));
	assert_false(merkle_append_subtree(h, &f, MERKLE_LEVELS, hash));
	assert_true(merkle_append_subtree(h, &f, 62, hash));
	assert_false(merkle_append_subtree(h, &f, 62, hash));
	assert_true(merkle_append_subtree(h, &f, 1, hash));
	assert_false(merkle_append_subtree(h, &f, 2, hash));
	assert_true(merkle_append_subtree(h, &f, 0, hash));
	assert_false(merkle_append_subtree(h, &f, 1, hash));
	assert_int_equal(f.size, (UINT64_C(1) << 62) + 3);
}

/* Each node of a tree, out of its tile. */
static void
tiles(void **state)
{
	static uint8_t tile[MERKLE_TILE_WIDTH][MERKLE_HASH];
	uint8_t got[MERKLE_HASH];
	struct tree *t;

	(void)state;
	random_leaves(7);
	t = tree_new(256);
	memcpy(tile, leaves, sizeof(tile));
	for (int l = 0; l < 8; l++)
		for (uint64_t i = 0; i < 256u >> l; i++) {
			struct merkle_tile where = merkle_tile_of(l, i);

			assert_int_equal(where.level, 0);
			assert_int_equal(where.index, 0);
			merkle_tile_root(h, tile[where.first], where.count, got);
			assert_memory_equal(got, t->node[l][i], MERKLE_HASH);
		}
	/* The root of a whole tile is a hash of the tile above. */
	merkle_tile_root(h, tile[0], MERKLE_TILE_WIDTH, got);
	assert_memory_equal(got, t->node[8][0], MERKLE_HASH);
	assert_int_equal(merkle_tile_of(8, 3).level, 1);
	assert_int_equal(merkle_tile_of(8, 3).first, 3);
	assert_int_equal(merkle_tile_of(8, 3).count, 1);
	assert_int_equal(merkle_tile_of(17, 300).level, 2);
	assert_int_equal(merkle_tile_of(17, 300).index, 2);
	assert_int_equal(merkle_tile_of(17, 300).first, 600 - 512);
	assert_int_equal(merkle_tile_of(17, 300).count, 2);
	assert_int_equal(merkle_tiles(0, 255), 0);
	assert_int_equal(merkle_tiles(0, 513), 2);
	assert_int_equal(merkle_tiles(1, 65536 * 3 + 7), 3);
	assert_int_equal(merkle_tiles(7, UINT64_MAX >> 1), 0);
	free(t);
}

/* It is on the writer's heels: appending costs about one hash for each leaf. (Generous: a sanitizer's build is slow.) */
static void
fast_enough(void **state)
{
	struct merkle_frontier f = { 0 };
	struct timespec a, b;
	double seconds;

	(void)state;
	random_leaves(8);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < 1000000; i++)
		merkle_append(h, &f, leaves[i % MOST]);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	print_message("a million leaves in %.2f s\n", seconds);
	assert_true(seconds < 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_roots),
		cmocka_unit_test(known_proofs),
		cmocka_unit_test(every_size),
		cmocka_unit_test(every_inclusion),
		cmocka_unit_test(every_consistency),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(reader_fails),
		cmocka_unit_test(gaps),
		cmocka_unit_test(gaps_are_maximal),
		cmocka_unit_test(refused_subtrees),
		cmocka_unit_test(tiles),
		cmocka_unit_test(fast_enough),
	};
	int rc;

	h = hasher_new();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	hasher_free(h);
	return rc;
}
