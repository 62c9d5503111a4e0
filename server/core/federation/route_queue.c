/*
 * route_queue: a ring that doubles when it is full, and is given back when it is empty.
 */
#include "core/federation/route_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CAP_FIRST 16
#define CAP_KEPT 256 /* an empty ring that has grown beyond this is given back */

void
route_queue_fini(struct route_queue *q)
{
	assert(!q->n);
	free(q->ring);
	*q = (struct route_queue){ 0 };
}

static void
grow(struct route_queue *q)
{
	unsigned cap = q->cap ? q->cap * 2 : CAP_FIRST, tail = q->cap - q->first;
	struct going *ring = mem_alloc(cap * sizeof(*ring));

	if (q->n) {
		/* It is full: what is behind `first` up to the end, then what went round. */
		memcpy(ring, q->ring + q->first, tail * sizeof(*ring));
		memcpy(ring + tail, q->ring, q->first * sizeof(*ring));
	}
	free(q->ring);
	q->ring = ring;
	q->first = 0;
	q->cap = cap;
}

void
route_queue_push(struct route_queue *q, struct packet *p, int64_t now_ms)
{
	struct going *g;

	if (q->n == q->cap)
		grow(q);
	q->n++;
	g = route_queue_at(q, q->n - 1);
	*g = (struct going){ .p = p, .since_ms = now_ms, .bytes = packet_size(p) };
	q->bytes += g->bytes;
}

struct packet *
route_queue_pop(struct route_queue *q)
{
	struct going g;

	if (!q->n)
		return NULL;
	g = *route_queue_at(q, 0);
	q->first = (q->first + 1) & (q->cap - 1);
	q->n--;
	q->bytes -= g.bytes;
	if (!q->n && q->cap > CAP_KEPT)
		route_queue_fini(q);
	return g.p;
}
