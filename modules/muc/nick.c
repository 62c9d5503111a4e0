/*
 * nick: see nick.h. An occupant with several clients changes its nickname with all of them.
 */
#include "nick.h"

#include <string.h>

#include "base/metric.h"
#include "enter.h"
#include "occupant.h"
#include "presence.h"
#include "xmpp/ns.h"

struct renaming {
	struct room *room;
	struct room_seat *seat;
};

/* First all hear that the old one is gone, and by what name it will be known; then the new one comes. */
static enum hook_verdict
renamed(struct hook *h, void *data, bool ok)
{
	struct renaming *n = data;
	struct room *r = n->room;
	struct room_occupant *o = n->seat->occupant;
	const struct room_why why = { .status = { MUC_NEW_NICK }, .nick = jid_resource(h->to) };

	if (!ok)
		return hook_unavailable(h);
	presence_tell_gone_others(r, o, o->speaker, &why);
	LIST_EACH(l, &o->seats)
		presence_tell_gone_own(r, o, ROOM_SEAT(l), &why);
	occupant_rename(o, jid_resource(h->to));
	occupant_speaks(n->seat, presence_clean(h->stanza));
	presence_tell(r, o, NULL);
	return HOOK_HANDLED;
}

static struct stanza *
note_of(const struct hook *h, struct room *r, const struct room_occupant *o)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");
	struct elem *x;

	(void)r;
	elem_set(st, st->root, "from", jid_full(o->jid));
	elem_set(st, st->root, "type", "unavailable");
	x = elem_add(st, st->root, NS_MUC_USER, "x");
	LIST_EACH(l, &o->seats)
		room_note_item(st, x, jid_full(ROOM_SEAT(l)->full), jid_resource(h->to), o->affiliation, o->role, NULL);
	room_note_status(st, x, MUC_NEW_NICK);
	return st;
}

static enum hook_verdict
rename_alone(struct hook *h, void *data, bool ok)
{
	struct renaming *n = data;
	struct room *r = n->room;
	struct stanza *st;
	enum hook_verdict v;

	(void)ok;
	n->seat = room_seat(r, h->from);
	if (!n->seat || !strcmp(room_nick(n->seat->occupant), jid_resource(h->to)))
		return enter_arrived(h, r); /* has left meanwhile, or got that name */
	if (!enter_nick_allowed(h, r, jid_resource(h->to)))
		return HOOK_REJECT;
	st = note_of(h, r, n->seat->occupant);
	v = hook_record_stanza(h, RECORD_ROOM_NICK, st, h->from, r->jid, NULL, n, renamed);
	stanza_unref(st);
	return v;
}

enum hook_verdict
nick_change(struct hook *h, struct room *r)
{
	struct renaming *n = arena_zalloc(hook_memory(h), sizeof(*n));

	if (!room_rate_take(&room_seat(r, h->from)->occupant->rate, module_limits()->room_messages_per_second,
		    module_limits()->room_messages_burst)) {
		metric_add(METRIC_RATE_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many changes");
	}
	n->room = r;
	return room_alone(h, r, n, rename_alone);
}
