/* voice: see voice.h. */
#include "voice.h"

#include <string.h>

#include "admin.h"
#include "base/metric.h"
#include "change.h"
#include "muc.h"

#define MINUTE_US (60 * INT64_C(1000000))

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_ROOM_CHANGES_REFUSED, 1);
	return hook_reject(h, e, text);
}

/* Asking */

/* §8.6: the form that moderators are asked with. */
static struct stanza *
question(struct room *r, const struct hook *h, const struct room_occupant *o)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *x, *role;

	elem_set(st, st->root, "from", jid_bare(r->jid));
	if (elem_get(h->stanza->root, "id"))
		elem_set(st, st->root, "id", elem_get(h->stanza->root, "id"));
	x = form_new(st, st->root, "form", MUC_REQUEST);
	form_title(st, x, "Request for voice", "Somebody would like to speak. Say whether they may.");
	role = form_add(st, x, "list-single", "muc#role", "Requested role", role_name(ROLE_PARTICIPANT));
	form_add_option(st, role, NULL, role_name(ROLE_PARTICIPANT));
	form_add(st, x, "jid-single", "muc#jid", "Address", jid_full(h->from));
	form_add(st, x, "text-single", "muc#roomnick", "Nickname", room_nick(o));
	form_add(st, x, "boolean", "muc#request_allow", "Grant voice?", "0");
	return st;
}

static enum hook_verdict
ask(struct hook *h, struct room *r, const struct room_seat *s)
{
	struct room_occupant *o = s->occupant;

	if (o->role != ROLE_VISITOR)
		return refuse(h, XERROR_NOT_ALLOWED, "you have voice");
	if (!r->config.voice_requests)
		return refuse(h, XERROR_FORBIDDEN, "this room takes no requests for voice");
	if (!room_count_take(&o->requests, MINUTE_US, module_limits()->room_voice_requests))
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "you have asked already");
	ROOM_EACH_OCCUPANT(m, r)
		if (m->role == ROLE_MODERATOR)
			LIST_EACH(l, &m->seats)
				room_send(r, question(r, h, o), r->jid, ROOM_SEAT(l)->full);
	return HOOK_HANDLED;
}

/* Answering */

struct granting {
	struct room *room;
	const struct form *form;
};

static enum hook_verdict
granted(struct hook *h, void *data, bool ok)
{
	(void)data;
	if (!ok)
		return hook_unavailable(h);
	metric_add(METRIC_ROOM_CHANGES, 1);
	return HOOK_HANDLED;
}

/* The occupant must still be who the moderator was asked about. */
static struct room_occupant *
subject_of(const struct room *r, const struct form *f)
{
	const char *nick = form_value(f, "muc#roomnick"), *address = form_value(f, "muc#jid");
	struct room_occupant *o = nick ? room_occupant(r, nick) : NULL;
	struct jid *j = address ? jid_parse_z(address) : NULL;

	if (o && address && (!j || !jid_equal_bare(j, o->bare)))
		o = NULL;
	jid_unref(j);
	return o;
}

static enum hook_verdict
grant(struct hook *h, void *data, bool ok)
{
	const struct granting *g = data;
	struct room *r = g->room;
	struct admin_actor actor;
	struct room_occupant *o;
	struct change *c;
	enum xerror e;

	(void)ok;
	admin_actor(h, r, &actor);
	if (!r->id || (actor.role != ROLE_MODERATOR && actor.affiliation < AFFILIATION_ADMIN))
		return refuse(h, XERROR_FORBIDDEN, NULL);
	o = subject_of(r, g->form);
	if (!o)
		return refuse(h, XERROR_ITEM_NOT_FOUND, "they have left");
	if (o->role >= ROLE_PARTICIPANT)
		return HOOK_HANDLED; /* another moderator was faster */
	e = admin_role_refusal(&actor, o->affiliation, o->role, ROLE_PARTICIPANT);
	if (e)
		return refuse(h, e, NULL);
	c = change_new(h, r, RECORD_ROOM_AFFILIATION);
	change_role(h, c, o, ROLE_PARTICIPANT, NULL);
	return change_run(h, c, NULL, granted);
}

enum hook_verdict
voice_arrived(struct hook *h, struct room *r, const struct form *f)
{
	const struct room_seat *s = room_seat(r, h->from);
	const char *role = form_value(f, "muc#role");
	struct granting *g;
	bool allow = false;

	if (!s)
		return refuse(h, XERROR_FORBIDDEN, NULL); /* §16.2 */
	if (!form_bool(f, "muc#request_allow", &allow) || !role || strcmp(role, role_name(ROLE_PARTICIPANT)) != 0)
		return refuse(h, XERROR_BAD_REQUEST, "only the role of a participant can be asked for");
	if (!form_find(f, "muc#request_allow"))
		return ask(h, r, s);
	if (!allow)
		return s->occupant->role == ROLE_MODERATOR ? HOOK_HANDLED : refuse(h, XERROR_FORBIDDEN, NULL);
	g = arena_zalloc(hook_memory(h), sizeof(*g));
	g->room = r;
	g->form = f;
	return room_alone(h, r, g, grant);
}
