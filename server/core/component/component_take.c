/*
 * component_take: what a component says on its open stream: how fast it is read, whether it may say that, and on into its lane.
 */
#include <string.h>

#include "base/metric.h"
#include "core/component/component_priv.h"
#include "core/component/component_rules.h"
#include "core/component/privilege.h"
#include "core/gateway/gateway.h"
#include "core/home.h"
#include "core/route/intake.h"
#include "core/route/lane.h"
#include "core/route/packet.h"
#include "net/conn.h"
#include "xmpp/ns.h"

static void
throttle_over(struct timer *t)
{
	conn_resume(LIST_ENTRY(t, struct component, throttle)->conn);
}

/* What no lane holds back has a rate (P7). Whose rate an administrator has set, has it for everything. */
static void
charge(struct component *c, const struct elem *root)
{
	const struct limits *l = &home_config()->limits;
	uint64_t own = c->rules->per_second;
	bool fits;

	if (own)
		fits = stream_rate_charge(&c->rate, own, own);
	else
		fits = stream_is_held_back(root) ||
			stream_rate_charge(&c->rate, l->component_stanzas_per_second, l->component_stanzas_burst);
	if (fits || timer_is_set(&c->throttle))
		return;
	metric_add(METRIC_THROTTLED, 1);
	conn_pause(c->conn);
	/* Once it is over one is read, however little the allowance is. */
	timer_set(&c->throttle, own && own < 1000 / STREAM_THROTTLE_MS ? 1000 / (int64_t)own : STREAM_THROTTLE_MS, throttle_over);
}

void
component_throttle_end(struct component *c)
{
	if (!timer_is_set(&c->throttle))
		return;
	timer_clear(&c->throttle);
	conn_resume(c->conn);
}

/* From here on it is a stanza like others: their elements are of jabber:client. */
static void
adopt(struct stanza *st)
{
	for (struct elem *e = st->root; e; e = elem_walk(st->root, e))
		if (e->ns == NS_COMPONENT)
			e->ns = NS_CLIENT;
}

bool
component_is_stanza(const struct elem *e)
{
	return e->ns == NS_COMPONENT &&
		(!strcmp(e->name, "message") || !strcmp(e->name, "presence") || !strcmp(e->name, "iq"));
}

/* An answer to what it was asked is always due. */
static bool
may_send(const struct component *c, const struct packet *p)
{
	switch (p->kind) {
	case PACKET_MESSAGE:
		return c->rules->kinds & COMPONENT_MESSAGES;
	case PACKET_PRESENCE:
		return c->rules->kinds & COMPONENT_PRESENCE;
	case PACKET_IQ:
		return (c->rules->kinds & COMPONENT_IQ) || p->type == TYPE_RESULT || p->type == TYPE_ERROR;
	}
	return false;
}

static const char *
privilege_text(enum xerror e)
{
	switch (e) {
	case XERROR_FORBIDDEN:
		return "this privilege has not been granted (XEP-0356)";
	case XERROR_RESOURCE_CONSTRAINT:
		return "too many of your requests in the name of users are open (limits.component_requests)";
	default:
		return NULL;
	}
}

void
component_take_stanza(struct component *c, struct stanza *st)
{
	struct elem *root = st->root;
	const char *f = elem_get(root, "from"), *t = elem_get(root, "to");
	struct jid *from = f ? jid_parse_z(f) : NULL, *to = t ? jid_parse_z(t) : NULL;
	struct packet *p;
	enum xerror e;

	metric_add(METRIC_STANZAS_IN, 1);
	/* §3: both addresses, and its own domain in the first. */
	if (!from || strcmp(jid_domain(from), jid_domain(c->jid)) || !t) {
		component_stream_end(c, !t && from ? XSTREAM_IMPROPER_ADDRESSING : XSTREAM_INVALID_FROM, NULL);
		stanza_unref(st);
	} else {
		struct elem *foreign;

		component_alive_take(c, root);
		adopt(st);
		elem_set(st, root, "from", jid_full(from));
		if (to)
			elem_set(st, root, "to", jid_full(to));
		foreign = gateway_take_foreign(st, jid_domain(c->jid));
		intake_strip_forged(root);
		if (foreign)
			gateway_put_foreign(st, foreign, jid_domain(c->jid));
		charge(c, root);
		p = packet_new(st, from, to);
		if (!to)
			lane_push_refused(c->lane, p, XERROR_JID_MALFORMED, NULL);
		else if (!intake_is_right(p))
			lane_push_refused(c->lane, p, XERROR_BAD_REQUEST, NULL);
		else if (!may_send(c, p))
			lane_push_refused(c->lane, p, XERROR_NOT_ALLOWED, "this component may not send stanzas of this kind");
		else if ((e = privilege_take(c->rules, c->jid, &p)) != XERROR_NONE)
			lane_push_refused(c->lane, p, e, privilege_text(e));
		else
			lane_push(c->lane, p);
	}
	jid_unref(from);
	jid_unref(to);
}

/* Answers to what we ask are as many as we ask. */
void
component_take_other(struct component *c, const struct elem *e)
{
	if (!component_sm_is_due(c, e))
		charge(c, e);
	if (!component_sm_take(c, e))
		component_stream_end(c, XSTREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}
