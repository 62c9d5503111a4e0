/*
 * merkle_proof: inclusion and consistency proofs, made and verified (see merkle.h).
 *
 * RFC 9162 defines both by recursion from the root; here the same walk is a loop that narrows [lo, hi) and notes the siblings on its way
 * down. They are hashed when the walk is over, lowest first, as the order of a proof is.
 */
#include "proof/merkle.h"

#include <string.h>

/* A range of leaves, and where the hash over it goes. */
struct range {
	uint64_t lo, hi;
};

struct walk {
	unsigned n;
	struct range sibling[MERKLE_PROOF_MAX]; /* highest first */
};

static void
note(struct walk *w, uint64_t lo, uint64_t hi)
{
	w->sibling[w->n++] = (struct range){ lo, hi };
}

/* The largest power of two that is smaller than n, which is 2 at least. */
static uint64_t
split(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* MTH over leaves [lo, hi), where lo is a multiple of the smallest power of two that is not below hi - lo: as such ranges are that one
 * gets by splitting. Its perfect subtrees are folded from the right. */
static int
range_hash(struct hasher *h, struct range r, merkle_node_fn node, void *arg, uint8_t out[MERKLE_HASH])
{
	struct merkle_gap g = { r.lo, r.hi };
	uint8_t part[MERKLE_LEVELS + 1][MERKLE_HASH];
	unsigned n = 0;
	uint64_t index;
	int level;

	while (merkle_gap_next(&g, &level, &index))
		if (node(arg, level, index, part[n++]) != 0)
			return -1;
	if (!n) {
		merkle_empty(out);
		return 0;
	}
	memcpy(out, part[--n], MERKLE_HASH);
	while (n)
		merkle_node(h, part[--n], out, out);
	return 0;
}

static int
finish(struct hasher *h, const struct walk *w, merkle_node_fn node, void *arg, struct merkle_proof *p)
{
	p->n = 0;
	for (unsigned i = w->n; i-- > 0; p->n++)
		if (range_hash(h, w->sibling[i], node, arg, p->hash[p->n]) != 0)
			return -1;
	return 0;
}

int
merkle_root_of(struct hasher *h, uint64_t size, merkle_node_fn node, void *arg, uint8_t out[MERKLE_HASH])
{
	if (size > MERKLE_SIZE_MAX)
		return -1;
	return range_hash(h, (struct range){ 0, size }, node, arg, out);
}

int
merkle_prove_inclusion(struct hasher *h, uint64_t index, uint64_t size, merkle_node_fn node, void *arg, struct merkle_proof *p)
{
	struct walk w = { 0 };
	uint64_t lo = 0, hi = size, k;

	if (index >= size || size > MERKLE_SIZE_MAX)
		return -1;
	while (hi - lo > 1) {
		k = split(hi - lo);
		if (index < lo + k) {
			note(&w, lo + k, hi);
			hi = lo + k;
		} else {
			note(&w, lo, lo + k);
			lo += k;
		}
	}
	return finish(h, &w, node, arg, p);
}

int
merkle_prove_consistency(struct hasher *h, uint64_t old, uint64_t size, merkle_node_fn node, void *arg, struct merkle_proof *p)
{
	struct walk w = { 0 };
	uint64_t lo = 0, hi = size, k;

	p->n = 0;
	if (old > size || size > MERKLE_SIZE_MAX)
		return -1;
	if (!old || old == size)
		return 0;
	/* Down to the subtree that ends where the old tree did. */
	while (hi != old) {
		k = split(hi - lo);
		if (old <= lo + k) {
			note(&w, lo + k, hi);
			hi = lo + k;
		} else {
			note(&w, lo, lo + k);
			lo += k;
		}
	}
	/* That is the old tree itself, which the verifier has, or a part of it, which the proof says. */
	if (lo)
		note(&w, lo, hi);
	return finish(h, &w, node, arg, p);
}

bool
merkle_verify_inclusion(struct hasher *h, uint64_t index, uint64_t size, const uint8_t leaf[MERKLE_HASH], const struct merkle_proof *p,
	const uint8_t root[MERKLE_HASH])
{
	uint64_t fn = index, sn = size - 1;
	uint8_t r[MERKLE_HASH];

	if (index >= size || size > MERKLE_SIZE_MAX || p->n > MERKLE_PROOF_MAX)
		return false;
	memcpy(r, leaf, MERKLE_HASH);
	for (unsigned i = 0; i < p->n; i++) {
		if (!sn)
			return false;
		if (fn & 1 || fn == sn) {
			merkle_node(h, p->hash[i], r, r);
			for (; !(fn & 1) && fn; fn >>= 1)
				sn >>= 1;
		} else {
			merkle_node(h, r, p->hash[i], r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && crypt_equal(r, root, MERKLE_HASH);
}

bool
merkle_verify_consistency(struct hasher *h, uint64_t old, uint64_t size, const uint8_t old_root[MERKLE_HASH],
	const uint8_t root[MERKLE_HASH], const struct merkle_proof *p)
{
	uint8_t fr[MERKLE_HASH], sr[MERKLE_HASH];
	uint64_t fn = old - 1, sn = size - 1;
	unsigned i = 0;

	if (old > size || size > MERKLE_SIZE_MAX || p->n > MERKLE_PROOF_MAX)
		return false;
	if (old == size)
		return !p->n && crypt_equal(old_root, root, MERKLE_HASH);
	if (!old) {
		/* Every tree begins as the empty one: there is nothing to prove, but it must be that one. */
		merkle_empty(fr);
		return !p->n && crypt_equal(old_root, fr, MERKLE_HASH);
	}
	for (; fn & 1; fn >>= 1)
		sn >>= 1;
	/* When old is a power of two the old root itself stands where the proof would begin. */
	if (fn) {
		if (!p->n)
			return false;
		memcpy(fr, p->hash[i++], MERKLE_HASH);
	} else {
		memcpy(fr, old_root, MERKLE_HASH);
	}
	memcpy(sr, fr, MERKLE_HASH);
	for (; i < p->n; i++) {
		if (!sn)
			return false;
		if (fn & 1 || fn == sn) {
			merkle_node(h, p->hash[i], fr, fr);
			merkle_node(h, p->hash[i], sr, sr);
			for (; !(fn & 1) && fn; fn >>= 1)
				sn >>= 1;
		} else {
			merkle_node(h, sr, p->hash[i], sr);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return !sn && crypt_equal(fr, old_root, MERKLE_HASH) && crypt_equal(sr, root, MERKLE_HASH);
}
