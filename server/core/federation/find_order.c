/*
 * find_order: the choice between SRV records.
 */
#include "core/federation/find_order.h"

#include "base/crypt.h"

/* 0 to `most`; what a remainder is off by does not matter with 64 bits. */
static size_t
chance(size_t most)
{
	uint64_t r;

	crypt_random(&r, sizeof(r));
	return (size_t)(r % ((uint64_t)most + 1));
}

static void
swap(struct find_choice *a, struct find_choice *b)
{
	struct find_choice c = *a;

	*a = *b;
	*b = c;
}

/* Those of weight 0 have a chance only where the drawn number is 0 (RFC 2782, "Weight"). */
static size_t
draw(const struct find_choice *c, size_t n, unsigned priority)
{
	size_t sum = 0, last = 0, drawn;

	for (size_t i = 0; i < n; i++)
		if (c[i].srv.priority == priority)
			sum += c[i].srv.weight;
	drawn = chance(sum);
	for (int weighty = drawn > 0; weighty <= 1; weighty++)
		for (size_t i = 0; i < n; i++) {
			if (c[i].srv.priority != priority || (c[i].srv.weight > 0) != weighty)
				continue;
			last = i;
			if (c[i].srv.weight >= drawn)
				return i;
			drawn -= c[i].srv.weight;
		}
	return last;
}

void
find_order(struct find_choice *c, size_t n)
{
	unsigned priority;

	/* Equal ones in any order. */
	for (size_t i = n; i > 1; i--)
		swap(&c[i - 1], &c[chance(i - 1)]);
	for (size_t i = 0; i < n; i++) {
		priority = c[i].srv.priority;
		for (size_t k = i; k < n; k++)
			if (c[k].srv.priority < priority)
				priority = c[k].srv.priority;
		swap(&c[i], &c[i + draw(c + i, n - i, priority)]);
	}
}
