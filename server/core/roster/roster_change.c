/*
 * roster_change: everything that alters a roster: roster sets (RFC 6121 §2.3 to §2.5) and subscription
 * stanzas in both directions (§3, Appendix A).
 *
 * One change at a time: it passes through the user's inbox, is planned from what is in memory, and when there is
 * something to write the user is held (and the lane of the session it came from) until a job has written it:
 *
 *     begin → inbox → run: plan ─┬─ nothing to write ──────→ finish: results, pushes, stanzas
 *                                ├─ refused ───────────────→ fail: error to the sender
 *                                └─ hold, job → done ─┬─ committed: apply → finish
 *                                                     └─ not, or not known: reload the roster, fail
 *
 * A change is owned by itself from begin to the end of finish or fail. While the job is out the user stays, being held;
 * the session may go, and is found again by its resource and lane (the hold keeps that lane from being another's).
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/everyone.h"
#include "core/home.h"
#include "core/module/modules.h"
#include "core/route/lane.h"
#include "core/roster/presence.h"
#include "core/roster/roster_priv.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "module.h"
#include "net/reactor.h"
#include "store/pool.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

enum change_kind { CHANGE_SET, CHANGE_REMOVE, CHANGE_OUTBOUND, CHANGE_INBOUND };

struct change {
	struct user_wait wait;
	enum change_kind kind;
	struct lane *lane;        /* held; NULL: did not come from a session, or that is gone */
	struct jid *full;         /* of that session */
	struct packet *cause;     /* the IQ or the presence */
	bool approved;            /* CHANGE_INBOUND: a module vouches for the sender (module_request_arrives) */
	struct jid *contact;
	struct roster_item *said; /* CHANGE_SET: name and groups as the client gave them */
	bool subscribes;          /* CHANGE_SET: and the subscription, which is the component's to say */
	/* the plan */
	struct user *user;
	struct subscription before;
	struct subscription_step step;
	bool write;               /* something is to be stored */
	bool visible;             /* clients can see it: a new version and a push */
	uint64_t version;         /* of the roster afterwards */
	struct roster_item *next; /* the item afterwards; NULL: none */
};

/* What the worker gets. */
struct change_row {
	int64_t account;
	uint64_t version;
	bool remove;
	struct roster_row row;
};

static void change_run(struct user_wait *w, struct user *u);

static struct change *
change_new(enum change_kind kind, struct packet *cause, struct jid *contact)
{
	struct change *c = NEW(struct change);

	c->wait.run = change_run;
	c->kind = kind;
	c->cause = packet_ref(cause);
	c->contact = jid_to_bare(contact);
	return c;
}

/* Ends it: the lane may go on. */
static void
change_free(struct change *c)
{
	if (c->lane)
		lane_release(c->lane);
	roster_item_free(c->said);
	roster_item_free(c->next);
	jid_unref(c->contact);
	jid_unref(c->full);
	packet_unref(c->cause);
	free(c);
}

/* The session it came from, while that is still there. */
static struct session *
change_session(const struct change *c)
{
	struct session *s = c->lane && c->user ? user_session(c->user, jid_resource(c->full)) : NULL;

	return s && s->lane == c->lane && !s->closing ? s : NULL;
}

static void
give(struct session *s, struct packet *p)
{
	if (s && p)
		session_send(s, p);
	packet_unref(p);
}

/* Never in silence: an IQ gets its error, a presence an error presence, wherever it came from. */
static void
fail(struct change *c, enum xerror e, const char *type, const char *text)
{
	struct packet *p = packet_error(c->cause, e, type, text);

	if (c->kind == CHANGE_INBOUND || c->cause->via)
		router_reply(p);
	else
		give(change_session(c), p);
	change_free(c);
}

/* §3.1.2 and its likes: the stanza goes out with the bare JIDs, whatever the client wrote. */
static void
route_outbound(struct change *c)
{
	struct stanza *st = stanza_copy(c->cause->st);

	elem_set(st, st->root, "from", jid_bare(c->user->jid));
	elem_set(st, st->root, "to", jid_bare(c->contact));
	router_send(packet_new(st, c->user->jid, c->contact));
}

/* §3.1.3: requests go to all available resources; §3.1.6, §3.2.3, §3.3.3: the rest to the interested ones. */
static void
deliver_inbound(struct change *c)
{
	struct everyone all = everyone(c->user);

	for (unsigned i = 0; i < all.n; i++) {
		struct session *s = all.session[i];
		bool wants = c->cause->type == TYPE_SUBSCRIBE ? session_is_available(s) : s->interested;

		if (wants && !s->closing)
			session_send(s, c->cause);
	}
}

/* Planning */

static enum xerror
plan_room(const struct roster *r, const struct roster_item *old, const struct roster_item *next)
{
	const struct limits *l = &home_config()->limits;
	size_t was = old && old->listed ? roster_item_bytes(old) : 0;

	if (!next->listed)
		return XERROR_NONE;
	if (!(old && old->listed) && r->nlisted >= l->roster_items)
		return XERROR_RESOURCE_CONSTRAINT;
	/* A whole roster is one stanza to a session that logs in: it has to fit what may wait for a reader. */
	if (roster_item_bytes(next) > was && r->bytes - was + roster_item_bytes(next) > l->output_bytes / 2)
		return XERROR_RESOURCE_CONSTRAINT;
	return XERROR_NONE;
}

/* Every write is a new version, also of what clients do not see: so a statement that reaches the database late,
 * after its connection was given up, finds a newer version in its way. */
static void
plan_version(struct change *c, const struct roster *r)
{
	c->version = r->version + 1;
	if (c->next)
		c->next->version = c->version;
}

static enum xerror
plan_set(struct change *c, const struct roster *r)
{
	const struct roster_item *old = roster_lookup(r, c->said->jid);

	c->next = old ? roster_item_copy(old) : roster_item_new(c->said->jid);
	roster_item_take_text(c->next, c->said);
	c->next->listed = true;
	c->before = roster_item_state(old);
	if (c->subscribes) {
		c->next->subscription = c->said->subscription;
		c->next->ask = c->next->ask && !(c->next->subscription & SUB_TO);
	}
	c->write = c->visible = true;
	plan_version(c, r);
	return plan_room(r, old, c->next);
}

static enum xerror
plan_remove(struct change *c, const struct roster *r)
{
	const struct roster_item *old = roster_lookup(r, c->said->jid);

	if (!old || !old->listed)
		return XERROR_ITEM_NOT_FOUND;
	c->before = roster_item_state(old);
	c->write = c->visible = true;
	plan_version(c, r);
	return XERROR_NONE;
}

/* The request as it came, for the sessions to come (§3.1.3); its `to` and `from` are in it. */
static enum xerror
plan_request(struct change *c, const struct roster *r)
{
	const struct limits *l = &home_config()->limits;
	struct overlay o = { .to = jid_bare(c->user->jid) };
	struct buf b = { 0 };
	enum xerror x = XERROR_NONE;

	serialize_stanza(&b, c->cause->st, NS_CLIENT, &o);
	if (buf_len(&b) > l->presence_bytes)
		x = XERROR_POLICY_VIOLATION;
	else if (r->nrequests >= l->subscription_requests || r->request_bytes + buf_len(&b) > l->output_bytes / 4)
		x = XERROR_RESOURCE_CONSTRAINT;
	else
		c->next->request = mem_strndup(buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return x;
}

static bool
is_nothing(const struct roster_item *i)
{
	return !i->listed && !i->request && !i->subscription && !i->ask && !i->approved;
}

static enum xerror
plan_subscription(struct change *c, const struct roster *r)
{
	const struct roster_item *old = roster_find(r, c->contact);
	struct subscription now = c->before = roster_item_state(old);
	enum xerror x = XERROR_NONE;

	now.approved |= c->approved;
	c->step = c->kind == CHANGE_OUTBOUND ? subscription_out(c->cause->type, now) :
		subscription_in(c->cause->type, now);
	c->visible = subscription_differs(now, c->step.next);
	c->write = c->visible || now.state != c->step.next.state;
	if (!c->write)
		return XERROR_NONE;
	c->next = old ? roster_item_copy(old) : roster_item_new(c->contact);
	roster_item_set_state(c->next, c->step.next);
	c->next->listed |= c->visible;
	if ((c->step.next.state & SUB_ASKED) && !c->next->request)
		x = plan_request(c, r);
	if (x == XERROR_NONE)
		x = plan_room(r, old, c->next);
	plan_version(c, r);
	if (x == XERROR_NONE && is_nothing(c->next)) {
		roster_item_free(c->next);
		c->next = NULL;
	}
	return x;
}

static enum xerror
plan(struct change *c, const struct roster *r)
{
	switch (c->kind) {
	case CHANGE_SET:
		return plan_set(c, r);
	case CHANGE_REMOVE:
		return plan_remove(c, r);
	default:
		return plan_subscription(c, r);
	}
}

/* Finishing */

static void
answer_set(struct change *c)
{
	struct packet *p = packet_new(packet_result(c->cause), c->cause->to, c->cause->from);

	if (c->cause->via)
		router_reply(p);
	else
		give(change_session(c), p);
}

/* §2.5.2: who is removed is unsubscribed from and for. What was only asked for is withdrawn, what was only
 * requested is declined: the contact would wait for an answer from nobody. */
static void
finish_remove(struct change *c)
{
	answer_set(c);
	roster_push(c->user, NULL, c->said->jid);
	if (c->before.state & SUB_FROM)
		presence_send_unavailable(c->user, c->contact);
	if (c->before.state & (SUB_TO | SUB_ASK))
		roster_send_subscription(c->user, c->contact, "unsubscribe");
	if (c->before.state & (SUB_FROM | SUB_ASKED))
		roster_send_subscription(c->user, c->contact, "unsubscribed");
}

/* §3.1.5, §3.2.2: the stanza, the push, then presence: what the contact may see from now on, or the last it sees. */
static void
finish_outbound(struct change *c, const struct roster_item *item)
{
	if (c->step.pass)
		route_outbound(c);
	if (c->visible)
		roster_push(c->user, item, c->contact);
	if (c->cause->type == TYPE_SUBSCRIBED && c->step.pass)
		presence_send_current(c->user, c->contact);
	else if (c->cause->type == TYPE_UNSUBSCRIBED && (c->before.state & SUB_FROM))
		presence_send_unavailable(c->user, c->contact);
}

/* XEP-0379 §3.5: who was approved unseen is asked in return. */
static void
ask_back(struct change *c)
{
	struct stanza *st;

	if (!c->approved || !c->step.grant || (c->step.next.state & (SUB_TO | SUB_ASK)))
		return;
	st = stanza_new(NS_CLIENT, "presence");
	elem_set(st, st->root, "from", jid_bare(c->user->jid));
	elem_set(st, st->root, "to", jid_bare(c->contact));
	elem_set(st, st->root, "type", "subscribe");
	roster_outbound(NULL, packet_new(st, c->user->jid, c->contact));
}

/* §3.1.6: the stanza is delivered before the push. */
static void
finish_inbound(struct change *c, const struct roster_item *item)
{
	if (c->step.pass)
		deliver_inbound(c);
	if (c->visible)
		roster_push(c->user, item, c->contact);
	if (c->step.grant) {
		roster_send_subscription(c->user, c->contact, "subscribed");
		presence_send_current(c->user, c->contact);
		ask_back(c);
	} else if (c->cause->type == TYPE_UNSUBSCRIBE && (c->before.state & SUB_FROM)) {
		presence_send_unavailable(c->user, c->contact);
	}
}

static void
finish(struct change *c, const struct roster_item *item)
{
	switch (c->kind) {
	case CHANGE_SET:
		answer_set(c);
		roster_push(c->user, item, NULL);
		if (item->subscription & ~c->before.state & SUB_FROM)
			presence_send_current(c->user, c->contact);
		else if (c->before.state & ~item->subscription & SUB_FROM)
			presence_send_unavailable(c->user, c->contact);
		break;
	case CHANGE_REMOVE:
		finish_remove(c);
		break;
	case CHANGE_OUTBOUND:
		finish_outbound(c, item);
		break;
	case CHANGE_INBOUND:
		finish_inbound(c, item);
		break;
	}
	change_free(c);
}

/* Writing */

static enum sql_status
change_work(struct job *j, struct sql *db)
{
	const struct change_row *d = j->data;

	if (d->remove)
		return roster_store_remove(db, d->account, d->row.jid, d->version, &j->err);
	return roster_store_put(db, d->account, &d->row, d->version, &j->err);
}

/* Modules hear of what has changed between the two, before contacts do. */
static void
tell_modules(struct user *u, const struct jid *contact)
{
	struct jid *bare = jid_to_bare((struct jid *)contact);
	struct hook h = { .stage = HOOK_CONTACT_CHANGED, .from = bare, .account = u->jid };

	(void)modules_run(&h, u);
	jid_unref(bare);
}

/* The item in the roster now; NULL when it was removed. */
static const struct roster_item *
apply(struct change *c, struct roster *r)
{
	const struct roster_item *item = c->next;
	const struct jid *jid = c->kind == CHANGE_SET || c->kind == CHANGE_REMOVE ? c->said->jid : c->contact;
	const struct roster_item *old = roster_lookup(r, jid);
	unsigned before = old ? old->subscription : 0, after = item ? item->subscription : 0;

	r->version = c->version;
	r->removals += !item;
	if (item)
		roster_put(r, c->next);
	else
		roster_drop(r, jid);
	c->next = NULL;
	if (before != after && modules_want(HOOK_CONTACT_CHANGED))
		tell_modules(c->user, jid);
	return item;
}

static void
change_done(struct job *j)
{
	const struct change_row *d = j->data;
	struct change *c = j->owner;
	struct user *u = c->user;
	bool same = u->roster && u->account == d->account; /* not deleted meanwhile */

	if (j->status == JOB_OK && same) {
		finish(c, apply(c, u->roster));
	} else {
		log_warning(NULL, "roster-write-failed", "jid=%s contact=%s why=%s", jid_bare(u->jid),
			jid_bare(c->contact), same ? j->err.text : "account is gone");
		if (same)
			user_reload_roster(u);
		fail(c, j->status == JOB_UNAVAILABLE ? XERROR_RESOURCE_CONSTRAINT : XERROR_INTERNAL_SERVER_ERROR, "wait",
			"the change could not be stored");
	}
	user_release(u);
}

static void
change_submit(struct change *c)
{
	struct job *j = job_new(sizeof(struct change_row));
	struct change_row *d = j->data;

	d->account = c->user->account;
	d->version = c->version;
	d->remove = !c->next;
	if (c->next)
		roster_item_to_row(c->next, j->arena, &d->row);
	else
		d->row.jid = arena_strdup(j->arena, jid_full(c->kind == CHANGE_REMOVE ? c->said->jid : c->contact));
	j->work = change_work;
	j->done = change_done;
	j->owner = c;
	user_hold(c->user);
	pool_submit(j, jid_hash(c->user->jid));
}

static void
change_run(struct user_wait *w, struct user *u)
{
	struct change *c = LIST_ENTRY(w, struct change, wait);
	enum xerror x;

	c->user = u;
	if (!u || !u->roster) {
		fail(c, u ? XERROR_SERVICE_UNAVAILABLE : XERROR_RESOURCE_CONSTRAINT, NULL, NULL);
		return;
	}
	x = plan(c, u->roster);
	if (x == XERROR_RESOURCE_CONSTRAINT)
		metric_add(METRIC_QUOTA_REFUSED, 1);
	if (x)
		fail(c, x, NULL, NULL);
	else if (c->write)
		change_submit(c);
	else
		finish(c, NULL);
}

/* From a session: the lane stands still until it is done, and what comes meanwhile for the user waits its turn. */
static void
change_begin(struct change *c, struct session *s)
{
	struct jid *own = c->cause->via ? c->cause->to : c->cause->from;

	if (s) {
		lane_hold(s->lane);
		c->lane = s->lane;
		c->full = jid_ref(s->jid);
		c->user = s->user;
	}
	if (!user_with(own, &c->wait))
		fail(c, XERROR_RESOURCE_CONSTRAINT, "wait", NULL);
}

/* The ways in */

/* §2.1.5, §2.3.3: exactly one item. */
static const struct elem *
only_item(const struct elem *query)
{
	const struct elem *item = elem_child(query, NS_ROSTER, "item");

	return item && !elem_next(item, NS_ROSTER, "item") ? item : NULL;
}

static unsigned
read_subscription(const char *word)
{
	return !strcmp(word, "both") ? SUB_TO | SUB_FROM : !strcmp(word, "to") ? SUB_TO : !strcmp(word, "from") ? SUB_FROM : 0;
}

/* `s`: the session it came from; NULL. */
static enum xerror
begin_set(struct user *u, struct packet *p, const struct elem *item, struct session *s, bool subscribes)
{
	struct roster_item *said;
	struct change *c;
	enum xerror x;
	bool remove;

	if (!item)
		return XERROR_BAD_REQUEST;
	x = roster_item_parse(item, u->jid, &home_config()->limits, reactor_scratch(reactor_current()), &said, &remove);
	if (x)
		return x;
	c = change_new(remove ? CHANGE_REMOVE : CHANGE_SET, p, said->jid);
	c->said = said;
	c->subscribes = subscribes;
	if (subscribes)
		said->subscription = read_subscription(elem_get(item, "subscription"));
	change_begin(c, s);
	return XERROR_NONE;
}

enum xerror
roster_on_set(const struct iq_call *call)
{
	/* §2.1.5: nobody alters another's roster. */
	if (!jid_equal_bare(call->p->from, call->user->jid))
		return XERROR_FORBIDDEN;
	return begin_set(call->user, call->p, only_item(call->payload), call->session, false);
}

/* Is it the component's own address? */
static bool
is_its_own(const struct packet *p, const struct elem *item)
{
	struct jid *j = elem_get(item, "jid") ? jid_parse_z(elem_get(item, "jid")) : NULL;
	bool own = j && !strcmp(jid_domain(j), jid_domain(p->via));

	jid_unref(j);
	return own;
}

void
roster_set_delegated(struct user *u, struct packet *p)
{
	const struct elem *item = only_item(elem_first(p->st->root));
	enum xerror x = begin_set(u, p, item, NULL, item && elem_get(item, "subscription") && is_its_own(p, item));

	if (x)
		router_refuse(p, x, NULL, NULL);
}

/* What is wrong with a subscription stanza before anybody looks into a roster. */
static enum xerror
outbound_refusal(const struct packet *p)
{
	if (!p->to)
		return XERROR_BAD_REQUEST;
	if (jid_equal_bare(p->to, p->from))
		return XERROR_NOT_ALLOWED;
	if (p->st->size > home_config()->limits.presence_bytes)
		return XERROR_POLICY_VIOLATION;
	return XERROR_NONE;
}

void
roster_outbound(struct session *s, struct packet *p)
{
	enum xerror x = outbound_refusal(p);

	if (x == XERROR_NONE)
		change_begin(change_new(CHANGE_OUTBOUND, p, p->to), s);
	else
		give(s, packet_error(p, x, NULL, NULL));
	packet_unref(p);
}

/* The inbox is in order and this is its turn: no second time through it. To nobody's account: §8.5.1 asks for
 * silence, so that names cannot be tried out. */
void
roster_inbound(struct user *u, struct packet *p)
{
	if (u->roster && p->from && !jid_equal_bare(p->from, u->jid))
		change_run(&change_new(CHANGE_INBOUND, p, p->from)->wait, u);
}

/* In order with what has come since: through the inbox, past RECV_CHECK, which it has passed. */
void
module_request_arrives(struct hook *h, bool approved)
{
	struct packet *p;
	struct change *c;

	if (!h->user || !h->from || jid_equal_bare(h->from, h->account))
		return;
	p = packet_new(stanza_ref((struct stanza *)h->stanza), (struct jid *)h->from, (struct jid *)h->account);
	c = change_new(CHANGE_INBOUND, p, p->from);
	packet_unref(p);
	c->approved = approved && c->cause->type == TYPE_SUBSCRIBE;
	if (!user_with(h->account, &c->wait))
		fail(c, XERROR_RESOURCE_CONSTRAINT, "wait", NULL);
}
