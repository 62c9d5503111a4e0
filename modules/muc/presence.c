/* presence: see presence.h. */
#include "presence.h"

#include <stdio.h>
#include <string.h>

#include "muc.h"
#include "occupant_id.h"
#include "xmpp/ns.h"

bool
presence_sees_addresses(const struct room *r, const struct room_occupant *who)
{
	return r->config.whois_anyone || who->role == ROLE_MODERATOR;
}

bool
presence_is_broadcast(const struct room *r, enum role role)
{
	return r->config.broadcast & ROLE_BIT(role);
}

/* Elements that only a room says to an occupant. */
static bool
is_ours(const struct elem *e)
{
	return e->ns && (!strncmp(e->ns, "http://jabber.org/protocol/muc", strlen("http://jabber.org/protocol/muc")) ||
		!strcmp(e->ns, NS_OCCUPANT_ID) || !strcmp(e->ns, "urn:xmpp:hats:0") || !strcmp(e->ns, NS_DELAY) || !strcmp(e->ns, "jabber:x:delay") || !strcmp(e->ns, NS_SID));
}

static void
remove_ours(struct stanza *st)
{
	for (struct elem *e = elem_first(st->root), *next; e; e = next) {
		next = elem_next(e, NULL, NULL);
		if (is_ours(e))
			elem_remove(e);
	}
}

struct stanza *
presence_clean(const struct stanza *said)
{
	struct stanza *st = stanza_copy(said);

	remove_ours(st);
	elem_set(st, st->root, "to", NULL);
	elem_set(st, st->root, "from", NULL);
	elem_set(st, st->root, "id", NULL);
	return stanza_pack(st);
}

/* Building */

struct elem *
room_note_item(struct stanza *st, struct elem *x, const char *jid, const char *nick, enum affiliation a, enum role role,
	const struct room_why *why)
{
	struct elem *item = elem_add(st, x, NULL, "item"), *e;

	elem_set(st, item, "affiliation", affiliation_name(a));
	elem_set(st, item, "role", role_name(role));
	if (jid)
		elem_set(st, item, "jid", jid);
	if (nick)
		elem_set(st, item, "nick", nick);
	if (why && why->actor) {
		e = elem_add(st, item, NULL, "actor");
		elem_set(st, e, "nick", room_nick(why->actor));
		if (jid)
			elem_set(st, e, "jid", jid_bare(why->actor->bare));
	}
	if (why && why->reason) {
		e = elem_add(st, item, NULL, "reason");
		elem_add_text(st, e, why->reason, strlen(why->reason));
	}
	return item;
}

void
room_note_status(struct stanza *st, struct elem *x, unsigned code)
{
	char text[12];

	if (!code)
		return;
	snprintf(text, sizeof(text), "%u", code);
	elem_set(st, elem_add(st, x, NULL, "status"), "code", text);
}

struct stanza *
room_note(struct room *r, struct elem **x)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");

	elem_set(st, st->root, "from", jid_bare(r->jid));
	*x = elem_add(st, st->root, NS_MUC_USER, "x");
	return st;
}

void
room_note_occupant(struct stanza *st, struct elem *x, const struct room_occupant *o, enum affiliation a, enum role role,
	const struct room_why *why)
{
	LIST_EACH(l, &o->seats)
		room_note_item(st, x, jid_full(ROOM_SEAT(l)->full), room_nick(o), a, role, why);
}

static struct stanza *
start(const struct room_occupant *o, const struct stanza *said, const char *type, struct elem **x)
{
	struct stanza *st = said ? stanza_copy(said) : stanza_new(NS_CLIENT, "presence");

	elem_set(st, st->root, "from", jid_full(o->jid));
	elem_set(st, st->root, "type", type);
	occupant_id_add(st, st->root, o);
	*x = elem_add(st, st->root, NS_MUC_USER, "x");
	return st;
}

static void
add_why_status(struct stanza *st, struct elem *x, const struct room_why *why)
{
	if (why)
		for (size_t i = 0; i < sizeof(why->status) / sizeof(why->status[0]); i++)
			room_note_status(st, x, why->status[i]);
}

static struct stanza *
available(const struct room_occupant *o, bool address, const struct room_why *why)
{
	struct elem *x;
	struct stanza *st = start(o, o->speaker->presence, NULL, &x);

	room_note_item(st, x, address ? jid_full(o->speaker->full) : NULL, NULL, o->affiliation, o->role, why);
	add_why_status(st, x, why);
	return st;
}

/* Who is told of itself sees its own address, but that of who did it only if it sees everybody's. */
static void
hide_actor(struct stanza *st, const struct room_occupant *to)
{
	struct elem *x = elem_child(st->root, NS_MUC_USER, "x"), *actor = elem_child(elem_child(x, NULL, "item"), NULL, "actor");

	if (actor && !presence_sees_addresses(to->room, to))
		elem_set(st, actor, "jid", NULL);
}

/* The client's own words when it left are a <status/>; what it says of itself otherwise goes with it. */
static struct stanza *
gone(const struct room_occupant *o, const struct room_seat *s, bool address, bool own, const struct room_why *why)
{
	bool renamed = why && why->nick, destroyed = why && why->destroy;
	struct elem *x;
	struct stanza *st = start(o, why ? why->said : NULL, "unavailable", &x);

	room_note_item(st, x, address ? jid_full(s->full) : NULL, renamed ? why->nick : NULL,
		destroyed ? AFFILIATION_NONE : o->affiliation, renamed ? o->role : ROLE_NONE, why);
	if (destroyed) /* XEP-0045 §10.9: of what is no more nobody is an owner */
		elem_add_copy(st, x, why->destroy);
	add_why_status(st, x, why);
	if (own) {
		elem_set(st, st->root, "id", why ? why->id : NULL);
		room_note_status(st, x, MUC_SELF);
		hide_actor(st, o);
	}
	return st;
}

/* Telling */

static struct stanza *
seen(struct room_occupant *o, bool address)
{
	struct stanza **at = &o->seen[address];

	if (!*at)
		*at = stanza_seal(available(o, address, NULL));
	return *at;
}

void
presence_forget_seen(struct room_occupant *o)
{
	for (int i = 0; i < 2; i++) {
		stanza_unref(o->seen[i]);
		o->seen[i] = NULL;
	}
}

void
presence_tell_newcomer(struct room *r, const struct room_seat *s)
{
	bool address = presence_sees_addresses(r, s->occupant);

	ROOM_EACH_OCCUPANT(o, r)
		if (o != s->occupant && presence_is_broadcast(r, o->role))
			module_tell(seen(o, address), o->jid, s->full);
}

void
presence_tell_one(struct room *r, struct room_occupant *o, const struct room_seat *s)
{
	bool address = o == s->occupant || presence_sees_addresses(r, s->occupant);

	module_send(stanza_ref(seen(o, address)), o->jid, s->full);
}

void
presence_tell_own(struct room *r, struct room_occupant *o, const struct room_seat *s, const unsigned *status, size_t n, const char *id)
{
	struct elem *x;
	struct stanza *st = start(o, o->speaker->presence, NULL, &x);

	(void)r;
	elem_set(st, st->root, "id", id);
	room_note_item(st, x, jid_full(o->speaker->full), NULL, o->affiliation, o->role, NULL);
	for (size_t i = 0; i < n; i++)
		room_note_status(st, x, status[i]);
	room_note_status(st, x, MUC_SELF);
	module_send(st, o->jid, s->full);
}

/* Its own seats are told otherwise: they are taken out of the audiences meanwhile. */
static void
take_out(struct room *r, const struct room_occupant *o)
{
	LIST_EACH(l, &o->seats)
		audience_remove(presence_sees_addresses(r, o) ? r->seeing : r->blind, ROOM_SEAT(l)->full);
}

static void
put_back(struct room *r, const struct room_occupant *o)
{
	LIST_EACH(l, &o->seats)
		audience_add(presence_sees_addresses(r, o) ? r->seeing : r->blind, ROOM_SEAT(l)->full);
}

void
presence_tell_others(struct room *r, struct room_occupant *o, const struct room_why *why)
{
	if (!presence_is_broadcast(r, o->role))
		return;
	take_out(r, o);
	if (audience_size(r->seeing))
		audience_tell(r->seeing, why ? available(o, true, why) : stanza_ref(seen(o, true)));
	if (audience_size(r->blind))
		audience_tell(r->blind, why ? available(o, false, why) : stanza_ref(seen(o, false)));
	put_back(r, o);
}

void
presence_tell(struct room *r, struct room_occupant *o, const struct room_why *why)
{
	presence_tell_others(r, o, why);
	LIST_EACH(l, &o->seats) {
		struct stanza *st = available(o, true, why);

		room_note_status(st, elem_child(st->root, NS_MUC_USER, "x"), MUC_SELF);
		hide_actor(st, o);
		module_send(st, o->jid, ROOM_SEAT(l)->full);
	}
}

void
presence_tell_gone_others(struct room *r, const struct room_occupant *o, const struct room_seat *s, const struct room_why *why)
{
	if (!presence_is_broadcast(r, o->role))
		return;
	take_out(r, o);
	if (audience_size(r->seeing))
		audience_tell(r->seeing, gone(o, s, true, false, why));
	if (audience_size(r->blind))
		audience_tell(r->blind, gone(o, s, false, false, why));
	put_back(r, o);
}

void
presence_tell_gone_own(struct room *r, const struct room_occupant *o, const struct room_seat *s, const struct room_why *why)
{
	(void)r;
	module_send(gone(o, s, true, true, why), o->jid, s->full);
}
