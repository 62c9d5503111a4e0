/* subject: see subject.h. */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "history.h"
#include "message.h"
#include "room_store.h"
#include "xmpp/ns.h"

bool
subject_is(const struct stanza *st)
{
	return elem_child(st->root, NS_CLIENT, "subject") && !elem_child(st->root, NS_CLIENT, "body") &&
		!elem_child(st->root, NS_CLIENT, "thread");
}

void
subject_send(struct room *r, const struct jid *to)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *e = elem_add(st, st->root, NULL, "subject");
	struct jid *from = r->subject.nick ? jid_with_resource(r->jid, r->subject.nick) : NULL;

	elem_set(st, st->root, "type", "groupchat");
	if (r->subject.text) {
		elem_add_text(st, e, r->subject.text, strlen(r->subject.text));
		history_stamp(st, jid_bare(r->jid), r->subject.at_us);
	}
	module_send(st, from ? from : r->jid, to);
	jid_unref(from);
}

/* Changing it */

struct changing {
	struct room_row row;  /* first: what the job sees */
	struct room *room;
	struct stanza *st;
	struct jid *from;
};

static void
forget(void *arg)
{
	struct changing *c = arg;

	stanza_unref(c->st);
	jid_unref(c->from);
}

static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	struct changing *c = data;
	struct room *r = c->room;
	struct stanza *st;

	if (!ok)
		return hook_unavailable(h);
	free(r->subject.text);
	free(r->subject.nick);
	r->subject = (struct room_subject){ mem_strdup(c->row.subject.text), mem_strdup(c->row.subject.nick), c->row.subject.at_us };
	st = stanza_copy(c->st);
	message_set_id(st, jid_bare(r->jid), h->record_id);
	room_tell(r, st, c->from);
	return HOOK_HANDLED;
}

static enum hook_verdict
recorded(struct hook *h, void *data, bool ok)
{
	struct changing *c = data;

	if (!ok)
		return hook_unavailable(h);
	c->row.subject.at_us = h->record_us;
	return hook_job(h, c, room_store_subject, stored);
}

static bool
may_change(const struct room *r, const struct room_occupant *o)
{
	return o->role == ROLE_MODERATOR || (r->config.change_subject && o->role == ROLE_PARTICIPANT);
}

static enum hook_verdict
change(struct hook *h, void *data, bool ok)
{
	struct room *r = data;
	struct room_seat *s = room_seat(r, h->from);
	const struct elem *e = elem_child(h->stanza->root, NS_CLIENT, "subject");
	struct changing *c;
	const char *text = elem_text(e, h->arena);

	(void)ok;
	if (!s)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "you are not in the room");
	if (!may_change(r, s->occupant))
		return hook_reject(h, XERROR_FORBIDDEN, "you may not change the subject");
	if (strlen(text) > module_limits()->room_text_bytes)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "the subject is too long");
	c = arena_zalloc(hook_memory(h), sizeof(*c));
	c->room = r;
	c->row.id = r->id;
	c->row.subject = (struct room_subject){ arena_strdup(hook_memory(h), text),
		arena_strdup(hook_memory(h), room_nick(s->occupant)), 0 };
	c->st = message_reflect(h, r, s->occupant);
	c->from = jid_ref(s->occupant->jid);
	arena_on_free(hook_memory(h), forget, c);
	hook_record_stanza(h, RECORD_MESSAGE, c->st, h->from, r->jid, NULL, c, recorded);
	hook_record_message(h, HOOK_HISTORY_RECIPIENT);
	return HOOK_WAIT;
}

enum hook_verdict
subject_arrived(struct hook *h, struct room *r, struct room_occupant *o)
{
	if (!room_rate_take(&o->rate, module_limits()->room_messages_per_second, module_limits()->room_messages_burst)) {
		metric_add(METRIC_RATE_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many messages");
	}
	return room_alone(h, r, r, change);
}
