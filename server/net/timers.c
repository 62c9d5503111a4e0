/*
 * timers: a binary heap of pointers; each timer knows its slot, so that moving and removing cost
 * O(log n) like everything else. Four bytes and a pointer per timer, no allocation per timer.
 */
#include "net/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/* slot is the index + 1, so that zero-initialised means unset. */
static void
place(struct timers *h, uint32_t i, struct timer *t)
{
	h->heap[i] = t;
	t->slot = i + 1;
}

static void
sift_up(struct timers *h, uint32_t i, struct timer *t)
{
	while (i > 0 && h->heap[(i - 1) / 2]->due_ms > t->due_ms) {
		place(h, i, h->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, t);
}

static void
sift_down(struct timers *h, uint32_t i, struct timer *t)
{
	uint32_t child;

	while ((child = 2 * i + 1) < h->count) {
		if (child + 1 < h->count && h->heap[child + 1]->due_ms < h->heap[child]->due_ms)
			child++;
		if (h->heap[child]->due_ms >= t->due_ms)
			break;
		place(h, i, h->heap[child]);
		i = child;
	}
	place(h, i, t);
}

static void
settle(struct timers *h, uint32_t i, struct timer *t)
{
	if (i > 0 && h->heap[(i - 1) / 2]->due_ms > t->due_ms)
		sift_up(h, i, t);
	else
		sift_down(h, i, t);
}

void
timers_fini(struct timers *h)
{
	for (uint32_t i = 0; i < h->count; i++)
		h->heap[i]->slot = 0;
	free(h->heap);
	*h = (struct timers){0};
}

void
timers_put(struct timers *h, struct timer *t)
{
	if (t->slot) {
		assert(t->slot <= h->count && h->heap[t->slot - 1] == t);
		settle(h, t->slot - 1, t);
		return;
	}
	if (h->count == h->room) {
		h->room = h->room ? 2 * h->room : 64;
		h->heap = mem_realloc(h->heap, h->room * sizeof(*h->heap));
	}
	h->count++;
	sift_up(h, h->count - 1, t);
}

void
timers_remove(struct timers *h, struct timer *t)
{
	struct timer *last;
	uint32_t i;

	if (!t->slot)
		return;
	assert(t->slot <= h->count && h->heap[t->slot - 1] == t);
	i = t->slot - 1;
	t->slot = 0;
	last = h->heap[--h->count];
	if (last != t)
		settle(h, i, last);
}

struct timer *
timers_first(const struct timers *h)
{
	return h->count ? h->heap[0] : NULL;
}
