/*
 * enter: see enter.h.
 *
 * A room is opened by the first who enters: created if there is none, its run noted in the record if this is the first use since the
 * start of the server, its history read. From then on people enter side by side.
 */
#include "enter.h"

#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "avatar.h"
#include "create.h"
#include "disco.h"
#include "history.h"
#include "nick.h"
#include "occupant.h"
#include "presence.h"
#include "room_store.h"
#include "subject.h"
#include "xmpp/ns.h"

static const struct elem *
muc_x(const struct hook *h)
{
	return elem_child(h->stanza->root, NS_MUC, "x");
}

/* §7.2.1, last note: presence of somebody who believes to be inside and is not. */
static enum hook_verdict
not_inside(struct hook *h)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");
	const struct room_why why = { .reason = "You are not in the room." };
	struct elem *x;

	elem_set(st, st->root, "type", "unavailable");
	elem_set(st, st->root, "id", elem_get(h->stanza->root, "id"));
	x = elem_add(st, st->root, NS_MUC_USER, "x");
	room_note_item(st, x, NULL, NULL, AFFILIATION_NONE, ROLE_NONE, &why);
	room_note_status(st, x, MUC_SELF);
	room_note_status(st, x, MUC_KICKED);
	room_note_status(st, x, MUC_TECHNICAL);
	module_send(st, h->to, h->from);
	return HOOK_HANDLED;
}

/* May they? */

static bool
refuse(struct hook *h, enum xerror e, const char *type, const char *text)
{
	hook_reject(h, e, text);
	h->error_type = type;
	metric_add(METRIC_ROOM_REFUSED, 1);
	return false;
}

bool
enter_nick_allowed(struct hook *h, const struct room *r, const char *nick)
{
	const struct room_occupant *o = room_occupant_like(r, nick);
	const struct room_seat *self = room_seat(r, h->from);
	const struct room_affiliate *f;

	if (strlen(nick) > module_limits()->room_nick_bytes)
		return refuse(h, XERROR_NOT_ACCEPTABLE, NULL, "the nickname is too long");
	if (!nick[strspn(nick, " ")])
		return refuse(h, XERROR_JID_MALFORMED, NULL, "the nickname is empty");
	/* One person may enter with several clients under one nickname (§7.2.8), but not under several that look alike. An occupant
	 * does not become another one. */
	if (o && (self ? o != self->occupant : !jid_equal_bare(o->bare, h->from) || strcmp(room_nick(o), nick) != 0))
		return refuse(h, XERROR_CONFLICT, NULL, NULL);
	f = room_reserved(r, nick);
	if (f && strcmp(f->jid, jid_bare(h->from)) != 0)
		return refuse(h, XERROR_CONFLICT, NULL, "the nickname is registered by somebody else");
	return true;
}

/* §7.2.9: whoever runs the room gets in, up to a bound. */
static bool
has_place(const struct room *r, const struct hook *h, enum affiliation a)
{
	unsigned spare = a >= AFFILIATION_ADMIN ? 10 : 0, n = r->noccupants + r->entering;
	uint64_t most = module_limits()->room_occupants;

	if (r->config.max_users && r->config.max_users < most)
		most = r->config.max_users;
	if (room_occupant_of(r, h->from, NULL))
		return r->nseats + r->entering < module_limits()->room_occupants * 2;
	return n < most + spare;
}

static bool
password_fits(const struct room *r, const struct elem *x, struct arena *a)
{
	const struct elem *e = x ? elem_child(x, NULL, "password") : NULL;
	const char *given = e ? elem_text(e, a) : "";

	return !r->config.password || (strlen(given) == strlen(r->config.password) &&
		crypt_equal(given, r->config.password, strlen(given)));
}

static unsigned
seats_of(const struct room *r, const struct jid *bare)
{
	unsigned n = 0;

	for (const struct room_occupant *o = NULL; (o = room_occupant_of(r, bare, o)) != NULL;)
		n += o->nseats;
	return n;
}

static bool
may_enter(struct hook *h, const struct room *r)
{
	enum affiliation a = room_affiliation(r, h->from);

	/* Whom nothing may be sent to would be a ghost. */
	if (!module_may_meet(h->from))
		return refuse(h, XERROR_NOT_ALLOWED, NULL, "group chat with your domain is not allowed both ways");
	if (a == AFFILIATION_OUTCAST)
		return refuse(h, XERROR_FORBIDDEN, NULL, NULL);
	if (r->locked && a < AFFILIATION_OWNER)
		return refuse(h, XERROR_ITEM_NOT_FOUND, NULL, "the room is not ready yet");
	if (r->config.members_only && a < AFFILIATION_MEMBER)
		return refuse(h, XERROR_REGISTRATION_REQUIRED, NULL, NULL);
	if (a < AFFILIATION_OWNER && !password_fits(r, muc_x(h), h->arena))
		return refuse(h, XERROR_NOT_AUTHORIZED, NULL, NULL);
	if (!enter_nick_allowed(h, r, jid_resource(h->to)))
		return false;
	if (!has_place(r, h, a))
		return refuse(h, XERROR_SERVICE_UNAVAILABLE, "wait", "the room is full");
	if (seats_of(r, h->from) >= module_limits()->room_seats)
		return refuse(h, XERROR_RESOURCE_CONSTRAINT, NULL, "too many of your clients are in this room");
	return true;
}

/* Inside */

static void
tell_newcomer(struct hook *h, struct room *r, const struct room_seat *s, bool created)
{
	const unsigned status[] = { r->config.whois_anyone ? MUC_NON_ANONYMOUS : 0, MUC_LOGGED, created ? MUC_CREATED : 0 };

	presence_tell_newcomer(r, s);
	presence_tell_own(r, s->occupant, s, status, sizeof(status) / sizeof(status[0]), elem_get(h->stanza->root, "id"));
	history_send(r->history, muc_x(h), s->full);
	subject_send(r, s->full);
	avatar_tell(r, s->full);
}

struct entering {
	struct room *room;
	struct room_crossing *crossing;
	struct stanza *presence; /* cleaned */
	bool created;
};

static enum hook_verdict
entered(struct hook *h, void *data, bool ok)
{
	struct entering *n = data;
	struct room *r = n->room;
	enum affiliation a = room_affiliation(r, h->from);
	struct room_seat *s;

	if (!ok) {
		stanza_unref(n->presence);
		room_crossing_end(r, n->crossing);
		return hook_unavailable(h);
	}
	s = occupant_take_seat(r, h->from, h->from_account, jid_resource(h->to), a, affiliation_role(a, r->config.moderated), n->presence);
	presence_tell_others(r, s->occupant, NULL);
	tell_newcomer(h, r, s, n->created);
	metric_add(METRIC_ROOM_ENTERED, 1);
	census_changed(h, r);
	room_crossing_end(r, n->crossing);
	return HOOK_HANDLED;
}

/* The record has the presence as moderators see it. */
static struct stanza *
entry_text(const struct hook *h, const struct room *r, const struct stanza *presence)
{
	struct stanza *st = stanza_copy(presence);
	enum affiliation a = room_affiliation(r, h->from);
	const struct room_occupant *o = room_occupant(r, jid_resource(h->to));

	elem_set(st, st->root, "from", jid_full(h->to));
	room_note_item(st, elem_add(st, st->root, NS_MUC_USER, "x"), jid_full(h->from), NULL, a,
		o ? o->role : affiliation_role(a, r->config.moderated), NULL);
	return st;
}

static enum hook_verdict
enter(struct hook *h, struct room *r, bool created)
{
	struct entering *n;
	struct stanza *st;
	enum hook_verdict v;

	if (!may_enter(h, r))
		return HOOK_REJECT;
	n = arena_zalloc(hook_memory(h), sizeof(*n));
	n->room = r;
	n->created = created;
	n->presence = presence_clean(h->stanza);
	n->crossing = room_crossing_begin(r, h->from, jid_resource(h->to), true);
	st = entry_text(h, r, n->presence);
	v = hook_record_stanza(h, RECORD_ROOM_ENTER, st, h->from, r->jid, NULL, n, entered);
	stanza_unref(st);
	return v;
}

/* Opening, and reading the past again when something of the record has been erased
 *
 * Messages of people who have left may be told to nobody while the past is read, or have been told before a record that the
 * past is read up to (module_record_settled): who enters has them in the history all the same. */

#define SETTLE_MS 50
#define SETTLE_TRIES 100

struct opening {
	struct room_past past; /* first: what the job sees */
	struct room *room;
	bool created;
	uint64_t erasures;
	unsigned tries;
};

static bool
is_open(const struct room *r)
{
	return r->open && r->erasures == module_erasures();
}

/* §7.2.2: it has lost track, and gets all that it would have got on entering. */
static enum hook_verdict
entered_again(struct hook *h, struct room *r, struct room_seat *s)
{
	occupant_speaks(s, presence_clean(h->stanza));
	presence_tell_others(r, s->occupant, NULL);
	tell_newcomer(h, r, s, false);
	return HOOK_HANDLED;
}

static enum hook_verdict
go_in(struct hook *h, struct room *r, bool created)
{
	struct room_seat *s = room_seat(r, h->from);

	return s ? entered_again(h, r, s) : enter(h, r, created);
}

static enum hook_verdict
opened(struct hook *h, void *data, bool ok)
{
	struct opening *o = data;
	struct room *r = o->room;
	struct history *meanwhile = r->history;

	r->history = NULL;
	if (!ok) {
		history_free(meanwhile);
		return hook_unavailable(h);
	}
	r->run = o->past.run;
	r->history = history_new(o->past.limit, jid_bare(r->jid));
	history_fill(r->history, &o->past);
	history_append(r->history, meanwhile, o->past.upto);
	r->erasures = o->erasures;
	r->open = true;
	return go_in(h, r, o->created);
}

static enum hook_verdict read_past(struct hook *h, struct opening *o);

static enum hook_verdict
settled(struct hook *h, void *data, bool ok)
{
	return ok ? read_past(h, data) : hook_unavailable(h);
}

static enum hook_verdict
read_past(struct hook *h, struct opening *o)
{
	struct room *r = o->room;

	if (module_record_settled() < r->said)
		return o->tries++ < SETTLE_TRIES ? hook_after(h, SETTLE_MS, o, settled) : hook_unavailable(h);
	o->past = (struct room_past){ .id = r->id, .run = module_run(), .jid = jid_bare(r->jid), .limit = r->config.history,
		.upto = module_record_settled() };
	if (o->past.limit > module_limits()->room_history)
		o->past.limit = (unsigned)module_limits()->room_history;
	o->erasures = module_erasures();
	history_free(r->history);
	r->history = history_new(o->past.limit, jid_bare(r->jid));
	return hook_job(h, o, room_store_open, opened);
}

static enum hook_verdict
run_noted(struct hook *h, void *data, bool ok)
{
	return ok ? read_past(h, data) : hook_unavailable(h);
}

/* Whoever was inside when the server stopped or crashed is not any more. */
static enum hook_verdict
note_run(struct hook *h, struct opening *o)
{
	struct elem *x;
	struct stanza *st = room_note(o->room, &x);
	enum hook_verdict v;

	room_note_status(st, x, MUC_SHUTDOWN);
	v = hook_record_stanza(h, RECORD_ROOM_CONFIG, st, o->room->jid, o->room->jid, NULL, o, run_noted);
	stanza_unref(st);
	return v;
}

static enum hook_verdict
created(struct hook *h, void *data, bool ok)
{
	struct opening *o = data;

	if (!ok)
		return hook_unavailable(h);
	o->created = true;
	return read_past(h, o);
}

/* Alone: the room may have been opened by who was before. */
static enum hook_verdict
open_room(struct hook *h, void *data, bool ok)
{
	struct opening *o = data;
	struct room *r = o->room;

	(void)ok;
	if (is_open(r))
		return go_in(h, r, false);
	if (!r->id)
		return enter_nick_allowed(h, r, jid_resource(h->to)) ? create_room(h, r, o, created) : HOOK_REJECT;
	if (!room_seat(r, h->from) && !may_enter(h, r))
		return HOOK_REJECT;
	return r->run == module_run() ? read_past(h, o) : note_run(h, o);
}

/* Arrived */

static enum hook_verdict
again(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return enter_arrived(h, data);
}

static enum hook_verdict
open_alone(struct hook *h, struct room *r)
{
	struct opening *o = arena_zalloc(hook_memory(h), sizeof(*o));

	o->room = r;
	return room_alone(h, r, o, open_room);
}

static enum hook_verdict
newcomer(struct hook *h, struct room *r)
{
	char *key;
	struct room_crossing *c;

	if (!muc_x(h))
		return not_inside(h);
	if (!room_rate_take(&r->joins, module_limits()->room_joins_per_second, module_limits()->room_joins_burst)) {
		metric_add(METRIC_RATE_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many are entering the room");
	}
	if (is_open(r)) {
		key = room_nick_key(jid_resource(h->to));
		c = room_crossing(r, NULL, key);
		free(key);
		return c ? room_wait(h, &c->gate, r, again) : enter(h, r, false);
	}
	return open_alone(h, r);
}

enum hook_verdict
enter_arrived(struct hook *h, struct room *r)
{
	struct room_crossing *c;
	struct room_seat *s;

	if (!jid_resource(h->to))
		return hook_reject(h, XERROR_JID_MALFORMED, "a nickname is needed");
	if (r->alone)
		return room_wait(h, &r->quiet, r, again);
	if ((c = room_crossing(r, h->from, NULL)) != NULL)
		return room_wait(h, &c->gate, r, again);
	s = room_seat(r, h->from);
	if (!s)
		return newcomer(h, r);
	if (strcmp(room_nick(s->occupant), jid_resource(h->to)) != 0)
		return nick_change(h, r);
	if (muc_x(h))
		return is_open(r) ? entered_again(h, r, s) : open_alone(h, r);
	occupant_speaks(s, presence_clean(h->stanza));
	presence_tell(r, s->occupant, NULL);
	return HOOK_HANDLED;
}
