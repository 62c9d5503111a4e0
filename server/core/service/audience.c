/*
 * audience: the same stanza to many, by one mail to each reactor (module_service.h).
 *
 * The addresses of a home are a roll that is shared with the mails under way; whoever changes a shared roll makes a new one.
 * At the other end one packet serves them all: it is written for the session that it is given to.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/host.h"
#include "core/module/modules.h"
#include "core/route/packet.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "module_service.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

struct roll {
	_Atomic unsigned refs;
	unsigned n, cap;
	struct jid *jid[];
};

struct audience {
	unsigned n;
	struct roll **roll; /* by home, then those who are not ours */
};

static struct roll *
roll_new(unsigned cap)
{
	struct roll *r = mem_alloc(sizeof(*r) + cap * sizeof(r->jid[0]));

	atomic_init(&r->refs, 1);
	r->n = 0;
	r->cap = cap;
	return r;
}

static void
roll_unref(struct roll *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	while (r->n)
		jid_unref(r->jid[--r->n]);
	free(r);
}

/* Ours alone, and with room for one more. */
static struct roll *
roll_own(struct roll *r)
{
	unsigned n = r ? r->n : 0;
	struct roll *own;

	if (r && r->n < r->cap && atomic_load_explicit(&r->refs, memory_order_acquire) == 1)
		return r;
	own = roll_new(n < 2 ? 2 : n + n / 2 + 1);
	for (; own->n < n; own->n++)
		own->jid[own->n] = jid_ref(r->jid[own->n]);
	roll_unref(r);
	return own;
}

struct audience *
audience_new(void)
{
	struct audience *a = NEW(struct audience);

	a->roll = mem_zalloc((reactor_count() + 1) * sizeof(*a->roll));
	return a;
}

void
audience_free(struct audience *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i <= reactor_count(); i++)
		roll_unref(a->roll[i]);
	free(a->roll);
	free(a);
}

static struct roll **
roll_of(struct audience *a, const struct jid *full)
{
	return &a->roll[host_is_local(full) ? reactor_index(home_of(full)) : reactor_count()];
}

void
audience_add(struct audience *a, const struct jid *full)
{
	struct roll **r = roll_of(a, full);

	*r = roll_own(*r);
	(*r)->jid[(*r)->n++] = jid_ref((struct jid *)full);
	a->n++;
}

bool
audience_remove(struct audience *a, const struct jid *full)
{
	struct roll **at = roll_of(a, full), *r = *at;
	unsigned i = 0;

	while (r && i < r->n && !jid_equal(r->jid[i], full))
		i++;
	if (!r || i == r->n)
		return false;
	r = *at = roll_own(r);
	jid_unref(r->jid[i]);
	r->jid[i] = r->jid[--r->n];
	a->n--;
	if (!r->n) {
		roll_unref(r);
		*at = NULL;
	}
	return true;
}

unsigned
audience_size(const struct audience *a)
{
	return a->n;
}

/* Telling */

struct telling {
	struct mail mail;
	struct stanza *st;
	struct jid *from;
	struct roll *roll;
	size_t len;
	char xml[];
};

/* A block list may say no; nobody is told of it, who stays in a room is an occupant for the others. */
static bool
may_arrive(struct user *u, struct packet *p, struct jid *to)
{
	struct hook h = { .stage = HOOK_RECV_CHECK, .stanza = p->st, .from = p->from, .to = to, .account = u->jid };

	return !modules_want(HOOK_RECV_CHECK) || modules_run(&h, u) == HOOK_NEXT;
}

static void
give(struct packet *p, struct jid *to)
{
	struct user *u = user_in_memory(to);
	struct session *s;

	if (!u)
		return;
	if (!user_is_free(u)) {
		struct packet *own = packet_new(stanza_ref(p->st), p->from, to);

		own->readdressed = true;
		router_arrive(own);
		return;
	}
	s = user_session(u, jid_resource(to));
	if (!s || s->closing || !may_arrive(u, p, to))
		return;
	session_send(s, p);
	router_tell_away(s, p);
}

static void
told(struct mail *m)
{
	struct telling *t = LIST_ENTRY(m, struct telling, mail);
	struct packet *p = packet_new(t->st, t->from, NULL);

	p->for_each = true;
	p->xml = mem_strndup(t->xml, t->len);
	p->xml_len = t->len;
	for (unsigned i = 0; i < t->roll->n; i++)
		give(p, t->roll->jid[i]);
	packet_unref(p);
	roll_unref(t->roll);
	jid_unref(t->from);
	free(t);
}

static void
tell_home(struct roll *r, struct reactor *home, struct stanza *st, struct jid *from, const struct buf *xml)
{
	struct telling *t = mem_alloc(sizeof(*t) + buf_len(xml));

	t->mail.run = told;
	t->st = stanza_ref(st);
	t->from = jid_ref(from);
	t->roll = r;
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	t->len = buf_len(xml);
	memcpy(t->xml, buf_str((struct buf *)xml), t->len);
	reactor_post(home, &t->mail);
}

static void
tell_others(struct roll *r, struct stanza *st, struct jid *from)
{
	for (unsigned i = 0; i < r->n; i++)
		module_tell(st, from, r->jid[i]);
}

void
audience_tell(struct audience *a, struct stanza *st)
{
	const char *address = elem_get(st->root, "from");
	struct jid *from = address ? jid_parse_z(address) : NULL;
	struct buf xml = { 0 };

	assert(from && !elem_get(st->root, "to"));
	stanza_seal(st);
	serialize_stanza(&xml, st, NS_CLIENT, NULL);
	for (unsigned i = 0; i < reactor_count(); i++)
		if (a->roll[i])
			tell_home(a->roll[i], reactor_at(i), st, from, &xml);
	if (a->roll[reactor_count()])
		tell_others(a->roll[reactor_count()], st, from);
	buf_fini(&xml);
	jid_unref(from);
	stanza_unref(st);
}
