/*
 * s2s_out: a stream that we make (RFC 6120 §4 to §6 as the initiating entity, XEP-0178 §3).
 *
 * An attempt finds the targets of a domain, dials, and makes a stream to the one that answers: TLS, their certificate, our
 * authentication, up to READY. When that fails somewhere, the next target has its turn, until none is left or the time is over;
 * then the route is told why, by what went furthest: a refusal or a certificate rather than a connection that was not to be had.
 *
 * Until they have let us in, and we know who they are, they are strangers: a small parser limit, a few elements, a deadline;
 * never a stanza either way, and nothing in plaintext but what leads to TLS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "core/federation/route.h"
#include "core/federation/s2s_priv.h"
#include "core/home.h"
#include "xmpp/ns.h"

#define ELEMENTS_MAX 16 /* before READY: features thrice, proceed, a failure or a challenge, success, dialback */

/* How it failed, by how far it went. */
enum failure {
	NOT_YET,
	NOT_FOUND_NOW, /* name servers */
	NOT_REACHED,   /* no connection */
	BROKEN,        /* a stream that ended, as it may the next time or not */
	FINAL,         /* the same would happen again: certificate, TLS, they do not let us in */
};

struct attempt {
	struct route *route;      /* NULL: it is to ask about a dialback key */
	struct dialback *asks;
	struct jid *local, *remote;
	struct find *find;
	struct dial *dial;
	struct s2s *stream;
	struct arena *arena;      /* of `found` */
	struct found found;       /* the targets that have not been tried */
	unsigned host;            /* of the target that the stream goes to */
	struct timer timer;       /* the deadline; or the share of a stream that others wait behind */
	int64_t deadline_ms;
	enum failure failure;     /* what is known so far, with words */
	bool no_such;
	enum xerror error;        /* what senders get */
	bool authzid_tried;       /* we have named ourselves to their SASL EXTERNAL */
	bool challenged;
	unsigned elements;
	char words[400];
};

static void next_target(struct attempt *a);

/* The attempt */

static void
attempt_free(struct attempt *a)
{
	if (a->find)
		find_cancel(a->find);
	if (a->dial)
		dial_cancel(a->dial);
	timer_clear(&a->timer);
	arena_free(a->arena);
	jid_unref(a->local);
	jid_unref(a->remote);
	reactor_free_later(reactor_current(), free, a);
}

void
attempt_done(struct attempt *a)
{
	if (a->stream)
		a->stream->attempt = NULL;
	attempt_free(a);
}

void
attempt_cancel(struct attempt *a)
{
	struct s2s *s = a->stream;

	attempt_done(a);
	if (s)
		s2s_end(s, XSTREAM_NONE, "it is not needed any more");
}

static void
note(struct attempt *a, enum failure f, const char *why)
{
	if (!why || f < a->failure)
		return;
	a->failure = f;
	snprintf(a->words, sizeof(a->words), "%s", why);
}

static void
finish(struct attempt *a)
{
	if (a->asks)
		dialback_not_asked(a->asks, a->no_such);
	else
		route_failed(a->route, a->no_such, a->failure == FINAL, a->error, *a->words ? a->words : "there is no answer");
	attempt_free(a);
}

static int64_t
time_left(const struct attempt *a)
{
	return a->deadline_ms - reactor_now_ms(reactor_current());
}

/* What was found is ours to keep. */
static void
keep_found(struct attempt *a, const struct found *f)
{
	size_t i, bytes;

	a->found = *f;
	a->found.host = arena_alloc(a->arena, (f->nhosts + 1) * sizeof(*f->host));
	a->found.target = arena_alloc(a->arena, (f->ntargets + 1) * sizeof(*f->target));
	memcpy(a->found.target, f->target, f->ntargets * sizeof(*f->target));
	for (i = 0; i < f->nhosts; i++) {
		struct find_host *h = &a->found.host[i];

		*h = f->host[i];
		h->name = arena_strdup(a->arena, h->name);
		h->tlsa = arena_alloc(a->arena, (h->ntlsa + 1) * sizeof(*h->tlsa));
		for (size_t j = 0; j < h->ntlsa; j++) {
			h->tlsa[j] = f->host[i].tlsa[j];
			bytes = h->tlsa[j].len;
			h->tlsa[j].data = memcpy(arena_alloc(a->arena, bytes + 1), f->host[i].tlsa[j].data, bytes);
		}
	}
}

static bool
is_same_target(const struct dial_target *a, const struct dial_target *b)
{
	return a->host == b->host && a->direct_tls == b->direct_tls && !memcmp(&a->address, &b->address, sizeof(a->address));
}

/* It is not tried again; there is one less in any case. */
static void
forget_target(struct attempt *a, const struct dial_target *t)
{
	size_t i = 0;

	while (i + 1 < a->found.ntargets && !is_same_target(&a->found.target[i], t))
		i++;
	a->found.ntargets--;
	memmove(&a->found.target[i], &a->found.target[i + 1], (a->found.ntargets - i) * sizeof(*t));
}

static void
time_over(struct timer *t)
{
	struct attempt *a = LIST_ENTRY(t, struct attempt, timer);

	if (a->stream)
		s2s_end(a->stream, XSTREAM_CONNECTION_TIMEOUT, "its server was too slow");
	else
		finish(a);
}

/* A target that answers and then says nothing leaves the others half of what time there is. */
static void
set_time(struct attempt *a)
{
	int64_t left = time_left(a);

	if (a->stream && a->found.ntargets)
		left /= 2;
	timer_set(&a->timer, left > 0 ? left : 0, time_over);
}

static void
begin_stream(struct attempt *a, int fd, const struct dial_target *t)
{
	struct s2s *s = s2s_new(true, a->local, a->remote);

	if (!s) {
		close(fd);
		note(a, BROKEN, "there are too many streams with other servers");
		finish(a);
		return;
	}
	a->stream = s;
	a->elements = 0;
	a->challenged = a->authzid_tried = false;
	s->attempt = a;
	s->route = a->route;
	s->sends = !a->asks;
	s->direct_tls = t->direct_tls;
	if (!s2s_take(s, fd, (const struct sockaddr *)&t->address))
		return;
	set_time(a);
	if (s->direct_tls)
		s2s_start_tls(s, 0);
	else
		s2s_write_header(s);
}

static void
dialled(void *owner, int fd, const struct dial_target *t, const char *why)
{
	struct attempt *a = owner;
	char words[256];

	a->dial = NULL;
	if (fd < 0) {
		snprintf(words, sizeof(words), "no connection to its server: %s", why ? why : "no answer");
		note(a, NOT_REACHED, words);
		finish(a);
		return;
	}
	a->host = t->host;
	forget_target(a, t);
	begin_stream(a, fd, t);
}

static void
next_target(struct attempt *a)
{
	int64_t left = time_left(a);

	if (!a->found.ntargets || left <= 0) {
		finish(a);
		return;
	}
	set_time(a);
	a->dial = dial_new(a->found.target, a->found.ntargets, (unsigned)left, dialled, a);
}

static void
found(void *owner, const struct found *f)
{
	struct attempt *a = owner;

	a->find = NULL;
	if (f->ok) {
		keep_found(a, f);
		note(a, NOT_REACHED, "no connection to its server in time");
		next_target(a);
		return;
	}
	a->no_such = f->no_such;
	note(a, NOT_FOUND_NOW, f->why);
	finish(a);
}

/* To be let in by dialback a partner need not be one that anything is sent to. */
static const struct partner *
entry(const struct attempt *a)
{
	return partner_find(jid_domain(a->remote), a->asks ? PARTNER_IN : PARTNER_OUT, NULL);
}

static struct attempt *
begin(struct route *r, struct dialback *asks, struct jid *local, struct jid *remote)
{
	const struct partner *p;
	struct attempt *a = NEW(struct attempt);

	a->route = r;
	a->asks = asks;
	a->error = XERROR_REMOTE_SERVER_TIMEOUT;
	a->local = jid_ref(local);
	a->remote = jid_ref(remote);
	a->arena = arena_new(0);
	a->deadline_ms = reactor_now_ms(reactor_current()) + (int64_t)home_config()->federation.connect_ms;
	note(a, NOT_FOUND_NOW, "the name servers do not answer");
	set_time(a);
	p = entry(a);
	a->find = find_new(jid_domain(remote), p && p->trust == CERT_BY_DANE, found, a);
	return a;
}

struct attempt *
attempt_new(struct route *r, struct jid *local, struct jid *remote)
{
	return begin(r, NULL, local, remote);
}

struct attempt *
attempt_to_ask(struct dialback *d, struct jid *local, struct jid *remote)
{
	return begin(NULL, d, local, remote);
}

struct dialback *
attempt_asks(const struct attempt *a)
{
	return a->asks;
}

/* The end of a stream before it was ready */

/* What they said when they ended it: will they say it again? */
static bool
is_final(const char *condition)
{
	static const char *const final[] = { "host-unknown", "host-gone", "not-authorized", "policy-violation", "invalid-from",
		"improper-addressing", "invalid-namespace", "unsupported-version", "unsupported-stanza-type", "unsupported-feature" };

	for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
		if (!strcmp(final[i], condition))
			return true;
	return false;
}

void
s2s_out_gave_up(struct s2s *s, const char *why)
{
	struct attempt *a = s->attempt;

	if (!a)
		return;
	s->attempt = NULL;
	a->stream = NULL;
	if (s->peer_error)
		a->no_such |= !strcmp(s->peer_error, "host-unknown") || !strcmp(s->peer_error, "host-gone");
	note(a, s->peer_error && is_final(s->peer_error) ? FINAL : BROKEN, why);
	log_info(s->conn ? conn_log(s->conn) : NULL, "s2s-target-failed", "local=%s remote=%s direct_tls=%d final=%d why=%s", jid_domain(s->local),
		jid_domain(s->remote), s->direct_tls, a->failure == FINAL, a->words);
	next_target(a);
}

/* It will be no better the next time. Says so to them too. */
static void
fail(struct s2s *s, enum xstream_error e, const char *why, const char *words)
{
	if (s->attempt)
		note(s->attempt, FINAL, words);
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
		note(s->attempt, BROKEN, words);
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
	const struct partner *p = entry(s->attempt);
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
	const struct partner *p = entry(s->attempt);

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
