/*
 * transfer: files that go from client to client through the server: In-Band Bytestreams (XEP-0047), offered by Stream Initiation (XEP-0095,
 * XEP-0096) or Jingle (XEP-0234, XEP-0260, XEP-0261), or by nothing at all.
 *
 * No byte of a file reaches its recipient before all of it has been judged (P5): the server takes the recipient's part towards the sender
 * until the sender has closed, and then the sender's part towards the recipient. Ways past the server are taken out of offers.
 *
 * Everything here happens at the home of an account, as its stanzas pass: those it sends at SEND_CHECK, those for it at RECV_CHECK (see
 * stream.h for who minds what). What is neither from nor to an account of ours has no home, so it is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "give.h"
#include "ibb.h"
#include "jingle.h"
#include "module_service.h"
#include "offer.h"
#include "proxy.h"
#include "socks.h"
#include "xmpp/ns.h"

#define TICK_MS 1000

/* What it is about: the one child that matters; NULL: not ours. */
static const struct elem *
payload_of(const struct stanza *st)
{
	const struct elem *e;

	if (elem_is(st->root, NS_CLIENT, "message"))
		return elem_child(st->root, NS_IBB, "data");
	if (!elem_is(st->root, NS_CLIENT, "iq"))
		return NULL;
	e = elem_first(st->root);
	return e && (e->ns == NS_IBB || e->ns == NS_SI || e->ns == NS_JINGLE || e->ns == NS_BYTESTREAMS) ? e : NULL;
}

static bool
is_type(const struct stanza *st, const char *type)
{
	const char *is = elem_get(st->root, "type");

	return is && !strcmp(is, type);
}

static bool
is_answer(const struct stanza *st)
{
	return elem_is(st->root, NS_CLIENT, "iq") ? is_type(st, "result") || is_type(st, "error") : is_type(st, "error");
}

/* Time */

static unsigned
idle_ms(const struct stream *s)
{
	uint64_t seconds = s->state == STREAM_OFFERED ? module_limits()->file_offer_seconds : module_limits()->file_idle_seconds;

	return (unsigned)seconds * 1000;
}

static void
timed_out(struct hook *h, struct stream *s)
{
	enum side from = s->flow[PEER].state != FLOW_COLLECT || (stream_minds(s, PEER) && s->flow[PEER].spool) ? PEER : OWN;
	const struct flow *f = &s->flow[from];

	if (s->state != STREAM_OPEN || s->gone || !stream_minds(s, from) || f->state == FLOW_GIVEN) {
		stream_end(s);
		return;
	}
	log_info(NULL, "transfer-idle", "own=%s peer=%s", jid_full(s->own), jid_full(s->peer));
	metric_add(METRIC_TRANSFERS_BROKEN, 1);
	give_up(h, s, from, XERROR_REMOTE_SERVER_TIMEOUT, NULL,
		f->state == FLOW_GIVE ? "the recipient did not take the file" : "the file did not arrive in time");
}

static enum hook_verdict
tick(struct hook *h, void *data, bool ok)
{
	struct transfers *t = module_data(h);
	int64_t now = clock_mono_ms();

	(void)data;
	if (!t || !ok)
		return HOOK_HANDLED;
	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (!s->holds && now - s->active_ms > idle_ms(s))
			timed_out(h, s);
	}
	jingle_forget_old(t, now - (int64_t)module_limits()->file_offer_seconds * 1000);
	if (t->n || t->nsessions)
		return hook_after(h, TICK_MS, NULL, tick);
	t->ticking = false;
	return HOOK_HANDLED;
}

static enum hook_verdict
begin_ticking(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return hook_after(h, TICK_MS, data, tick);
}

/* As long as something is on its way the account stays in memory, and somebody looks. */
static void
keep_time(struct hook *h, struct transfers *t)
{
	if (!t || t->ticking || (!t->n && !t->nsessions))
		return;
	t->ticking = true;
	hook_aside(h, begin_ticking, NULL);
}

/* Answers */

static bool
is_ours(const struct stanza *st)
{
	const char *id = elem_get(st->root, "id");

	return id && transfer_id_is_ours(id);
}

/* To what we have said in somebody's name. A message that comes back is as good as an answer. */
static void
take_answer(struct hook *h, struct transfers *t, enum side from)
{
	const struct jid *own = from == OWN ? h->from : h->to, *peer = from == OWN ? h->to : h->from;
	const char *id = elem_get(h->stanza->root, "id");
	bool ok = is_type(h->stanza, "result");

	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);
		enum side giver = other_side(from);

		if (!jid_equal(s->peer, peer) || !jid_equal(s->own, own) || strcmp(s->flow[giver].id, id))
			continue;
		if (elem_is(h->stanza->root, NS_CLIENT, "message"))
			give_up(h, s, giver, XERROR_RECIPIENT_UNAVAILABLE, NULL, "the recipient did not take the file");
		else
			give_answered(h, s, giver, ok);
		return;
	}
}

/* To an offer or an <open/>, which goes on to whom it is for. */
static enum hook_verdict
note_answer(struct hook *h, struct transfers *t, enum side from)
{
	const struct jid *own = from == OWN ? h->from : h->to, *peer = from == OWN ? h->to : h->from;
	const char *id = elem_get(h->stanza->root, "id");

	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (!s->question || !id || s->opener == from || strcmp(s->question, id) || !jid_equal(s->peer, peer) || !jid_equal(s->own, own))
			continue;
		if (s->asked_socks)
			socks_answered(h, s, from);
		else
			ibb_answered(s, is_type(h->stanza, "result"));
		break;
	}
	return HOOK_NEXT;
}

static enum hook_verdict
answered(struct hook *h, struct transfers *t, enum side from)
{
	struct stanza *st;

	if (is_ours(h->stanza)) {
		if (t)
			take_answer(h, t, from);
		return HOOK_HANDLED;
	}
	if (t)
		(void)note_answer(h, t, from);
	st = offer_is_ours(h, from) && is_type(h->stanza, "result") ? si_accepted(h->stanza) : NULL;
	return st ? offer_goes_on(h, from, st) : HOOK_NEXT;
}

/* Stanzas */

static enum hook_verdict
said(struct hook *h, struct transfers *t, enum side from, const struct elem *e)
{
	if (elem_is(e, NS_IBB, "data"))
		return ibb_data(h, t, from, e);
	if (!is_type(h->stanza, "set"))
		return HOOK_NEXT;
	if (elem_is(e, NS_IBB, "open"))
		return ibb_open(h, t, from, e);
	if (elem_is(e, NS_IBB, "close"))
		return ibb_close(h, t, from, e);
	if (elem_is(e, NS_SI, "si"))
		return si_offered(h, t, from, e);
	if (elem_is(e, NS_JINGLE, "jingle"))
		return jingle_said(h, t, from, e);
	if (elem_is(e, NS_BYTESTREAMS, "query"))
		return socks_offered(h, t, from, e);
	return HOOK_NEXT;
}

/* To our own proxy nothing is offered; what only asks it is for the service. */
static enum hook_verdict
socks_said(struct hook *h, struct transfers *t, const struct elem *e)
{
	return elem_is(e, NS_BYTESTREAMS, "query") && is_type(h->stanza, "set") ? socks_asked(h, t, e) : HOOK_NEXT;
}

static struct transfers *
transfers_of(struct hook *h)
{
	struct transfers *t = module_data(h);

	if (t || !h->account_id)
		return t;
	t = transfers_new();
	module_set_data(h, t);
	return module_data(h);
}

static enum hook_verdict
pass(struct hook *h, enum side from)
{
	const struct elem *e = payload_of(h->stanza);
	struct transfers *t;
	enum hook_verdict v;

	if (!e && elem_is(h->stanza->root, NS_CLIENT, "presence"))
		return HOOK_NEXT;
	/* Nobody but we asks for anything by <data/>, so nobody answers it: bytes in answers go nowhere. */
	if (elem_is(e, NS_IBB, "data") && is_answer(h->stanza) && !is_ours(h->stanza))
		return HOOK_HANDLED;
	if (is_answer(h->stanza)) {
		t = module_data(h);
		return (t && (t->n || t->nsessions)) || is_ours(h->stanza) || e ? answered(h, t, from) : HOOK_NEXT;
	}
	if (!e)
		return HOOK_NEXT;
	/* A name without an account gets no file. */
	if (!(t = transfers_of(h)))
		return elem_is(e, NS_IBB, "data") ? hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL) : HOOK_NEXT;
	v = from == OWN && proxy_is(h, h->to) ? socks_said(h, t, e) : said(h, t, from, e);
	keep_time(h, t);
	return v;
}

static enum hook_verdict
refuse_file(struct hook *h, const struct elem *e, const char *text)
{
	if (e->ns == NS_JINGLE && !jingle_is_about_files(e))
		return HOOK_NEXT;
	if (e->ns == NS_BYTESTREAMS && !is_type(h->stanza, "set"))
		return HOOK_NEXT;
	metric_add(METRIC_TRANSFERS_REFUSED, 1);
	return hook_reject(h, XERROR_NOT_ALLOWED, text);
}

/* What a component says in the name of an account (XEP-0356) is from no session that could take part in a transfer. */
static enum hook_verdict
in_my_name(struct hook *h)
{
	const struct elem *e = payload_of(h->stanza);

	return e && !is_answer(h->stanza) ? refuse_file(h, e, "files are sent by clients, not in somebody's name") : HOOK_NEXT;
}

/* From somebody who has no home here: what is for an account is looked at there, unrecorded; for others nobody would. */
static enum hook_verdict
from_elsewhere(struct hook *h)
{
	const struct elem *e = payload_of(h->stanza);

	if (!e || is_answer(h->stanza) || proxy_is(h, h->to))
		return HOOK_NEXT;
	if (module_is_local(h->to)) {
		if (!elem_is(h->stanza->root, NS_CLIENT, "message"))
			return HOOK_NEXT;
		module_send(stanza_ref((struct stanza *)h->stanza), h->from, h->to);
		return HOOK_HANDLED;
	}
	return refuse_file(h, e, "files do not pass through this server from one foreign address to another");
}

static enum hook_verdict
on_send(struct hook *h)
{
	/* To the server or to oneself as a whole nobody sends files: their handlers answer. */
	if (!h->to || (!jid_local(h->to) && module_is_local(h->to)))
		return elem_is(h->stanza->root, NS_CLIENT, "message") && payload_of(h->stanza) && !is_answer(h->stanza) ?
			hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL) : HOOK_NEXT;
	if (!h->account)
		return from_elsewhere(h);
	return jid_resource(h->from) ? pass(h, OWN) : in_my_name(h);
}

static enum hook_verdict
on_receive(struct hook *h)
{
	return h->from && h->to ? pass(h, PEER) : HOOK_NEXT;
}

/* Somebody has gone */

static void
forsake(struct hook *h, struct stream *s)
{
	struct flow *in = &s->flow[PEER], *out = &s->flow[OWN];
	bool sends = s->opener == OWN || out->spool || (s->file.known && s->file.sender == OWN);

	s->forsaken = true;
	if (s->socks) {
		if (in->state == FLOW_COLLECT && out->state == FLOW_COLLECT)
			give_up(h, s, s->file.known ? s->file.sender : OWN, XERROR_RECIPIENT_UNAVAILABLE, NULL, "one of you has gone");
		return;
	}
	/* What we were to send: the other home must not take it for the whole, nor another server. */
	if (s->state == STREAM_OPEN && !s->closed[OWN] && sends && out->state == FLOW_COLLECT) {
		ibb_abort(h, s);
		stream_end(s);
		return;
	}
	if (in->state == FLOW_GIVE)
		give_up(h, s, PEER, XERROR_RECIPIENT_UNAVAILABLE, NULL, "the recipient has gone");
}

static enum hook_verdict
forsake_all(struct hook *h, void *data, bool ok)
{
	struct transfers *t = module_data(h);

	(void)data, (void)ok;
	if (!t)
		return HOOK_HANDLED;
	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (s->gone && !s->forsaken)
			forsake(h, s);
	}
	jingle_gone(h, t);
	return HOOK_HANDLED;
}

/* Not at once: a session may end in the middle of what is given to it. */
static enum hook_verdict
forsake_later(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return hook_after(h, 0, data, forsake_all);
}

static enum hook_verdict
on_closed(struct hook *h)
{
	struct transfers *t = module_data(h);

	if (!t || (!t->n && !t->nsessions))
		return HOOK_NEXT;
	LIST_EACH(l, &t->streams)
		if (jid_equal(LIST_ENTRY(l, struct stream, link)->own, h->session))
			LIST_ENTRY(l, struct stream, link)->gone = true;
	hook_aside(h, forsake_later, NULL);
	return HOOK_NEXT;
}

static int
attach(struct module *m)
{
	static const struct module_account kept = { NULL, NULL, transfers_free };

	transfer_id_begin();
	proxy_serve(m);
	module_keep(m, &kept);
	module_on(m, HOOK_SEND_CHECK, on_send);
	module_on(m, HOOK_RECV_CHECK, on_receive);
	return module_on(m, HOOK_SESSION_CLOSED, on_closed);
}

const struct module_def transfer_module = {
	.name = "transfer",
	.about = "In-Band and SOCKS5 Bytestreams (XEP-0047, XEP-0065), SI and Jingle file transfer (XEP-0096, XEP-0234): scanned",
	.attach = attach,
};
