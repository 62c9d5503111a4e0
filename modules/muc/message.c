/* message: see message.h. */
#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/metric.h"
#include "history.h"
#include "moderate.h"
#include "occupant_id.h"
#include "subject.h"
#include "xmpp/ns.h"

static bool
is_ours(const struct elem *e, const struct room *r, bool owner)
{
	if (elem_is(e, NS_SID, "stanza-id")) {
		const char *by = elem_get(e, "by");

		return !by || !strcmp(by, jid_bare(r->jid));
	}
	if (elem_is(e, NS_DELAY, "delay") || elem_is(e, "jabber:x:delay", "x"))
		return !owner; /* §7.9: owners bring along what was said before */
	return e->ns && (!strcmp(e->ns, NS_OCCUPANT_ID) || !strcmp(e->ns, NS_MUC_USER) || !strcmp(e->ns, NS_ADDRESS));
}

struct stanza *
message_reflect(const struct hook *h, const struct room *r, const struct room_occupant *o)
{
	struct stanza *st = stanza_copy(h->stanza);

	for (struct elem *e = elem_first(st->root), *next; e; e = next) {
		next = elem_next(e, NULL, NULL);
		if (is_ours(e, r, o->affiliation == AFFILIATION_OWNER))
			elem_remove(e);
	}
	elem_set(st, st->root, "from", jid_full(o->jid));
	elem_set(st, st->root, "to", NULL);
	occupant_id_add(st, st->root, o);
	return st;
}

void
message_set_id(struct stanza *st, const char *by, uint64_t id)
{
	struct elem *e = elem_add(st, st->root, NS_SID, "stanza-id");
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	elem_set(st, e, "by", by);
	elem_set(st, e, "id", text);
}

/* To everybody */

struct saying {
	struct room *room;
	struct jid *from;     /* the occupant as it was */
	struct stanza *st;    /* as recorded */
	bool kept;            /* it belongs into the history */
};

static void
forget(void *arg)
{
	struct saying *s = arg;

	jid_unref(s->from);
	stanza_unref(s->st);
}

static enum hook_verdict
said(struct hook *h, void *data, bool ok)
{
	struct saying *s = data;
	struct room *r = s->room;
	struct room_occupant *o = room_occupant(r, jid_resource(s->from));
	struct stanza *st;

	if (o && o->saying)
		o->saying--;
	if (!ok)
		return hook_unavailable(h);
	st = stanza_copy(s->st);
	message_set_id(st, jid_bare(r->jid), h->record_id);
	stanza_seal(st);
	r->said = h->record_id;
	if (s->kept)
		history_add(r->history, st, h->record_id, h->record_us);
	metric_add(METRIC_ROOM_MESSAGES, 1);
	metric_add(METRIC_ROOM_COPIES, r->nseats);
	room_tell(r, st, s->from);
	moderate_reflected(h, s->st, h->record_id);
	return HOOK_HANDLED;
}

static bool
within_rates(struct room *r, struct room_occupant *o)
{
	const struct limits *m = module_limits();

	return room_rate_take(&o->rate, m->room_messages_per_second, m->room_messages_burst) &&
		room_rate_take(&r->messages, m->room_all_messages_per_second, m->room_all_messages_burst);
}

/* Typing notifications are in nobody's record, unless they would overtake what was said before them. */
static enum hook_verdict
type(struct hook *h, struct room *r, struct room_occupant *o)
{
	room_tell(r, message_reflect(h, r, o), o->jid);
	return HOOK_HANDLED;
}

static enum hook_verdict
say(struct hook *h, struct room *r, struct room_occupant *o)
{
	struct saying *s = arena_zalloc(hook_memory(h), sizeof(*s));

	s->room = r;
	s->from = jid_ref(o->jid);
	s->st = message_reflect(h, r, o);
	arena_on_free(hook_memory(h), forget, s);
	hook_record_stanza(h, RECORD_MESSAGE, s->st, h->from, r->jid, NULL, s, said);
	s->kept = hook_record_message(h, HOOK_HISTORY_RECIPIENT);
	o->saying++;
	return HOOK_WAIT;
}

static enum hook_verdict
again(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return message_arrived(h, data);
}

enum hook_verdict
message_arrived(struct hook *h, struct room *r)
{
	struct room_crossing *c;
	struct room_seat *s;

	if (r->alone)
		return room_wait(h, &r->quiet, r, again);
	if ((c = room_crossing(r, h->from, NULL)) != NULL)
		return room_wait(h, &c->gate, r, again);
	s = room_seat(r, h->from);
	if (!s)
		return hook_reject(h, r->id ? XERROR_NOT_ACCEPTABLE : XERROR_ITEM_NOT_FOUND, "you are not in the room");
	if (subject_is(h->stanza))
		return subject_arrived(h, r, s->occupant);
	if (s->occupant->role < ROLE_PARTICIPANT)
		return hook_reject(h, XERROR_FORBIDDEN, "you have no voice in this room");
	if (!within_rates(r, s->occupant)) {
		metric_add(METRIC_RATE_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many messages");
	}
	return s->occupant->saying || module_must_record(h->stanza) ? say(h, r, s->occupant) : type(h, r, s->occupant);
}

/* To one */

struct whisper {
	struct room *room;
	struct jid *from, *to; /* occupants */
	struct stanza *st;
};

static void
forget_whisper(void *arg)
{
	struct whisper *w = arg;

	jid_unref(w->from);
	jid_unref(w->to);
	stanza_unref(w->st);
}

/* §7.5: to all its clients. */
static enum hook_verdict
whispered(struct hook *h, void *data, bool ok)
{
	struct whisper *w = data;
	struct room_occupant *o = room_occupant(w->room, jid_resource(w->to));

	if (!ok)
		return hook_unavailable(h);
	if (!o)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	LIST_EACH(l, &o->seats) {
		struct stanza *st = stanza_copy(w->st);

		ROOM_SEAT(l)->whispered_us = clock_mono_us();
		message_set_id(st, jid_bare(o->bare), h->record_id);
		module_send(st, w->from, ROOM_SEAT(l)->full);
	}
	return HOOK_HANDLED;
}

static bool
may_whisper(const struct room *r, const struct room_occupant *from, const struct room_occupant *to)
{
	switch (r->config.pm) {
	case ROOM_PM_ANYONE:
		return true;
	case ROOM_PM_PARTICIPANTS:
		return from->role >= ROLE_PARTICIPANT || to->role == ROLE_MODERATOR;
	case ROOM_PM_MODERATORS:
		return from->role == ROLE_MODERATOR;
	case ROOM_PM_NONE:
		break;
	}
	return false;
}

static enum hook_verdict
whisper(struct hook *h, struct room *r, struct room_occupant *from, struct room_occupant *to)
{
	struct whisper *w = arena_zalloc(hook_memory(h), sizeof(*w));

	w->room = r;
	w->from = jid_ref(from->jid);
	w->to = jid_ref(to->jid);
	w->st = message_reflect(h, r, from);
	elem_add(w->st, w->st->root, NS_MUC_USER, "x");
	elem_set(w->st, w->st->root, "to", jid_bare(to->bare));
	arena_on_free(hook_memory(h), forget_whisper, w);
	hook_record_stanza(h, RECORD_MESSAGE, w->st, from->jid, to->bare, NULL, w, whispered);
	hook_record_message(h, HOOK_HISTORY_RECIPIENT);
	return HOOK_WAIT;
}

static enum hook_verdict
private_again(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return private_arrived(h, data);
}

enum hook_verdict
private_arrived(struct hook *h, struct room *r)
{
	const char *type = elem_get(h->stanza->root, "type");
	struct room_crossing *c;
	struct room_seat *s;
	struct room_occupant *to;

	if (type && !strcmp(type, "groupchat"))
		return hook_reject(h, XERROR_BAD_REQUEST, "a message to one occupant is not of type groupchat");
	if (r->alone)
		return room_wait(h, &r->quiet, r, private_again);
	if ((c = room_crossing(r, h->from, NULL)) != NULL)
		return room_wait(h, &c->gate, r, private_again);
	s = room_seat(r, h->from);
	to = room_occupant(r, jid_resource(h->to));
	if (!s)
		return hook_reject(h, r->id ? XERROR_NOT_ACCEPTABLE : XERROR_ITEM_NOT_FOUND, "you are not in the room");
	if (!to)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, "nobody of that nickname is in the room");
	if (!may_whisper(r, s->occupant, to))
		return hook_reject(h, XERROR_FORBIDDEN, "private messages are not allowed in this room");
	if (!within_rates(r, s->occupant)) {
		metric_add(METRIC_RATE_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many messages");
	}
	return whisper(h, r, s->occupant, to);
}
