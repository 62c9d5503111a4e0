/*
 * again: what people at the network said, chanceryd cannot record for now, and nobody there will say again. It waits here, in order, and what is said meanwhile waits behind it. While
 * the database does not answer nothing is offered; when it does all is, as fast as chanceryd takes it.
 *
 * Each offer is its owner's: again only keeps its place.
 */
#ifndef GATEWAY_AGAIN_H
#define GATEWAY_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct gateway;

struct offer {
	struct list link;
	uint64_t until_ms;               /* then it is given up */
	void (*give)(struct offer *o);   /* to the stream */
	void (*late)(struct offer *o);   /* it was given up: it ends itself, or sets another until_ms */
};

struct again {
	struct list back;    /* what chanceryd gave back, */
	struct list fresh;   /* and what it was not given yet */
	unsigned n;
	bool away, asking;   /* the database does not answer; is being asked */
	uint64_t ask_ms;     /* not before */
};

void again_init(struct again *a);
/* Given at once, or behind those that wait. */
void again_offer(struct gateway *g, struct offer *o);
/* chanceryd has given it back. */
void again_hold(struct gateway *g, struct offer *o);
/* It does not wait any more. Harmless when it did not. */
void again_forget(struct gateway *g, struct offer *o);
bool again_waits(const struct gateway *g);
/* At the end of a turn, and every second. */
void again_turn(struct gateway *g);
void again_tick(struct gateway *g);

#endif
