/*
 * order: who is crossing, who waits for it, and who is alone (room.h).
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "room.h"

struct waiter {
	struct list link;
	struct room_gate *gate;
	void *parked;
	hook_then_fn then;
	void *data;
};

static enum hook_verdict
goes_on(struct hook *h, void *data, bool ok)
{
	struct waiter *w = data;

	(void)ok;
	return w->then(h, w->data, true);
}

enum hook_verdict
room_wait(struct hook *h, struct room_gate *g, void *data, hook_then_fn then)
{
	struct waiter *w;

	if (g->n >= module_limits()->room_waiting) {
		metric_add(METRIC_RATE_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too much is waiting in this room");
	}
	w = arena_zalloc(hook_memory(h), sizeof(*w));
	w->gate = g;
	w->then = then;
	w->data = data;
	list_append(&g->list, &w->link);
	g->n++;
	return hook_park(h, &w->parked, w, goes_on);
}

/* Those who wait now; who comes to wait meanwhile stays. */
static void
open_gate(struct room_gate *g)
{
	struct list all;

	if (!g->n)
		return;
	all = g->list;
	all.next->prev = all.prev->next = &all;
	list_init(&g->list);
	g->n = 0;
	for (struct list *l; (l = list_pop(&all)) != NULL;)
		hook_unpark(LIST_ENTRY(l, struct waiter, link)->parked);
}

/* Crossing */

struct room_crossing *
room_crossing(struct room *r, const struct jid *full, const char *key)
{
	LIST_EACH(l, &r->crossing) {
		struct room_crossing *c = LIST_ENTRY(l, struct room_crossing, link);

		if ((full && jid_equal(c->full, full)) || (key && !strcmp(c->key, key)))
			return c;
	}
	return NULL;
}

struct room_crossing *
room_crossing_begin(struct room *r, const struct jid *full, const char *nick, bool enters)
{
	struct room_crossing *c = NEW(struct room_crossing);

	c->full = jid_ref((struct jid *)full);
	c->key = room_nick_key(nick);
	c->enters = enters;
	list_init(&c->gate.list);
	list_append(&r->crossing, &c->link);
	r->entering += enters;
	return c;
}

void
room_crossing_end(struct room *r, struct room_crossing *c)
{
	list_remove(&c->link);
	r->entering -= c->enters;
	open_gate(&c->gate);
	jid_unref(c->full);
	free(c->key);
	free(c);
	if (list_is_empty(&r->crossing) && !r->alone)
		open_gate(&r->quiet);
}

/* Alone */

/* In the hook's memory, which goes when the hook has ended: that is when the next one may. */
struct room_alone {
	struct room *room;
	hook_then_fn then;
	void *data;
};

static void
no_longer_alone(void *arg)
{
	struct room_alone *a = arg;
	struct room *r = a->room;

	if (!r || r->alone != a)
		return;
	r->alone = NULL;
	open_gate(&r->quiet);
}

static enum hook_verdict
become_alone(struct hook *h, void *data, bool ok)
{
	struct room_alone *a = data;

	(void)ok;
	if (a->room->alone || !list_is_empty(&a->room->crossing))
		return room_wait(h, &a->room->quiet, a, become_alone);
	a->room->alone = a;
	return a->then(h, a->data, true);
}

enum hook_verdict
room_alone(struct hook *h, struct room *r, void *data, hook_then_fn then)
{
	struct room_alone *a = arena_zalloc(hook_memory(h), sizeof(*a));

	module_place_hold(h);
	a->room = r;
	a->then = then;
	a->data = data;
	arena_on_free(hook_memory(h), no_longer_alone, a);
	return become_alone(h, a, true);
}

void
room_order_fini(struct room *r)
{
	if (r->alone)
		r->alone->room = NULL;
}

/* Rates */

bool
room_count_take(struct room_count *c, int64_t span_us, uint64_t most)
{
	int64_t now = clock_mono_us();

	if (now - c->since_us >= span_us)
		*c = (struct room_count){ .since_us = now };
	return c->n < most && ++c->n;
}

bool
room_rate_take(struct room_rate *b, uint64_t rate, uint64_t burst)
{
	int64_t now = clock_mono_us();

	if (!b->at_us)
		b->left = (double)burst;
	else
		b->left += (double)(now - b->at_us) * (double)rate / 1e6;
	b->at_us = now;
	if (b->left > (double)burst)
		b->left = (double)burst;
	if (b->left < 1)
		return false;
	b->left -= 1;
	return true;
}
