/*
 * c2s_login: what may be said when, from the first features to a bound resource: the table at the end of this file.
 *
 * A step that waits (keys, password hash, the user's data) sets LOOKING_UP and pauses the connection; its answer finds
 * the stream by a pointer that is cleared when the stream goes first.
 */
#include <stdlib.h>
#include <string.h>

#include "core/route/iq.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/stream/c2s_priv.h"
#include "core/stream/sasl2.h"
#include "xmpp/ns.h"

/* RFC 6121 §1.4: the session request of RFC 3921 does nothing any more. */
static enum xerror
on_session(const struct iq_call *call)
{
	router_reply(packet_new(packet_result(call->p), call->p->to, call->p->from));
	return XERROR_NONE;
}

void
c2s_start(void)
{
	iq_handle(TYPE_SET, NS_SESSION, "session", IQ_TO_SERVER | IQ_TO_ACCOUNT, on_session, NULL);
}

/* Waiting */

void
c2s_wait(struct c2s *c)
{
	c->state = C2S_LOOKING_UP;
	c2s_pause(c);
}

void
c2s_answered(struct c2s *c)
{
	enum c2s_turn turn = c->turn;

	if (c->state == C2S_CLOSING)
		return;
	c->turn = TURN_NONE;
	if (turn == TURN_RESTART)
		c2s_restart(c);
	else if (turn == TURN_HOME)
		sasl2_go_home(c);
	else if (c->state != C2S_LOOKING_UP && !(c->session && lane_is_full(c->session->lane)))
		c2s_resume_reading(c);
}

/* Elements */

static void
on_starttls(struct c2s *c, const struct elem *e)
{
	(void)e;
	c->turn = TURN_STARTTLS; /* <proceed/> is said when nothing came behind it */
}

static void
on_auth(struct c2s *c, const struct elem *e)
{
	c2s_sasl_begin(c, c->offered, elem_get(e, "mechanism"), elem_text(e, reactor_scratch(reactor_current())));
}

static void
on_response(struct c2s *c, const struct elem *e)
{
	const char *text = elem_text(e, reactor_scratch(reactor_current()));

	/* XEP-0388 §2.2: an empty element is an empty string. */
	c2s_sasl_response(c, c->sasl2 && !*text ? "=" : text);
}

static void
on_abort(struct c2s *c, const struct elem *e)
{
	(void)e;
	c2s_sasl_refuse(c, SASL_ABORTED);
}

/* XEP-0198 §3, §6: who asks for stream management too early is told so; the stream goes on. */
static void
on_sm_too_early(struct c2s *c, const struct elem *e)
{
	(void)e;
	c2s_writef(c, "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
}

/* What may be said when. An element of a known kind in another state, or an unknown one, ends the stream. */

static const struct {
	enum c2s_state state;
	const char *ns, *name;
	void (*fn)(struct c2s *c, const struct elem *e);
} elements[] = {
	{ C2S_PLAIN, NS_TLS, "starttls", on_starttls },
	{ C2S_AUTH, NS_SASL, "auth", on_auth },
	{ C2S_CHALLENGED, NS_SASL, "response", on_response },
	{ C2S_CHALLENGED, NS_SASL, "abort", on_abort },
	{ C2S_CHALLENGED, NS_SASL2, "response", on_response },
	{ C2S_CHALLENGED, NS_SASL2, "abort", on_abort },
	{ C2S_CHALLENGED, NS_SASL2, "next", sasl2_next },
	{ C2S_PLAIN, NS_SM, "enable", on_sm_too_early },
	{ C2S_PLAIN, NS_SM, "resume", on_sm_too_early },
	{ C2S_AUTH, NS_SM, "enable", on_sm_too_early },
	{ C2S_AUTH, NS_SM, "resume", on_sm_too_early },
};

static bool
is_known_too_early(const struct elem *e)
{
	return e->ns == NS_CLIENT || e->ns == NS_SM || e->ns == NS_BIND;
}

/* XEP-0388 §2.4: whatever else comes while it authenticates ends the stream. */
static void
out_of_place(struct c2s *c, const struct elem *e)
{
	if (e->ns == NS_SASL && !c->sasl2 && (c->state == C2S_AUTH || c->state == C2S_CHALLENGED))
		c2s_sasl_refuse(c, SASL_MALFORMED_REQUEST);
	else if (is_known_too_early(e) || e->ns == NS_SASL || e->ns == NS_SASL2)
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, NULL);
	else
		c2s_end(c, XSTREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

/* An exchange goes on in the profile it began in; behind <continue/> comes <next/>, and no <response/>. */
static bool
is_due(const struct c2s *c, size_t i)
{
	if (elements[i].state != c->state || c->state != C2S_CHALLENGED)
		return elements[i].state == c->state;
	if (elements[i].fn == on_response || elements[i].fn == sasl2_next)
		return !c->sasl2 == (elements[i].ns == NS_SASL) && sasl2_has_task(c) == (elements[i].fn == sasl2_next);
	return !c->sasl2 == (elements[i].ns == NS_SASL);
}

void
c2s_negotiate(struct c2s *c, struct stanza *st)
{
	const struct elem *e = st->root;
	size_t i, n = sizeof(elements) / sizeof(elements[0]);

	for (i = 0; i < n; i++)
		if (is_due(c, i) && elem_is(e, elements[i].ns, elements[i].name))
			break;
	if (i < n)
		elements[i].fn(c, e);
	else if (c->state == C2S_AUTH && elem_is(e, NS_CLIENT, "iq"))
		c2s_stranger_iq(c, st);
	else if (c->state == C2S_AUTH && elem_is(e, NS_SASL2, "authenticate"))
		sasl2_authenticate(c, st);
	else if (c->state == C2S_BIND && elem_is(e, NS_CLIENT, "iq"))
		c2s_on_iq(c, st);
	else if (c->state == C2S_BIND && e->ns == NS_SM)
		c2s_on_nonza_sm(c, st);
	else
		out_of_place(c, e);
	stanza_unref(st);
}

bool
c2s_is_login_of(const struct c2s *c, const struct jid *bare)
{
	char name[2304];

	if (c->session)
		return false;
	if (c->jid)
		return jid_equal_bare(c->jid, bare);
	if (!c->sasl)
		return false;
	c2s_login_name(c, name);
	return !strcmp(name, jid_bare(bare));
}

void
c2s_login_fini(struct c2s *c)
{
	c2s_sasl_fini(c);
	if (c->job)
		c->job->owner = NULL;
	c->job = NULL;
	c2s_login_failed(c, "the stream has ended");
	c2s_noted_fini(c);
	c2s_need_fini(c);
	c2s_stranger_fini(c);
}
