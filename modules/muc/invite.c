/*
 * invite: see invite.h. An invitation is a record of its own, from the room to the invited (P1), and reaches who is away later. Whom the
 * invited have blocked is their home's affair.
 */
#include "invite.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/metric.h"
#include "change.h"
#include "muc.h"

#define MINUTE_US (60 * INT64_C(1000000))

/* Who has invited whom */

struct invited {
	struct list link;            /* oldest first */
	struct jid *by, *whom;       /* bare */
	int64_t at_us;
};

struct invites {
	struct list list;
	unsigned n;
};

static void
forget(struct invites *l, struct invited *i)
{
	l->n--;
	jid_unref(i->by);
	jid_unref(i->whom);
	free(i);
}

static void
forget_oldest(struct invites *l)
{
	forget(l, LIST_ENTRY(list_pop(&l->list), struct invited, link));
}

void
invites_free(struct invites *l)
{
	while (l && l->n)
		forget_oldest(l);
	free(l);
}

static void
remember(struct room *r, const struct jid *by, const struct jid *whom)
{
	struct invited *i = NEW(struct invited);

	if (!r->invites) {
		r->invites = NEW(struct invites);
		list_init(&r->invites->list);
	}
	while (r->invites->n >= module_limits()->room_invitations)
		forget_oldest(r->invites);
	i->by = jid_to_bare((struct jid *)by);
	i->whom = jid_to_bare((struct jid *)whom);
	i->at_us = clock_mono_us();
	list_append(&r->invites->list, &i->link);
	r->invites->n++;
}

static const struct invited *
find(const struct room *r, const struct jid *by, const struct jid *whom)
{
	if (!r->invites)
		return NULL;
	LIST_EACH(l, &r->invites->list) {
		const struct invited *i = LIST_ENTRY(l, struct invited, link);

		if (jid_equal_bare(i->by, by) && jid_equal_bare(i->whom, whom))
			return i;
	}
	return NULL;
}

static unsigned
lately_by(const struct room *r, const struct jid *by)
{
	int64_t now = clock_mono_us();
	unsigned n = 0;

	if (!r->invites)
		return 0;
	LIST_EACH(l, &r->invites->list) {
		const struct invited *i = LIST_ENTRY(l, struct invited, link);

		n += now - i->at_us < MINUTE_US && jid_equal_bare(i->by, by);
	}
	return n;
}

/* One request */

struct asked {
	struct asked *next;
	const struct elem *element;  /* <invite/> */
	struct jid *whom;
	struct hook_who who;
};

struct inviting {
	struct room *room;
	struct asked *first, *at;
	struct change *change;       /* NULL: nobody becomes a member */
	bool alone;                  /* room_alone */
};

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_ROOM_INVITATIONS_REFUSED, 1);
	return hook_reject(h, e, text);
}

static enum hook_verdict
refuse_for_now(struct hook *h, const char *text)
{
	h->error_type = "wait";
	return refuse(h, XERROR_RESOURCE_CONSTRAINT, text);
}

static void
add_password(struct stanza *st, struct elem *x, const struct room *r)
{
	const char *password = r->config.password;

	if (password)
		elem_add_text(st, elem_add(st, x, NULL, "password"), password, strlen(password));
}

static enum hook_verdict
record(struct hook *h, struct stanza *st, const struct jid *from, const struct jid *to, void *data, hook_then_fn then)
{
	hook_record_stanza(h, RECORD_MESSAGE, st, from, to, NULL, data, then);
	hook_record_message(h, HOOK_HISTORY_RECIPIENT);
	hook_record_sends(h);
	stanza_unref(st);
	return HOOK_WAIT;
}

/* <message from='room' to=…><x/></message> */
static struct stanza *
letter(const struct room *r, const struct jid *to, const char *id, struct elem **x)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");

	elem_set(st, st->root, "from", jid_bare(r->jid));
	elem_set(st, st->root, "to", jid_full(to));
	if (id)
		elem_set(st, st->root, "id", id);
	*x = elem_add(st, st->root, NS_MUC_USER, "x");
	return st;
}

static void
copy_child(struct stanza *st, struct elem *to, const struct elem *from, const char *name)
{
	const struct elem *e = elem_child(from, NS_MUC_USER, name);

	if (e)
		elem_add_copy(st, to, e);
}

static enum hook_verdict send_next(struct hook *h, void *data, bool ok);

static enum hook_verdict
send_one(struct hook *h, struct inviting *v, const struct asked *a)
{
	struct elem *x, *invite;
	struct stanza *st = letter(v->room, a->whom, elem_get(h->stanza->root, "id"), &x);

	invite = elem_add(st, x, NULL, "invite");
	elem_set(st, invite, "from", jid_full(h->from));
	copy_child(st, invite, a->element, "reason");
	copy_child(st, invite, a->element, "continue");
	add_password(st, x, v->room);
	metric_add(METRIC_ROOM_INVITATIONS, 1);
	return record(h, st, v->room->jid, a->whom, v, send_next);
}

static enum hook_verdict
send_next(struct hook *h, void *data, bool ok)
{
	struct inviting *v = data;
	struct asked *a = v->at;

	if (!ok)
		return hook_unavailable(h);
	if (!a)
		return HOOK_HANDLED;
	v->at = a->next;
	return send_one(h, v, a);
}

/* §9.5: in a room for members the invited become that. */
static enum hook_verdict
send_all(struct hook *h, struct inviting *v)
{
	struct room *r = v->room;

	v->at = v->first;
	if (!r->id)
		return refuse(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (!r->config.members_only)
		return send_next(h, v, true);
	if (!v->alone)
		return refuse_for_now(h, "the room has just become one for members, try again");
	v->change = change_new(h, r, RECORD_ROOM_AFFILIATION);
	for (const struct asked *a = v->first; a; a = a->next)
		if (room_affiliation(r, a->whom) == AFFILIATION_NONE && !change_find(v->change, jid_bare(a->whom), NULL))
			change_affiliation(h, v->change, jid_bare(a->whom), AFFILIATION_MEMBER, NULL);
	if (!v->change->n)
		return send_next(h, v, true);
	if (change_is_too_long(v->change))
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "the room knows too many people (limits.room_affiliations)");
	return change_run(h, v->change, v, send_next);
}

/* Are they there? Of other servers only they know. */

static enum hook_verdict
known(struct hook *h, void *data, bool ok)
{
	struct inviting *v = data;

	if (!ok)
		return hook_unavailable(h);
	if (!v->at->who.exists)
		return refuse(h, XERROR_ITEM_NOT_FOUND, "nobody has that address");
	for (v->at = v->at->next; v->at; v->at = v->at->next)
		if (module_is_local(v->at->whom))
			return hook_who(h, &v->at->who, v, known);
	return send_all(h, v);
}

static enum hook_verdict
look_up(struct hook *h, struct inviting *v)
{
	for (v->at = v->first; v->at; v->at = v->at->next)
		if (module_is_local(v->at->whom))
			return hook_who(h, &v->at->who, v, known);
	return send_all(h, v);
}

/* May they? */

static bool
may_invite(const struct room *r, const struct hook *h)
{
	enum affiliation a = room_affiliation(r, h->from);

	if (a >= AFFILIATION_ADMIN || !r->config.members_only)
		return true;
	return a >= AFFILIATION_MEMBER && r->config.invites; /* §9.5 */
}

static void
drop_jid(void *arg)
{
	jid_unref(arg);
}

/* HOOK_NEXT: it may go. */
static enum hook_verdict
read_one(struct hook *h, const struct room *r, const struct elem *e, struct asked **out)
{
	const char *to = elem_get(e, "to");
	struct jid *whom = to ? jid_parse_z(to) : NULL;
	const struct invited *before;
	struct asked *a;

	if (!whom || !jid_local(whom)) {
		jid_unref(whom);
		return refuse(h, to ? XERROR_JID_MALFORMED : XERROR_BAD_REQUEST, "who is invited?");
	}
	arena_on_free(hook_memory(h), drop_jid, whom);
	if (room_affiliation(r, whom) == AFFILIATION_OUTCAST)
		return refuse(h, XERROR_NOT_ALLOWED, "they are banned from the room");
	if (!module_may_meet(whom))
		return refuse(h, XERROR_NOT_ALLOWED, "group chat with their domain is not allowed here");
	before = find(r, h->from, whom);
	if (before && clock_mono_us() - before->at_us < (int64_t)module_limits()->room_invitation_again_seconds * 1000000)
		return refuse_for_now(h, "you have just invited them");
	a = arena_zalloc(hook_memory(h), sizeof(*a));
	a->element = e;
	a->whom = whom;
	a->who.who = jid_to_bare(whom);
	arena_on_free(hook_memory(h), drop_jid, (struct jid *)a->who.who);
	*out = a;
	return HOOK_NEXT;
}

static bool
comes_twice(const struct inviting *v, const struct asked *new)
{
	const struct asked *a = v->first;

	while (a != new && !jid_equal_bare(a->whom, new->whom))
		a = a->next;
	return a != new;
}

static enum hook_verdict
read_all(struct hook *h, struct inviting *v, const struct elem *x)
{
	const struct limits *l = module_limits();
	struct asked **last = &v->first;
	unsigned n = lately_by(v->room, h->from);

	for (const struct elem *e = elem_child(x, NS_MUC_USER, "invite"); e; e = elem_next(e, NS_MUC_USER, "invite")) {
		if (++n > l->room_invitations_per_minute)
			return refuse_for_now(h, "you invite too many");
		if (read_one(h, v->room, e, last) != HOOK_NEXT)
			return HOOK_REJECT;
		if (comes_twice(v, *last))
			return refuse(h, XERROR_BAD_REQUEST, "somebody is invited twice");
		last = &(*last)->next;
	}
	/* Counted at once, not when they are sent: several requests may be under way, and whether somebody is there is not to be tried
	 * out for nothing. */
	for (const struct asked *a = v->first; a; a = a->next)
		remember(v->room, h->from, a->whom);
	return HOOK_NEXT;
}

static enum hook_verdict
begin(struct hook *h, void *data, bool ok)
{
	struct inviting *v = data;
	const struct room *r = v->room;

	(void)ok;
	if (!r->id || r->locked)
		return refuse(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (!room_seat(r, h->from) || !may_invite(r, h))
		return refuse(h, XERROR_FORBIDDEN, NULL);
	if (read_all(h, v, elem_child(h->stanza->root, NS_MUC_USER, "x")) != HOOK_NEXT)
		return HOOK_REJECT;
	return look_up(h, v);
}

/* Declining */

/* An invitation is declined once; then there may be another. */
static bool
take_back(struct room *r, const struct jid *whom, const struct jid *by)
{
	struct invited *i = (struct invited *)find(r, by, whom);

	if (!i)
		return false;
	list_remove(&i->link);
	forget(r->invites, i);
	return true;
}

static enum hook_verdict
declined(struct hook *h, void *data, bool ok)
{
	(void)data;
	return ok ? HOOK_HANDLED : hook_unavailable(h);
}

static enum hook_verdict
decline(struct hook *h, struct room *r, const struct elem *e)
{
	const char *to = elem_get(e, "to");
	struct jid *by = to ? jid_parse_z(to) : NULL;
	const struct room_occupant *o = by && jid_equal_bare(by, r->jid) && jid_resource(by) ? room_occupant(r, jid_resource(by)) : NULL;
	struct stanza *st;
	struct elem *x, *d;

	if (by)
		arena_on_free(hook_memory(h), drop_jid, by);
	if (o)
		by = o->bare;
	if (!by)
		return refuse(h, XERROR_BAD_REQUEST, "whose invitation?");
	if (!r->id || !take_back(r, h->from, by))
		return refuse(h, XERROR_ITEM_NOT_FOUND, "there is no such invitation");
	st = letter(r, by, elem_get(h->stanza->root, "id"), &x);
	d = elem_add(st, x, NULL, "decline");
	elem_set(st, d, "from", jid_bare(h->from));
	copy_child(st, d, e, "reason");
	return record(h, st, r->jid, by, NULL, declined);
}

enum hook_verdict
invite_arrived(struct hook *h, struct room *r)
{
	const struct elem *x = elem_child(h->stanza->root, NS_MUC_USER, "x"), *no = elem_child(x, NS_MUC_USER, "decline");
	struct inviting *v;

	if (elem_child(x, NS_MUC_USER, "invite")) {
		v = arena_zalloc(hook_memory(h), sizeof(*v));
		v->room = r;
		v->alone = r->config.members_only;
		/* Members are made one after the other. */
		return v->alone ? room_alone(h, r, v, begin) : begin(h, v, true);
	}
	return no ? decline(h, r, no) : HOOK_NEXT;
}

/* In the room's own name */

struct welcome {
	struct room *room;
	const char *bare, *reason;
};

static enum hook_verdict
welcomed(struct hook *h, void *data, bool ok)
{
	(void)h, (void)data, (void)ok;
	return HOOK_HANDLED;
}

static enum hook_verdict
send_welcome(struct hook *h, void *data, bool ok)
{
	const struct welcome *w = data;
	struct jid *to = jid_parse_z(w->bare);
	struct elem *x, *invite;
	struct stanza *st;
	enum hook_verdict v;

	(void)ok;
	st = letter(w->room, to, NULL, &x);
	invite = elem_add(st, x, NULL, "invite");
	elem_set(st, invite, "from", jid_bare(h->from));
	if (w->reason)
		elem_add_text(st, elem_add(st, invite, NULL, "reason"), w->reason, strlen(w->reason));
	add_password(st, x, w->room);
	remember(w->room, h->from, to);
	metric_add(METRIC_ROOM_INVITATIONS, 1);
	v = record(h, st, w->room->jid, to, NULL, welcomed);
	jid_unref(to);
	return v;
}

void
invite_member(struct hook *h, struct room *r, const char *bare, const char *reason)
{
	struct welcome w = { r, bare, reason };

	hook_aside(h, send_welcome, &w);
}
