/*
 * presence: who may see which session, and who is told (RFC 6121 §4).
 *
 * Called by the router, with presence that sessions send and that arrives for users, by core/session when one ends,
 * and by core/roster when a subscription changes. Owns struct session's presence, priority and directed list.
 *
 * A broadcast is one sealed stanza: own sessions get it first, each contact a packet of its own that shares it.
 * Where §4.3.2 leaves it open: a probe for a user without available resources is answered with unavailable presence when it has
 * an id, as who gives it one waits for an answer. Those that servers send at each login have none, and silence says the same.
 */
#include "core/roster/presence.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/component/watch.h"
#include "core/everyone.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module/elsewhere.h"
#include "core/module/modules.h"
#include "core/roster/roster.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "net/reactor.h"
#include "store/account.h"
#include "store/pool.h"
#include "module.h"
#include "module_service.h"
#include "xmpp/ns.h"

/* In struct session.directed. */
struct directed {
	struct list link;
	struct jid *to;
};

#define NOT_AVAILABLE (-129) /* below every priority */

static void
refuse(struct session *s, const struct packet *p, enum xerror x, const char *text)
{
	struct packet *e = packet_error(p, x, NULL, text);

	if (e)
		session_send(s, e);
	packet_unref(e);
}

static bool
is_too_big(const struct packet *p)
{
	return p->st->size > home_config()->limits.presence_bytes;
}

static struct packet *
make(struct jid *from, struct jid *to, const char *type)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");

	elem_set(st, st->root, "from", jid_full(from));
	if (to)
		elem_set(st, st->root, "to", jid_full(to));
	elem_set(st, st->root, "type", type);
	return packet_new(st, from, to);
}

static void
tell_modules(struct session *s, const struct packet *p)
{
	struct hook h = { .stage = HOOK_PRESENCE_CHANGED, .stanza = p->st, .from = p->from, .account = s->user->jid,
		.session = s->jid, .bound = s };

	if (modules_want(HOOK_PRESENCE_CHANGED))
		(void)modules_run(&h, s->user);
}

/* The last presence of a session that is available, or NULL: the only place that changes it. */
static void
set_presence(struct session *s, struct packet *p, int priority)
{
	struct packet *old = s->presence;

	s->presence = p ? packet_ref(p) : NULL;
	s->priority = priority;
	packet_unref(old);
}

void
presence_send_to(struct user *u, const struct packet *p, struct jid *to)
{
	struct hook h = { .stage = HOOK_PRESENCE_TO, .stanza = p->st, .from = p->from, .to = to, .account = u->jid };

	if (!modules_want(HOOK_PRESENCE_TO) || modules_run(&h, u) == HOOK_NEXT)
		router_send(packet_readdress(p, to));
}

/* Broadcast */

/* §4.2.2, §4.4.2, §4.5.2: to all available resources of one's own, the sending one included. */
static void
to_own(struct user *u, const struct packet *p)
{
	struct packet *own = packet_readdress(p, u->jid);
	struct everyone all = everyone(u);

	for (unsigned i = 0; i < all.n; i++)
		if (session_is_available(all.session[i]))
			session_send(all.session[i], own);
	packet_unref(own);
}

struct broadcast {
	struct user *user;
	const struct packet *p;
};

static void
to_subscriber(const struct roster_item *i, void *arg)
{
	const struct broadcast *b = arg;

	if (i->subscription & SUB_FROM)
		presence_send_to(b->user, b->p, i->jid);
}

static void
to_contacts(struct user *u, struct packet *p)
{
	struct broadcast b = { u, p };

	if (u->roster)
		roster_each(u->roster, to_subscriber, &b);
}

static void
to_subscription(const struct roster_item *i, void *arg)
{
	const struct broadcast *b = arg;

	if (i->subscription & SUB_TO)
		presence_send_to(b->user, b->p, i->jid);
}

/* §4.3.1: from the full JID, so that the answers come to this session only. */
static void
probe_contacts(struct session *s)
{
	struct packet *p = make(s->jid, NULL, "probe");
	struct broadcast b = { s->user, p };

	if (s->user->roster)
		roster_each(s->user->roster, to_subscription, &b);
	packet_unref(p);
}

/* What the server knows without asking: the presence of one's other resources. */
static void
show_own(struct session *s)
{
	struct everyone all = everyone(s->user);

	for (unsigned i = 0; i < all.n; i++) {
		struct packet *p;

		if (all.session[i] == s || !session_is_available(all.session[i]))
			continue;
		p = packet_readdress(all.session[i]->presence, s->jid);
		session_send(s, p);
		packet_unref(p);
	}
}

/* §4.7.2.3: an integer from -128 to 127 as XML Schema writes a byte; 0 when there is none. */
static bool
read_priority(const struct packet *p, int *priority)
{
	const struct elem *e = elem_child(p->st->root, NS_CLIENT, "priority");
	const char *s;
	size_t n;
	int64_t v;

	*priority = 0;
	if (!e)
		return true;
	s = elem_text(e, reactor_scratch(reactor_current()));
	s += strspn(s, " \t\r\n");
	if (s[0] == '+' && s[1] != '-')
		s++;
	n = strcspn(s, " \t\r\n");
	if (s[n + strspn(s + n, " \t\r\n")] || !text_i64(s, n, -128, 127, &v) || elem_next(e, NS_CLIENT, "priority"))
		return false;
	*priority = (int)v;
	return true;
}

static void
become_available(struct session *s, struct packet *p, int priority)
{
	bool first = !session_is_available(s);
	int before = first ? NOT_AVAILABLE : s->priority;
	struct user *u = s->user;

	set_presence(s, p, priority);
	to_own(u, p);
	if (s->closing)
		return; /* ended by its own presence: contacts have been told the contrary */
	to_contacts(u, p);
	if (first) {
		watch_tell(u, p);
		probe_contacts(s);
		show_own(s);
		roster_send_requests(u, s);
	}
	if (before < 0 && priority >= 0 && !s->closing)
		delivery_catch_up(u, s);
	if (before != priority)
		tell_modules(s, p);
	if (!s->closing)
		features_announced(s, p);
}

/* Last activity (XEP-0012) */

struct last_seen {
	int64_t account, at_us;
	const char *status;
};

static enum sql_status
last_seen_work(struct job *j, struct sql *db)
{
	const struct last_seen *d = j->data;

	return account_set_last_seen(db, d->account, d->at_us, d->status, &j->err);
}

/* The user's last session has become unavailable. Not worth a retry: a lost one costs a stale answer. */
static void
note_last_seen(struct user *u, const struct packet *p)
{
	const struct elem *e = elem_child(p->st->root, NS_CLIENT, "status");
	struct job *j = job_new(sizeof(struct last_seen));
	struct last_seen *d = j->data;

	free(u->last_status);
	u->last_status = e ? mem_strdup(elem_text(e, j->arena)) : NULL;
	u->last_seen_us = clock_wall_us();
	d->account = u->account;
	d->at_us = u->last_seen_us;
	d->status = u->last_status ? arena_strdup(j->arena, u->last_status) : NULL;
	j->work = last_seen_work;
	pool_submit(j, jid_hash(u->jid));
}

/* Directed presence (§4.6) */

static struct directed *
directed_find(const struct session *s, const struct jid *to)
{
	LIST_EACH(l, &s->directed) {
		struct directed *d = LIST_ENTRY(l, struct directed, link);

		if (jid_equal(d->to, to))
			return d;
	}
	return NULL;
}

static void
directed_forget(struct session *s, struct directed *d)
{
	list_remove(&d->link);
	s->ndirected--;
	jid_unref(d->to);
	free(d);
}

/* False: no room. */
static bool
directed_remember(struct session *s, struct jid *to)
{
	struct directed *d;

	if (directed_find(s, to))
		return true;
	if (s->ndirected >= home_config()->limits.directed_presence)
		return false;
	d = NEW(struct directed);
	d->to = jid_ref(to);
	list_append(&s->directed, &d->link);
	s->ndirected++;
	return true;
}

void
presence_each_directed(const struct session *s, const char *domain, void (*fn)(void *arg, const struct jid *to), void *arg)
{
	LIST_EACH(l, &s->directed) {
		const struct directed *d = LIST_ENTRY(l, struct directed, link);

		if (!strcmp(jid_domain(d->to), domain))
			fn(arg, d->to);
	}
}

/* The broadcast of unavailable presence reaches this address too. */
static bool
is_covered(const struct user *u, const struct jid *to)
{
	const struct roster_item *i = u->roster ? roster_find(u->roster, to) : NULL;

	return (i && (i->subscription & SUB_FROM)) || jid_equal_bare(to, u->jid);
}

/* §4.6.3, §4.5.2: those told directly hear that the session is gone, once. */
static void
to_directed(struct session *s, const struct packet *p, bool broadcast)
{
	struct list *l;

	while (!list_is_empty(&s->directed)) {
		struct directed *d;

		l = s->directed.next;
		d = LIST_ENTRY(l, struct directed, link);
		if (!broadcast || !is_covered(s->user, d->to))
			presence_send_to(s->user, p, d->to);
		directed_forget(s, d);
	}
}

/* Who was not available is not announced as leaving; only those told directly knew of it. */
static void
become_unavailable(struct session *s, struct packet *p)
{
	bool was = session_is_available(s);
	struct user *u = s->user;

	if (was)
		to_own(u, p);
	if (was && !session_is_available(s))
		return; /* ended by its own presence: all has been done */
	if (was) {
		to_contacts(u, p);
		watch_tell(u, p);
	}
	to_directed(s, p, was);
	if (!was)
		return;
	set_presence(s, NULL, 0);
	features_forget(s);
	if (user_priority(u) == NOT_AVAILABLE)
		note_last_seen(u, p);
	tell_modules(s, p);
}

/* The ways in */

void
presence_broadcast(struct session *s, struct packet *p)
{
	int priority;

	if (is_too_big(p))
		refuse(s, p, XERROR_POLICY_VIOLATION, "presence is too big");
	else if (p->type == TYPE_UNAVAILABLE)
		become_unavailable(s, p);
	else if (p->type != TYPE_NONE && p->type != TYPE_ERROR)
		refuse(s, p, XERROR_BAD_REQUEST, "this type needs an addressee");
	else if (p->type == TYPE_NONE && !read_priority(p, &priority))
		refuse(s, p, XERROR_BAD_REQUEST, "priority is an integer from -128 to 127");
	else if (p->type == TYPE_NONE)
		become_available(s, p, priority);
	packet_unref(p);
}

/* §4.3: probes are the server's. A client's goes where the answer would be presence; elsewhere the answer would only
 * tell whether somebody is there. Services see to that themselves. */
static bool
may_probe(const struct user *u, const struct jid *to)
{
	const struct roster_item *i = u->roster ? roster_find(u->roster, to) : NULL;

	return (i && (i->subscription & SUB_TO)) || jid_equal_bare(to, u->jid) || module_is_service(to);
}

void
presence_directed(struct session *s, struct packet *p)
{
	struct directed *d;

	if (p->type == TYPE_PROBE && !may_probe(s->user, p->to)) {
		packet_unref(p);
		return;
	}
	if (is_too_big(p)) {
		refuse(s, p, XERROR_POLICY_VIOLATION, "presence is too big");
		packet_unref(p);
		return;
	}
	if (p->type == TYPE_NONE && !directed_remember(s, p->to)) {
		refuse(s, p, XERROR_RESOURCE_CONSTRAINT, "directed presence to too many addresses");
		packet_unref(p);
		return;
	}
	d = p->type == TYPE_UNAVAILABLE ? directed_find(s, p->to) : NULL;
	if (d)
		directed_forget(s, d);
	router_send(p);
}

void
presence_session_closed(struct session *s)
{
	struct packet *p;

	if (!session_is_available(s) && list_is_empty(&s->directed))
		return;
	p = make(s->jid, NULL, "unavailable");
	become_unavailable(s, p);
	packet_unref(p);
}

static void
lose_directed(struct session *s, bool (*is_gone)(const struct jid *to))
{
	LIST_EACH(l, &s->directed) {
		struct directed *d = LIST_ENTRY(l, struct directed, link);
		struct packet *p;

		if (!is_gone(d->to))
			continue;
		p = make(d->to, s->jid, "unavailable");
		directed_forget(s, d);
		session_send(s, p);
		packet_unref(p);
		if (s->closing)
			return; /* one too many for it: its list is empty now */
	}
}

void
presence_lose_directed(struct user *u, bool (*is_gone)(const struct jid *to))
{
	struct everyone all = everyone(u);

	for (unsigned i = 0; i < all.n; i++)
		if (!all.session[i]->closing)
			lose_directed(all.session[i], is_gone);
}

/* Arriving */

/* §8.5.2.1.2, §8.5.3.1: for a bare JID to all available resources; for a full JID to that one, available or not, for
 * it may have told somebody directly. Errors to the bare JID answer our own subscription stanzas: whoever shows
 * the roster wants them. */
static void
deliver(struct user *u, struct packet *p)
{
	const char *resource = jid_resource(p->to);
	struct session *one = resource ? user_session(u, resource) : NULL;
	struct everyone all;

	if (one)
		session_send(one, p);
	if (resource)
		return;
	all = everyone(u);
	for (unsigned i = 0; i < all.n; i++) {
		struct session *s = all.session[i];

		if (session_is_available(s) || (p->type == TYPE_ERROR && s->interested))
			session_send(s, p);
	}
}

/* The state of the contact's subscription to us. Oneself sees oneself. */
static unsigned
access_of(const struct user *u, const struct jid *contact, bool *asked)
{
	const struct roster_item *i = roster_find(u->roster, contact);

	*asked = i && i->request;
	if (jid_equal_bare(contact, u->jid))
		return SUB_FROM;
	return i ? i->subscription & SUB_FROM : 0;
}

/* False: there is none. */
static bool
send_current(struct user *u, const char *resource, struct jid *to)
{
	bool any = false;

	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (!session_is_available(s) || (resource && strcmp(resource, jid_resource(s->jid)) != 0))
			continue;
		presence_send_to(u, s->presence, to);
		any = true;
	}
	return any;
}

static void
tell_nobody_there(struct user *u, const struct packet *probe)
{
	struct packet *p = make(probe->to, NULL, "unavailable");

	presence_send_to(u, p, probe->from);
	packet_unref(p);
}

/* §4.3.2. Whoever is not subscribed is told so, for its server believes otherwise; but not while its request waits for
 * an answer, which this would be. */
static void
answer_probe(struct user *u, struct packet *p)
{
	struct jid *contact = jid_to_bare(p->from);
	bool asked;

	if (access_of(u, p->from, &asked)) {
		if (!send_current(u, jid_resource(p->to), p->from) && packet_id(p))
			tell_nobody_there(u, p);
	} else if (jid_is_bare(p->to) && !asked) {
		router_send(make(u->jid, contact, "unsubscribed"));
	}
	jid_unref(contact);
}

void
presence_inbound(struct user *u, struct packet *p)
{
	if (!u->roster)
		return; /* §8.5.1: nobody there, and nobody is told */
	if (p->type == TYPE_PROBE) {
		answer_probe(u, p);
		return;
	}
	/* Without a sender: our own word that a stanza went nowhere (RFC 6120 §8.3.3.8, RFC 6121 §4.7.1). */
	if (p->from && !host_is_local(p->from))
		elsewhere_presence(u, p);
	deliver(u, p);
}

void
presence_send_current(struct user *u, struct jid *to)
{
	(void)send_current(u, NULL, to);
}

void
presence_send_unavailable(struct user *u, struct jid *to)
{
	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (session_is_available(s))
			router_send(make(s->jid, to, "unavailable"));
	}
}

void
presence_probe(struct user *u, struct jid *to)
{
	router_send(make(u->jid, to, "probe"));
}

/* Hiding from some, and showing again (XEP-0191 §3.3, §3.4) */

/* One of those whom `contact` covers, or `contact` itself where it is narrower than the roster's entry. */
struct appearance {
	struct user *user;
	struct jid *contact;
};

static struct jid *
address_for(const struct appearance *a, const struct roster_item *i)
{
	if (jid_covers(a->contact, i->jid))
		return i->jid;
	return jid_covers(i->jid, a->contact) ? a->contact : NULL;
}

static void
leave_for(struct session *s, struct jid *to)
{
	struct packet *p = make(s->jid, to, "unavailable");

	presence_send_to(s->user, p, to);
	packet_unref(p);
}

static void
hide_from(const struct roster_item *i, void *arg)
{
	const struct appearance *a = arg;
	struct jid *to = i->subscription & SUB_FROM ? address_for(a, i) : NULL;

	if (!to)
		return;
	LIST_EACH(l, &a->user->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (session_is_available(s))
			leave_for(s, to);
	}
}

static void
hide_from_directed(struct session *s, const struct jid *contact)
{
	LIST_EACH(l, &s->directed) {
		struct directed *d = LIST_ENTRY(l, struct directed, link);

		if (!jid_covers(contact, d->to))
			continue;
		if (!is_covered(s->user, d->to))
			leave_for(s, d->to);
		directed_forget(s, d);
	}
}

void
module_presence_hide(struct hook *h, const struct jid *contact)
{
	struct appearance a = { h->user, (struct jid *)contact };

	if (!h->user || !h->user->roster)
		return;
	roster_each(h->user->roster, hide_from, &a);
	LIST_EACH(l, &h->user->sessions)
		hide_from_directed(LIST_ENTRY(l, struct session, of_user), contact);
}

static void
show_to(const struct roster_item *i, void *arg)
{
	const struct appearance *a = arg;
	struct jid *to = address_for(a, i);
	struct packet *p;

	if (to && i->subscription & SUB_FROM)
		(void)send_current(a->user, NULL, to);
	if (!to || !(i->subscription & SUB_TO) || user_priority(a->user) == NOT_AVAILABLE)
		return;
	p = make(a->user->jid, NULL, "probe");
	presence_send_to(a->user, p, to);
	packet_unref(p);
}

void
module_presence_show(struct hook *h, const struct jid *contact)
{
	struct appearance a = { h->user, (struct jid *)contact };

	if (h->user && h->user->roster)
		roster_each(h->user->roster, show_to, &a);
}
