/*
 * route_queue: stanzas on their way to another server, oldest first, in one ring. Those at the head that have been written to a stream
 * are told from the rest by number. Used by route.c.
 */
#ifndef CORE_ROUTE_QUEUE_H
#define CORE_ROUTE_QUEUE_H

#include <stdint.h>

#include "core/route/packet.h"

struct going {
	struct packet *p;
	uint64_t upto;     /* written: the end of it in the stream's output */
	int64_t since_ms;  /* since when it has waited */
	size_t bytes;
	bool again;        /* it has been written to a stream that was lost: then it has waited from there on, once */
};

/* Zero-initialised is empty and owns nothing. */
struct route_queue {
	struct going *ring;
	unsigned first, n, cap; /* cap: a power of two */
	size_t bytes;
};

void route_queue_fini(struct route_queue *q); /* must be empty */
/* Takes the reference. */
void route_queue_push(struct route_queue *q, struct packet *p, int64_t now_ms);
/* The oldest, out of the queue: the reference is the caller's. NULL when empty. */
struct packet *route_queue_pop(struct route_queue *q);
/* The i-th, from the oldest: 0 ≤ i < n. Valid until the next push. */
static inline struct going *
route_queue_at(const struct route_queue *q, unsigned i)
{
	return &q->ring[(q->first + i) & (q->cap - 1)];
}

#endif
