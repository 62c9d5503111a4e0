/*
 * owner: see owner.h. A form is one change (change.h): the configuration, the full lists of admins and owners, and who has to leave
 * by it are recorded and take effect together.
 */
#include "owner.h"

#include <string.h>

#include "admin.h"
#include "base/metric.h"
#include "change.h"
#include "config_form.h"
#include "destroy.h"
#include "muc.h"

static bool
is_owner(const struct hook *h, const struct room *r)
{
	struct admin_actor actor;

	admin_actor(h, r, &actor);
	return actor.affiliation == AFFILIATION_OWNER;
}

static struct config_bounds
bounds(void)
{
	const struct limits *l = module_limits();

	return (struct config_bounds){ .text = l->room_text_bytes, .users = l->room_occupants, .history = l->room_history };
}

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_ROOM_CHANGES_REFUSED, 1);
	return hook_reject(h, e, text);
}

/* The form (§10.1.3, §10.2) */

static struct config_names
names_of(const struct room *r, enum affiliation which, struct arena *a)
{
	struct config_names out = { .name = arena_alloc(a, (HASH_COUNT(r->affiliates) + 1) * sizeof(char *)) };

	for (const struct room_affiliate *f = r->affiliates; f; f = f->hh.next)
		if (f->affiliation == which)
			out.name[out.n++] = f->jid;
	return out;
}

enum hook_verdict
owner_on_get(struct hook *h, struct room *r)
{
	struct config_names admins = names_of(r, AFFILIATION_ADMIN, h->arena), owners = names_of(r, AFFILIATION_OWNER, h->arena);
	const struct config_bounds b = bounds();
	struct stanza *st;
	struct elem *query;

	if (!is_owner(h, r))
		return refuse(h, XERROR_FORBIDDEN, NULL);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_MUC_OWNER, "query");
	config_form_write(st, query, "form", jid_local(r->jid), &r->config, &admins, &owners, &b, h->arena);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* Who is owner and admin, by the full lists of a form */

struct configuring {
	struct room *room;
	struct change *change;
	unsigned code[CONFIG_CHANGES_MAX];
	struct config_names admins, owners; /* as wanted */
	bool admins_said, owners_said;
};

static bool
has_name(const struct config_names *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->name[i], name))
			return true;
	return false;
}

/* Bare addresses of people, once each. False: something else is there, or too much. */
static bool
read_names(struct hook *h, const struct form_field *f, struct config_names *out)
{
	if (f->n > module_limits()->room_items)
		return false;
	out->name = arena_alloc(hook_memory(h), (f->n + 1) * sizeof(char *));
	for (unsigned i = 0; i < f->n; i++) {
		struct jid *j = *f->value[i] ? jid_parse_z(f->value[i]) : NULL;
		const char *bare = j && jid_local(j) ? arena_strdup(hook_memory(h), jid_bare(j)) : NULL;

		jid_unref(j);
		if (!bare && *f->value[i])
			return false;
		if (bare && !has_name(out, bare))
			out->name[out->n++] = bare;
	}
	return true;
}

static enum affiliation
affiliation_now(const struct room *r, const char *jid)
{
	const struct room_affiliate *a = room_affiliate(r, jid);

	return a ? a->affiliation : AFFILIATION_NONE;
}

/* What becomes of who has an affiliation now. §10.2: an owner who is not listed is an admin, an admin who is not is a member. */
static enum affiliation
lowered(const struct configuring *c, const struct room_affiliate *f)
{
	if (f->affiliation == AFFILIATION_OWNER && c->owners_said && !has_name(&c->owners, f->jid))
		return !c->admins_said || has_name(&c->admins, f->jid) ? AFFILIATION_ADMIN : AFFILIATION_MEMBER;
	if (f->affiliation == AFFILIATION_ADMIN && c->admins_said && !has_name(&c->admins, f->jid) && !has_name(&c->owners, f->jid))
		return AFFILIATION_MEMBER;
	return f->affiliation;
}

static void
apply_names(struct hook *h, struct configuring *c)
{
	struct room *r = c->room;

	for (const struct room_affiliate *f = r->affiliates; f; f = f->hh.next)
		if (lowered(c, f) != f->affiliation)
			change_affiliation(h, c->change, arena_strdup(hook_memory(h), f->jid), lowered(c, f), NULL);
	for (unsigned i = 0; i < c->owners.n; i++)
		if (affiliation_now(r, c->owners.name[i]) != AFFILIATION_OWNER)
			change_affiliation(h, c->change, c->owners.name[i], AFFILIATION_OWNER, NULL);
	for (unsigned i = 0; i < c->admins.n; i++)
		if (affiliation_now(r, c->admins.name[i]) < AFFILIATION_ADMIN && !has_name(&c->owners, c->admins.name[i]))
			change_affiliation(h, c->change, c->admins.name[i], AFFILIATION_ADMIN, NULL);
}

/* A submitted form */

/* §10.2.1: each code for itself. */
static void
tell_codes(const struct configuring *c)
{
	for (unsigned i = 0; i < CONFIG_CHANGES_MAX && c->code[i]; i++) {
		struct elem *x;
		struct stanza *st = room_note(c->room, &x);

		elem_set(st, st->root, "type", "groupchat");
		room_note_status(st, x, c->code[i]);
		room_tell(c->room, st, c->room->jid);
	}
}

static enum hook_verdict
configured(struct hook *h, void *data, bool ok)
{
	if (!ok)
		return hook_unavailable(h);
	metric_add(METRIC_ROOM_CHANGES, 1);
	tell_codes(data);
	return hook_done(h);
}

static enum hook_verdict
run(struct hook *h, struct configuring *c)
{
	struct change *ch = c->change;
	const struct config_bounds b = bounds();

	if (room_owners(c->room) && !change_owners(ch))
		return refuse(h, XERROR_CONFLICT, "a room has an owner"); /* §10.2 */
	if (change_is_too_long(ch))
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, "the room knows too many people (limits.room_affiliations)");
	config_changes(&c->room->config, &ch->config, c->code);
	for (unsigned i = 0; i < CONFIG_CHANGES_MAX && c->code[i]; i++)
		room_note_status(ch->note, ch->x, c->code[i]);
	config_form_write(ch->note, ch->note->root, "result", NULL, &ch->config, NULL, NULL, &b, hook_memory(h));
	return change_run(h, ch, c, configured);
}

static enum hook_verdict
submit(struct hook *h, struct room *r, const struct form *f)
{
	struct configuring *c = arena_zalloc(hook_memory(h), sizeof(*c));
	const struct config_bounds b = bounds();
	struct config_wish w;

	if (f->form_type && strcmp(f->form_type, MUC_ROOMCONFIG) != 0)
		return refuse(h, XERROR_BAD_REQUEST, "that is another form");
	c->room = r;
	c->change = change_new(h, r, RECORD_ROOM_CONFIG);
	config_form_read(&w, f, &r->config, &b);
	c->change->config = w.value;
	c->change->configures = true;
	if (w.why)
		return refuse(h, XERROR_NOT_ACCEPTABLE, w.why);
	c->admins_said = w.admins != NULL;
	c->owners_said = w.owners != NULL;
	if ((w.admins && !read_names(h, w.admins, &c->admins)) || (w.owners && !read_names(h, w.owners, &c->owners)))
		return refuse(h, XERROR_NOT_ACCEPTABLE, "a list has what is no address of a person, or is too long");
	apply_names(h, c);
	return run(h, c);
}

/* The end (§10.9) */

static enum hook_verdict
destroyed(struct hook *h, void *data, bool ok)
{
	(void)data;
	return ok ? hook_done(h) : hook_unavailable(h);
}

static const char *
text_of(struct hook *h, const struct elem *parent, const char *name)
{
	const struct elem *e = elem_child(parent, NS_MUC_OWNER, name);

	return e ? elem_text(e, hook_memory(h)) : NULL;
}

static void
drop_jid(void *arg)
{
	jid_unref(arg);
}

static enum hook_verdict
destroy(struct hook *h, struct room *r, const struct elem *e)
{
	struct destroy_why why = { .reason = text_of(h, e, "reason"), .password = text_of(h, e, "password") };
	struct jid *alternate;

	if (elem_get(e, "jid")) {
		alternate = jid_parse_z(elem_get(e, "jid"));
		if (!alternate)
			return refuse(h, XERROR_JID_MALFORMED, NULL);
		arena_on_free(hook_memory(h), drop_jid, alternate);
		why.alternate = alternate;
	}
	return destroy_room(h, r, &why, NULL, destroyed);
}

/* §10.1.3: who cancels the first configuration does not want the room; later that changes nothing (§10.2). */
static enum hook_verdict
cancel(struct hook *h, struct room *r)
{
	struct destroy_why why = { 0 };

	return r->locked ? destroy_room(h, r, &why, NULL, destroyed) : hook_done(h);
}

static enum hook_verdict
alone(struct hook *h, void *data, bool ok)
{
	struct room *r = data;
	const struct elem *what = elem_first(h->payload);
	const struct form *f;

	(void)ok;
	if (!r->id)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (!is_owner(h, r))
		return refuse(h, XERROR_FORBIDDEN, NULL);
	if (elem_is(what, NS_MUC_OWNER, "destroy"))
		return destroy(h, r, what);
	f = elem_is(what, NS_DATA, "x") ? form_parse(what, hook_memory(h)) : NULL;
	if (!f || (strcmp(f->type, "submit") != 0 && strcmp(f->type, "cancel") != 0))
		return refuse(h, XERROR_BAD_REQUEST, "a form, submitted or cancelled");
	return !strcmp(f->type, "cancel") ? cancel(h, r) : submit(h, r, f);
}

enum hook_verdict
owner_on_set(struct hook *h, struct room *r)
{
	if (!elem_first(h->payload))
		return refuse(h, XERROR_BAD_REQUEST, "a form, submitted or cancelled");
	return room_alone(h, r, r, alone);
}
