/*
 * admin: see admin.h. A request is read whole before anything of it is done: one item that may not be refuses all (§9.2).
 */
#include "admin.h"

#include <string.h>

#include "base/metric.h"
#include "change.h"
#include "invite.h"
#include "muc.h"
#include "register.h"

/* Who may what */

bool
admin_is_server(const struct jid *from)
{
	return jid_is_domain(from) && module_is_local(from);
}

void
admin_actor(const struct hook *h, const struct room *r, struct admin_actor *out)
{
	*out = (struct admin_actor){ .affiliation = room_affiliation(r, h->from), .role = ROLE_NONE };
	for (const struct room_occupant *o = room_occupant_of(r, h->from, NULL); o; o = room_occupant_of(r, h->from, o))
		if (o->role > out->role)
			out->role = o->role;
	if (admin_is_server(h->from)) {
		out->affiliation = AFFILIATION_OWNER;
		out->server = true;
	}
}

enum xerror
admin_affiliation_refusal(enum affiliation actor, bool self, enum affiliation from, enum affiliation to)
{
	if (actor < AFFILIATION_ADMIN)
		return XERROR_FORBIDDEN;
	if (self && to == AFFILIATION_OUTCAST)
		return XERROR_CONFLICT; /* §9.1 */
	if (actor == AFFILIATION_OWNER)
		return XERROR_NONE;
	if (to >= AFFILIATION_ADMIN)
		return XERROR_FORBIDDEN; /* §10.5, §10.8 */
	if (from >= AFFILIATION_ADMIN)
		return to == AFFILIATION_OUTCAST ? XERROR_NOT_ALLOWED : XERROR_FORBIDDEN;
	return XERROR_NONE;
}

/* §8.4: nobody takes the voice of an admin or owner, nor of who is of the same standing; having none is no standing. */
static bool
is_too_high(enum affiliation actor, enum affiliation rank)
{
	return rank >= AFFILIATION_ADMIN || rank > actor || (rank == actor && rank >= AFFILIATION_MEMBER);
}

enum xerror
admin_role_refusal(const struct admin_actor *actor, enum affiliation rank, enum role from, enum role to)
{
	bool admin = actor->affiliation >= AFFILIATION_ADMIN;

	if (!admin && actor->role != ROLE_MODERATOR)
		return XERROR_FORBIDDEN;
	if (to == from)
		return XERROR_NONE;
	switch (to) {
	case ROLE_NONE: /* §8.2; §5.1.3: a moderator is kicked by admins only */
		return rank > actor->affiliation || (from == ROLE_MODERATOR && !admin) ? XERROR_NOT_ALLOWED : XERROR_NONE;
	case ROLE_VISITOR:
		if (is_too_high(actor->affiliation, rank))
			return XERROR_NOT_ALLOWED;
		return from == ROLE_MODERATOR && !admin ? XERROR_FORBIDDEN : XERROR_NONE;
	case ROLE_PARTICIPANT:
		if (from < to)
			return XERROR_NONE;
		if (rank >= AFFILIATION_ADMIN)
			return XERROR_NOT_ALLOWED; /* §9.7 */
		return admin ? XERROR_NONE : XERROR_FORBIDDEN;
	case ROLE_MODERATOR:
		return admin ? XERROR_NONE : XERROR_FORBIDDEN;
	}
	return XERROR_BAD_REQUEST;
}

/* May it have the list of this affiliation, of this role? */
static bool
may_list_affiliation(const struct room *r, const struct admin_actor *actor, enum affiliation which)
{
	/* §9.5: where addresses are no secret, members may know who the others are, and occupants by their role. */
	bool shared = which >= AFFILIATION_MEMBER && r->config.whois_anyone &&
		(actor->role != ROLE_NONE ? (r->config.member_list & ROLE_BIT(actor->role)) != 0 :
			actor->affiliation >= AFFILIATION_MEMBER);

	if (which >= AFFILIATION_ADMIN) /* §10.5, §10.8 */
		return actor->affiliation == AFFILIATION_OWNER || shared;
	return actor->affiliation >= AFFILIATION_ADMIN || shared;
}

static bool
may_list_role(const struct admin_actor *actor, enum role which)
{
	if (actor->affiliation >= AFFILIATION_ADMIN)
		return true;
	return actor->role == ROLE_MODERATOR && which != ROLE_MODERATOR; /* §9.8: that list is the admins' */
}

/* Lists */

static const char *
nick_of(const struct room *r, const struct room_affiliate *a)
{
	struct jid *j = a->nick ? NULL : jid_parse_z(a->jid);
	const struct room_occupant *o = j ? room_occupant_of(r, j, NULL) : NULL;

	jid_unref(j);
	return a->nick ? a->nick : o ? room_nick(o) : NULL;
}

static void
list_affiliation(struct stanza *st, struct elem *query, const struct room *r, enum affiliation which)
{
	for (const struct room_affiliate *a = r->affiliates; a; a = a->hh.next) {
		const char *nick = a->affiliation == which && which != AFFILIATION_OUTCAST ? nick_of(r, a) : NULL;
		struct elem *item;

		if (a->affiliation != which)
			continue;
		item = elem_add(st, query, NULL, "item");
		elem_set(st, item, "affiliation", affiliation_name(which));
		elem_set(st, item, "jid", a->jid);
		if (nick)
			elem_set(st, item, "nick", nick);
		if (a->reason)
			elem_add_text(st, elem_add(st, item, NULL, "reason"), a->reason, strlen(a->reason));
	}
}

static void
list_role(struct stanza *st, struct elem *query, const struct room *r, enum role which)
{
	ROOM_EACH_OCCUPANT(o, r) {
		struct elem *item;

		if (o->role != which)
			continue;
		item = elem_add(st, query, NULL, "item");
		elem_set(st, item, "affiliation", affiliation_name(o->affiliation));
		elem_set(st, item, "jid", jid_full(o->speaker->full));
		elem_set(st, item, "nick", room_nick(o));
		elem_set(st, item, "role", role_name(which));
	}
}

enum hook_verdict
admin_on_get(struct hook *h, struct room *r)
{
	const struct elem *item = elem_child(h->payload, NS_MUC_ADMIN, "item");
	const char *affiliation = item ? elem_get(item, "affiliation") : NULL, *role = item ? elem_get(item, "role") : NULL;
	enum affiliation a = AFFILIATION_NONE;
	enum role which = ROLE_NONE;
	struct admin_actor actor;
	struct stanza *st;
	struct elem *query;
	bool may;

	if (!item || elem_next(item, NS_MUC_ADMIN, "item") || !affiliation == !role ||
		(affiliation && (!affiliation_parse(affiliation, &a) || a == AFFILIATION_NONE)) ||
		(role && (!role_parse(role, &which) || which == ROLE_NONE)))
		return hook_reject(h, XERROR_BAD_REQUEST, "one item, with an affiliation or a role");
	admin_actor(h, r, &actor);
	may = affiliation ? may_list_affiliation(r, &actor, a) : may_list_role(&actor, which);
	if (!may)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_MUC_ADMIN, "query");
	if (affiliation)
		list_affiliation(st, query, r, a);
	else
		list_role(st, query, r, which);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* Changes */

struct asked {
	struct room *room;
	struct admin_actor actor;
	struct change *change;
};

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_ROOM_CHANGES_REFUSED, 1);
	return hook_reject(h, e, text);
}

/* §8.4: what may not be is refused along with the item that asked for it. */
static enum hook_verdict
refuse_item(struct hook *h, enum xerror e, const struct elem *item)
{
	struct stanza *st;
	struct elem *error;

	if (e != XERROR_NOT_ALLOWED)
		return refuse(h, e, NULL);
	st = xerror_reply(h->stanza, e, NULL, NULL);
	error = elem_child(st->root, NULL, "error");
	elem_remove(error);
	elem_add_copy(st, elem_add(st, st->root, NS_MUC_ADMIN, "query"), item);
	elem_append(st->root, error);
	metric_add(METRIC_ROOM_CHANGES_REFUSED, 1);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static const char *
reason_of(struct hook *h, const struct elem *item)
{
	const struct elem *e = elem_child(item, NS_MUC_ADMIN, "reason");
	const char *text = e ? elem_text(e, hook_memory(h)) : "";

	return *text ? text : NULL;
}

/* The occupant whom the item names. */
static struct room_occupant *
occupant_named(const struct room *r, const char *nick)
{
	char prepared[1024];

	return jid_prepare_resource(nick, strlen(nick), prepared) ? NULL : room_occupant(r, prepared);
}

/* Roles go by nickname (§8.2 to §8.5, §9.6 to §9.8). */
static enum hook_verdict
want_role(struct hook *h, struct asked *q, const struct elem *item, const char *role)
{
	const char *nick = elem_get(item, "nick");
	struct room_occupant *o = nick ? occupant_named(q->room, nick) : NULL;
	enum xerror e;
	enum role to;

	if (!nick || !role_parse(role, &to))
		return refuse(h, XERROR_BAD_REQUEST, "a role is for a nickname");
	if (!o)
		return refuse(h, XERROR_ITEM_NOT_FOUND, "nobody here has that nickname");
	if (change_find(q->change, NULL, o))
		return refuse(h, XERROR_BAD_REQUEST, "a nickname comes twice");
	e = admin_role_refusal(&q->actor, o->affiliation, o->role, to);
	if (e)
		return refuse_item(h, e, item);
	change_role(h, q->change, o, to, reason_of(h, item));
	return HOOK_NEXT;
}

/* Affiliations go by bare address; a nickname alone means the occupant that has it. */
static struct jid *
address_of(const struct asked *q, const struct elem *item)
{
	const char *text = elem_get(item, "jid"), *nick = elem_get(item, "nick");
	const struct room_occupant *o = !text && nick ? occupant_named(q->room, nick) : NULL;
	struct jid *j = text ? jid_parse_z(text) : NULL, *bare;

	if (o)
		return jid_ref(o->bare);
	bare = j ? jid_to_bare(j) : NULL;
	jid_unref(j);
	return bare;
}

static enum hook_verdict
want_affiliation_of(struct hook *h, struct asked *q, const struct elem *item, enum affiliation to, struct jid *bare)
{
	const struct room_affiliate *was = room_affiliate(q->room, jid_bare(bare));
	const char *nick = elem_get(item, "jid") ? elem_get(item, "nick") : NULL, *reserve = NULL;
	struct change_item *i;
	enum xerror e;

	if (change_find(q->change, jid_bare(bare), NULL))
		return refuse(h, XERROR_BAD_REQUEST, "an address comes twice");
	if (jid_is_domain(bare) && to >= AFFILIATION_ADMIN)
		return refuse(h, XERROR_NOT_ALLOWED, "a domain cannot administer a room");
	e = admin_affiliation_refusal(q->actor.affiliation, jid_equal_bare(bare, h->from),
		was ? was->affiliation : AFFILIATION_NONE, to);
	if (!e && nick && to != AFFILIATION_OUTCAST)
		e = *nick ? register_nick(h, q->room, nick, bare, &reserve) : XERROR_NONE;
	if (e)
		return refuse(h, e, NULL);
	i = change_affiliation(h, q->change, arena_strdup(hook_memory(h), jid_bare(bare)), to, reason_of(h, item));
	if (nick && to != AFFILIATION_OUTCAST)
		i->reserve = reserve ? reserve : ""; /* §9.5: an empty one takes it away */
	return HOOK_NEXT;
}

static enum hook_verdict
want_affiliation(struct hook *h, struct asked *q, const struct elem *item, const char *affiliation)
{
	struct jid *bare = address_of(q, item);
	enum affiliation to;
	enum hook_verdict v;

	if (!affiliation_parse(affiliation, &to))
		v = refuse(h, XERROR_BAD_REQUEST, "there is no such affiliation");
	else if (q->actor.affiliation < AFFILIATION_ADMIN)
		v = refuse(h, XERROR_FORBIDDEN, NULL);
	else if (!bare)
		v = refuse(h, elem_get(item, "jid") ? XERROR_JID_MALFORMED : XERROR_BAD_REQUEST, "an affiliation is for an address");
	else
		v = want_affiliation_of(h, q, item, to, bare);
	jid_unref(bare);
	return v;
}

/* HOOK_NEXT: all of it may be. */
static enum hook_verdict
read_items(struct hook *h, struct asked *q)
{
	const struct elem *item = elem_child(h->payload, NS_MUC_ADMIN, "item");
	enum hook_verdict v = HOOK_NEXT;

	if (!item)
		return refuse(h, XERROR_BAD_REQUEST, "nothing is to be changed");
	for (; item && v == HOOK_NEXT; item = elem_next(item, NS_MUC_ADMIN, "item")) {
		const char *affiliation = elem_get(item, "affiliation"), *role = elem_get(item, "role");

		if (!affiliation == !role) /* §16.4 */
			v = refuse(h, XERROR_BAD_REQUEST, "an item has an affiliation or a role");
		else if (q->change->n >= module_limits()->room_items)
			v = refuse(h, XERROR_NOT_ACCEPTABLE, "these are too many at once");
		else if (role)
			v = want_role(h, q, item, role);
		else
			v = want_affiliation(h, q, item, affiliation);
	}
	return v;
}

/* §9.5: who has become a member of a room that only members enter is told of it. */
static void
invite_new_members(struct hook *h, const struct asked *q, const struct change *c)
{
	for (const struct change_item *i = c->first; i; i = i->next)
		if (i->jid && i->invite)
			invite_member(h, q->room, i->jid, i->reason);
}

static void
see_who_is_new(struct asked *q)
{
	struct room *r = q->room;

	for (struct change_item *i = q->change->first; i; i = i->next) {
		struct jid *j = i->jid ? jid_parse_z(i->jid) : NULL;

		if (j && jid_local(j) && r->config.members_only && i->affiliation >= AFFILIATION_MEMBER &&
			room_affiliation(r, j) == AFFILIATION_NONE)
			i->invite = true;
		jid_unref(j);
	}
}

static enum hook_verdict
changed(struct hook *h, void *data, bool ok)
{
	struct asked *q = data;

	if (!ok)
		return hook_unavailable(h);
	metric_add(METRIC_ROOM_CHANGES, q->change->n);
	invite_new_members(h, q, q->change);
	return hook_done(h);
}

static enum hook_verdict
alone(struct hook *h, void *data, bool ok)
{
	struct asked *q = data;
	enum hook_verdict v;

	(void)ok;
	if (!q->room->id)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	admin_actor(h, q->room, &q->actor);
	q->change = change_new(h, q->room, RECORD_ROOM_AFFILIATION);
	v = read_items(h, q);
	if (v != HOOK_NEXT)
		return v;
	if (room_owners(q->room) && !change_owners(q->change))
		return refuse(h, XERROR_CONFLICT, "a room has an owner"); /* §10.4 */
	if (change_is_too_long(q->change))
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "the room knows too many people (limits.room_affiliations)");
	see_who_is_new(q);
	return change_run(h, q->change, q, changed);
}

enum hook_verdict
admin_on_set(struct hook *h, struct room *r)
{
	struct asked *q = arena_zalloc(hook_memory(h), sizeof(*q));

	q->room = r;
	return room_alone(h, r, q, alone);
}
