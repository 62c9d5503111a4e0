/*
 * probe: see probe.h. One target after the other: dial, header, STARTTLS, certificate, header, features, SASL EXTERNAL. Until the end its server is a
 * stranger: small limits, a deadline each.
 */
#include "core/federation/probe.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/text.h"
#include "core/federation/find.h"
#include "core/federation/partner_priv.h"
#include "core/federation/probe_names.h"
#include "core/federation/trust.h"
#include "core/home.h"
#include "core/host.h"
#include "net/address.h"
#include "net/conn.h"
#include "net/reactor.h"
#include "xmpp/domain.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define TRIES_MAX 16
#define LOOK_MS 200 /* whether the server stops */
#define OUTPUT_MAX 65536
#define INPUT_MAX (256 << 10) /* bytes of one server */

enum stage { PLAIN_HEADER, PLAIN_FEATURES, PROCEED, HANDSHAKE, JUDGING, HEADER, FEATURES, AUTH, LAST_HEADER, LAST_FEATURES };

struct probe {
	const char *domain;
	bool stream;               /* behind the certificate, too */
	bool log_in;
	struct arena *arena;
	struct probe_answer *out;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	bool asked_to_stop, heard_that; /* the mail that says so has been sent; has been run */
	/* On the reactor */
	struct partners *snapshot; /* keeps the entry */
	const struct partner *entry;
	struct found found;
	size_t next;               /* target */
	struct find *find;
	struct dial *dial;
	struct conn *conn;
	struct parser *parser;
	struct trust *trust;
	struct timer timer;
	int64_t deadline_ms;       /* no further target then */
	bool finished;
	unsigned host;
	size_t input;
	enum stage stage;
	bool start_tls;            /* behind the element just parsed */
	bool named;                /* the authorization identity was sent */
};

static void next_target(struct probe *p);

/* Whoever waits has `p` on its stack. */
static void
let_go(void *arg)
{
	struct probe *p = arg;

	pthread_mutex_lock(&p->lock);
	p->done = true;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

/* Callbacks that are still on the stack may look at it until the end of the turn. */
static void
finish(struct probe *p)
{
	p->finished = true;
	timer_clear(&p->timer);
	partners_unref(p->snapshot);
	p->snapshot = NULL;
	reactor_free_later(reactor_current(), let_go, p);
}

static void
free_parser(void *parser)
{
	parser_free(parser);
}

static void
hang_up(struct probe *p)
{
	timer_clear(&p->timer);
	if (p->trust != NULL)
		trust_cancel(p->trust);
	p->trust = NULL;
	if (p->parser != NULL) {
		parser_stop(p->parser);
		reactor_free_later(reactor_current(), free_parser, p->parser);
	}
	p->parser = NULL;
	if (p->conn != NULL)
		conn_close(p->conn);
	p->conn = NULL;
}

static struct probe_try *
current_try(struct probe *p)
{
	return &p->out->tries[p->out->ntries - 1];
}

/* This target will not do. */
static void
fail(struct probe *p, const char *why)
{
	current_try(p)->failed = arena_strdup(p->arena, why);
	hang_up(p);
	next_target(p);
}

static void
too_slow(struct timer *t)
{
	fail(LIST_ENTRY(t, struct probe, timer), "it takes too long to answer");
}

static void
succeed(struct probe *p)
{
	p->out->works = true;
	if (p->stream)
		conn_write(p->conn, "</stream:stream>", 16);
	hang_up(p);
	finish(p);
}

/* The stream */

static void
write_header(struct probe *p)
{
	const char *from = host_at(0)->domain;

	buf_addf(conn_out(p->conn), "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
		 "%s from='%s' to='%s' version='1.0'>", p->entry->dialback ? " xmlns:db='jabber:server:dialback'" : "", from, p->domain);
	conn_wrote(p->conn);
}

static void
start_tls(struct probe *p, bool direct, size_t unread)
{
	struct tls_set *tls = host_s2s_tls();
	char own[1024], server[1024];
	SSL *ssl;

	/* An IP literal stays as it is. */
	if (domain_to_ascii(host_at(0)->domain, own, sizeof own) < 0)
		snprintf(own, sizeof own, "%s", host_at(0)->domain);
	if (domain_to_ascii(p->domain, server, sizeof server) < 0)
		snprintf(server, sizeof server, "%s", p->domain);
	ssl = tls_connect_new(tls, own, server, direct);
	tls_set_unref(tls);
	p->stage = HANDSHAKE;
	parser_restart(p->parser);
	if (ssl == NULL || conn_connect_tls(p->conn, ssl, unread) != 0)
		fail(p, "TLS could not be begun");
}

static const char *
own_name(struct probe *p)
{
	const char *d = host_at(0)->domain;
	char *out = arena_alloc(p->arena, text_base64_size(strlen(d)));

	text_base64_encode(d, strlen(d), out);
	return out;
}

static void
authenticate(struct probe *p)
{
	buf_addf(conn_out(p->conn), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>",
		 p->named ? own_name(p) : "=");
	conn_wrote(p->conn);
	p->stage = AUTH;
}

static bool
offers_external(struct probe *p, const struct elem *features)
{
	const struct elem *list = elem_child(features, NS_SASL, "mechanisms");

	for (const struct elem *m = list != NULL ? elem_child(list, NS_SASL, "mechanism") : NULL; m != NULL;
	     m = elem_next(m, NS_SASL, "mechanism"))
		if (strcmp(elem_text(m, p->arena), "EXTERNAL") == 0)
			return true;
	return false;
}

static void
take_features(struct probe *p, const struct elem *e)
{
	if (!elem_is(e, NS_STREAMS, "features")) {
		fail(p, "its server sent something else instead of its features");
		return;
	}
	if (p->stage == PLAIN_FEATURES && elem_child(e, NS_TLS, "starttls") == NULL) {
		fail(p, "its server offers no TLS, and nothing is sent without");
		return;
	}
	if (p->stage == PLAIN_FEATURES) {
		conn_write(p->conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", 51);
		p->stage = PROCEED;
		return;
	}
	p->out->external = offers_external(p, e);
	p->out->dialback = elem_child(e, "urn:xmpp:features:dialback", "dialback") != NULL;
	if (!p->out->external && !(p->entry->dialback && p->out->dialback))
		fail(p, "its server does not accept our certificate (it offers no SASL EXTERNAL)");
	else if (p->log_in && p->out->external)
		authenticate(p);
	else
		succeed(p);
}

static void
take_failure(struct probe *p, const struct elem *e)
{
	const struct elem *why = elem_first(e);

	if (elem_child(e, NS_SASL, "invalid-authzid") != NULL && !p->named) {
		p->named = true;
		authenticate(p);
		return;
	}
	fail(p, arena_printf(p->arena, "its server did not let us in: %.64s", why != NULL ? why->name : "it gave no reason"));
}

static void
take_auth(struct probe *p, const struct elem *e)
{
	if (elem_is(e, NS_SASL, "success")) {
		p->out->let_in = true;
		parser_restart(p->parser);
		p->stage = LAST_HEADER;
		write_header(p);
	} else if (elem_is(e, NS_SASL, "challenge")) {
		buf_addf(conn_out(p->conn), "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", own_name(p));
		conn_wrote(p->conn);
	} else if (elem_is(e, NS_SASL, "failure")) {
		take_failure(p, e);
	} else {
		fail(p, "its server sent something else instead of letting us in");
	}
}

static void
take_error(struct probe *p, const struct elem *e)
{
	const struct elem *why = elem_first(e), *text = elem_child(e, "urn:ietf:params:xml:ns:xmpp-streams", "text");
	const char *words = text != NULL ? elem_text(text, p->arena) : "";

	fail(p, arena_printf(p->arena, "its server ended the stream: %.64s%s%.200s", why != NULL ? why->name : "it gave no reason",
			     *words ? ", " : "", words));
}

static void
on_opened(void *owner, const struct parser_header *h)
{
	struct probe *p = owner;

	if (h->ns == NULL || strcmp(h->ns, NS_SERVER) != 0)
		fail(p, "it does not speak to servers at that address");
	else if (h->version == NULL || strncmp(h->version, "1.", 2) != 0)
		fail(p, "it speaks another version of the protocol");
	else
		p->stage++; /* to the features behind it */
}

static void
on_element(void *owner, struct stanza *st)
{
	struct probe *p = owner;
	const struct elem *e = st->root;

	if (p->conn == NULL) {
		;
	} else if (elem_is(e, NS_STREAMS, "error")) {
		take_error(p, e);
	} else if (p->stage == PLAIN_FEATURES || p->stage == FEATURES) {
		take_features(p, e);
	} else if (p->stage == PROCEED && elem_is(e, NS_TLS, "proceed")) {
		p->start_tls = true;
		parser_stop(p->parser);
	} else if (p->stage == AUTH) {
		take_auth(p, e);
	} else if (p->stage == LAST_FEATURES && elem_is(e, NS_STREAMS, "features")) {
		succeed(p);
	} else {
		fail(p, "its server sent something that does not belong there");
	}
	stanza_unref(st);
}

static void
on_closed(void *owner)
{
	struct probe *p = owner;

	if (p->conn != NULL)
		fail(p, "its server closed the stream");
}

static const struct parser_ops stream_ops = {.opened = on_opened, .stanza = on_element, .closed = on_closed};

/* The connection */

static void
on_data(struct conn *c, void *owner, const char *data, size_t n)
{
	struct probe *p = owner;
	struct parser *parser = p->parser;
	enum parser_error e;
	size_t used = 0;

	p->input += n;
	if (p->input > INPUT_MAX) {
		fail(p, "its server says too much");
		return;
	}
	e = parser_feed(parser, data, n, &used);
	if (p->conn != c)
		return; /* another target has its turn, or there is none */
	if (e != PARSER_OK) {
		fail(p, arena_printf(p->arena, "what its server sent is no stream: %s", parser_error_text(e)));
	} else if (p->start_tls) {
		p->start_tls = false;
		start_tls(p, false, n - used);
	}
}

static void
judged(void *owner, const struct cert_answer *a)
{
	struct probe *p = owner;

	p->trust = NULL;
	p->out->cert = *a;
	if (a->verdict != CERT_GOOD) {
		fail(p, a->words);
		return;
	}
	if (!p->stream) {
		succeed(p);
		return;
	}
	p->stage = HEADER;
	write_header(p);
}

static void
on_secured(struct conn *c, void *owner)
{
	struct probe *p = owner;
	X509 *leaf = SSL_get0_peer_certificate(conn_ssl(c));
	struct trust *t;
	char tls[96];

	p->out->secured = true;
	p->out->tls = arena_strdup(p->arena, tls_describe(conn_ssl(c), tls));
	p->out->names = leaf != NULL ? probe_names(leaf, p->arena) : "nobody";
	p->stage = JUDGING;
	t = trust_new(conn_ssl(c), p->entry, p->domain, &p->found, p->host, judged, p);
	if (t != NULL)
		p->trust = t;
}

static void
on_ended(struct conn *c, void *owner, enum conn_end how, const char *why)
{
	struct probe *p = owner;

	(void)c, (void)how;
	fail(p, arena_printf(p->arena, "%s: %s", p->stage == HANDSHAKE ? "no TLS with its server" : "its server closed the connection",
			     why != NULL && *why ? why : "it gave no reason"));
}

static const struct conn_ops connection_ops = {.data = on_data, .secured = on_secured, .ended = on_ended};

static void
dialled(void *owner, int fd, const struct dial_target *t, const char *why)
{
	struct probe *p = owner;
	struct parser_limits limits = home_parser_limits();

	p->dial = NULL;
	if (fd < 0) {
		fail(p, why != NULL ? why : "no connection");
		return;
	}
	limits.stanza_bytes = home_config()->limits.stanza_bytes_unauthenticated;
	limits.memory_bytes = limits.stanza_bytes * home_config()->limits.stanza_memory_factor;
	p->input = 0;
	p->start_tls = p->named = false;
	p->stage = PLAIN_HEADER;
	p->conn = conn_new(fd, (const struct sockaddr *)&t->address, &connection_ops, p, OUTPUT_MAX);
	p->parser = parser_new(&stream_ops, p, &limits);
	timer_set(&p->timer, (int64_t)home_config()->federation.connect_ms, too_slow);
	if (t->direct_tls)
		start_tls(p, true, 0);
	else
		write_header(p);
}

/* Targets */

static const char *
address_of(struct probe *p, const struct dial_target *t)
{
	const struct sockaddr *sa = (const struct sockaddr *)&t->address;
	char text[ADDRESS_TEXT];
	unsigned port = sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port
						  : ((const struct sockaddr_in *)(const void *)sa)->sin_port;

	address_text(sa, text);
	return arena_printf(p->arena, "%s port %u", text, (unsigned)ntohs((uint16_t)port));
}

static void
next_target(struct probe *p)
{
	const struct dial_target *t;
	struct probe_try *x;

	if (p->next == p->found.ntargets || p->next == TRIES_MAX || reactor_now_ms(reactor_current()) > p->deadline_ms) {
		finish(p);
		return;
	}
	t = &p->found.target[p->next++];
	p->host = t->host;
	x = &p->out->tries[p->out->ntries++];
	*x = (struct probe_try){.host = p->found.host[t->host].name, .address = address_of(p, t), .direct_tls = t->direct_tls};
	p->dial = dial_new(t, 1, (unsigned)home_config()->federation.connect_ms, dialled, p);
}

/* It is valid during its call only. */
static void
keep_found(struct probe *p, const struct found *f)
{
	p->found = *f;
	p->found.target = arena_alloc(p->arena, (f->ntargets + 1) * sizeof *f->target);
	if (f->ntargets > 0)
		memcpy(p->found.target, f->target, f->ntargets * sizeof *f->target);
	p->found.host = arena_alloc(p->arena, (f->nhosts + 1) * sizeof *f->host);
	for (size_t i = 0; i < f->nhosts; i++) {
		struct find_host *h = &p->found.host[i];

		*h = f->host[i];
		h->name = arena_strdup(p->arena, f->host[i].name);
		h->tlsa = arena_alloc(p->arena, (h->ntlsa + 1) * sizeof *h->tlsa);
		for (size_t k = 0; k < h->ntlsa; k++) {
			unsigned char *data = arena_alloc(p->arena, f->host[i].tlsa[k].len + 1);

			h->tlsa[k] = f->host[i].tlsa[k];
			memcpy(data, f->host[i].tlsa[k].data, h->tlsa[k].len);
			h->tlsa[k].data = data;
		}
	}
}

static void
found(void *owner, const struct found *f)
{
	struct probe *p = owner;

	p->find = NULL;
	p->out->found = f->ok;
	p->out->by_srv = f->by_srv;
	if (!f->ok) {
		p->out->find_why = arena_strdup(p->arena, f->why);
		finish(p);
		return;
	}
	keep_found(p, f);
	next_target(p);
}

static void
look_at_entry(struct probe *p)
{
	static const struct partner nobody = {.domain = "", .trust = CERT_BY_CA};
	const struct partner_row *r;

	p->snapshot = partners_ref((struct partners *)(uintptr_t)partner_snapshot());
	r = p->snapshot != NULL ? partners_find(p->snapshot, p->domain) : NULL;
	p->entry = r != NULL ? &r->p : &nobody;
	p->out->listed = r != NULL;
	p->out->direction = p->entry->direction;
	p->out->pass = p->entry->pass;
	p->out->for_some = p->entry->nwho > 0;
	(void)partner_find(p->domain, PARTNER_IN, &p->out->not_in);
	(void)partner_find(p->domain, PARTNER_OUT, &p->out->not_out);
	p->log_in &= p->out->not_out == NULL;
}

static void
begin(void *arg)
{
	struct probe *p = arg;

	look_at_entry(p);
	p->deadline_ms = reactor_now_ms(reactor_current()) + 2 * (int64_t)home_config()->federation.connect_ms;
	p->find = find_new(p->domain, p->entry->trust == CERT_BY_DANE, found, p);
}

/* It may have come to its end meanwhile. */
static void
give_up(void *arg)
{
	struct probe *p = arg;

	if (!p->finished) {
		if (p->find != NULL)
			find_cancel(p->find);
		if (p->dial != NULL)
			dial_cancel(p->dial);
		hang_up(p);
		finish(p);
	}
	pthread_mutex_lock(&p->lock);
	p->heard_that = true;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

static void
wait_a_while(struct probe *p)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += LOOK_MS * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&p->cond, &p->lock, &t);
}

int
probe_run(const char *domain, bool stream, const atomic_bool *stop, struct arena *a, struct probe_answer *out)
{
	struct probe p = {.domain = domain, .stream = stream, .log_in = stream, .arena = a, .out = out, .lock = PTHREAD_MUTEX_INITIALIZER,
			  .cond = PTHREAD_COND_INITIALIZER};

	*out = (struct probe_answer){.find_why = "", .tls = "", .names = ""};
	out->tries = arena_zalloc(a, TRIES_MAX * sizeof *out->tries);
	reactor_call(reactor_at(0), begin, &p);
	pthread_mutex_lock(&p.lock);
	/* The mail that says stop has `p` too. */
	while (!p.done || (p.asked_to_stop && !p.heard_that)) {
		wait_a_while(&p);
		if (!p.done && !p.asked_to_stop && atomic_load(stop)) {
			p.asked_to_stop = true;
			reactor_call(reactor_at(0), give_up, &p);
		}
	}
	pthread_mutex_unlock(&p.lock);
	return p.asked_to_stop ? -1 : 0;
}
