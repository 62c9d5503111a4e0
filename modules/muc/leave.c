/*
 * leave: see leave.h. Whoever leaves has left, whether the record takes it or not: what it does not take is tried again until it does.
 */
#include "leave.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "disco.h"
#include "presence.h"
#include "room_store.h"
#include "xmpp/ns.h"

#define AGAIN_MS 1000
#define WHISPER_US (60 * INT64_C(1000000)) /* a block is heard of within that */

/* Temporary rooms */

/* §10.1.3: nor does a room last that its owner has left before it was configured. */
static bool
has_ended(const struct room *r)
{
	return r->id && !r->occupants && (!r->config.persistent || r->locked);
}

struct ending {
	struct room_row row; /* first: what the job sees */
	struct room *room;
};

static enum hook_verdict
ended(struct hook *h, void *data, bool ok)
{
	struct room *r = ((struct ending *)data)->room;

	(void)h;
	if (!ok)
		log_warning(NULL, "room-not-removed", "room=%s", jid_bare(r->jid)); /* room_make leaves it out in the next run */
	room_forget(r);
	return HOOK_HANDLED;
}

static enum hook_verdict
recorded_end(struct hook *h, void *data, bool ok)
{
	struct ending *e = data;

	return ok ? hook_job(h, e, room_store_destroy, ended) : HOOK_HANDLED;
}

static enum hook_verdict
end_room(struct hook *h, void *data, bool ok)
{
	struct room *r = data;
	struct ending *e;
	struct stanza *st;
	struct elem *x;

	(void)ok;
	if (!has_ended(r))
		return HOOK_HANDLED;
	e = arena_zalloc(hook_memory(h), sizeof(*e));
	e->row.id = r->id;
	e->room = r;
	st = room_note(r, &x);
	elem_add(st, x, NULL, "destroy");
	hook_record_stanza(h, RECORD_ROOM_CONFIG, st, r->jid, r->jid, NULL, e, recorded_end);
	stanza_unref(st);
	return HOOK_WAIT;
}

static enum hook_verdict
begin_end(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return room_alone(h, data, data, end_room);
}

void
leave_settle(const struct hook *h, struct room *r)
{
	if (has_ended(r))
		hook_aside(h, begin_end, r);
}

/* Leaving */

struct leaving {
	struct room *room;
	struct room_crossing *crossing; /* NULL: it has left already */
	struct stanza *note;            /* of the record, until it has been taken */
	struct jid *full;
	struct room_why why;
};

static enum hook_verdict left(struct hook *h, void *data, bool ok);

static enum hook_verdict
record(struct hook *h, struct leaving *l)
{
	return hook_record_stanza(h, RECORD_ROOM_LEAVE, l->note, l->full, l->room->jid, NULL, l, left);
}

static enum hook_verdict
try_again(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return record(h, data);
}

static enum hook_verdict
left(struct hook *h, void *data, bool ok)
{
	struct leaving *l = data;
	struct room *r = l->room;
	struct room_crossing *c = l->crossing;
	struct room_seat *s;

	l->crossing = NULL;
	if (c) {
		s = room_seat(r, l->full);
		if (s)
			room_remove_seat(r, s, &l->why);
		metric_add(METRIC_ROOM_LEFT, 1);
		census_changed(h, r);
		room_crossing_end(r, c);
	}
	if (!ok)
		return hook_after(h, AGAIN_MS, l, try_again);
	leave_settle(h, r);
	return HOOK_HANDLED;
}

static void
forget(void *arg)
{
	struct leaving *l = arg;

	stanza_unref(l->note);
	jid_unref(l->full);
	stanza_unref((struct stanza *)l->why.said);
}

static struct stanza *
note_of(const struct room *r, const struct room_seat *s, const struct room_why *why)
{
	struct stanza *st = why->said ? stanza_copy(why->said) : stanza_new(NS_CLIENT, "presence");
	struct elem *x;

	(void)r;
	elem_set(st, st->root, "from", jid_full(s->occupant->jid));
	elem_set(st, st->root, "type", "unavailable");
	x = elem_add(st, st->root, NS_MUC_USER, "x");
	room_note_item(st, x, jid_full(s->full), NULL, s->occupant->affiliation, ROLE_NONE, why);
	for (size_t i = 0; i < sizeof(why->status) / sizeof(why->status[0]); i++)
		room_note_status(st, x, why->status[i]);
	return st;
}

/* `why` is copied; what it says of the client's words is taken. */
static enum hook_verdict
leave(struct hook *h, struct room *r, struct room_seat *s, const struct room_why *why)
{
	struct leaving *l = arena_zalloc(hook_memory(h), sizeof(*l));

	l->room = r;
	l->why = *why;
	l->full = jid_ref(s->full);
	l->note = note_of(r, s, why);
	l->crossing = room_crossing_begin(r, s->full, room_nick(s->occupant), false);
	arena_on_free(hook_memory(h), forget, l);
	return record(h, l);
}

static enum hook_verdict
again(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return leave_arrived(h, data);
}

enum hook_verdict
leave_arrived(struct hook *h, struct room *r)
{
	struct room_crossing *c = room_crossing(r, h->from, NULL);
	const char *id = elem_get(h->stanza->root, "id");
	struct room_seat *s;

	if (r->alone)
		return room_wait(h, &r->quiet, r, again);
	if (c)
		return room_wait(h, &c->gate, r, again);
	s = room_seat(r, h->from);
	/* Of whatever nickname: there is one only (a change of it may have crossed). */
	if (!s)
		return HOOK_HANDLED;
	/* Smack waits for its id, where the service says that ids are stable. */
	return leave(h, r, s, &(struct room_why){ .said = presence_clean(h->stanza), .id = id ? arena_strdup(hook_memory(h), id) : NULL });
}

/* Lost */

/* Errors that say that nobody is there, or that nothing gets there; others are an occupant's opinion of what it got. */
static bool
is_lost(enum xerror e)
{
	switch (e) {
	case XERROR_GONE:
	case XERROR_ITEM_NOT_FOUND:
	case XERROR_JID_MALFORMED:
	case XERROR_RECIPIENT_UNAVAILABLE:
	case XERROR_REDIRECT:
	case XERROR_REMOTE_SERVER_NOT_FOUND:
	case XERROR_REMOTE_SERVER_TIMEOUT:
	case XERROR_SERVICE_UNAVAILABLE:
	case XERROR_INTERNAL_SERVER_ERROR:
		return true;
	default:
		return false;
	}
}

/* XEP-0191 §3.3 has the server of who has blocked somebody say the same of a private message as of a client that has gone: nobody is to be
 * put out of a room by writing to them. Who has gone is found by what the room sends later. */
static bool
may_be_a_block(const struct hook *h, const struct room_seat *s)
{
	const struct elem *root = h->stanza->root;

	return elem_is(root, NS_CLIENT, "message") && jid_resource(h->to) && xerror_of(root) == XERROR_SERVICE_UNAVAILABLE &&
		s->whispered_us && clock_mono_us() - s->whispered_us < WHISPER_US;
}

static enum hook_verdict
bounced_again(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return leave_bounced(h, data);
}

enum hook_verdict
leave_bounced(struct hook *h, struct room *r)
{
	struct room_crossing *c = room_crossing(r, h->from, NULL);
	struct room_seat *s;

	if (!is_lost(xerror_of(h->stanza->root)) && module_may_meet(h->from))
		return HOOK_HANDLED;
	if (r->alone)
		return room_wait(h, &r->quiet, r, bounced_again);
	if (c)
		return room_wait(h, &c->gate, r, bounced_again);
	s = room_seat(r, h->from);
	if (!s || may_be_a_block(h, s))
		return HOOK_HANDLED;
	metric_add(METRIC_ROOM_LOST, 1);
	return leave(h, r, s, &(struct room_why){ .status = { MUC_KICKED, MUC_TECHNICAL }, .reason = "could not be reached" });
}

/* What takes effect is in the record first, like every leaving: so it goes the way of errors that come. */
void
leave_expel(const struct room_seat *s)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");
	struct elem *error = elem_add(st, st->root, NULL, "error");

	elem_set(st, st->root, "type", "error");
	elem_set(st, error, "type", "cancel");
	elem_add(st, error, NS_STANZA_ERRORS, xerror_name(XERROR_REMOTE_SERVER_NOT_FOUND));
	module_send(st, s->full, s->occupant->jid);
}
