/*
 * lane: entries in order, each waiting for policy, for the record or for a service that records it, or ready to leave.
 *
 * References: the session holds one until lane_orphan, each hold one, each entry that a module or the archive writer has
 * one. `running` guards against leaving twice when a handler pushes or releases.
 */
#include "core/route/lane.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/component/component.h"
#include "core/component/privilege.h"
#include "core/federation/federation.h"
#include "core/route/content.h"
#include "core/route/exchange.h"
#include "core/route/saying.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module/chain.h"
#include "core/module/modules.h"
#include "core/route/router.h"
#include "core/service/service.h"
#include "core/session.h"
#include "core/user.h"
#include "store/record.h"

enum entry_state {
	ENTRY_UNCHECKED, /* behind one that is CHECKING: policy has not been asked yet */
	ENTRY_CHECKING,  /* a module of SEND_CHECK waits for something, then decides */
	ENTRY_RECORDING, /* the archive writer has it */
	ENTRY_READY,     /* may leave */
	ENTRY_TO_HAND,   /* for a service that records it itself: goes there when its turn has come */
	ENTRY_HANDED,    /* is there: comes back when that is done with it */
	ENTRY_DONE,      /* answered already: leaves only to be counted */
};

/* What an IQ for us must not overtake: nothing of it; one of type set; any. */
enum barrier { BARRIER_NONE, BARRIER_SET, BARRIER_ANY, BARRIERS };

struct entry {
	struct list link;
	struct lane *lane;
	struct packet *p;        /* NULL: handed */
	enum entry_state state;
	enum barrier barrier;    /* counted in lane.barriers */
	size_t bytes;
	struct record_entry rec;
	struct mail back;        /* HANDED: its way back, to rec.home */
};

struct lane {
	struct session *session; /* NULL: orphan, or of somebody else */
	struct user *user;       /* an orphan's, pinned, as long as some of it is UNCHECKED */
	bool foreign;            /* lane_new_for */
	struct user *of_user;    /* lane_new_of: pinned as long as the lane is */
	struct lane_owner of;    /* foreign and no orphan */
	void *owner;
	struct list entries;
	unsigned n, refs, holds;
	size_t bytes;
	unsigned checking, unchecked;
	unsigned barriers[BARRIERS]; /* entries that an IQ for us must not overtake: presence, IQs for us */
	struct sayings *said;    /* what is in the record of what its senders say by presence */
	struct jid *handing;     /* where the HANDED ones at the head went; NULL: none has been handed */
	bool handing_alone;      /* and nothing is handed behind it */
	bool running, full;
};

static atomic_uint total, held;

unsigned
lane_total(void)
{
	return atomic_load_explicit(&total, memory_order_relaxed);
}

struct lane *
lane_new(struct session *s)
{
	struct lane *l = NEW(struct lane);

	l->session = s;
	l->refs = 1;
	list_init(&l->entries);
	return l;
}

struct lane *
lane_new_for(const struct lane_owner *o, void *owner)
{
	struct lane *l = lane_new(NULL);

	l->foreign = true;
	l->of = *o;
	l->owner = owner;
	return l;
}

struct lane *
lane_new_of(struct user *u, const struct lane_owner *o, void *owner)
{
	struct lane *l = lane_new_for(o, owner);

	l->of_user = u;
	user_pin(u);
	return l;
}

void
lane_set_owner(struct lane *l, const struct lane_owner *o, void *owner)
{
	l->of.changed = o->changed;
	l->of.left = o->left;
	l->owner = owner;
}

static void
unref(struct lane *l)
{
	if (--l->refs)
		return;
	jid_unref(l->handing);
	sayings_free(l->said);
	if (l->of_user)
		user_unpin(l->of_user);
	free(l);
}

unsigned
lane_depth(const struct lane *l)
{
	return l->n;
}

bool
lane_is_full(const struct lane *l)
{
	const struct limits *m = &home_config()->limits;

	return l->n >= (l->of.stanzas ? l->of.stanzas : m->lane_stanzas) || l->bytes >= m->lane_bytes;
}

static void
tell_full(struct lane *l)
{
	bool full = lane_is_full(l);

	if (full == l->full)
		return;
	l->full = full;
	if (full)
		metric_add(METRIC_LANE_FULL, 1);
	if (l->session)
		session_lane_changed(l->session);
	if (l->of.changed)
		l->of.changed(l->owner);
}

/* Out of the lane: what a user's session sends means different things (router_leave_lane), the rest just goes on. */
static void
pass_on(struct lane *l, struct packet *p)
{
	if (l->of_user)
		router_leave_delegated(l->of_user, p);
	else if (l->foreign)
		router_send(p);
	else
		router_leave_lane(l->session, p);
}

static void
leave(struct lane *l, struct entry *e)
{
	struct packet *p = e->p;
	bool done = e->state == ENTRY_DONE;

	list_remove(&e->link);
	l->n--;
	l->bytes -= e->bytes;
	l->barriers[e->barrier]--;
	atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
	free(e);
	/* Counted first: what routing does may end the session. */
	if (l->session)
		session_handled(l->session);
	if (l->of.left)
		l->of.left(l->owner);
	if (done)
		packet_unref(p);
	else
		pass_on(l, p);
}

static void run(struct lane *l);

static void
came_back(struct mail *m)
{
	struct entry *e = LIST_ENTRY(m, struct entry, back);
	struct lane *l = e->lane;

	e->state = ENTRY_DONE;
	run(l);
	unref(l);
}

/* Where the packet ended. */
static void
send_back(void *arg)
{
	struct entry *e = arg;

	reactor_post(e->rec.home, &e->back);
}

static void
hand_over(struct entry *e)
{
	struct packet *p = e->p;

	e->p = NULL;
	e->state = ENTRY_HANDED;
	e->back.run = came_back;
	e->lane->refs++;
	e->rec.home = reactor_current();
	p->ended = send_back;
	p->ended_arg = e;
	if (p->via && !e->lane->of_user)
		privilege_send(p);
	else
		router_send(p);
}

/* Those at the head that are for one address follow one another without waiting: they keep their order on the way and there. What is sent in the
 * name of a user is recorded in a lane at that user's home, and goes there alone. */
static void
hand_on(struct lane *l)
{
	LIST_EACH(i, &l->entries) {
		struct entry *e = LIST_ENTRY(i, struct entry, link);

		if (e->state == ENTRY_HANDED)
			continue;
		if (e->state != ENTRY_TO_HAND)
			return;
		if (i != l->entries.next && (l->handing_alone || e->p->via || !jid_equal(l->handing, e->p->to)))
			return;
		if (i == l->entries.next) {
			jid_unref(l->handing);
			l->handing = jid_ref(e->p->to);
			l->handing_alone = e->p->via;
		}
		hand_over(e);
	}
}

static void
run(struct lane *l)
{
	if (l->running)
		return;
	l->running = true;
	l->refs++;
	while (!l->holds && !list_is_empty(&l->entries)) {
		struct entry *e = LIST_ENTRY(l->entries.next, struct entry, link);

		if (e->state == ENTRY_UNCHECKED || e->state == ENTRY_CHECKING || e->state == ENTRY_RECORDING)
			break;
		if (e->state == ENTRY_TO_HAND || e->state == ENTRY_HANDED) {
			hand_on(l);
			break;
		}
		leave(l, e);
	}
	l->running = false;
	tell_full(l);
	if (l->session && !l->n)
		session_lane_empty(l->session);
	unref(l);
}

static void
set_barrier(struct entry *e)
{
	struct lane *l = e->lane;

	l->barriers[e->barrier]--;
	if (e->state == ENTRY_DONE || (e->p->kind != PACKET_PRESENCE && !router_is_for_us(e->p)))
		e->barrier = BARRIER_NONE;
	else
		e->barrier = e->p->kind == PACKET_PRESENCE && e->state == ENTRY_RECORDING ? BARRIER_SET : BARRIER_ANY;
	l->barriers[e->barrier]++;
}

/* P1: what the archive did not take, nobody receives; its sender is told, of an answer who waits for it. Presence goes without its words, as somebody who
 * cannot be seen to come, or to go, is worse off; but what a session of ours asks of one address (to be let into a room) comes back. */
static void
not_recorded(struct entry *e)
{
	struct packet *p = e->p;
	char text[160];

	if (p->kind == PACKET_PRESENCE && !packet_is_subscription(p) && (e->lane->foreign || !p->to || p->type != TYPE_NONE)) {
		saying_leave_out(p);
		e->state = ENTRY_READY;
		return;
	}
	snprintf(text, sizeof(text), "This was not delivered: %s. Please try again later.", e->rec.why);
	if (p->kind == PACKET_IQ)
		router_reply(exchange_refused(p, text));
	else
		router_refuse(p, XERROR_RESOURCE_CONSTRAINT, "wait", text);
	e->state = ENTRY_DONE;
}

static void
recorded(struct mail *m)
{
	struct entry *e = LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct entry, rec);
	struct lane *l = e->lane;

	if (e->rec.outcome == RECORD_COMMITTED) {
		/* What is no message has no id for its recipients (XEP-0359). */
		e->p->record_id = e->p->kind == PACKET_MESSAGE ? e->rec.id : 0;
		e->p->at_us = e->rec.at_us;
		e->p->about = e->rec.about;
		e->p->deliverable = e->rec.deliverable;
		e->state = ENTRY_READY;
		if (e->rec.kind == RECORD_PRESENCE)
			saying_keep(&l->said, e->p, &e->rec);
	} else {
		not_recorded(e);
	}
	set_barrier(e);
	run(l);
	unref(l);
}

/* What waits for a component in the record goes out, as what goes to another server does. What comes from another server, or goes there, refers to the record of who that is (RECORD_PEER); and what goes there waits in the record
 * until it is known to have arrived (core/federation/outbox). */
static void
describe_way(struct entry *e, const struct jid *to)
{
	const struct packet *p = e->p;
	bool chat = p->type == TYPE_NORMAL || p->type == TYPE_CHAT;
	bool local = host_is_local(to);
	uint64_t peer = e->lane->of.peer;

	if (!peer && !local && federation_is_remote(to)) {
		e->rec.direction = RECORD_OUT;
		e->rec.about = federation_peer_record(p->from, to);
		e->rec.deliverable = chat || p->type == TYPE_GROUPCHAT;
		return;
	}
	if (!peer && !local && component_keeps(to)) {
		e->rec.direction = RECORD_OUT;
		e->rec.deliverable = chat || p->type == TYPE_GROUPCHAT;
		return;
	}
	e->rec.direction = peer ? RECORD_IN : RECORD_LOCAL;
	e->rec.about = peer;
	e->rec.deliverable = chat && local && jid_local(to);
}

static void
submit(struct entry *e)
{
	struct packet *p = e->p;
	struct jid *to = p->to ? p->to : p->from;

	if (e->rec.kind != RECORD_PRESENCE) {
		packet_make_xml(p);
		e->rec.stanza = p->xml;
		e->rec.stanza_len = p->xml_len;
	}
	if (p->kind == PACKET_IQ) {
		exchange_describe(p, &e->rec);
		metric_add(METRIC_ARCHIVE_REQUESTS, 1);
	} else if (e->rec.kind == RECORD_PRESENCE) {
		metric_add(METRIC_ARCHIVE_PRESENCE, 1);
	} else {
		content_describe(p->st, p->type, p->st->arena, &e->rec);
	}
	e->rec.shown = e->rec.shown && (p->type == TYPE_NORMAL || p->type == TYPE_CHAT);
	e->rec.mail.run = recorded;
	e->rec.home = reactor_current();
	describe_way(e, to);
	e->rec.from_bare = jid_bare(p->from);
	e->rec.from_resource = jid_resource(p->from);
	e->rec.to_bare = jid_bare(to);
	e->rec.from_key = jid_hash(p->from);
	e->rec.to_key = jid_hash(to);
	e->rec.to_resource = p->to ? jid_resource(p->to) : NULL;
	e->rec.accepted_ms = clock_mono_ms();
	e->state = ENTRY_RECORDING;
	e->lane->refs++;
	record_submit(&e->rec);
}

/* Policy */

static struct user *
user_of(const struct lane *l)
{
	return l->session ? l->session->user : l->of_user ? l->of_user : l->user;
}

static void
take_replacement(struct packet *p, struct hook *h)
{
	if (!h->replacement)
		return;
	stanza_unref(p->st);
	p->st = stanza_seal(h->replacement);
	p->type = packet_type_parse(p->kind, elem_get(p->st->root, "type"));
	h->replacement = NULL;
}

/* What SEND_CHECK has said. */
static void
decide(struct entry *e, struct hook *h, enum hook_verdict v)
{
	struct packet *p = e->p;

	if (v == HOOK_REJECT && h->error != XERROR_NONE)
		chain_refuse(p, h);
	if (v == HOOK_HANDLED && h->reply)
		router_reply(packet_new(h->reply, p->to, p->from));
	else
		stanza_unref(h->reply);
	h->reply = NULL;
	take_replacement(p, h);
	if (v != HOOK_NEXT)
		e->state = ENTRY_DONE;
	else if (service_records(p))
		e->state = ENTRY_TO_HAND;
	else if (content_is_recorded(p, home_config()->archive.typing) || exchange_is_recorded(p) || saying_is_recorded(e->lane->said, p, &e->rec))
		submit(e);
	else
		e->state = ENTRY_READY;
}

static void checked(void *arg, struct hook *h, enum hook_verdict v);

static void
check(struct entry *e)
{
	struct lane *l = e->lane;
	struct packet *p = e->p;
	struct user *u = user_of(l);
	struct hook h = { .stage = HOOK_SEND_CHECK, .stanza = p->st, .from = p->from, .to = p->to };
	enum hook_verdict v = HOOK_NEXT;

	if (p->via && p->kind == PACKET_MESSAGE && !l->of_user) {
		e->state = ENTRY_TO_HAND; /* policy is asked at the home of whom it is from */
		return;
	}
	if (p->to && federation_is_remote(p->to) && !federation_may_leave(p, u)) {
		e->state = ENTRY_DONE;
		return;
	}
	if (u) {
		h.account = u->jid;
		h.session = l->session ? l->session->jid : p->from;
		h.bound = l->session;
	}
	if (modules_want(HOOK_SEND_CHECK))
		v = modules_run(&h, u);
	if (v != HOOK_WAIT) {
		decide(e, &h, v);
		return;
	}
	take_replacement(p, &h);
	e->state = ENTRY_CHECKING;
	l->checking++;
	l->refs++;
	chain_start_for(&h, checked, e);
}

static void
uncheck_done(struct lane *l)
{
	if (l->unchecked || !l->user)
		return;
	user_unpin(l->user);
	l->user = NULL;
}

/* In their order, up to one that waits again. */
static void
check_rest(struct lane *l)
{
	bool running = l->running;

	l->running = true; /* nothing leaves meanwhile */
	for (struct list *i = l->entries.next; l->unchecked && !l->checking; i = i->next) {
		struct entry *e = LIST_ENTRY(i, struct entry, link);

		if (e->state != ENTRY_UNCHECKED)
			continue;
		l->unchecked--;
		check(e);
		set_barrier(e);
	}
	l->running = running;
	uncheck_done(l);
}

/* The server stops: nobody is asked any more, and nobody can be told. Their sender has had no acknowledgement. */
static void
give_up_rest(struct lane *l)
{
	LIST_EACH(i, &l->entries) {
		struct entry *e = LIST_ENTRY(i, struct entry, link);

		if (e->state != ENTRY_UNCHECKED)
			continue;
		l->unchecked--;
		e->state = ENTRY_DONE;
		set_barrier(e);
	}
	uncheck_done(l);
}

static void
checked(void *arg, struct hook *h, enum hook_verdict v)
{
	struct entry *e = arg;
	struct lane *l = e->lane;

	l->checking--;
	decide(e, h, v);
	set_barrier(e);
	if (v == HOOK_REJECT && h->error == XERROR_NONE)
		give_up_rest(l);
	else
		check_rest(l);
	run(l);
	unref(l);
}

static struct entry *
enter(struct lane *l, struct packet *p)
{
	struct entry *e = NEW(struct entry);

	e->lane = l;
	e->p = p;
	if (l->of.peer)
		p->about = l->of.peer;
	e->bytes = packet_size(p);
	e->state = ENTRY_READY;
	list_append(&l->entries, &e->link);
	l->barriers[BARRIER_NONE]++;
	l->n++;
	l->bytes += e->bytes;
	atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
	metric_observe(METRIC_LANE_DEPTH, l->n);
	return e;
}

/* Only messages, requests to others and presence that waits for the record are before it. What a request changes (a block list) is not to meet
 * what was sent before and has not been checked, nor presence. */
static bool
may_overtake(const struct lane *l, const struct packet *p)
{
	bool get = p->type == TYPE_GET;

	return router_is_for_us(p) && !l->barriers[BARRIER_ANY] && (!l->barriers[BARRIER_SET] || get) && !l->holds && l->n > 1 && !l->running &&
		(!l->unchecked || get);
}

void
lane_push(struct lane *l, struct packet *p)
{
	struct entry *e = enter(l, p);
	bool overtakes = may_overtake(l, p);

	l->refs++; /* what a module says because of it may end the session */
	if ((l->checking || l->unchecked) && !overtakes) {
		e->state = ENTRY_UNCHECKED;
		l->unchecked++;
	} else {
		check(e);
		if (e->state == ENTRY_READY && overtakes) {
			e->state = ENTRY_DONE;
			pass_on(l, packet_ref(p));
		}
	}
	set_barrier(e);
	run(l);
	unref(l);
}

void
lane_push_refused(struct lane *l, struct packet *p, enum xerror e, const char *text)
{
	router_refuse(p, e, NULL, text);
	lane_push_done(l, p);
}

void
lane_push_done(struct lane *l, struct packet *p)
{
	enter(l, p)->state = ENTRY_DONE;
	run(l);
}

void
lane_orphan(struct lane *l)
{
	if (l->session && l->unchecked) {
		l->user = l->session->user;
		user_pin(l->user);
	}
	l->session = NULL;
	l->of.changed = l->of.left = NULL;
	unref(l);
}

bool
lane_says_farewell(const struct lane *l)
{
	LIST_EACH(i, &l->entries) {
		const struct entry *e = LIST_ENTRY(i, struct entry, link);

		if (e->state != ENTRY_DONE && e->p && e->p->kind == PACKET_PRESENCE && e->p->type == TYPE_UNAVAILABLE)
			return true;
	}
	return false;
}

bool
lane_any_held(void)
{
	return atomic_load_explicit(&held, memory_order_relaxed) > 0;
}

void
lane_hold(struct lane *l)
{
	atomic_fetch_add_explicit(&held, 1, memory_order_relaxed);
	l->holds++;
	l->refs++;
}

void
lane_release(struct lane *l)
{
	l->holds--;
	run(l);
	atomic_fetch_sub_explicit(&held, 1, memory_order_relaxed);
	unref(l);
}
