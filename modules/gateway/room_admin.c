/*
 * room_admin: roles and affiliations (XEP-0045 §8, §9): asked of the network, which answers when it has done it or not.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/address.h"
#include "gateway/room.h"
#include "gateway/text.h"
#include "xmpp/ns.h"

struct gateway_ask {
	struct list link; /* of its seat */
	struct gateway *g;
	struct stanza *iq;
};

static void
ask_free(struct gateway_ask *a)
{
	list_remove(&a->link);
	stanza_unref(a->iq);
	free(a);
}

void
gateway_ask_done(struct gateway_ask *a)
{
	send_stanza(a->g, iq_result(a->iq));
	ask_free(a);
}

void
gateway_ask_failed(struct gateway_ask *a, enum xerror e, const char *text)
{
	char *words = gateway_text_clean(text, 1000, true);

	send_stanza(a->g, xerror_reply(a->iq, e, NULL, words));
	free(words);
	ask_free(a);
}

void
asks_fail(struct gateway_seat *s)
{
	LIST_EACH(pos, &SEAT_KEPT(s)->asks) {
		struct gateway_ask *a = LIST_ENTRY(pos, struct gateway_ask, link);

		if (!a->g->stopping)
			send_stanza(a->g, xerror_reply(a->iq, XERROR_RECIPIENT_UNAVAILABLE, NULL, "you are not in this room any more"));
		ask_free(a);
	}
}

/* What an item asks for; -1: nothing that there is. */
static int
change_of(const struct elem *item)
{
	const char *role = elem_get(item, "role"), *affiliation = elem_get(item, "affiliation");

	if (role && !strcmp(role, "none"))
		return ROOM_KICK;
	if (role && !strcmp(role, "visitor"))
		return ROOM_DEVOICE;
	if (role && !strcmp(role, "participant"))
		return ROOM_VOICE;
	if (role && !strcmp(role, "moderator"))
		return ROOM_OP;
	if (affiliation && !strcmp(affiliation, "outcast"))
		return ROOM_BAN;
	if (affiliation && !strcmp(affiliation, "none"))
		return elem_get(item, "nick") ? ROOM_DEOP : ROOM_UNBAN;
	if (affiliation && (!strcmp(affiliation, "admin") || !strcmp(affiliation, "owner")))
		return ROOM_OP;
	if (affiliation && !strcmp(affiliation, "member"))
		return ROOM_VOICE;
	return -1;
}

static void
change(struct gateway_seat *s, const struct stanza *st, const struct elem *query)
{
	const struct elem *item = elem_child(query, NS_MUC_ADMIN, "item"), *reason = item ? elem_child(item, NS_MUC_ADMIN, "reason") : NULL;
	struct gateway *g = s->user->gateway;
	const char *nick = item ? elem_get(item, "nick") : NULL, *jid = item ? elem_get(item, "jid") : NULL;
	int what = item ? change_of(item) : -1;
	struct gateway_ask *a;
	struct occupant *o = NULL;

	/* A moderator who becomes a participant is not given voice but loses more. */
	if (nick)
		HASH_FIND_STR(ROOM_KEPT(s->room)->occupants, nick, o);
	if (what == ROOM_VOICE && o && o->op)
		what = ROOM_DEOP;
	if (what < 0 || (!nick && !jid) || elem_next(item, NS_MUC_ADMIN, "item")) {
		send_stanza(g, xerror_reply(st, XERROR_BAD_REQUEST, NULL, NULL));
		return;
	}
	if (!g->net->room_change) {
		send_stanza(g, xerror_reply(st, XERROR_FEATURE_NOT_IMPLEMENTED, NULL, NULL));
		return;
	}
	a = NEW(struct gateway_ask);
	a->g = g;
	a->iq = stanza_ref((struct stanza *)st);
	list_append(&SEAT_KEPT(s)->asks, &a->link);
	g->net->room_change(s, (enum room_change)what, nick ? nick : jid, reason ? elem_text(reason, st->arena) : NULL, a);
}

/* Whose role or affiliation it is. */
static void
list_them(struct gateway_seat *s, const struct stanza *st, const struct elem *query)
{
	const struct elem *wanted = elem_child(query, NS_MUC_ADMIN, "item");
	const char *role = wanted ? elem_get(wanted, "role") : NULL, *affiliation = wanted ? elem_get(wanted, "affiliation") : NULL;
	struct stanza *r = iq_result(st);
	struct elem *q = elem_add(r, r->root, NS_MUC_ADMIN, "query");

	for (struct occupant *o = ROOM_KEPT(s->room)->occupants; o; o = o->hh.next) {
		struct elem *item;

		if ((role && strcmp(role, room_role(o))) || (affiliation && strcmp(affiliation, room_affiliation(o))) || (!role && !affiliation))
			continue;
		item = elem_add(r, q, NULL, "item");
		elem_set(r, item, "nick", o->nick);
		elem_set(r, item, "role", room_role(o));
		elem_set(r, item, "affiliation", room_affiliation(o));
	}
	send_stanza(s->user->gateway, r);
}

bool
room_iq_came(struct gateway *g, const struct stanza *st, const struct elem *e, struct jid *from, struct jid *to)
{
	char plain[NETWORK_ADDRESS_MAX], address[NETWORK_ADDRESS_MAX];
	struct gateway_user *u = user_find(g, jid_bare(from));
	struct gateway_seat *s;

	if (!elem_is(e, NS_MUC_ADMIN, "query") || !jid_local(to) || jid_resource(to))
		return false;
	if (gateway_address_from_local(jid_local(to), plain) || g->net->address(g, plain, address) != NETWORK_ROOM)
		return false;
	s = u ? room_seat_of(u, address, from) : NULL;
	if (!s || !s->in)
		send_stanza(g, xerror_reply(st, XERROR_FORBIDDEN, NULL, "you are not in this room"));
	else if (!strcmp(elem_get(st->root, "type"), "set"))
		change(s, st, e);
	else
		list_them(s, st, e);
	return true;
}

void
room_items(struct gateway *g, struct stanza *r, struct elem *query, const char *foreign)
{
	struct gateway_room *room = gateway_room_find(g, foreign);

	for (struct occupant *o = room ? ROOM_KEPT(room)->occupants : NULL; o; o = o->hh.next) {
		struct elem *item = elem_add(r, query, NULL, "item");
		char *jid = arena_printf(r->arena, "%s@%s/%s", ROOM_KEPT(room)->local, g->start.domain, o->nick);

		elem_set(r, item, "jid", jid);
		elem_set(r, item, "name", o->nick);
	}
}
