/*
 * privilege: see privilege.h.
 */
#include "core/component/privilege.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/host.h"
#include "core/route/intake.h"
#include "core/route/lane.h"
#include "core/route/question.h"
#include "core/route/router.h"
#include "core/roster/roster.h"
#include "core/user.h"
#include "xmpp/ns.h"

/* How many IQs of a component that ask for a privilege are under way: from its stream on, until their packets are freed wherever that is. */
struct open {
	UT_hash_handle hh;
	unsigned n;
	char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct open *table; /* under lock, by the component's name */

static void
closed(void *arg)
{
	struct open *o = arg;

	pthread_mutex_lock(&lock);
	if (!--o->n) {
		HASH_DEL(table, o);
		free(o);
	}
	pthread_mutex_unlock(&lock);
}

/* False: too many are. */
static bool
open_one(const char *name, struct packet *p)
{
	size_t n = strlen(name);
	struct open *o = NULL;
	bool room;

	pthread_mutex_lock(&lock);
	HASH_FIND(hh, table, name, n, o);
	room = !o || o->n < home_config()->limits.component_requests;
	if (!o) {
		o = mem_zalloc(sizeof(*o) + n + 1);
		memcpy(o->name, name, n);
		HASH_ADD_KEYPTR(hh, table, o->name, n, o);
	}
	if (room) {
		o->n++;
		p->ended = closed;
		p->ended_arg = o;
	}
	pthread_mutex_unlock(&lock);
	return room;
}

/* Asking for it, at the component's stream */

static bool
is_account_of_ours(const struct jid *j)
{
	return j && jid_local(j) && jid_is_bare(j) && host_is_local(j);
}

static unsigned
access_of(enum packet_type type)
{
	return type == TYPE_GET ? COMPONENT_GET : COMPONENT_SET;
}

/* §6.3 */
static bool
may_ask(const struct component_rules *r, const struct packet *p, const struct elem *wrapper)
{
	const struct elem *iq = elem_child(wrapper, NS_CLIENT, "iq"), *payload = iq ? elem_first(iq) : NULL;
	const char *from = iq ? elem_get(iq, "from") : NULL, *type = iq ? elem_get(iq, "type") : NULL;
	struct jid *as = from ? jid_parse_z(from) : NULL;
	bool right = payload && is_account_of_ours(p->to) && type && !strcmp(type, elem_get(p->st->root, "type")) &&
		(!from || (as && jid_equal(as, p->to))) && (component_rules_iq(r, payload->ns) & access_of(p->type));

	jid_unref(as);
	return right;
}

static enum xerror
take_iq(const struct component_rules *r, struct jid *self, struct packet *p)
{
	const struct elem *payload = elem_first(p->st->root);
	bool roster, wrapped;

	if (p->type != TYPE_GET && p->type != TYPE_SET)
		return XERROR_NONE;
	roster = elem_is(payload, NS_ROSTER, "query") && is_account_of_ours(p->to);
	wrapped = elem_is(payload, NS_PRIVILEGE, "privileged_iq");
	if (!roster && !wrapped)
		return XERROR_NONE;
	if (wrapped ? !may_ask(r, p, payload) : !(r->roster & access_of(p->type)))
		return XERROR_FORBIDDEN;
	if (!open_one(r->name, p))
		return XERROR_RESOURCE_CONSTRAINT;
	p->via = jid_ref(self);
	return XERROR_NONE;
}

/* The message itself, as a stanza of its own. */
static struct stanza *
unwrap(const struct elem *message, const char *from, const char *to, const struct jid *self)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *mark;

	for (const struct attr *a = message->attrs; a; a = a->next)
		elem_set_ns(st, st->root, a->ns, a->name, a->value);
	elem_set(st, st->root, "from", from);
	elem_set(st, st->root, "to", to);
	for (const struct elem *e = message->first; e; e = e->next) {
		if (e->name)
			elem_add_copy(st, st->root, e);
	}
	intake_strip_forged(st->root);
	mark = elem_add(st, st->root, NS_DELEGATED, "sent");
	elem_set(st, mark, "by", jid_domain(self));
	return st;
}

/* §5.3 */
static enum xerror
take_message(const struct component_rules *r, struct jid *self, struct packet **p)
{
	const struct elem *x = elem_child((*p)->st->root, NS_PRIVILEGE, "privilege"), *message;
	struct jid *from, *to;
	struct packet *inner = NULL;
	enum xerror e = XERROR_FORBIDDEN;

	if (!x || !(*p)->to || !jid_is_domain((*p)->to) || !host_is_local((*p)->to) || (*p)->type == TYPE_ERROR)
		return XERROR_NONE;
	x = elem_child(x, NS_FORWARD, "forwarded");
	message = x ? elem_child(x, NS_CLIENT, "message") : NULL;
	from = message && elem_get(message, "from") ? jid_parse_z(elem_get(message, "from")) : NULL;
	to = message && elem_get(message, "to") ? jid_parse_z(elem_get(message, "to")) : NULL;
	if (r->message && is_account_of_ours(from) && !strcmp(jid_domain(from), jid_domain((*p)->to))) {
		if (to)
			inner = packet_new(unwrap(message, jid_full(from), jid_full(to), self), from, to);
		e = inner && intake_is_right(inner) ? XERROR_NONE : XERROR_BAD_REQUEST;
	}
	if (e == XERROR_NONE) {
		packet_unref(*p);
		*p = inner;
		inner->via = jid_ref(self);
	} else {
		packet_unref(inner);
	}
	jid_unref(from);
	jid_unref(to);
	return e;
}

enum xerror
privilege_take(const struct component_rules *r, struct jid *self, struct packet **p)
{
	enum xerror e = XERROR_NONE;

	if ((*p)->kind == PACKET_IQ)
		e = take_iq(r, self, *p);
	else if ((*p)->kind == PACKET_MESSAGE)
		e = take_message(r, self, p);
	if (e != XERROR_NONE)
		log_warning(NULL, "component-privilege-refused", "domain=%s to=%s", jid_domain(self), (*p)->to ? jid_full((*p)->to) : "");
	else if ((*p)->via)
		metric_add(METRIC_COMPONENT_DELEGATED, 1);
	return e;
}

static void
add_perm(struct stanza *st, struct elem *x, const char *access, const char *type)
{
	struct elem *perm = elem_add(st, x, NS_PRIVILEGE, "perm");

	elem_set(st, perm, "access", access);
	elem_set(st, perm, "type", type);
	if (!strcmp(access, "roster"))
		elem_set(st, perm, "push", "false");
}

struct packet *
privilege_message(const struct component_rules *r, struct jid *host, struct jid *self)
{
	static const char *const access[] = { "none", "get", "set", "both" };
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *x = elem_add(st, st->root, NS_PRIVILEGE, "privilege"), *e, *iq = NULL;
	char id[17];

	crypt_random_hex(id, 8);
	elem_set(st, st->root, "from", jid_full(host));
	elem_set(st, st->root, "to", jid_full(self));
	elem_set(st, st->root, "id", id);
	add_perm(st, x, "roster", access[r->roster & 3]);
	add_perm(st, x, "message", r->message ? "outgoing" : "none");
	add_perm(st, x, "presence", r->presence ? "managed_entity" : "none");
	for (size_t i = 0; i < r->niq; i++) {
		if (!iq) {
			iq = elem_add(st, x, NS_PRIVILEGE, "perm");
			elem_set(st, iq, "access", "iq");
		}
		e = elem_add(st, iq, NS_PRIVILEGE, "namespace");
		elem_set(st, e, "ns", r->iq[i].ns);
		elem_set(st, e, "type", access[r->iq[i].access & 3]);
	}
	return packet_new(st, host, self);
}

/* A message, at its user's home */

struct delegated {
	struct user_wait wait;
	struct mail mail;
	struct packet *p;
	struct lane *lane;
};

static void
finish(struct mail *m)
{
	struct delegated *d = LIST_ENTRY(m, struct delegated, mail);

	packet_unref(d->p);
	lane_orphan(d->lane);
	free(d);
}

/* Committed, or refused: the component's lane goes on. But not before the message has been posted, which is what the lane does next: else what is
 * behind it could come first, from another home (P8). */
static void
left(void *owner)
{
	struct delegated *d = owner;

	d->mail.run = finish;
	reactor_post(reactor_current(), &d->mail);
}

static void
refuse(struct delegated *d, enum xerror e, const char *type, const char *text)
{
	router_refuse(d->p, e, type, text);
	packet_unref(d->p);
	free(d);
}

/* Nobody acts for who may not act themselves. */
static bool
is_active(const struct user *u)
{
	return u->state == USER_READY && !u->service && !u->disabled;
}

/* Of one that has just been changed only the old state is known. */
static const char *
cannot_say(const struct user *u)
{
	return u ? "the account has just been changed, try again" : "the database is not available, try again later";
}

static void
come_in(struct user_wait *w, struct user *u)
{
	struct delegated *d = LIST_ENTRY(w, struct delegated, wait);
	struct packet *p;

	if (!u || u->stale) {
		refuse(d, XERROR_RESOURCE_CONSTRAINT, "wait", cannot_say(u));
	} else if (!is_active(u)) {
		refuse(d, XERROR_FORBIDDEN, NULL, "there is no such account, or it is disabled");
	} else {
		p = packet_new(stanza_ref(d->p->st), d->p->from, d->p->to);
		p->via = jid_ref(d->p->via);
		d->lane = lane_new_of(u, &(struct lane_owner){ .left = left }, d);
		lane_push(d->lane, p);
	}
}

static void
arrive(struct mail *m)
{
	struct delegated *d = NEW(struct delegated);

	d->p = LIST_ENTRY(m, struct packet, mail);
	d->wait.run = come_in;
	d->wait.bytes = packet_size(d->p);
	if (!user_with(d->p->from, &d->wait))
		refuse(d, XERROR_RESOURCE_CONSTRAINT, "wait", NULL);
}

void
privilege_send(struct packet *p)
{
	p->mail.run = arrive;
	reactor_post(home_of(p->from), &p->mail);
}

/* An IQ, at its user's home */

/* Asked in the user's name. */
struct asked {
	struct packet *p;
	char *id; /* as the component had given it inside; NULL */
};

static void
free_asked(void *arg)
{
	struct asked *a = arg;

	packet_unref(a->p);
	free(a->id);
	free(a);
}

static void
answered(void *arg, const struct stanza *answer)
{
	struct asked *a = arg;
	struct packet *reply;
	struct stanza *st;
	struct elem *e;

	if (!answer) {
		reply = packet_error(a->p, XERROR_REMOTE_SERVER_TIMEOUT, NULL, "there was no answer");
	} else {
		st = packet_result(a->p);
		e = elem_add(st, st->root, NS_PRIVILEGE, "privilege");
		e = elem_add(st, e, NS_FORWARD, "forwarded");
		e = elem_add_copy(st, e, answer->root);
		elem_set(st, e, "id", a->id);
		reply = packet_new(st, a->p->to, a->p->from);
	}
	free_asked(a); /* who has the answer may ask again */
	router_reply(reply);
}

static void
ask(struct user *u, struct packet *p, const struct elem *iq)
{
	const char *t = elem_get(iq, "to"), *id = elem_get(iq, "id");
	struct jid *to = t ? jid_parse_z(t) : jid_ref(u->jid);
	struct stanza *st;
	struct asked *a;

	if (!to) {
		router_refuse(p, XERROR_JID_MALFORMED, NULL, NULL);
		return;
	}
	st = stanza_new(NS_CLIENT, "iq");
	elem_set(st, st->root, "type", elem_get(iq, "type"));
	elem_add_copy(st, st->root, elem_first(iq));
	a = NEW(struct asked);
	a->p = packet_ref(p);
	a->id = id ? mem_strdup(id) : NULL;
	question_ask_as(u, to, st, answered, free_asked, a);
	jid_unref(to);
}

void
privilege_answer(struct user *u, struct packet *p)
{
	const struct elem *payload = elem_first(p->st->root);

	log_info(NULL, "component-privilege", "domain=%s account=%s type=%s payload=%s", jid_domain(p->from), jid_bare(p->to),
		elem_get(p->st->root, "type"), payload->ns == NS_ROSTER ? NS_ROSTER : elem_first(elem_child(payload, NS_CLIENT, "iq"))->ns);
	if (u->stale)
		router_refuse(p, XERROR_RESOURCE_CONSTRAINT, "wait", cannot_say(u));
	else if (!is_active(u))
		router_refuse(p, XERROR_FORBIDDEN, NULL, NULL);
	else if (payload->ns != NS_ROSTER)
		ask(u, p, elem_child(payload, NS_CLIENT, "iq"));
	else if (p->type == TYPE_GET)
		roster_answer_delegated(u, p);
	else
		roster_set_delegated(u, p);
}
