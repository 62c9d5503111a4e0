/*
 * log_verify_swap: rows whose content is not what their leaf says: are two of them in each other's places?
 */
#include "archive/verify/log_verify_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proof/canonical.h"

/* The leaf that this content has in another place of the log: field 2 of the form is the index. */
static void
leaf_at(const struct run *r, const struct suspect *s, uint64_t index, uint8_t out[MERKLE_HASH])
{
	char *form = mem_alloc(s->n + 1);

	memcpy(form, s->form, s->n);
	canonical_field64(form + 12, index);
	canonical_leaf(r->h, s->salt, form, s->n, out);
	free(form);
}

static bool
are_swapped(const struct run *r, const struct suspect *a, const struct suspect *b)
{
	uint8_t leaf[MERKLE_HASH];

	leaf_at(r, a, b->index, leaf);
	if (memcmp(leaf, a->leaf, MERKLE_HASH) != 0)
		return false;
	leaf_at(r, b, a->index, leaf);
	return memcmp(leaf, b->leaf, MERKLE_HASH) == 0;
}

static void
say_altered(const struct suspect *s, struct findings *l)
{
	finding_add(l, "altered", s->index, s->id, "record %" PRIu64 " (log index %" PRIu64 ") is not what was recorded", s->id, s->index);
}

/* The last word on rows whose content does not match their leaf. */
void
verify_judge_suspects(struct run *r)
{
	struct findings l = { 0 };

	for (size_t i = 0; i < r->nsuspects; i++) {
		struct suspect *a = &r->suspect[i];

		for (size_t j = i + 1; j < r->nsuspects && !a->told; j++) {
			struct suspect *b = &r->suspect[j];

			if (b->told || !are_swapped(r, a, b))
				continue;
			a->told = b->told = true;
			finding_add(&l, "swapped", a->index, a->id, "the records %" PRIu64 " and %" PRIu64 " are in each other's places, log indexes %" PRIu64
				" and %" PRIu64, a->id, b->id, a->index, b->index);
		}
		if (!a->told)
			say_altered(a, &l);
		free(a->form);
	}
	r->nsuspects = 0;
	verify_tell(r, &l);
	free(l.f);
}

void
verify_take_suspects(struct run *r, struct chunk *c, struct findings *l)
{
	for (size_t i = 0; i < c->nsuspects; i++) {
		if (r->nsuspects == VERIFY_SUSPECTS_ALL) {
			say_altered(&c->suspect[i], l);
			continue;
		}
		r->suspect[r->nsuspects++] = c->suspect[i];
		c->suspect[i].form = NULL;
	}
}
