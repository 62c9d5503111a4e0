/*
 * chance: see chance.h.
 */
#include "chance.h"

#include <stdlib.h>

#include "base/mem.h"

void
chance_zipf(struct chance_table *t, uint32_t n, double shift)
{
	uint32_t *small = mem_alloc(n * sizeof(*small)), *large = mem_alloc(n * sizeof(*large)), nsmall = 0, nlarge = 0;
	double sum = 0;

	*t = (struct chance_table){ .n = n, .stay = mem_alloc(n * sizeof(*t->stay)), .other = mem_zalloc(n * sizeof(*t->other)) };
	for (uint32_t i = 0; i < n; i++)
		sum += t->stay[i] = 1 / (i + shift);
	for (uint32_t i = 0; i < n; i++) {
		t->stay[i] *= n / sum;
		if (t->stay[i] < 1)
			small[nsmall++] = i;
		else
			large[nlarge++] = i;
	}
	/* What a small one lacks to an even share is a large one's. */
	while (nsmall && nlarge) {
		uint32_t s = small[--nsmall], l = large[nlarge - 1];

		t->other[s] = l;
		t->stay[l] -= 1 - t->stay[s];
		if (t->stay[l] < 1) {
			nlarge--;
			small[nsmall++] = l;
		}
	}
	while (nlarge)
		t->stay[large[--nlarge]] = 1;
	while (nsmall)
		t->stay[small[--nsmall]] = 1;
	free(small);
	free(large);
}

void
chance_fini(struct chance_table *t)
{
	free(t->stay);
	free(t->other);
}

uint32_t
chance_draw(struct chance *c, const struct chance_table *t)
{
	uint32_t i = chance_below(c, t->n);

	return (double)(chance_next(c) >> 11) * 0x1p-53 < t->stay[i] ? i : t->other[i];
}
