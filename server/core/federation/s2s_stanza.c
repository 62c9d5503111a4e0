/*
 * s2s_stanza: what comes on a stream from another server, and how ours is written there.
 *
 * A stanza that comes has both addresses, the first at the domain that the stream was authenticated for, the second at one of ours
 * (RFC 6120 §8.1.1.2, §8.1.2.2): what is not so ends the stream, as a server that mixes that up cannot be told by an answer. It is taken over into
 * jabber:client, loses what only we may say, is marked as being from outside, passes the partner's entry, and then the stream's lane: so
 * it is in the record before anybody has it (P1), and counted when it has left (XEP-0198).
 */
#include <string.h>

#include "base/metric.h"
#include "core/federation/federation.h"
#include "core/federation/pass.h"
#include "core/federation/s2s_priv.h"
#include "core/route/intake.h"
#include "core/route/router.h"
#include "xmpp/ns.h"

/* From here on it is a stanza like others: their elements are of jabber:client. */
static void
adopt(struct stanza *st)
{
	for (struct elem *e = st->root; e; e = elem_walk(st->root, e))
		if (e->ns == NS_SERVER)
			e->ns = NS_CLIENT;
}

/* Nobody is told that a presence has got nowhere, but who asked for something, a subscription or to enter a room: else there would be an error for
 * each contact whenever somebody comes or goes. */
static bool
is_told(const struct packet *p)
{
	return p->kind != PACKET_PRESENCE || packet_is_subscription(p) || (p->type == TYPE_NONE && elem_child(p->st->root, NS_MUC, "x"));
}

static void
refuse(struct s2s *s, struct packet *p, const struct pass_refusal *r)
{
	log_debug(conn_log(s->conn), "s2s-stanza-refused", "from=%s to=%s why=%s", jid_full(p->from), jid_full(p->to), r->why);
	partner_refused(jid_domain(s->remote), PARTNER_IN, r->why, conn_address(s->conn));
	if (is_told(p))
		router_refuse(p, r->error, r->type, r->text);
	lane_push_done(s->lane, p);
}

/* Its addresses are in order, or `to` is malformed (NULL). */
static void
take(struct s2s *s, const struct partner *pt, struct stanza *st, struct jid *from, struct jid *to)
{
	struct pass_refusal r = { 0 };
	struct packet *p;

	adopt(st);
	elem_set(st, st->root, "from", jid_full(from));
	intake_strip_forged(st->root);
	pass_mark(st, jid_domain(s->remote));
	if (!stream_is_held_back(st->root))
		s2s_charge(s);
	p = packet_new(st, from, to);
	if (!to)
		lane_push_refused(s->lane, p, XERROR_JID_MALFORMED, NULL);
	else if (!intake_is_right(p))
		lane_push_refused(s->lane, p, XERROR_BAD_REQUEST, NULL);
	else if (!pass_in(pt, p, &r))
		refuse(s, p, &r);
	else
		lane_push(s->lane, p);
}

static enum xstream_error
check(const struct s2s *s, const char *f, const char *t, const struct jid *from, const struct jid *to)
{
	bool other;

	if (!f || !t || !*t || !from)
		return XSTREAM_IMPROPER_ADDRESSING;
	if (strcmp(jid_domain(from), jid_domain(s->remote)))
		return XSTREAM_INVALID_FROM;
	/* Dialback has proven one pair of domains, and no other (XEP-0220 §2.1.3). */
	other = to && !strcmp(s->how, "dialback") && strcmp(jid_domain(to), jid_domain(s->local));
	return to && (other || federation_is_remote(to)) ? XSTREAM_HOST_UNKNOWN : XSTREAM_NONE;
}

void
s2s_stanza(struct s2s *s, struct stanza *st)
{
	const char *f = elem_get(st->root, "from"), *t = elem_get(st->root, "to");
	struct jid *from = f ? jid_parse_z(f) : NULL, *to = t ? jid_parse_z(t) : NULL;
	const struct partner *pt = partner_find(jid_domain(s->remote), PARTNER_IN, NULL);
	enum xstream_error e = check(s, f, t, from, to);

	metric_add(METRIC_STANZAS_IN, 1);
	metric_add(METRIC_S2S_STANZAS_IN, 1);
	s->stanzas_in++;
	s->stanza_ms = reactor_now_ms(reactor_current());
	s2s_sm_decided(s);
	if (e == XSTREAM_NONE && !pt) {
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "not-allowed", "this domain is not allowed any more");
		stanza_unref(st);
	} else if (e != XSTREAM_NONE) {
		s2s_refuse(s, e, e == XSTREAM_HOST_UNKNOWN ? "to" : "from", NULL);
		stanza_unref(st);
	} else {
		take(s, pt, st, from, to);
	}
	jid_unref(from);
	jid_unref(to);
}

uint64_t
s2s_write(struct s2s *s, struct packet *p)
{
	metric_add(METRIC_STANZAS_OUT, 1);
	packet_write_away(conn_out(s->conn), p);
	conn_wrote(s->conn);
	s->stanzas_out++;
	s->stanza_ms = reactor_now_ms(reactor_current());
	if (s->sm)
		s2s_sm_sent(s);
	return conn_mark(s->conn);
}
