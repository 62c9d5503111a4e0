/* register: see register.h. */
#include "register.h"

#include <string.h>

#include "base/metric.h"
#include "change.h"
#include "muc.h"
#include "xmpp/ns.h"

#define NICK "muc#register_roomnick"
#define HOUR_US (3600 * INT64_C(1000000))
#define ALLOW "muc#register_allow"
#define ADDRESS "muc#jid"

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_ROOM_CHANGES_REFUSED, 1);
	return hook_reject(h, e, text);
}

enum xerror
register_nick(struct hook *h, const struct room *r, const char *nick, const struct jid *bare, const char **out)
{
	char prepared[1024];
	const struct room_affiliate *a;
	const struct room_occupant *o;

	if (jid_prepare_resource(nick, strlen(nick), prepared) || !prepared[strspn(prepared, " ")] ||
		strlen(prepared) > module_limits()->room_nick_bytes)
		return XERROR_BAD_REQUEST;
	a = room_reserved(r, prepared);
	o = room_occupant_like(r, prepared);
	if ((a && strcmp(a->jid, jid_bare(bare)) != 0) || (o && !jid_equal_bare(o->bare, bare)))
		return XERROR_CONFLICT;
	*out = arena_strdup(hook_memory(h), prepared);
	return XERROR_NONE;
}

/* Asking what it takes */

static void
add_form(const struct hook *h, const struct room *r, struct stanza *st, struct elem *query)
{
	struct elem *x = form_new(st, query, "form", MUC_REGISTER);

	form_title(st, x, arena_printf(h->arena, "Registration with %s", jid_local(r->jid)), r->config.members_only ?
		"The administrators of the room are asked." : "You become a member, and the nickname is kept for you.");
	form_require(st, form_add(st, x, "text-single", NICK, "Nickname", NULL));
}

enum hook_verdict
register_on_get(struct hook *h, struct room *r)
{
	const struct room_affiliate *a = room_affiliate(r, jid_bare(h->from));
	enum affiliation is = room_affiliation(r, h->from);
	struct stanza *st;
	struct elem *query;

	if (is == AFFILIATION_OUTCAST)
		return refuse(h, XERROR_NOT_ALLOWED, NULL);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_REGISTER, "query");
	if (is >= AFFILIATION_MEMBER)
		elem_add(st, query, NULL, "registered");
	if (a && a->nick)
		elem_add_text(st, elem_add(st, query, NULL, "username"), a->nick, strlen(a->nick));
	else
		add_form(h, r, st, query);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* A change of who asks */

static enum hook_verdict
changed(struct hook *h, void *data, bool ok)
{
	(void)data;
	if (!ok)
		return hook_unavailable(h);
	metric_add(METRIC_ROOM_CHANGES, 1);
	return hook_done(h);
}

static enum hook_verdict
run(struct hook *h, struct change *c, hook_then_fn then)
{
	if (change_is_too_long(c))
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "the room knows too many people (limits.room_affiliations)");
	return change_run(h, c, NULL, then);
}

/* XEP-0077 §3.2: who belongs to the room only by registration does not any more. */
static enum hook_verdict
cancel(struct hook *h, struct room *r)
{
	enum affiliation is = room_affiliation(r, h->from);
	struct change *c;

	if (is < AFFILIATION_MEMBER)
		return refuse(h, XERROR_REGISTRATION_REQUIRED, NULL);
	c = change_new(h, r, RECORD_ROOM_AFFILIATION);
	change_affiliation(h, c, arena_strdup(hook_memory(h), jid_bare(h->from)), is == AFFILIATION_MEMBER ? AFFILIATION_NONE : is,
		NULL)->reserve = "";
	return run(h, c, changed);
}

static enum hook_verdict
enrol(struct hook *h, struct room *r, const struct jid *who, const char *nick, hook_then_fn then)
{
	enum affiliation is = room_affiliation(r, who);
	struct change *c = change_new(h, r, RECORD_ROOM_AFFILIATION);

	change_affiliation(h, c, arena_strdup(hook_memory(h), jid_bare(who)), is < AFFILIATION_MEMBER ? AFFILIATION_MEMBER : is,
		NULL)->reserve = nick;
	return run(h, c, then);
}

/* Asking the admins (§9.9) */

struct request {
	struct room *room;
	const char *nick;
	const struct room_affiliate **admin; /* to be asked; ended by NULL */
};

/* The form that they get. XEP-0045 has no field that says who it is about. */
static struct stanza *
question(const struct hook *h, const struct request *q, const char *to)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *x;

	elem_set(st, st->root, "from", jid_bare(q->room->jid));
	elem_set(st, st->root, "to", to);
	elem_set(st, st->root, "id", elem_get(h->stanza->root, "id"));
	x = form_new(st, st->root, "form", MUC_REGISTER);
	form_title(st, x, "Request for registration", "Somebody would like to become a member of the room. Say whether they may.");
	form_add(st, x, "jid-single", ADDRESS, "Address", jid_bare(h->from));
	form_add(st, x, "text-single", NICK, "Desired nickname", q->nick);
	form_add(st, x, "boolean", ALLOW, "Allow this person to register with the room?", "0");
	return st;
}

static enum hook_verdict
ask_next(struct hook *h, void *data, bool ok)
{
	struct request *q = data;
	const struct room_affiliate *a = *q->admin;
	struct stanza *st;
	struct jid *to;

	if (!ok)
		return hook_unavailable(h);
	if (!a)
		return hook_done(h);
	q->admin++;
	st = question(h, q, a->jid);
	to = jid_parse_z(a->jid);
	hook_record_stanza(h, RECORD_MESSAGE, st, q->room->jid, to, NULL, q, ask_next);
	hook_record_sends(h);
	stanza_unref(st);
	jid_unref(to);
	return HOOK_WAIT;
}

/* At most so many are asked; owners come first. */
#define ASKED_MAX 10

static enum hook_verdict
ask_admins(struct hook *h, struct room *r, const char *nick)
{
	struct request *q;
	unsigned n = 0;

	if (!room_count_take(&r->registrations, HOUR_US, module_limits()->room_registration_requests)) {
		h->error_type = "wait";
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "too many ask to belong to this room, try again later");
	}
	q = arena_zalloc(hook_memory(h), sizeof(*q));
	q->room = r;
	q->nick = nick;
	q->admin = arena_zalloc(hook_memory(h), (ASKED_MAX + 1) * sizeof(*q->admin));
	for (enum affiliation which = AFFILIATION_OWNER; which >= AFFILIATION_ADMIN; which--)
		for (const struct room_affiliate *a = r->affiliates; a && n < ASKED_MAX; a = a->hh.next)
			if (a->affiliation == which)
				q->admin[n++] = a;
	return ask_next(h, q, true);
}

/* A submitted form */

static enum hook_verdict
submit(struct hook *h, struct room *r)
{
	const struct elem *x = elem_child(h->payload, NS_DATA, "x");
	const struct form *f = x ? form_parse(x, hook_memory(h)) : NULL;
	const char *nick = f && !strcmp(f->type, "submit") ? form_value(f, NICK) : NULL;
	enum xerror e;

	if (!nick || (f->form_type && strcmp(f->form_type, MUC_REGISTER) != 0))
		return refuse(h, XERROR_BAD_REQUEST, "a form with a nickname");
	e = register_nick(h, r, nick, h->from, &nick);
	if (e)
		return refuse(h, e, NULL);
	if (r->config.members_only && room_affiliation(r, h->from) < AFFILIATION_MEMBER)
		return ask_admins(h, r, nick);
	return enrol(h, r, h->from, nick, changed);
}

static enum hook_verdict
alone(struct hook *h, void *data, bool ok)
{
	struct room *r = data;

	(void)ok;
	if (!r->id || r->locked)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (room_affiliation(r, h->from) == AFFILIATION_OUTCAST)
		return refuse(h, XERROR_NOT_ALLOWED, NULL);
	if (elem_child(h->payload, NS_REGISTER, "remove"))
		return cancel(h, r);
	return submit(h, r);
}

enum hook_verdict
register_on_set(struct hook *h, struct room *r)
{
	return room_alone(h, r, r, alone);
}

/* An admin's answer */

struct approval {
	struct room *room;
	const struct form *form;
};

static enum hook_verdict
enrolled(struct hook *h, void *data, bool ok)
{
	(void)data;
	return ok ? HOOK_HANDLED : hook_unavailable(h);
}

static enum hook_verdict
approve(struct hook *h, void *data, bool ok)
{
	const struct approval *q = data;
	struct room *r = q->room;
	const char *address = form_value(q->form, ADDRESS), *nick = form_value(q->form, NICK);
	struct jid *who = address ? jid_parse_z(address) : NULL;
	enum hook_verdict v;
	enum xerror e = XERROR_NONE;

	(void)ok;
	if (!r->id || room_affiliation(r, h->from) < AFFILIATION_ADMIN)
		e = XERROR_FORBIDDEN;
	else if (!who || !jid_local(who) || !nick)
		e = XERROR_BAD_REQUEST;
	else if (room_affiliation(r, who) == AFFILIATION_OUTCAST)
		e = XERROR_NOT_ALLOWED;
	else
		e = register_nick(h, r, nick, who, &nick);
	v = e ? refuse(h, e, NULL) : enrol(h, r, who, nick, enrolled);
	jid_unref(who);
	return v;
}

enum hook_verdict
register_approved(struct hook *h, struct room *r, const struct form *f)
{
	struct approval *q;
	bool allow = false;

	if (room_affiliation(r, h->from) < AFFILIATION_ADMIN)
		return refuse(h, XERROR_FORBIDDEN, NULL);
	if (!form_bool(f, ALLOW, &allow))
		return refuse(h, XERROR_BAD_REQUEST, NULL);
	if (!allow)
		return HOOK_HANDLED;
	q = arena_zalloc(hook_memory(h), sizeof(*q));
	q->room = r;
	q->form = f;
	return room_alone(h, r, q, approve);
}
