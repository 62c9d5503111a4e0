/*
 * withheld: see the header. The domains are noted on each home for the accounts there; more than limits.partner_refusals of them are not
 * noted, whose contacts are shown presence at the next login.
 */
#include "core/roster/withheld.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "core/federation/federation.h"
#include "core/federation/partner.h"
#include "core/home.h"
#include "core/module/elsewhere.h"
#include "core/roster/presence.h"
#include "core/roster/roster.h"
#include "core/user.h"
#include "xmpp/ns.h"

struct domain {
	UT_hash_handle hh;
	bool back; /* in this review: presence may pass again */
	char name[];
};

static _Thread_local struct domain *domains;

static bool
presence_passes(const char *domain)
{
	const struct partner *out = partner_find(domain, PARTNER_OUT, NULL);

	return out && (out->pass & PASS_PRESENCE);
}

static struct domain *
find(const char *name)
{
	struct domain *d = NULL;

	if (domains)
		HASH_FIND_STR(domains, name, d);
	return d;
}

void
withheld_note(const struct jid *to)
{
	const char *name = jid_domain(to);
	size_t n = strlen(name);
	struct domain *d;

	if (find(name) || HASH_COUNT(domains) >= home_config()->limits.partner_refusals)
		return;
	d = mem_zalloc(sizeof(*d) + n + 1);
	memcpy(d->name, name, n);
	HASH_ADD_KEYPTR(hh, domains, d->name, n, d);
}

static void
forget(struct domain *d)
{
	HASH_DEL(domains, d);
	free(d);
}

/* Again */

static void
show_again(const struct roster_item *i, void *arg)
{
	struct user *u = arg;
	const struct domain *d = find(jid_domain(i->jid));

	if (!d || !d->back)
		return;
	if (i->subscription & SUB_FROM)
		presence_send_current(u, i->jid);
	if (i->subscription & SUB_TO)
		presence_probe(u, i->jid);
}

static void
show_all_again(struct user *u, void *arg)
{
	(void)arg;
	if (u->roster && user_priority(u) >= -128)
		roster_each(u->roster, show_again, u);
}

static void
review_withheld(void)
{
	struct domain *d, *tmp;
	bool any = false;

	HASH_ITER(hh, domains, d, tmp) {
		d->back = presence_passes(d->name);
		any |= d->back;
	}
	if (any)
		user_each(show_all_again, NULL);
	HASH_ITER(hh, domains, d, tmp)
		if (d->back)
			forget(d);
}

/* No longer */

static void
see_go(struct user *u, struct jid *who)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");
	struct packet *p;

	elem_set(st, st->root, "from", jid_full(who));
	elem_set(st, st->root, "to", jid_bare(u->jid));
	elem_set(st, st->root, "type", "unavailable");
	p = packet_new(st, who, u->jid);
	presence_inbound(u, p);
	packet_unref(p);
}

/* Rooms there: nothing can be said in them any more. */
static bool
is_gone(const struct jid *to)
{
	const struct partner *out = federation_is_remote(to) ? partner_find(jid_domain(to), PARTNER_OUT, NULL) : NULL;

	return federation_is_remote(to) && (!out || !(out->pass & (PASS_PRESENCE | PASS_ROOMS)));
}

static bool
is_seen(const struct jid *who)
{
	const struct partner *in = partner_find(jid_domain(who), PARTNER_IN, NULL);

	return !federation_is_remote(who) || (in && (in->pass & PASS_PRESENCE));
}

static void
review_those_seen(struct user *u, void *arg)
{
	struct elsewhere *e, *tmp;

	(void)arg;
	if (!u->roster)
		return;
	user_pin(u); /* a session may end by what it is given */
	presence_lose_directed(u, is_gone);
	HASH_ITER(hh, u->elsewhere, e, tmp) {
		struct jid *who = jid_ref(e->jid);

		if (!is_seen(who)) {
			withheld_note(who);
			see_go(u, who);
		}
		jid_unref(who);
	}
	user_unpin(u);
}

void
withheld_review(void)
{
	review_withheld();
	user_each(review_those_seen, NULL);
}

void
withheld_home_stop(void)
{
	struct domain *d, *tmp;

	HASH_ITER(hh, domains, d, tmp)
		forget(d);
}
