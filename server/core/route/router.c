/*
 * router: the life of a stanza, read from top to bottom.
 *
 *   session_received → lane (policy, record) → router_leave_lane        sender's home
 *     → router_send → mailbox → arrive → user's inbox → deliver         recipient's home
 *       → RECV_CHECK → by kind: §8.5 of RFC 6121 → session_send
 *
 * Every hop to a user goes through the mailbox of its home, also when that is the reactor we are on: so two
 * stanzas of one sender take the same way and cannot overtake each other (P8).
 */
#include "core/route/router.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/component/component.h"
#include "core/component/privilege.h"
#include "core/federation/federation.h"
#include "core/stream/c2s.h"
#include "core/everyone.h"
#include "core/federation/partner.h"
#include "core/federation/pass.h"
#include "core/home.h"
#include "core/host.h"
#include "core/route/content.h"
#include "core/route/iq.h"
#include "core/module/chain.h"
#include "core/module/modules.h"
#include "core/roster/presence.h"
#include "core/route/question.h"
#include "core/roster/roster.h"
#include "core/service/service.h"
#include "core/user.h"

#define CLOGGED_BYTES 262144

void
router_reply(struct packet *p)
{
	if (p)
		router_send(p);
}

void
router_refuse(const struct packet *p, enum xerror e, const char *type, const char *text)
{
	router_reply(packet_error(p, e, type, text));
}

static bool
is_question(const struct packet *p)
{
	return p->kind == PACKET_IQ && (p->type == TYPE_GET || p->type == TYPE_SET);
}

bool
router_is_for_us(const struct packet *p)
{
	if (p->kind != PACKET_IQ)
		return false;
	return !p->to || (jid_is_domain(p->to) && host_is_local(p->to)) ||
		(jid_is_bare(p->to) && p->from && jid_equal_bare(p->to, p->from));
}

/* At the sender's home */

static void arrive(struct mail *m);

/* Modules copy what I have sent to my other sessions (HOOK_SEND_COPY). */
static void
copy_sent(struct session *s, const struct packet *p)
{
	struct hook h = { .stage = HOOK_SEND_COPY, .stanza = p->st, .from = p->from, .to = p->to,
		.account = s->user->jid, .session = s->jid, .bound = s, .record_id = p->record_id, .record_us = p->at_us };

	(void)modules_run(&h, s->user);
}

void
router_leave_lane(struct session *s, struct packet *p)
{
	bool own = p->to && p->from && jid_is_bare(p->to) && jid_equal_bare(p->to, p->from);

	if (p->kind == PACKET_IQ && is_question(p) && (!p->to || own) && s) {
		iq_dispatch(p, s, s->user);
		packet_unref(p);
	} else if (p->kind == PACKET_PRESENCE && s && !p->to) {
		presence_broadcast(s, p);
	} else if (p->kind == PACKET_PRESENCE && p->to && packet_is_subscription(p)) {
		roster_outbound(s, p);
	} else if (p->kind == PACKET_PRESENCE && s) {
		presence_directed(s, p);
	} else if (p->kind == PACKET_PRESENCE && p->type == TYPE_NONE) {
		packet_unref(p); /* the sender has gone: no unavailable would follow */
	} else if (p->kind != PACKET_MESSAGE && !p->to) {
		if (p->kind == PACKET_IQ)
			question_answer_here(p);
		packet_unref(p);
	} else {
		/* RFC 6120 §10.3.1: a message without `to` is for the sender's own account. */
		if (!p->to)
			p->to = jid_to_bare(p->from);
		if (s && p->kind == PACKET_MESSAGE && modules_want(HOOK_SEND_COPY))
			copy_sent(s, p);
		router_send(p);
	}
}

void
router_leave_delegated(struct user *u, struct packet *p)
{
	struct hook h = { .stage = HOOK_SEND_COPY, .stanza = p->st, .from = p->from, .to = p->to, .account = u->jid, .record_id = p->record_id,
		.record_us = p->at_us };

	if (p->kind == PACKET_MESSAGE && modules_want(HOOK_SEND_COPY))
		(void)modules_run(&h, u);
	router_send(p);
}

/* Something for the server itself: only questions get an answer (RFC 6120 §10.5.2, RFC 6121 §8.5.1). */
static void
send_to_server(struct packet *p)
{
	if (is_question(p) && jid_is_domain(p->to))
		iq_dispatch(p, NULL, NULL);
	else if (is_question(p) || (p->kind == PACKET_MESSAGE && p->type != TYPE_ERROR))
		router_refuse(p, XERROR_SERVICE_UNAVAILABLE, NULL, NULL);
	else if (p->kind == PACKET_IQ && jid_is_domain(p->to)) {
		question_answer(p);
		return;
	}
	packet_unref(p);
}

void
router_send(struct packet *p)
{
	bool ours = p->to && host_is_local(p->to);

	if (!p->to) {
		packet_unref(p);
	} else if (!ours && service_of(p->to)) {
		p->mail.run = arrive;
		reactor_post(home_of(p->to), &p->mail);
	} else if (!ours && component_is(p->to)) {
		component_deliver(p);
	} else if (!ours) {
		federation_deliver(p);
	} else if (!jid_local(p->to)) {
		send_to_server(p);
	} else {
		p->mail.run = arrive;
		reactor_post(home_of(p->to), &p->mail);
	}
}

/* At the recipient's home */

struct arrival {
	struct user_wait wait;
	struct packet *p;
};

/* The database could not say who the recipient is: whoever waits for an answer is told. A recorded message waits in the record. */
static void
cannot_look_up(struct packet *p)
{
	bool enters = p->kind == PACKET_PRESENCE && p->type == TYPE_NONE && service_of(p->to);

	if (is_question(p) || packet_is_subscription(p) || enters || (p->kind == PACKET_MESSAGE && !p->deliverable))
		router_refuse(p, XERROR_RESOURCE_CONSTRAINT, "wait", "the database is not available, try again later");
}

/* RFC 6121 §8.5.1 */
static void
no_such_user(struct user *u, struct packet *p)
{
	if (is_question(p) && !jid_resource(p->to))
		iq_dispatch(p, NULL, u); /* handlers answer strangers alike, whether there is an account or not */
	else if (is_question(p) || (p->kind == PACKET_MESSAGE && p->type != TYPE_ERROR && p->type != TYPE_HEADLINE))
		router_refuse(p, XERROR_SERVICE_UNAVAILABLE, NULL, NULL);
}

void
router_tell_away(struct session *s, const struct packet *p)
{
	struct hook h = { .stage = HOOK_RECV_AWAY, .stanza = p->st, .from = p->from, .to = s->jid, .account = s->user->jid,
		.session = s->jid, .bound = s };

	if (!s->stream && !s->closing && p->kind == PACKET_MESSAGE && modules_want(HOOK_RECV_AWAY))
		(void)modules_run(&h, s->user);
}

/* To a session: what waits for its <a/> is noted before it is given. What a room elsewhere said comes this way, to one session. */
static void
give_to(struct session *s, struct packet *p)
{
	if (p->deliverable)
		delivery_given(s->user, p->record_id);
	session_send(s, p);
	if (p->type == TYPE_GROUPCHAT)
		router_tell_away(s, p);
}

static void
give_to_available(struct user *u, struct packet *p, int lowest)
{
	struct everyone e = everyone(u);

	for (unsigned i = 0; i < e.n; i++) {
		struct session *s = e.session[i];

		bool late = p->delayed;

		if (!s->closing && session_is_available(s) && s->priority >= lowest)
			give_to(s, p);
		/* It was one too many for that session, and what it left has gone to all others by now. */
		if (s->closing && p->delayed && !late)
			break;
	}
}

/* It has been decided upon: the record's copy must not come to the recipient later. */
static void
pass_by(struct user *u, const struct packet *p)
{
	if (!p->deliverable)
		return;
	delivery_given(u, p->record_id);
	delivery_done(u, p->record_id);
}

static void
missed(struct user *u, struct packet *p)
{
	struct hook h = { .stage = HOOK_RECV_MISSED, .stanza = p->st, .from = p->from ? p->from : u->jid, .to = p->to,
		.account = u->jid, .record_id = p->record_id,
		.record_us = p->at_us, .delayed = p->delayed };

	if (modules_want(HOOK_RECV_MISSED) && modules_run(&h, u) == HOOK_HANDLED)
		pass_by(u, p);
	else if (p->deliverable)
		delivery_left(u, p->record_id);
}

/* Those a message is for: one session, or all available ones from a priority on. */
struct audience {
	struct session *only;
	int lowest;
};

#define NOBODY 128 /* above every priority */

/* RFC 6121 §8.5.2, §8.5.3 */
static struct audience
audience_of(const struct user *u, const struct packet *p)
{
	struct session *s = jid_resource(p->to) ? user_session(u, jid_resource(p->to)) : NULL;
	int best = user_priority(u);

	if (s && !s->closing)
		return (struct audience){ s, NOBODY };
	if (jid_resource(p->to) && p->type != TYPE_CHAT && !p->delayed)
		return (struct audience){ NULL, NOBODY };
	if (p->type == TYPE_ERROR || p->type == TYPE_GROUPCHAT)
		return (struct audience){ NULL, NOBODY };
	return (struct audience){ NULL, p->type == TYPE_HEADLINE ? 0 : best < 0 ? NOBODY : best };
}

static void
tell_given(struct user *u, struct packet *p, struct audience a)
{
	struct hook h = { .stage = HOOK_RECV_GIVEN, .stanza = p->st, .from = p->from ? p->from : u->jid, .to = p->to, .account = u->jid,
		.record_id = p->record_id, .record_us = p->at_us, .given_only = a.only, .given_lowest = a.lowest };

	if (p->delayed || p->told || (!a.only && a.lowest == NOBODY) || !modules_want(HOOK_RECV_GIVEN))
		return;
	p->told = true;
	(void)modules_run(&h, u);
}

void
router_tell_given(struct user *u, struct packet *p)
{
	tell_given(u, p, audience_of(u, p));
}

/* §8.5.2: to the bare JID. Chat and normal go to the sessions of the highest priority, headlines to all. */
static void
give_to_bare(struct user *u, struct packet *p)
{
	int best = user_priority(u);

	switch (p->type) {
	case TYPE_ERROR:
		break;
	case TYPE_GROUPCHAT:
		router_refuse(p, XERROR_SERVICE_UNAVAILABLE, NULL, NULL);
		break;
	case TYPE_HEADLINE:
		give_to_available(u, p, 0);
		break;
	default:
		if (best < 0)
			missed(u, p);
		else
			give_to_available(u, p, best);
	}
}

static void
refuse_delivery(struct user *u, struct packet *p)
{
	pass_by(u, p);
	router_refuse(p, XERROR_SERVICE_UNAVAILABLE, NULL, NULL);
}

/* Typing for a resource that is not there says nothing to the others; what stands behind the slash of its address would, and is in no record (P1). */
static bool
says_nothing_to_others(const struct packet *p, struct audience a)
{
	return !a.only && p->type == TYPE_CHAT && jid_resource(p->to) && !p->record_id && !content_is_any(p->st);
}

static void
give_message(struct user *u, struct packet *p)
{
	struct audience a = audience_of(u, p);

	if (says_nothing_to_others(p, a))
		return;
	if (p->deliverable && !p->delayed) {
		if (delivery_came(u, p->record_id)) {
			tell_given(u, p, a);
			return;
		}
		/* Who is there when it is given is another matter. */
		if (delivery_hold(u, p))
			return;
	}
	if (a.only)
		give_to(a.only, p);
	else if (!jid_resource(p->to) || p->type == TYPE_CHAT || p->delayed)
		give_to_bare(u, p);
	else if (p->type != TYPE_ERROR)
		refuse_delivery(u, p); /* §8.5.3.2.1: normal, groupchat, headline to a resource that has gone */
	tell_given(u, p, a);
}

static void
give_iq(struct user *u, struct packet *p)
{
	struct session *s;

	if (!jid_resource(p->to)) {
		if (is_question(p))
			iq_dispatch(p, NULL, u);
		else
			question_answer_here(p);
		return;
	}
	s = user_session(u, jid_resource(p->to));
	if (s && !s->closing)
		session_send(s, p);
	else if (is_question(p))
		router_refuse(p, XERROR_SERVICE_UNAVAILABLE, NULL, NULL);
}

void
router_give(struct user *u, struct packet *p)
{
	if (!p->delayed && delivery_hold_behind(u, p))
		return;
	if (p->kind == PACKET_MESSAGE)
		give_message(u, p);
	else if (p->kind == PACKET_IQ)
		give_iq(u, p);
	else if (packet_is_subscription(p))
		roster_inbound(u, p);
	else
		presence_inbound(u, p);
}

/* Somebody reads now: then those who may come back need not be waited for. */
static bool
is_attended(const struct user *u)
{
	LIST_EACH(l, &u->sessions) {
		const struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (s->stream && session_is_available(s) && s->priority >= 0)
			return true;
	}
	return false;
}

/* Half of a limit, or what a client should have taken by now whatever the limit. */
static bool
is_much(size_t bytes, uint64_t limit)
{
	return bytes > CLOGGED_BYTES || bytes > limit / 2;
}

bool
router_is_clogged(const struct user *u)
{
	const struct limits *m = &home_config()->limits;
	bool attended = is_attended(u);

	LIST_EACH(l, &u->sessions) {
		const struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (!session_is_available(s) || s->priority < 0 || (attended && !s->stream))
			continue;
		if (s->sm.n > m->sm_queue_stanzas / 2 || is_much(s->sm.bytes, m->sm_queue_bytes) ||
			(s->stream && is_much(c2s_unsent(s->stream), m->output_bytes)))
			return true;
	}
	return false;
}

/* HOOK_RECV_CHECK, and for messages HOOK_RECV_DELIVER: false when a module has answered or taken it. */
static bool
may_pass(enum hook_stage stage, struct user *u, struct packet *p)
{
	/* What nobody sent is the server's word to the account, in its own name (RFC 6120 §8.1.2.1). */
	struct hook h = { .stage = stage, .stanza = p->st, .from = p->from ? p->from : u->jid, .to = p->to,
		.account = u->jid, .record_id = p->record_id, .record_us = p->at_us, .delayed = p->delayed };
	enum hook_verdict v;

	if (!modules_want(stage))
		return true;
	v = modules_run(&h, u);
	if (v == HOOK_REJECT)
		chain_refuse(p, &h);
	return v == HOOK_NEXT;
}

static void
tell_refused(struct user *u, const struct packet *p)
{
	struct hook h = { .stage = HOOK_RECV_REFUSED, .stanza = p->st, .from = p->from ? p->from : u->jid, .to = p->to,
		.account = u->jid, .record_id = p->record_id, .record_us = p->at_us, .delayed = p->delayed };

	if (p->record_id && modules_want(HOOK_RECV_REFUSED))
		(void)modules_run(&h, u);
}

/* Whom a partner's people may write to is asked here, where the account's groups are known; not again of what waited in the record. */
static bool
partner_may(struct user *u, struct packet *p)
{
	struct pass_refusal r;

	if (p->delayed || pass_to(u, p, &r))
		return true;
	partner_refused(jid_domain(p->from), PARTNER_IN, r.why, NULL);
	if (p->kind != PACKET_PRESENCE || packet_is_subscription(p))
		router_refuse(p, r.error, r.type, r.text);
	return false;
}

bool
router_may_arrive(struct user *u, struct packet *p)
{
	if (p->refusal || (partner_may(u, p) && may_pass(HOOK_RECV_CHECK, u, p)))
		return true;
	if (u->state == USER_READY) {
		tell_refused(u, p);
		pass_by(u, p);
	}
	return false;
}

static void
deliver(struct user *u, struct packet *p)
{
	if (!u) {
		cannot_look_up(p);
	} else if (u->service) {
		service_deliver(u, p);
	} else if (router_may_arrive(u, p)) {
		/* Pinned: what is given may end sessions, and the user must not go with the last one. */
		user_pin(u);
		if (p->via && p->kind == PACKET_IQ)
			privilege_answer(u, p);
		else if (u->state == USER_ABSENT)
			no_such_user(u, p);
		else if (p->kind != PACKET_MESSAGE || may_pass(HOOK_RECV_DELIVER, u, p))
			router_give(u, p);
		user_unpin(u);
	}
	packet_unref(p);
}

static void
inbox_run(struct user_wait *w, struct user *u)
{
	struct arrival *a = LIST_ENTRY(w, struct arrival, wait);
	struct packet *p = a->p;

	free(a);
	deliver(u, p);
}

static bool
needs_no_loading(const struct packet *p)
{
	if (service_of(p->to))
		return false;
	/* Nobody is there: presence and answers have no one to go to. A question is answered as it would be when
	 * somebody had just been there: what is in memory is nobody's business. */
	if (p->kind == PACKET_MESSAGE)
		return p->type == TYPE_HEADLINE && !p->record_id; /* a notification for those who are there (RFC 6121 §8.5.2.2) */
	return !packet_is_subscription(p) && !is_question(p);
}

/* What a place has asked is answered whoever waits there. */
static bool
is_answer_to_place(const struct user *u, const struct packet *p)
{
	return u && u->service && p->kind == PACKET_IQ && !is_question(p) && jid_is_bare(p->to);
}

static void
arrive(struct mail *m)
{
	router_arrive(LIST_ENTRY(m, struct packet, mail));
}

void
router_arrive(struct packet *p)
{
	struct user *u = user_in_memory(p->to);
	struct arrival *a;

	if (is_answer_to_place(u, p)) {
		question_answer_here(p);
		packet_unref(p);
		return;
	}
	if (u && user_is_free(u)) {
		deliver(u, p);
		return;
	}
	if (!u && needs_no_loading(p)) {
		packet_unref(p);
		return;
	}
	a = NEW(struct arrival);
	a->p = p;
	a->wait.run = inbox_run;
	a->wait.bytes = packet_size(p);
	if (!user_with(p->to, &a->wait)) {
		log_warning(NULL, "inbox-full", "jid=%s", jid_bare(p->to));
		if (p->deliverable)
			user_missed(p->to, p->record_id);
		cannot_look_up(p);
		free(a);
		packet_unref(p);
	}
}
