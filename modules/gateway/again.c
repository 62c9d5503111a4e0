#include "gateway/again.h"

#include "gateway/priv.h"

#define ASK_MS 2000
#define KEY "again" /* nothing is kept under it: whether the database answers is the question */

void
again_init(struct again *a)
{
	list_init(&a->back);
	list_init(&a->fresh);
}

bool
again_waits(const struct gateway *g)
{
	return g->again.n > 0;
}

static void
keep(struct gateway *g, struct list *where, struct offer *o)
{
	list_append(where, &o->link);
	g->again.n++;
}

void
again_forget(struct gateway *g, struct offer *o)
{
	if (list_is_empty(&o->link))
		return;
	list_remove(&o->link);
	g->again.n--;
}

void
again_offer(struct gateway *g, struct offer *o)
{
	list_init(&o->link);
	if (again_waits(g))
		keep(g, &g->again.fresh, o);
	else
		o->give(o);
}

/* What is still at chanceryd comes back behind it, and before what it was not given. */
void
again_hold(struct gateway *g, struct offer *o)
{
	struct again *a = &g->again;

	keep(g, &a->back, o);
	if (a->away)
		return;
	a->away = true;
	a->ask_ms = g->now_ms + ASK_MS;
	log_warning(NULL, "incoming-held", "waiting=%u", a->n);
}

/* Whatever it said: it could look. */
static void
on_answer(void *arg, const char *value)
{
	struct gateway *g = arg;

	(void)value;
	g->again.asking = g->again.away = false;
	log_info(NULL, "incoming-offered", "waiting=%u", g->again.n);
}

/* From the beginning behind each: who is told of one may end others, and their places with them. */
static void
drop_late(struct gateway *g, struct list *where)
{
	struct list *pos = where->next;

	while (pos != where) {
		struct offer *o = LIST_ENTRY(pos, struct offer, link);

		pos = pos->next;
		if (o->until_ms > g->now_ms)
			continue;
		o->late(o);
		pos = where->next;
	}
}

void
again_tick(struct gateway *g)
{
	struct again *a = &g->again;

	if (!again_waits(g) || g->stopping)
		return;
	drop_late(g, &a->back);
	drop_late(g, &a->fresh);
	if (!a->away || a->asking || g->now_ms < a->ask_ms || g->link.state != LINK_OPEN)
		return;
	a->asking = true;
	gateway_data_get(g, KEY, on_answer, g);
}

void
again_turn(struct gateway *g)
{
	struct again *a = &g->again;

	while (again_waits(g) && !a->away && !g->stopping && g->link.state == LINK_OPEN && g->link.waiting < g->limits->in_stanzas &&
	       g->link.waiting_bytes < g->limits->in_bytes) {
		struct offer *o = LIST_ENTRY(list_is_empty(&a->back) ? a->fresh.next : a->back.next, struct offer, link);

		again_forget(g, o);
		o->give(o);
	}
}
