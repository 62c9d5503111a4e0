/*
 * component_way: see component_way.h. A way exists while there is a stream or something waits.
 */
#include "core/component/component_way.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/component/component_priv.h"
#include "core/component/component_rules.h"
#include "core/federation/outbox.h"
#include "core/federation/route_queue.h"
#include "core/home.h"
#include "core/route/router.h"
#include "net/conn.h"
#include "xmpp/ns.h"

#define WINDOW_BYTES 262144 /* of output that the kernel has not taken: the rest waits here */
#define TICK_MS 200  /* how often is looked whether the component's kernel has what was sent */
#define SETTLE_MS 500 /* how long what has waited waits for <enable/> */
#define LIVED_MS 100 /* and the stream has to have lived so long since */

struct way {
	struct list here;    /* of this home */
	struct list all;     /* under lock, while there is a stream */
	struct component *c; /* NULL: there is no stream */
	struct route_queue q;
	unsigned written;    /* the first so many of q have been written to it */
	struct timer patience; /* for the oldest, while there is no stream */
	struct timer tick;   /* for the probe */
	struct timer settling; /* the stream is new, and much waits: it may say first how it counts */
	struct {
		bool set;
		int64_t since_ms;
		uint64_t upto, given;
	} probe;
	char domain[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list all = { &all, &all };
static _Thread_local struct list ways;

static void expire(struct timer *t);
static void tick(struct timer *t);

/* The table */

static struct way *
find(const char *domain)
{
	LIST_EACH(l, &ways) {
		struct way *w = LIST_ENTRY(l, struct way, here);

		if (!strcmp(w->domain, domain))
			return w;
	}
	return NULL;
}

static struct way *
find_or_make(const char *domain)
{
	struct way *w = find(domain);

	if (w)
		return w;
	w = mem_zalloc(sizeof(*w) + strlen(domain) + 1);
	strcpy(w->domain, domain);
	list_append(&ways, &w->here);
	return w;
}

/* Frees it when it is of no more use. */
static void
settle(struct way *w)
{
	if (w->c || w->q.n)
		return;
	timer_clear(&w->patience);
	timer_clear(&w->tick);
	timer_clear(&w->settling);
	route_queue_fini(&w->q);
	list_remove(&w->here);
	free(w);
}

void
component_way_each(void (*fn)(void *arg, const char *domain), void *arg)
{
	pthread_mutex_lock(&lock);
	LIST_EACH(l, &all)
		fn(arg, LIST_ENTRY(l, struct way, all)->domain);
	pthread_mutex_unlock(&lock);
}

/* Back to the sender */

/* Somebody waits for an answer. Presence goes unsaid, but for what changes a subscription, and for who wants to enter a room. */
static bool
is_awaited(const struct packet *p)
{
	if (p->kind == PACKET_PRESENCE)
		return packet_is_subscription(p) || (p->type == TYPE_NONE && elem_child(p->st->root, NS_MUC, "x"));
	return true;
}

/* Takes the reference. */
static void
give_back(struct packet *p, enum xerror e, const char *text)
{
	outbox_returned(p);
	if (is_awaited(p)) {
		metric_add(METRIC_COMPONENT_RETURNED, 1);
		router_refuse(p, e, "wait", text);
	}
	packet_unref(p);
}

static struct packet *
take(struct way *w)
{
	w->written -= w->written > 0;
	metric_add(METRIC_COMPONENT_KEPT, -1);
	return route_queue_pop(&w->q);
}

static void
return_all(struct way *w, enum xerror e, const char *text)
{
	while (w->q.n)
		give_back(take(w), e, text);
	timer_clear(&w->patience);
}

/* What is recorded as on its way waits, as a crash does not lose it. Who sent anything else is told at once. */
static bool
is_keepable(const struct packet *p)
{
	return p->kind == PACKET_MESSAGE && p->type != TYPE_ERROR && outbox_has(p);
}

/* What was left when a stream ended, or came while there was none: messages wait where they may, the rest goes back. In order. */
static void
keep_messages(struct way *w, bool keep)
{
	for (unsigned n = w->q.n; n; n--) {
		int64_t since_ms = route_queue_at(&w->q, 0)->since_ms;
		struct packet *p = take(w);

		if (keep && is_keepable(p)) {
			p->delayed = true;
			route_queue_push(&w->q, p, since_ms);
			metric_add(METRIC_COMPONENT_KEPT, 1);
		} else {
			give_back(p, XERROR_SERVICE_UNAVAILABLE, "the component was disconnected");
		}
	}
}

/* What has waited for too long. */
static void
watch(struct way *w)
{
	int64_t due;

	if (w->c || !w->q.n || timer_is_set(&w->patience))
		return;
	due = route_queue_at(&w->q, 0)->since_ms + (int64_t)home_config()->components.keep_ms - reactor_now_ms(reactor_current());
	timer_set(&w->patience, due > 0 ? due : 0, expire);
}

static void
expire(struct timer *t)
{
	struct way *w = LIST_ENTRY(t, struct way, patience);
	int64_t then = reactor_now_ms(reactor_current()) - (int64_t)home_config()->components.keep_ms;
	unsigned n = 0;

	for (; !w->c && w->q.n && route_queue_at(&w->q, 0)->since_ms <= then; n++)
		give_back(take(w), XERROR_REMOTE_SERVER_TIMEOUT, "the component was not connected for too long");
	if (n)
		log_warning(NULL, "component-returned", "domain=%s stanzas=%u", w->domain, n);
	watch(w);
	settle(w);
}

/* To the stream */

static bool
keeps(const struct way *w)
{
	return w->c->rules->keep;
}

static void
pump(struct way *w)
{
	struct conn *conn = w->c->conn;

	if (timer_is_set(&w->settling))
		return;
	while (w->written < w->q.n && conn_mark(conn) - conn_flushed(conn) < WINDOW_BYTES) {
		struct going *g = route_queue_at(&w->q, w->written);

		g->upto = component_stream_write(w->c, g->p);
		w->written++;
	}
	if (w->written && keeps(w) && !w->c->sm.on && !timer_is_set(&w->tick))
		timer_set(&w->tick, TICK_MS, tick);
}

static void
confirm(struct way *w, unsigned n)
{
	while (n-- && w->written) {
		struct packet *p = take(w);

		outbox_settled(p);
		packet_unref(p);
	}
}

static void
begin_probe(struct way *w)
{
	uint64_t acked;

	w->probe.upto = conn_flushed(w->c->conn);
	w->probe.since_ms = reactor_now_ms(reactor_current());
	w->probe.set = !conn_tcp_progress(w->c->conn, &w->probe.given, &acked);
}

/* Those that were written up to here. */
static void
confirm_upto(struct way *w, uint64_t upto)
{
	unsigned n = 0;

	while (n < w->written && route_queue_at(&w->q, n)->upto <= upto)
		n++;
	confirm(w, n);
}

static void
tick(struct timer *t)
{
	struct way *w = LIST_ENTRY(t, struct way, tick);
	int64_t now = reactor_now_ms(reactor_current());
	uint64_t given, acked;

	if (!w->c || w->c->sm.on || !w->written)
		return;
	/* A local socket: what its kernel has, is there. */
	if (conn_tcp_progress(w->c->conn, &given, &acked)) {
		confirm_upto(w, conn_flushed(w->c->conn));
	} else if (w->probe.set && acked >= w->probe.given && now - w->probe.since_ms >= LIVED_MS) {
		confirm_upto(w, w->probe.upto);
		w->probe.set = false;
	}
	if (!w->probe.set)
		begin_probe(w);
	if (w->written)
		timer_set(&w->tick, TICK_MS, tick);
	else
		w->probe.set = false;
	pump(w);
}

/* From the rest of the server */

/* Is there room for one more? What comes from the record after a start was there before. */
static bool
has_room(const struct way *w, const struct packet *p)
{
	const struct limits *l = &home_config()->limits;

	if (p->delayed)
		return true;
	if (w->c && !keeps(w))
		return w->q.bytes <= l->component_queue_bytes;
	return w->q.n < l->component_kept_stanzas && w->q.bytes < l->component_kept_bytes;
}

static bool
may_wait(const char *domain, const struct packet *p)
{
	struct component_rules *r = component_rules_get(domain);
	bool may = r && r->enabled && r->keep && is_keepable(p);

	component_rules_unref(r);
	return may;
}

void
component_way_send(struct packet *p)
{
	const char *domain = jid_domain(p->to);
	struct way *w = find(domain);

	if (!(w && w->c) && !may_wait(domain, p)) {
		give_back(p, XERROR_SERVICE_UNAVAILABLE, "the component is not connected");
		return;
	}
	if (!w)
		w = find_or_make(domain);
	if (!has_room(w, p)) {
		metric_add(METRIC_COMPONENT_FULL, 1);
		give_back(p, XERROR_RESOURCE_CONSTRAINT, w->c ? "the component does not keep up" : "too much is waiting for the component already");
		settle(w);
		return;
	}
	p->delayed |= !w->c;
	route_queue_push(&w->q, p, reactor_now_ms(reactor_current()));
	metric_add(METRIC_COMPONENT_KEPT, 1);
	if (w->c)
		pump(w);
	else
		watch(w);
}

void
component_way_tell(struct component *c, struct packet *p)
{
	route_queue_push(&c->way->q, p, reactor_now_ms(reactor_current()));
	metric_add(METRIC_COMPONENT_KEPT, 1);
	pump(c->way);
}

bool
component_way_join(struct component *c)
{
	struct way *w = find_or_make(jid_domain(c->jid));

	if (w->c)
		return false;
	w->c = c;
	c->way = w;
	w->written = 0;
	w->probe.set = false;
	timer_clear(&w->patience);
	pthread_mutex_lock(&lock);
	list_append(&all, &w->all);
	pthread_mutex_unlock(&lock);
	if (w->q.n)
		log_info(NULL, "component-kept-sent", "domain=%s stanzas=%u", w->domain, w->q.n);
	return true;
}

static void
settled(struct timer *t)
{
	pump(LIST_ENTRY(t, struct way, settling));
}

/* What is written before counting begins is confirmed as a whole by the first answer, however much it is: so it had better be little. */
void
component_way_ready(struct component *c)
{
	if (c->way->q.n && keeps(c->way))
		timer_set(&c->way->settling, SETTLE_MS, settled);
	else
		pump(c->way);
}

void
component_way_counts(struct component *c)
{
	timer_clear(&c->way->settling);
	pump(c->way);
}

void
component_way_leave(struct component *c)
{
	struct way *w = c->way;

	c->way = NULL;
	w->c = NULL;
	w->written = 0;
	timer_clear(&w->tick);
	timer_clear(&w->settling);
	pthread_mutex_lock(&lock);
	list_remove(&w->all);
	pthread_mutex_unlock(&lock);
	keep_messages(w, c->rules->keep);
	watch(w);
	settle(w);
}

void
component_way_flushed(struct component *c, uint64_t upto)
{
	struct way *w = c->way;

	if (!w)
		return;
	if (!c->sm.on && !keeps(w))
		confirm_upto(w, upto);
	pump(w);
}

void
component_way_confirmed(struct component *c, uint32_t n)
{
	confirm(c->way, n);
	pump(c->way);
}

uint32_t
component_way_written(const struct component *c)
{
	return c->way->written;
}

/* Nothing waits for who may not come any more, or does not want it. */
void
component_way_review(void)
{
	LIST_EACH(l, &ways) {
		struct way *w = LIST_ENTRY(l, struct way, here);
		struct component_rules *r = component_rules_get(w->domain);

		if (!w->c && !(r && r->enabled && r->keep))
			return_all(w, XERROR_SERVICE_UNAVAILABLE, "the component is not connected");
		component_rules_unref(r);
		settle(w);
	}
}

void
component_way_home_start(void)
{
	list_init(&ways);
}

void
component_way_home_stop(void)
{
	LIST_EACH(l, &ways) {
		struct way *w = LIST_ENTRY(l, struct way, here);

		while (!w->c && w->q.n)
			packet_unref(take(w)); /* in the record it stays on its way */
		settle(w);
	}
}
