/*
 * s2s_out: negotiation on a stream that we make (RFC 6120 §4 to §6 as the initiating entity, XEP-0178 §3), for an attempt.
 *
 * Until they have let us in, and we know who they are, they are strangers: a small parser limit, a few elements, a deadline;
 * never a stanza either way, and nothing in plaintext but what leads to TLS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "core/federation/attempt.h"
#include "xmpp/ns.h"

#define ELEMENTS_MAX 16 /* before READY: features thrice, proceed, a failure or a challenge, success, dialback */

/* The end */

/* It will be no better the next time. Says so to them too. */
static void
fail(struct s2s *s, enum xstream_error e, const char *why, const char *words)
{
	if (s->attempt)
		attempt_note(s->attempt, FINAL, words);
	s2s_refuse(s, e, why, words);
}

void
s2s_out_not_let_in(struct s2s *s, enum xerror e, const char *words)
{
	if (s->attempt)
		s->attempt->error = e;
	fail(s, XSTREAM_NONE, "not-let-in", words);
}

/* Nobody knows. */
static void
trouble(struct s2s *s, enum xstream_error e, const char *words)
{
	if (s->attempt)
		attempt_note(s->attempt, BROKEN, words);
	s2s_end(s, e, words);
}

/* TLS, and who they are */

static void
judged(void *owner, const struct cert_answer *answer)
{
	struct s2s *s = owner;

	s->trust = NULL;
	s->cert = mem_alloc(sizeof(*s->cert));
	*s->cert = *answer;
	if (answer->verdict != CERT_GOOD) {
		fail(s, XSTREAM_NOT_AUTHORIZED, s2s_certificate_why(answer->verdict), s->cert->words);
		return;
	}
	s2s_wait(s, false);
	s->state = S2S_HEADER;
	s2s_write_header(s);
}

void
s2s_out_secured(struct s2s *s)
{
	const struct partner *p = attempt_entry(s->attempt);
	struct trust *t;

	if (!p) {
		fail(s, XSTREAM_POLICY_VIOLATION, "not-allowed", "the domain is not allowed any more");
		return;
	}
	s->state = S2S_JUDGING;
	s->partner_version = p->version;
	s->trust_version = trust_version();
	s2s_wait(s, true);
	t = trust_new(conn_ssl(s->conn), p, jid_domain(s->remote), &s->attempt->found, s->attempt->host, judged, s);
	if (t)
		s->trust = t;
}

/* Headers */

static bool
is_same(const char *said, const struct jid *meant)
{
	struct jid *j = jid_parse_z(said);
	bool same = j && jid_equal(j, meant);

	jid_unref(j);
	return same;
}

void
s2s_out_opened(struct s2s *s, const struct parser_header *h)
{
	unsigned major = 0;

	if (!h->ns || strcmp(h->ns, NS_SERVER)) {
		fail(s, XSTREAM_INVALID_NAMESPACE, "header", "its server does not speak to servers at that address");
	} else if (!h->version || sscanf(h->version, "%u.", &major) != 1 || major < 1) {
		/* RFC 6120 §4.7.5: without one there will be no features, so no TLS. */
		fail(s, XSTREAM_UNSUPPORTED_VERSION, "header", "its server speaks another version of the protocol");
	} else if (h->from && !is_same(h->from, s->remote)) {
		fail(s, XSTREAM_INVALID_FROM, "header", "the server that answered says it is for another domain");
	} else if (h->to && !is_same(h->to, s->local)) {
		fail(s, XSTREAM_IMPROPER_ADDRESSING, "header", "the server that answered takes us for another domain");
	} else {
		free(s->peer_id);
		s->peer_id = mem_strdup(h->id ? h->id : "");
		s->state = S2S_FEATURES;
	}
}

/* Elements */

static void
ask_for_tls(struct s2s *s, const struct elem *features)
{
	if (!elem_child(features, NS_TLS, "starttls")) {
		fail(s, XSTREAM_POLICY_VIOLATION, "no-tls", "its server offers no TLS, and nothing is sent without");
		return;
	}
	conn_write(s->conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", 51);
	s->state = S2S_PLAIN;
}

static bool
offers_external(const struct elem *features)
{
	const struct elem *list = elem_child(features, NS_SASL, "mechanisms");
	struct arena *a = reactor_scratch(reactor_current());

	if (!list)
		return false;
	for (const struct elem *m = elem_child(list, NS_SASL, "mechanism"); m; m = elem_next(m, NS_SASL, "mechanism"))
		if (!strcmp(elem_text(m, a), "EXTERNAL"))
			return true;
	return false;
}

/* Base64 of our domain: the identity that we want to have (XEP-0178 §3 no. 7). */
static const char *
own_name(const struct s2s *s)
{
	const char *d = jid_domain(s->local);
	char *out = arena_alloc(reactor_scratch(reactor_current()), text_base64_size(strlen(d)));

	text_base64_encode(d, strlen(d), out);
	return out;
}

/* First without a name, which is then that of the header and the certificate; some want to be told. */
static void
authenticate(struct s2s *s)
{
	buf_addf(conn_out(s->conn), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>",
		s->attempt->authzid_tried ? own_name(s) : "=");
	conn_wrote(s->conn);
	s->state = S2S_AUTH;
}

/* XEP-0288: what they have for us may come the same way, if it may come at all. Said before we are authenticated (§2.2). */
static void
offer_both_ways(struct s2s *s, const struct elem *features)
{
	if (s->bidi || !elem_child(features, "urn:xmpp:features:bidi", "bidi") || !partner_find(jid_domain(s->remote), PARTNER_IN, NULL))
		return;
	conn_write(s->conn, "<bidi xmlns='urn:xmpp:bidi'/>", 29);
	s->bidi = s->receives = true;
}

static void
take_features_secure(struct s2s *s, const struct stanza *st)
{
	const struct partner *p = attempt_entry(s->attempt);

	s->peer_has_dialback = elem_child(st->root, "urn:xmpp:features:dialback", "dialback") != NULL;
	s->peer_has_sm = elem_child(st->root, NS_SM, "sm") != NULL;
	if (!s->attempt->asks)
		offer_both_ways(s, st->root);
	if (s->attempt->asks) {
		s->state = S2S_AUTH;
		dialback_ask(s->attempt->asks, s);
	} else if (offers_external(st->root)) {
		authenticate(s);
	} else if (p && p->dialback) {
		s->state = S2S_AUTH;
		dialback_begin(s);
	} else {
		fail(s, XSTREAM_NOT_AUTHORIZED, "no-external", "its server does not accept our certificate (it offers no SASL EXTERNAL)");
	}
}

static void
take_features(struct s2s *s, const struct stanza *st)
{
	if (!elem_is(st->root, NS_STREAMS, "features")) {
		trouble(s, XSTREAM_UNSUPPORTED_STANZA_TYPE, "its server sent something else instead of its features");
	} else if (!conn_is_secure(s->conn)) {
		ask_for_tls(s, st->root);
	} else if (!s->authenticated) {
		take_features_secure(s, st);
	} else {
		s->peer_has_sm = elem_child(st->root, NS_SM, "sm") != NULL;
		s2s_ready(s);
	}
}

static void
take_proceed(struct s2s *s, const struct stanza *st)
{
	if (elem_is(st->root, NS_TLS, "proceed"))
		s->turn = S2S_TURN_TLS;
	else if (elem_is(st->root, NS_TLS, "failure"))
		fail(s, XSTREAM_NONE, "no-tls", "its server refused TLS, and nothing is sent without");
	else
		trouble(s, XSTREAM_UNSUPPORTED_STANZA_TYPE, "its server did not begin TLS");
}

static void
take_failure(struct s2s *s, const struct elem *failure)
{
	const struct elem *why = elem_first(failure), *text = elem_child(failure, NS_SASL, "text");
	const char *said = text ? elem_text(text, reactor_scratch(reactor_current())) : "";
	char words[400];

	if (elem_child(failure, NS_SASL, "invalid-authzid") && !s->attempt->authzid_tried) {
		s->attempt->authzid_tried = true;
		authenticate(s);
		return;
	}
	snprintf(words, sizeof(words), "its server did not let us in: %.64s%s%.200s", why ? why->name : "no reason given", *said ? ", " : "", said);
	if (elem_child(failure, NS_SASL, "temporary-auth-failure"))
		trouble(s, XSTREAM_NONE, words);
	else
		fail(s, XSTREAM_NONE, "not-let-in", words);
}

/* Who has not read the initial response asks for it with an empty challenge (RFC 4422 §5); once. */
static void
answer_challenge(struct s2s *s)
{
	if (s->attempt->challenged) {
		trouble(s, XSTREAM_POLICY_VIOLATION, "its server asks for more than SASL EXTERNAL has");
		return;
	}
	s->attempt->challenged = true;
	buf_addf(conn_out(s->conn), "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", own_name(s));
	conn_wrote(s->conn);
}

static void
take_auth(struct s2s *s, struct stanza *st)
{
	/* Not for who has been asked by dialback, or is only asked about a key. */
	if (elem_is(st->root, NS_SASL, "success") && !s->dialback && !s->attempt->asks) {
		s->authenticated = true;
		s->how = "EXTERNAL";
		s->turn = S2S_TURN_RESTART;
	} else if (elem_is(st->root, NS_SASL, "failure")) {
		take_failure(s, st->root);
	} else if (elem_is(st->root, NS_SASL, "challenge")) {
		answer_challenge(s);
	} else if (!dialback_element(s, st)) {
		trouble(s, XSTREAM_UNSUPPORTED_STANZA_TYPE, "its server sent something else instead of letting us in");
	}
}

void
s2s_out_element(struct s2s *s, struct stanza *st)
{
	struct attempt *a = s->attempt;

	if (!a || ++a->elements > ELEMENTS_MAX)
		trouble(s, XSTREAM_POLICY_VIOLATION, "its server talks much and does not let us in");
	else if (s->state == S2S_FEATURES)
		take_features(s, st);
	else if (s->state == S2S_PLAIN)
		take_proceed(s, st);
	else if (s->state == S2S_AUTH)
		take_auth(s, st);
	else
		trouble(s, XSTREAM_NOT_AUTHORIZED, "its server spoke out of turn");
	stanza_unref(st);
}
