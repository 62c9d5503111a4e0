/* occupant: see occupant.h, and the effects in room.h. */
#include "occupant.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "history.h"
#include "presence.h"

/* Audiences: those of a room in which nobody is are not there. */

static void
hear(struct room *r, const struct room_seat *s)
{
	if (!r->all) {
		r->all = audience_new();
		r->seeing = audience_new();
		r->blind = audience_new();
	}
	audience_add(r->all, s->full);
	audience_add(presence_sees_addresses(r, s->occupant) ? r->seeing : r->blind, s->full);
}

static void
drop_audiences(struct room *r)
{
	audience_free(r->all);
	audience_free(r->seeing);
	audience_free(r->blind);
	r->all = r->seeing = r->blind = NULL;
}

static void
hear_no_more(struct room *r, const struct room_seat *s)
{
	audience_remove(r->all, s->full);
	if (!audience_remove(r->seeing, s->full))
		audience_remove(r->blind, s->full);
	if (!audience_size(r->all))
		drop_audiences(r);
}

static void
sort(struct room *r, const struct room_occupant *o)
{
	bool sees = presence_sees_addresses(r, o);

	LIST_EACH(l, &o->seats)
		if (audience_remove(sees ? r->blind : r->seeing, ROOM_SEAT(l)->full))
			audience_add(sees ? r->seeing : r->blind, ROOM_SEAT(l)->full);
}

void
room_sort_audiences(struct room *r)
{
	ROOM_EACH_OCCUPANT(o, r)
		sort(r, o);
}

/* Coming */

static void
index_occupant(struct room *r, struct room_occupant *o)
{
	o->key = room_nick_key(room_nick(o));
	HASH_ADD_KEYPTR(hh, r->occupants, room_nick(o), strlen(room_nick(o)), o);
	HASH_ADD_KEYPTR(by_key, r->keys, o->key, strlen(o->key), o);
}

static void
unindex_occupant(struct room *r, struct room_occupant *o)
{
	HASH_DELETE(hh, r->occupants, o);
	HASH_DELETE(by_key, r->keys, o);
	free(o->key);
}

static struct room_occupant *
occupant_new(struct room *r, const struct jid *full, const char *nick, enum affiliation a, enum role role)
{
	struct room_occupant *o = NEW(struct room_occupant);

	o->room = r;
	o->jid = jid_with_resource(r->jid, nick);
	o->bare = jid_to_bare((struct jid *)full);
	o->affiliation = a;
	o->role = role;
	list_init(&o->seats);
	index_occupant(r, o);
	r->noccupants++;
	return o;
}

struct room_seat *
occupant_take_seat(struct room *r, const struct jid *full, int64_t account, const char *nick, enum affiliation a, enum role role,
	struct stanza *presence)
{
	struct room_occupant *o = room_occupant(r, nick);
	struct room_seat *s = NEW(struct room_seat);

	s->occupant = o ? o : occupant_new(r, full, nick, a, role);
	s->occupant->account = account;
	s->full = jid_ref((struct jid *)full);
	HASH_ADD_KEYPTR(hh, r->seats, jid_full(s->full), jid_full_len(s->full), s);
	list_append(&s->occupant->seats, &s->link);
	s->occupant->nseats++;
	r->nseats++;
	metric_add(METRIC_ROOM_SEATS, 1);
	occupant_speaks(s, presence);
	hear(r, s);
	return s;
}

void
occupant_speaks(struct room_seat *s, struct stanza *presence)
{
	stanza_unref(s->presence);
	s->presence = presence;
	s->occupant->speaker = s;
	presence_forget_seen(s->occupant);
}

void
occupant_rename(struct room_occupant *o, const char *nick)
{
	struct room *r = o->room;

	unindex_occupant(r, o);
	jid_unref(o->jid);
	o->jid = jid_with_resource(r->jid, nick);
	index_occupant(r, o);
	presence_forget_seen(o);
}

/* Going */

static void
seat_free(struct room *r, struct room_seat *s)
{
	HASH_DEL(r->seats, s);
	hear_no_more(r, s);
	list_remove(&s->link);
	s->occupant->nseats--;
	r->nseats--;
	metric_add(METRIC_ROOM_SEATS, -1);
	stanza_unref(s->presence);
	jid_unref(s->full);
	free(s);
}

void
occupant_free(struct room *r, struct room_occupant *o)
{
	while (o->nseats)
		seat_free(r, ROOM_SEAT(o->seats.next));
	unindex_occupant(r, o);
	presence_forget_seen(o);
	jid_unref(o->jid);
	jid_unref(o->bare);
	free(o);
	r->noccupants--;
}

/* Nobody is inside or about to be: what was kept for those who enter is read again when somebody does. */
static void
close_if_empty(struct room *r)
{
	if (r->occupants || r->entering)
		return;
	history_free(r->history);
	r->history = NULL;
	r->open = false;
}

/* Another client of the occupant's stays: others see that one's presence from now on. */
static void
leave_to_others(struct room *r, struct room_seat *s)
{
	struct room_occupant *o = s->occupant;
	bool spoke = o->speaker == s;

	seat_free(r, s);
	if (!spoke)
		return;
	o->speaker = ROOM_SEAT(o->seats.prev);
	presence_forget_seen(o);
	presence_tell(r, o, NULL);
}

void
room_remove_seat(struct room *r, struct room_seat *s, const struct room_why *why)
{
	struct room_occupant *o = s->occupant;

	presence_tell_gone_own(r, o, s, why);
	if (o->nseats > 1) {
		leave_to_others(r, s);
		return;
	}
	presence_tell_gone_others(r, o, s, why);
	occupant_free(r, o);
	close_if_empty(r);
}

void
room_remove_occupant(struct room *r, struct room_occupant *o, const struct room_why *why)
{
	if (!why->destroy) /* §10.9: everybody hears of that for themselves */
		presence_tell_gone_others(r, o, o->speaker, why);
	LIST_EACH(l, &o->seats)
		presence_tell_gone_own(r, o, ROOM_SEAT(l), why);
	occupant_free(r, o);
	close_if_empty(r);
}

void
room_remove_all(struct room *r, const struct room_why *why)
{
	ROOM_EACH_OCCUPANT(o, r)
		LIST_EACH(l, &o->seats)
			presence_tell_gone_own(r, o, ROOM_SEAT(l), why);
	while (r->occupants)
		occupant_free(r, r->occupants);
	close_if_empty(r);
}

void
room_change_occupant(struct room *r, struct room_occupant *o, enum affiliation a, enum role role, const struct room_why *why)
{
	bool saw = presence_sees_addresses(r, o);

	o->affiliation = a;
	o->role = role;
	presence_forget_seen(o);
	if (saw != presence_sees_addresses(r, o))
		sort(r, o);
	presence_tell(r, o, why);
}

/* Words */

void
room_tell(struct room *r, struct stanza *st, const struct jid *from)
{
	if (!st->sealed) { /* else it says so */
		elem_set(st, st->root, "from", jid_full(from));
		elem_set(st, st->root, "to", NULL);
	}
	if (r->all)
		audience_tell(r->all, st);
	else
		stanza_unref(st);
}

void
room_send(struct room *r, struct stanza *st, const struct jid *from, const struct jid *to)
{
	(void)r;
	module_send(st, from, to);
}
