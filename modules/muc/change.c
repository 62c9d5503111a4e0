/*
 * change: see change.h. The way is: what follows for those inside → record → database → memory and presence.
 */
#include "change.h"

#include <string.h>

#include "absent.h"
#include "disco.h"
#include "history.h"
#include "leave.h"
#include "muc.h"
#include "room_store.h"

/* Gathering */

static void
drop(void *arg)
{
	struct change *c = arg;

	stanza_unref(c->note);
	config_clear(&c->config);
}

struct change *
change_new(struct hook *h, struct room *r, enum record_kind kind)
{
	struct change *c = arena_zalloc(hook_memory(h), sizeof(*c));
	const struct room_seat *s = room_seat(r, h->from);

	c->room = r;
	c->actor = s ? s->occupant : NULL;
	c->kind = kind;
	c->note = room_note(r, &c->x);
	c->last = &c->first;
	arena_on_free(hook_memory(h), drop, c);
	return c;
}

static struct change_item *
add(struct hook *h, struct change *c, const char *reason)
{
	struct change_item *i = arena_zalloc(hook_memory(h), sizeof(*i));

	i->reason = reason;
	*c->last = i;
	c->last = &i->next;
	c->n++;
	return i;
}

struct change_item *
change_affiliation(struct hook *h, struct change *c, const char *jid, enum affiliation a, const char *reason)
{
	struct change_item *i = add(h, c, reason);

	i->jid = jid;
	i->affiliation = a;
	/* §9.1: who is banned has no nickname here. */
	if (a == AFFILIATION_OUTCAST)
		i->reserve = "";
	return i;
}

struct change_item *
change_role(struct hook *h, struct change *c, struct room_occupant *o, enum role role, const char *reason)
{
	struct change_item *i = add(h, c, reason);

	i->occupant = o;
	i->role = role;
	return i;
}

const struct change_item *
change_find(const struct change *c, const char *jid, const struct room_occupant *o)
{
	for (const struct change_item *i = c->first; i; i = i->next)
		if (jid && i->jid ? !strcmp(i->jid, jid) : o && i->occupant == o)
			return i;
	return NULL;
}

/* Affiliations as they will be: by the items, and by what the room has. An address before its domain (§9.2). */

static bool
find_affiliation(const struct change *c, const char *jid, enum affiliation *out, const char **reason)
{
	const struct change_item *i = change_find(c, jid, NULL);
	const struct room_affiliate *a;

	if (i) {
		*out = i->affiliation;
		*reason = i->reason;
		return *out != AFFILIATION_NONE;
	}
	a = room_affiliate(c->room, jid);
	if (a)
		*out = a->affiliation;
	return a && *out != AFFILIATION_NONE;
}

static enum affiliation
affiliation_to_be(const struct change *c, const struct jid *jid, const char **reason)
{
	enum affiliation a = AFFILIATION_NONE;
	const struct change_item *own = change_find(c, jid_bare(jid), NULL);

	*reason = NULL;
	if (find_affiliation(c, jid_bare(jid), &a, reason))
		return a;
	if (find_affiliation(c, jid_domain(jid), &a, reason))
		return a;
	*reason = own ? own->reason : NULL;
	return AFFILIATION_NONE;
}

unsigned
change_owners(const struct change *c)
{
	unsigned n = room_owners(c->room);

	for (const struct change_item *i = c->first; i; i = i->next) {
		const struct room_affiliate *a = i->jid ? room_affiliate(c->room, i->jid) : NULL;

		if (!i->jid)
			continue;
		n -= a && a->affiliation == AFFILIATION_OWNER;
		n += i->affiliation == AFFILIATION_OWNER;
	}
	return n;
}

bool
change_is_too_long(const struct change *c)
{
	unsigned n = HASH_COUNT(c->room->affiliates);

	for (const struct change_item *i = c->first; i; i = i->next)
		if (i->jid && (i->affiliation != AFFILIATION_NONE || (i->reserve && *i->reserve)) && !room_affiliate(c->room, i->jid))
			n++;
	return n > HASH_COUNT(c->room->affiliates) && n > module_limits()->room_affiliations;
}

/* What follows for those inside */

static const struct room_config *
config_to_be(const struct change *c)
{
	return c->configures ? &c->config : &c->room->config;
}

/* §5.1.3: what is gained is sure; who was a moderator by affiliation is what comes with the new one. */
static enum role
role_to_be(const struct change *c, const struct room_occupant *o, enum affiliation a)
{
	enum role usual = affiliation_role(a, config_to_be(c)->moderated);

	if (a > o->affiliation)
		return usual > o->role ? usual : o->role;
	if (o->affiliation >= AFFILIATION_ADMIN && a < AFFILIATION_ADMIN)
		return usual;
	return o->role;
}

/* The status with which an occupant of this affiliation has to leave; 0: it may stay. */
static unsigned
leaves_with(const struct change *c, enum affiliation a)
{
	if (a == AFFILIATION_OUTCAST)
		return MUC_BANNED;
	if (a >= AFFILIATION_MEMBER || !config_to_be(c)->members_only)
		return 0;
	return c->room->config.members_only ? MUC_NO_LONGER_AFFILIATED : MUC_NOW_MEMBERS_ONLY;
}

static bool
step_for(const struct change *c, struct room_occupant *o, struct change_step *s)
{
	const struct change_item *i = change_find(c, NULL, o);
	const char *reason;

	*s = (struct change_step){ .occupant = o, .role = o->role, .why.actor = c->actor };
	s->affiliation = affiliation_to_be(c, o->bare, &reason);
	s->why.status[0] = leaves_with(c, s->affiliation);
	if (s->why.status[0])
		s->role = ROLE_NONE;
	else if (s->affiliation != o->affiliation)
		s->role = role_to_be(c, o, s->affiliation);
	if (i && s->role != ROLE_NONE) {
		s->role = i->role;
		reason = i->reason;
		s->why.status[0] = i->role == ROLE_NONE ? MUC_KICKED : 0;
	}
	s->why.reason = reason;
	return s->affiliation != o->affiliation || s->role != o->role;
}

static void
find_steps(struct hook *h, struct change *c)
{
	struct change_step *all = arena_alloc(hook_memory(h), (c->room->noccupants + 1) * sizeof(*all));

	c->step = all;
	ROOM_EACH_OCCUPANT(o, c->room)
		if (step_for(c, o, &all[c->nsteps]))
			c->nsteps++;
}

/* The record: one note of all of it. */
static void
write_note(struct change *c)
{
	for (const struct change_item *i = c->first; i; i = i->next) {
		struct room_why why = { .actor = c->actor, .reason = i->reason };

		if (i->jid)
			room_note_item(c->note, c->x, i->jid, i->reserve && *i->reserve ? i->reserve : NULL, i->affiliation, ROLE_NONE, &why);
	}
	for (unsigned n = 0; n < c->nsteps; n++) {
		const struct change_step *s = &c->step[n];

		room_note_occupant(c->note, c->x, s->occupant, s->affiliation, s->role, &s->why);
	}
}

/* In force */

static void
step_takes_effect(struct change *c, struct change_step *s)
{
	if (s->role != ROLE_NONE) {
		room_change_occupant(c->room, s->occupant, s->affiliation, s->role, &s->why);
		return;
	}
	s->occupant->affiliation = s->affiliation;
	room_remove_occupant(c->room, s->occupant, &s->why);
}

static unsigned
history_limit(const struct room *r)
{
	uint64_t most = module_limits()->room_history;

	return r->config.history < most ? r->config.history : (unsigned)most;
}

static void
configure(struct change *c)
{
	struct room *r = c->room;
	struct room_config was = r->config;

	r->config = c->config;
	memset(&c->config, 0, sizeof(c->config));
	r->locked = false;
	if (was.history != r->config.history)
		r->history = history_resize(r->history, history_limit(r));
	if (was.whois_anyone != r->config.whois_anyone)
		room_sort_audiences(r);
	config_clear(&was);
}

/* Notes whom to tell that is not inside: by presence they would not learn it. */
static void
set_affiliation(const struct hook *h, struct change *c, struct change_item *i)
{
	const struct room_affiliate *f = room_affiliate(c->room, i->jid);
	bool changes = i->affiliation != (f ? f->affiliation : AFFILIATION_NONE);
	struct jid *who = changes ? jid_parse_z(i->jid) : NULL;

	if (who && !jid_equal_bare(who, h->from) && !room_occupant_of(c->room, who, NULL))
		i->absent = who;
	else
		jid_unref(who);
	room_set_affiliate(c->room, i->jid, i->affiliation, i->reserve, i->reason);
}

static void
tell_absent(struct hook *h, struct change *c, struct change_item *i)
{
	absent_tell(h, c->room, i->absent, i->affiliation, i->reason);
	jid_unref(i->absent);
	i->absent = NULL;
}

static enum hook_verdict
takes_effect(struct hook *h, struct change *c)
{
	struct room *r = c->room;

	if (c->configures)
		configure(c);
	for (struct change_item *i = c->first; i; i = i->next)
		if (i->jid)
			set_affiliation(h, c, i);
	/* Those who go are told first: who stays hears of them, not the other way round. Who does it goes last, as it is named. */
	for (unsigned n = 0; n < c->nsteps; n++)
		if (c->step[n].role == ROLE_NONE && c->step[n].occupant != c->actor)
			step_takes_effect(c, &c->step[n]);
	for (unsigned n = 0; n < c->nsteps; n++)
		if (c->step[n].role != ROLE_NONE)
			step_takes_effect(c, &c->step[n]);
	for (unsigned n = 0; n < c->nsteps; n++)
		if (c->step[n].role == ROLE_NONE && c->step[n].occupant == c->actor)
			step_takes_effect(c, &c->step[n]);
	for (struct change_item *i = c->first; i; i = i->next)
		if (i->absent)
			tell_absent(h, c, i);
	census_changed(h, r);
	leave_settle(h, r);
	return c->then(h, c->data, true);
}

/* The database */

struct change_job {
	struct room_row row; /* first: what the job sees */
	struct change *change;
};

static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	struct change_job *j = data;

	return ok ? takes_effect(h, j->change) : j->change->then(h, j->change->data, false);
}

static void
add_row(struct room_row *row, const struct change *c, const struct change_item *i)
{
	const struct room_affiliate *was = room_affiliate(c->room, i->jid);
	const char *nick = i->reserve ? i->reserve : was ? was->nick : NULL;

	row->affiliate[row->naffiliates++] = (struct room_row_affiliate){
		.jid = i->jid,
		.nick = nick && *nick ? nick : NULL,
		.reason = i->reason,
		.affiliation = i->affiliation,
	};
}

static enum hook_verdict
store(struct hook *h, struct change *c)
{
	struct change_job *j = arena_zalloc(hook_memory(h), sizeof(*j));
	struct room_row *row = &j->row;

	j->change = c;
	row->id = c->room->id;
	row->config = c->config; /* borrowed */
	row->affiliate = arena_alloc(hook_memory(h), (c->n + 1) * sizeof(*row->affiliate));
	for (const struct change_item *i = c->first; i; i = i->next)
		if (i->jid)
			add_row(row, c, i);
	if (!row->naffiliates && !c->configures)
		return takes_effect(h, c);
	return hook_job(h, j, c->configures ? room_store_configure : room_store_affiliates, stored);
}

static enum hook_verdict
recorded(struct hook *h, void *data, bool ok)
{
	struct change *c = data;

	return ok ? store(h, c) : c->then(h, c->data, false);
}

enum hook_verdict
change_run(struct hook *h, struct change *c, void *data, hook_then_fn then)
{
	c->data = data;
	c->then = then;
	find_steps(h, c);
	write_note(c);
	return hook_record_stanza(h, c->kind, c->note, h->from, c->room->jid, c->body, c, recorded);
}
