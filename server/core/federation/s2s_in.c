/*
 * s2s_in: the stream that another server opens (RFC 6120 §4 to §6, XEP-0178).
 *
 *     HEADER → PLAIN (<starttls/>) → HANDSHAKE → HEADER → JUDGING → AUTH (EXTERNAL) → MOVING → HEADER → READY
 *
 * A domain that is not allowed is refused at its first header, before any feature is offered; before TLS its name proves nothing, and only leads to
 * TLS, where the certificate decides. What it decides is final: a certificate that is not good for the domain ends the stream with the
 * reason in words (RFC 6120 §13.7.2), as there is no other way to be somebody here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/federation/federation.h"
#include "core/federation/s2s_priv.h"
#include "core/home.h"
#include "net/listener.h"
#include "xmpp/ns.h"
#include "xmpp/sasl.h"

/* What is wrong with a header. `why` set: it is refused as somebody, which is noted. */
struct objection {
	enum xstream_error error;
	const char *why;  /* static */
	const char *text;
};

static void
say(struct s2s *s, const char *text)
{
	conn_write(s->conn, text, strlen(text));
}

/* Stream header */

/* RFC 6120 §4.7.2: whom it wants to talk to; the same in each header of the stream. */
static struct objection
check_to(struct s2s *s, const char *text)
{
	struct jid *to = text && *text ? jid_parse_z(text) : NULL;
	struct objection o = { XSTREAM_NONE, NULL, NULL };

	if (!to)
		o.error = XSTREAM_IMPROPER_ADDRESSING;
	else if (!jid_is_domain(to) || federation_is_remote(to))
		o.error = XSTREAM_HOST_UNKNOWN;
	else if (s->local && !jid_equal(s->local, to))
		o = (struct objection){ XSTREAM_NOT_AUTHORIZED, NULL, "this is another domain than in the stream before" };
	else if (!s->local)
		s->local = jid_ref(to);
	jid_unref(to);
	return o;
}

/* §4.7.1: who it says it is. In the clear it need not say. */
static struct objection
check_from(struct s2s *s, const char *text)
{
	struct jid *from = text && *text ? jid_parse_z(text) : NULL;
	struct objection o = { XSTREAM_NONE, NULL, NULL };

	if (!from)
		o.error = text || conn_is_secure(s->conn) ? XSTREAM_IMPROPER_ADDRESSING : XSTREAM_NONE;
	else if (!jid_is_domain(from))
		o.error = XSTREAM_INVALID_FROM;
	else if (s->remote && !jid_equal(s->remote, from))
		o = (struct objection){ XSTREAM_INVALID_FROM, "other-from", "this is another domain than in the stream before" };
	else if (!s->remote)
		s->remote = jid_ref(from);
	if (from && o.error == XSTREAM_NONE && !federation_is_remote(from))
		o = (struct objection){ XSTREAM_INVALID_FROM, "our-own-domain", "this domain is ours" };
	jid_unref(from);
	return o;
}

static struct objection
check_header(struct s2s *s, const struct parser_header *h)
{
	struct objection o = { XSTREAM_NONE, NULL, NULL };
	unsigned major = 0;

	if (!h->ns || strcmp(h->ns, NS_SERVER))
		o.error = XSTREAM_INVALID_NAMESPACE;
	else if (!h->version || sscanf(h->version, "%u.", &major) != 1 || major < 1)
		o.error = XSTREAM_UNSUPPORTED_VERSION; /* §4.7.5 */
	if (o.error == XSTREAM_NONE)
		o = check_to(s, h->to);
	if (o.error == XSTREAM_NONE)
		o = check_from(s, h->from);
	if (o.error == XSTREAM_NONE && s->remote && !partner_find(jid_domain(s->remote), PARTNER_IN, &o.text)) {
		o.error = XSTREAM_POLICY_VIOLATION;
		o.why = "not-allowed";
		if (!o.text)
			o.text = "this domain is not allowed to connect here";
	}
	return o;
}

/* Features (§4.3.2) */

static void
write_features(struct s2s *s)
{
	const struct partner *p = s->remote ? partner_find(jid_domain(s->remote), PARTNER_IN, NULL) : NULL;
	struct buf *out = conn_out(s->conn);

	buf_adds(out, "<stream:features>");
	if (s->state == S2S_PLAIN)
		buf_adds(out, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>");
	if (s->state == S2S_AUTH) {
		buf_adds(out, "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
			"<bidi xmlns='urn:xmpp:features:bidi'/>");
		if (p && p->dialback)
			buf_adds(out, "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>");
	}
	if (s->authenticated)
		s2s_sm_features(s, out);
	buf_adds(out, "</stream:features>");
	conn_wrote(s->conn);
}

/* The certificate */

static void
judged(void *owner, const struct cert_answer *a)
{
	struct s2s *s = owner;

	s->trust = NULL;
	s->cert = mem_alloc(sizeof(*a));
	*s->cert = *a;
	s2s_wait(s, false);
	s2s_write_header(s);
	if (a->verdict != CERT_GOOD) {
		s2s_refuse(s, XSTREAM_NOT_AUTHORIZED, s2s_certificate_why(a->verdict), a->words);
		return;
	}
	s->state = S2S_AUTH;
	write_features(s);
}

/* Our header waits too: what is in it (dialback's namespace) follows from the answer. */
static void
judge(struct s2s *s)
{
	const struct partner *p = partner_find(jid_domain(s->remote), PARTNER_IN, NULL);
	struct trust *t;

	if (!p) {
		/* Its time has come since its header was checked. */
		s2s_write_header(s);
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "not-allowed", "this domain is not allowed any more");
		return;
	}
	s->partner_version = p->version;
	s->trust_version = trust_version();
	s->state = S2S_JUDGING;
	s2s_wait(s, true);
	t = trust_new(conn_ssl(s->conn), p, jid_domain(s->remote), NULL, 0, judged, s);
	if (t)
		s->trust = t;
}

void
s2s_in_secured(struct s2s *s)
{
	(void)s; /* its new header comes next */
}

/* bidi (XEP-0288) was asked for, and the partner may be sent to. */
static bool
may_send(const struct s2s *s)
{
	return s->bidi && partner_find(jid_domain(s->remote), PARTNER_OUT, NULL);
}

/* Its entry, or whom we trust, has been changed since its certificate was looked at: it may come again. */
static bool
is_judged_otherwise(const struct s2s *s)
{
	const struct partner *p = partner_find(jid_domain(s->remote), PARTNER_IN, NULL);

	return !p || p->version != s->partner_version || trust_version() != s->trust_version;
}

static void
begin(struct s2s *s)
{
	s->receives = true;
	s->sends = may_send(s);
	s2s_ready(s);
}

void
s2s_in_arrived(struct s2s *s)
{
	if (!partner_find(jid_domain(s->remote), PARTNER_IN, NULL))
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "not-allowed", "this domain is not allowed any more");
	else if (is_judged_otherwise(s))
		s2s_end(s, XSTREAM_RESET, "what is said about this domain here has changed");
	else
		begin(s);
}

void
s2s_in_opened(struct s2s *s, const struct parser_header *h)
{
	struct objection o = check_header(s, h);

	if (o.error == XSTREAM_NONE && conn_is_secure(s->conn) && !s->authenticated) {
		judge(s);
		return;
	}
	s2s_write_header(s);
	if (o.why) {
		s2s_refuse(s, o.error, o.why, o.text);
	} else if (o.error != XSTREAM_NONE) {
		s2s_end(s, o.error, o.text);
	} else if (s->authenticated && is_judged_otherwise(s)) {
		s2s_end(s, XSTREAM_RESET, "what is said about this domain here has changed");
	} else if (s->authenticated) {
		write_features(s);
		begin(s);
	} else {
		s->state = S2S_PLAIN;
		write_features(s);
	}
}

/* SASL EXTERNAL (XEP-0178 §3): the certificate has been judged; what is left is whom it wants to be. */

static void
fail(struct s2s *s, enum sasl_failure why)
{
	struct buf *out = conn_out(s->conn);

	log_info(conn_log(s->conn), "auth-failed", "remote=%s why=%s", jid_domain(s->remote), sasl_failure_name(why));
	metric_add(METRIC_AUTH_FAILED, 1);
	buf_addf(out, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><%s/></failure>", sasl_failure_name(why));
	conn_wrote(s->conn);
	s->challenged = false;
	if (++s->tries >= home_config()->limits.auth_tries)
		s2s_refuse(s, XSTREAM_POLICY_VIOLATION, "authentication", "too many failed authentications");
}

void
s2s_in_authenticated(struct s2s *s, const char *how)
{
	s->how = how;
	s->authenticated = true;
	s2s_known(s);
	source_authenticated(conn_source(s->conn));
	metric_add(METRIC_AUTH_OK, 1);
}

/* "" or the domain itself, prepared. */
static bool
is_remote_itself(const struct s2s *s, const char *authzid, size_t n)
{
	struct jid *j = n ? jid_parse(authzid, n) : NULL;
	bool same = !n || (j && jid_equal(j, s->remote));

	jid_unref(j);
	return same;
}

/* Text of <auth/> or <response/>: base64, "=" for nothing (RFC 6120 §6.4.2). */
static void
take_authzid(struct s2s *s, const char *text)
{
	size_t n = strlen(text);
	char *authzid = arena_alloc(reactor_scratch(reactor_current()), n + 1);
	ssize_t len = strcmp(text, "=") ? text_base64_decode(text, n, authzid) : 0;

	if (len < 0) {
		fail(s, SASL_INCORRECT_ENCODING);
	} else if (memchr(authzid, '\0', (size_t)len) || !is_remote_itself(s, authzid, (size_t)len)) {
		fail(s, SASL_INVALID_AUTHZID);
	} else {
		s2s_in_authenticated(s, "EXTERNAL");
		say(s, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
		s->turn = S2S_TURN_RESTART;
	}
}

static void
take_auth(struct s2s *s, const struct elem *e)
{
	const char *mechanism = elem_get(e, "mechanism");
	const char *text = elem_text(e, reactor_scratch(reactor_current()));

	if (!mechanism || strcmp(mechanism, "EXTERNAL")) {
		fail(s, mechanism ? SASL_INVALID_MECHANISM : SASL_MALFORMED_REQUEST);
	} else if (*text) {
		take_authzid(s, text);
	} else {
		/* RFC 4422 §3: no initial response: it is asked for. */
		s->challenged = true;
		say(s, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
	}
}

static void
take_sasl(struct s2s *s, const struct elem *e)
{
	if (s->challenged && !strcmp(e->name, "response"))
		take_authzid(s, elem_text(e, reactor_scratch(reactor_current())));
	else if (!s->challenged && !strcmp(e->name, "auth"))
		take_auth(s, e);
	else
		fail(s, !strcmp(e->name, "abort") ? SASL_ABORTED : SASL_MALFORMED_REQUEST);
}

/* What may be said when. Anything else ends the stream: nobody is anybody yet (RFC 6120 §4.9.3.12). */
static bool
is_taken(struct s2s *s, struct stanza *st)
{
	const struct elem *e = st->root;

	if (s->state == S2S_PLAIN && elem_is(e, NS_TLS, "starttls"))
		s->turn = S2S_TURN_TLS; /* <proceed/> is said when nothing came behind it */
	else if (s->state != S2S_AUTH)
		return false;
	else if (elem_is(e, "urn:xmpp:bidi", "bidi"))
		s->bidi = true;
	else if (e->ns == NS_SASL)
		take_sasl(s, e);
	else
		return dialback_element(s, st);
	return true;
}

void
s2s_in_element(struct s2s *s, struct stanza *st)
{
	const struct elem *e = st->root;

	if (!is_taken(s, st))
		s2s_end(s, e->ns == NS_SERVER || e->ns == NS_CLIENT || e->ns == NS_SASL || e->ns == NS_SM ? XSTREAM_NOT_AUTHORIZED :
			XSTREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	stanza_unref(st);
}
