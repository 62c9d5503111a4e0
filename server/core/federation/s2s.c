/*
 * s2s: the stream of another server, in either direction: bytes in, header, elements, and its end.
 *
 * One list per reactor holds its streams. s2s_end is the only way a stream ends on our side in good order, s2s_free the only way it goes:
 * both give back what was on its way (withdraw), once. What happens before READY is told by role: s2s_in, s2s_out.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/federation/peer_record.h"
#include "core/federation/route.h"
#include "core/federation/s2s_priv.h"
#include "core/home.h"
#include "core/host.h"
#include "core/user.h"
#include "net/listener.h"
#include "xmpp/domain.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define LINGER_MS 3000
#define SPACE_MS 120000 /* a stream on which we have said nothing for that long says a space */

struct streams {
	struct list all;
	bool quiet; /* the server is stopping: nothing more is read */
};

static _Thread_local struct streams *here;
static atomic_uint total;

static void on_data(struct conn *conn, void *owner, const char *p, size_t n);
static void on_secured(struct conn *conn, void *owner);
static void on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why);
static void on_flushed(struct conn *conn, void *owner, uint64_t upto);
static void on_opened(void *owner, const struct parser_header *h);
static void on_element(void *owner, struct stanza *st);
static void on_closed(void *owner);
static void on_timer(struct timer *t);

static const struct conn_ops conn_ops = { on_data, on_secured, on_ended, on_flushed };
static const struct parser_ops parser_ops = { on_opened, on_element, on_closed };

struct list *
s2s_all(void)
{
	return &here->all;
}

static const char *
remote_name(const struct s2s *s)
{
	return s->remote ? jid_domain(s->remote) : "-";
}

/* Birth */

struct s2s *
s2s_new(bool initiator, struct jid *local, struct jid *remote)
{
	const struct config *c = home_config();
	int64_t deadline = initiator ? (int64_t)c->federation.connect_ms : (int64_t)c->limits.login_seconds * 1000;
	struct s2s *s;

	if (here->quiet || atomic_fetch_add_explicit(&total, 1, memory_order_relaxed) >= c->limits.s2s_streams) {
		if (!here->quiet)
			atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
		metric_add(METRIC_CONNECTIONS_REFUSED, !initiator);
		return NULL;
	}
	s = NEW(struct s2s);
	s->initiator = initiator;
	s->state = S2S_HEADER;
	s->local = local ? jid_ref(local) : NULL;
	s->remote = remote ? jid_ref(remote) : NULL;
	list_append(&here->all, &s->link);
	s->deadline_ms = reactor_now_ms(reactor_current()) + deadline;
	timer_set(&s->timer, deadline, on_timer);
	return s;
}

bool
s2s_take(struct s2s *s, int fd, const struct sockaddr *peer)
{
	const struct limits *m = &home_config()->limits;
	struct parser_limits l = stream_limits_unauthenticated(s->direct_tls);

	/* The route keeps below half of it. */
	s->conn = conn_new(fd, peer, &conn_ops, s, 2 * (m->s2s_queue_bytes + m->stanza_bytes));
	s->parser = parser_new(&parser_ops, s, &l);
	s->input_ms = reactor_now_ms(reactor_current());
	s->source_counted = !s->initiator && source_joined(conn_source(s->conn));
	if (s->initiator || s->source_counted)
		return true;
	s2s_free(s);
	return false;
}

/* Death */

/* From here on nobody sends on it, and nothing of it is waited for. */
static void
withdraw(struct s2s *s, const char *why)
{
	if (s->withdrawn)
		return;
	s->withdrawn = true;
	if (s->counted)
		metric_add(s->initiator ? METRIC_S2S_STREAMS_OUT : METRIC_S2S_STREAMS_IN, -1);
	if (s->trust)
		trust_cancel(s->trust);
	if (s->recording)
		peer_record_cancel(s->recording);
	s->trust = NULL;
	s->recording = NULL;
	if (s->dialback)
		dialback_free(s);
	if (s->routed)
		route_lost(s);
	else if (s->initiator)
		s2s_out_gave_up(s, why);
	s->routed = false;
	s->route = NULL;
	s->attempt = NULL;
	if (s->sm)
		s2s_sm_free(s);
	if (s->sm_awaits)
		s2s_sm_forget(s);
	if (s->lane)
		lane_orphan(s->lane);
	s->lane = NULL;
}

static void
free_with(struct s2s *s, const char *why)
{
	if (s->freed)
		return;
	s->freed = true;
	if (s->peer_record)
		log_info(s->conn ? conn_log(s->conn) : NULL, "s2s-gone", "remote=%s local=%s direction=%s in=%llu out=%llu",
			jid_domain(s->remote), jid_domain(s->local), s->initiator ? "out" : "in", s->stanzas_in, s->stanzas_out);
	s->broke = s->state == S2S_READY && !here->quiet;
	s->state = S2S_CLOSING;
	withdraw(s, why);
	timer_clear(&s->timer);
	timer_clear(&s->throttle);
	if (s->source_counted)
		source_left(conn_source(s->conn), s->authenticated);
	if (s->conn)
		conn_close(s->conn);
	parser_free(s->parser);
	list_remove(&s->link);
	atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
	jid_unref(s->local);
	jid_unref(s->remote);
	free(s->peer_id);
	free(s->cert);
	reactor_free_later(reactor_current(), free, s);
}

void
s2s_free(struct s2s *s)
{
	free_with(s, "the connection was given up");
}

static bool
may_write(const struct s2s *s)
{
	return s->conn && s->state != S2S_CLOSING && s->state != S2S_HANDSHAKE;
}

static void
end_throttle(struct s2s *s)
{
	if (!timer_is_set(&s->throttle))
		return;
	timer_clear(&s->throttle);
	conn_resume(s->conn);
}

static void
write_end(struct s2s *s, enum xstream_error e, const char *text)
{
	struct buf *out;

	if (!s->opened)
		s2s_write_header(s);
	s2s_sm_last_word(s);
	out = conn_out(s->conn);
	if (e != XSTREAM_NONE)
		xstream_error_write(out, e, text);
	buf_adds(out, "</stream:stream>");
	conn_wrote(s->conn);
}

static void
note_end(const struct s2s *s, enum xstream_error e, const char *text)
{
	if (e != XSTREAM_NONE)
		log_info(s->conn ? conn_log(s->conn) : NULL, "stream-error", "condition=%s remote=%s text=%s", xstream_error_name(e),
			remote_name(s), text);
}

void
s2s_end(struct s2s *s, enum xstream_error e, const char *text)
{
	const char *why = text ? text : e != XSTREAM_NONE ? xstream_error_name(e) : "the stream was ended";

	if (s->state == S2S_CLOSING)
		return;
	note_end(s, e, text);
	if (!s->conn) {
		free_with(s, why);
		return;
	}
	if (may_write(s))
		write_end(s, e, text);
	s->state = S2S_CLOSING;
	withdraw(s, why);
	s->waits = false;
	if (s->paused)
		conn_resume(s->conn);
	s->paused = false;
	end_throttle(s);
	conn_shutdown(s->conn, LINGER_MS, true);
	timer_set(&s->timer, LINGER_MS + 1000, on_timer);
}

const char *
s2s_certificate_why(enum cert_verdict v)
{
	static const char *const why[CERT_VERDICTS] = {
		[CERT_GOOD] = "certificate:good",
		[CERT_ABSENT] = "certificate:absent",
		[CERT_OTHER_NAME] = "certificate:other-name",
		[CERT_EXPIRED] = "certificate:expired",
		[CERT_NOT_YET] = "certificate:not-yet",
		[CERT_SELF_SIGNED] = "certificate:self-signed",
		[CERT_UNKNOWN_ISSUER] = "certificate:unknown-issuer",
		[CERT_BAD_CHAIN] = "certificate:bad-chain",
		[CERT_WRONG_USE] = "certificate:wrong-use",
		[CERT_WEAK] = "certificate:weak",
		[CERT_REVOKED] = "certificate:revoked",
		[CERT_REVOCATION_UNKNOWN] = "certificate:revocation-unknown",
		[CERT_NOT_PINNED] = "certificate:not-pinned",
		[CERT_NOT_DANE] = "certificate:not-dane",
	};

	return v < CERT_VERDICTS ? why[v] : "certificate";
}

void
s2s_refuse(struct s2s *s, enum xstream_error e, const char *why, const char *text)
{
	metric_add(METRIC_S2S_REFUSED, 1);
	log_warning(conn_log(s->conn), "s2s-refused", "remote=%s local=%s direction=%s why=%s text=%s", remote_name(s),
		s->local ? jid_domain(s->local) : "-", s->initiator ? "out" : "in", why, text);
	if (s->remote)
		partner_refused(jid_domain(s->remote), s->initiator ? PARTNER_OUT : PARTNER_IN, why, conn_address(s->conn));
	s2s_end(s, e, text);
}

/* Reading, or not */

static void
update_reading(struct s2s *s)
{
	/* What only confirms what we sent is read to the end. */
	bool quiet = here->quiet && (s->state != S2S_READY || s->receives);
	bool stop = s->waits || quiet || (s->lane && lane_is_full(s->lane));

	if (stop == s->paused || s->state == S2S_CLOSING)
		return;
	s->paused = stop;
	if (stop)
		conn_pause(s->conn);
	else
		conn_resume(s->conn);
}

void
s2s_wait(struct s2s *s, bool wait)
{
	s->waits = wait;
	update_reading(s);
}

static void
throttle_over(struct timer *t)
{
	conn_resume(LIST_ENTRY(t, struct s2s, throttle)->conn);
}

void
s2s_charge(struct s2s *s)
{
	const struct limits *l = &home_config()->limits;

	if (stream_rate_charge(&s->rate, l->s2s_stanzas_per_second, l->s2s_stanzas_burst) || timer_is_set(&s->throttle))
		return;
	metric_add(METRIC_THROTTLED, 1);
	conn_pause(s->conn);
	timer_set(&s->throttle, STREAM_THROTTLE_MS, throttle_over);
}

/* Headers and restarts */

static void
write_attr(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, " %s='", name);
	serialize_attr(out, value, strlen(value));
	buf_addc(out, '\'');
}

static bool
knows_dialback(const struct s2s *s)
{
	const struct partner *p = NULL;

	if (s->remote && s->cert && s->initiator)
		p = partner_find(jid_domain(s->remote), PARTNER_OUT, NULL);
	if (s->remote && s->cert && !p) /* ours, too: to ask about a key of theirs */
		p = partner_find(jid_domain(s->remote), PARTNER_IN, NULL);
	return p && p->dialback;
}

void
s2s_write_header(struct s2s *s)
{
	struct buf *out = conn_out(s->conn);

	buf_adds(out, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'");
	if (knows_dialback(s))
		buf_adds(out, " xmlns:db='jabber:server:dialback'"); /* XEP-0220 §2.1.1 */
	write_attr(out, "from", s->local ? jid_domain(s->local) : host_at(0)->domain);
	if (s->remote)
		write_attr(out, "to", jid_domain(s->remote));
	if (!s->initiator) {
		crypt_random_hex(s->id, 16);
		write_attr(out, "id", s->id);
	}
	buf_adds(out, " version='1.0' xml:lang='en'>");
	conn_wrote(s->conn);
	s->opened = true;
}

static SSL *
client_tls(const struct s2s *s, struct tls_set *tls)
{
	char own[1024], server[1024];

	if (domain_to_ascii(jid_domain(s->local), own, sizeof(own)) < 0 || domain_to_ascii(jid_domain(s->remote), server, sizeof(server)) < 0)
		return NULL;
	return tls_connect_new(tls, own, server, s->direct_tls);
}

void
s2s_start_tls(struct s2s *s, size_t unread)
{
	struct tls_set *tls;
	SSL *ssl;
	int rc;

	if (unread) {
		log_warning(conn_log(s->conn), "starttls-injection", "bytes=%zu", unread);
		s2s_end(s, XSTREAM_POLICY_VIOLATION, "data behind starttls");
		return;
	}
	if (!s->initiator && !s->direct_tls)
		conn_write(s->conn, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", 50);
	parser_restart(s->parser);
	s->opened = false;
	tls = host_s2s_tls();
	if (s->initiator) {
		ssl = client_tls(s, tls);
		rc = ssl ? conn_connect_tls(s->conn, ssl, 0) : -1;
	} else {
		rc = conn_start_tls(s->conn, tls, s->direct_tls, 0);
	}
	tls_set_unref(tls);
	if (rc)
		s2s_end(s, XSTREAM_NONE, "TLS could not be begun");
	else
		s->state = S2S_HANDSHAKE;
}

/* After <success/> a new stream begins: nothing may have been sent ahead of it. */
static void
restart(struct s2s *s)
{
	parser_restart(s->parser);
	s->opened = false;
	s->skip_space = true;
	s->state = S2S_HEADER;
	if (s->initiator)
		s2s_write_header(s);
	else if (s->authenticated)
		s2s_go_home(s);
}

static void
take_turn(struct s2s *s, const char *rest, size_t n)
{
	enum s2s_turn turn = s->turn;
	size_t unread = stream_is_space(rest, n) ? 0 : n;

	s->turn = S2S_TURN_NONE;
	if (turn == S2S_TURN_TLS) {
		s2s_start_tls(s, unread);
	} else if (unread) {
		s2s_end(s, XSTREAM_POLICY_VIOLATION, "data ahead of the new stream");
	} else {
		restart(s);
	}
}

static void
arrived(struct conn *conn, void *owner)
{
	struct s2s *s = owner;

	(void)conn;
	list_append(&here->all, &s->link);
	timer_set(&s->timer, s->deadline_ms - reactor_now_ms(reactor_current()), on_timer);
	s->state = S2S_HEADER;
	s2s_wait(s, false);
	if (s->opened)
		s2s_in_arrived(s);
}

void
s2s_go_home(struct s2s *s)
{
	s->state = S2S_MOVING;
	s2s_wait(s, true);
	timer_clear(&s->timer);
	list_remove(&s->link);
	conn_move(s->conn, home_of(s->remote), arrived);
}

/* Ready */

static void
lane_changed(void *owner)
{
	update_reading(owner);
}

static void
lane_left(void *owner)
{
	struct s2s *s = owner;

	if (s->sm)
		s2s_sm_handled(s);
}

static void
open_lane(struct s2s *s)
{
	const struct limits *m = &home_config()->limits;

	s->lane = lane_new_for(&(struct lane_owner){ .changed = lane_changed, .left = lane_left, .peer = s->peer_record,
		.stanzas = m->s2s_lane_stanzas }, s);
	stream_rate_init(&s->rate, m->s2s_stanzas_burst);
}

void
s2s_route(struct s2s *s)
{
	if (s->sends && s->state == S2S_READY) {
		s->routed = route_ready(s);
		s->sends = s->routed;
	}
	if (s->state == S2S_READY && !s->sends && !s->receives)
		s2s_end(s, XSTREAM_NONE, "another stream goes there already");
}

static void
recorded(void *owner, bool ok)
{
	struct s2s *s = owner;

	s->recording = NULL;
	if (!ok) {
		s2s_end(s, XSTREAM_RESOURCE_CONSTRAINT, "the archive does not take records at the moment");
		return;
	}
	s->counted = true;
	metric_add(s->initiator ? METRIC_S2S_STREAMS_OUT : METRIC_S2S_STREAMS_IN, 1);
	if (s->receives)
		open_lane(s);
	if (!s->initiator || s2s_sm_begin(s))
		s2s_route(s);
	if (s->state == S2S_READY)
		s2s_wait(s, false);
}

/* limits.s2s_streams_per_partner: the one that has been silent for longest goes. */
static void
make_room(const struct s2s *s)
{
	struct s2s *oldest = NULL;
	uint64_t n = 0;

	LIST_EACH(l, &here->all) {
		struct s2s *o = LIST_ENTRY(l, struct s2s, link);

		if (o == s || o->initiator || o->state != S2S_READY || !jid_equal(o->remote, s->remote))
			continue;
		n++;
		if (!oldest || o->stanza_ms < oldest->stanza_ms)
			oldest = o;
	}
	if (n >= home_config()->limits.s2s_streams_per_partner)
		s2s_end(oldest, XSTREAM_RESOURCE_CONSTRAINT, "too many streams from this domain");
}

void
s2s_ready(struct s2s *s)
{
	struct parser_limits l = home_parser_limits();
	char tls[96];

	if (!s->initiator)
		make_room(s);
	s->state = S2S_READY;
	s->stanza_ms = reactor_now_ms(reactor_current());
	parser_set_limits(s->parser, &l);
	timer_set(&s->timer, 1, on_timer);
	log_info(conn_log(s->conn), "s2s-ready", "remote=%s local=%s direction=%s how=%s tls=%s certificate=%s address=%s", jid_domain(s->remote),
		jid_domain(s->local), s->initiator ? "out" : "in", s->how, tls_describe(conn_ssl(s->conn), tls), s->cert ? s->cert->fingerprint : NULL,
		conn_address(s->conn));
	s2s_wait(s, true);
	s->recording = peer_record_new(s, recorded, s);
}

/* Bytes in */

/* A newline behind the last element of the old stream may come after the new one has begun, where nothing may stand in front of the XML
 * declaration. */
static size_t
space_ahead(struct s2s *s, const char *p, size_t n)
{
	size_t i = 0;

	while (s->skip_space && i < n && stream_is_space(p + i, 1))
		i++;
	if (i < n)
		s->skip_space = false;
	return i;
}

static void
on_data(struct conn *conn, void *owner, const char *p, size_t n)
{
	struct s2s *s = owner;
	enum parser_error e;
	size_t space, used = 0;

	if (s->state == S2S_CLOSING)
		return;
	s->input_ms = reactor_now_ms(reactor_current());
	space = space_ahead(s, p, n);
	e = parser_feed(s->parser, p + space, n - space, &used);
	if (s->state == S2S_CLOSING)
		return;
	if (e != PARSER_OK) {
		s2s_end(s, stream_parser_error(e), parser_error_text(e));
		return;
	}
	used += space;
	if (s->turn != S2S_TURN_NONE)
		take_turn(s, p + used, n - used);
	else if (used < n)
		conn_keep_rest(conn, used);
}

static void
on_secured(struct conn *conn, void *owner)
{
	struct s2s *s = owner;
	struct parser_limits l = stream_limits_unauthenticated(true);

	(void)conn;
	parser_set_limits(s->parser, &l);
	s->state = S2S_HEADER;
	if (s->initiator)
		s2s_out_secured(s);
	else
		s2s_in_secured(s);
}

static void
on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why)
{
	struct s2s *s = owner;
	char words[256];

	log_debug(conn_log(conn), "connection-ended", "how=%d why=%s", how, why);
	if (s->state == S2S_HANDSHAKE && how == CONN_ERROR)
		log_info(conn_log(conn), "tls-failed", "remote=%s why=%s", remote_name(s), why);
	snprintf(words, sizeof(words), "%s: %s", s->state == S2S_HANDSHAKE ? "TLS failed" : "the connection broke", why ? why : "closed");
	free_with(s, words);
}

static void
on_flushed(struct conn *conn, void *owner, uint64_t upto)
{
	struct s2s *s = owner;

	(void)conn;
	if (s->routed)
		route_flushed(s, upto);
}

/* Elements */

static bool
stands_still(const struct s2s *s)
{
	return s->state == S2S_CLOSING || s->paused || timer_is_set(&s->throttle) || s->turn != S2S_TURN_NONE;
}

static void
on_opened(void *owner, const struct parser_header *h)
{
	struct s2s *s = owner;

	if (s->state != S2S_HEADER)
		s2s_end(s, XSTREAM_BAD_FORMAT, NULL);
	else if (s->initiator)
		s2s_out_opened(s, h);
	else
		s2s_in_opened(s, h);
	if (stands_still(s))
		parser_stop(s->parser);
}

static const char *
condition_name(const struct elem *error)
{
	for (const struct elem *e = elem_first(error); e; e = elem_next(e, NULL, NULL))
		for (int x = XSTREAM_NONE + 1; x <= XSTREAM_UNSUPPORTED_VERSION; x++)
			if (e->ns == NS_STREAM_ERRORS && !strcmp(e->name, xstream_error_name((enum xstream_error)x)))
				return xstream_error_name((enum xstream_error)x);
	return xstream_error_name(XSTREAM_UNDEFINED_CONDITION);
}

/* They end the stream and say why. A redirection (see-other-host) is not followed: nobody but the name servers says where a domain's server is. */
static void
take_error(struct s2s *s, const struct elem *error)
{
	const struct elem *text = elem_child(error, NS_STREAM_ERRORS, "text");
	const char *said = text ? elem_text(text, reactor_scratch(reactor_current())) : NULL;
	char words[320];

	s->peer_error = condition_name(error);
	log_info(conn_log(s->conn), "remote-stream-error", "remote=%s condition=%s text=%.*s", remote_name(s), s->peer_error,
		200, said ? said : "");
	snprintf(words, sizeof(words), "the other server said: %s%s%.200s", s->peer_error, said && *said ? ", " : "", said ? said : "");
	s2s_end(s, XSTREAM_NONE, words);
}

static bool
is_stanza_name(const char *name)
{
	return !strcmp(name, "message") || !strcmp(name, "presence") || !strcmp(name, "iq");
}

static void
take_ready(struct s2s *s, struct stanza *st)
{
	const struct elem *e = st->root;
	bool stanza = is_stanza_name(e->name);

	if (stanza && e->ns == NS_SERVER && s->receives) {
		s2s_stanza(s, st);
		return;
	}
	if (stanza && e->ns == NS_SERVER)
		s2s_end(s, XSTREAM_NOT_AUTHORIZED, "this stream has one direction");
	else if (stanza && e->ns == NS_CLIENT)
		s2s_end(s, XSTREAM_INVALID_NAMESPACE, NULL);
	else if (!s2s_sm_element(s, e) && !dialback_element(s, st))
		s2s_end(s, XSTREAM_UNSUPPORTED_STANZA_TYPE, NULL); /* RFC 6120 §4.9.3.24 */
	stanza_unref(st);
}

static void
on_element(void *owner, struct stanza *st)
{
	struct s2s *s = owner;

	if (s->state == S2S_CLOSING) {
		stanza_unref(st);
	} else if (elem_is(st->root, NS_STREAMS, "error")) {
		take_error(s, st->root);
		stanza_unref(st);
	} else if (s->state == S2S_READY) {
		take_ready(s, st);
	} else if (s->initiator) {
		s2s_out_element(s, st);
	} else {
		s2s_in_element(s, st);
	}
	if (stands_still(s))
		parser_stop(s->parser);
}

static void
on_closed(void *owner)
{
	s2s_end(owner, XSTREAM_NONE, "the other server closed the stream");
}

/* Time */

/* federation.idle; and before it a space now and then, so that neither a firewall nor TCP takes the stream for dead. */
static void
check_idle(struct s2s *s)
{
	int64_t idle = (int64_t)home_config()->federation.idle_ms, silent = reactor_now_ms(reactor_current()) - s->stanza_ms;

	if (silent >= idle && !s->recording) {
		log_debug(conn_log(s->conn), "s2s-idle", "remote=%s", jid_domain(s->remote));
		s2s_end(s, XSTREAM_NONE, "nothing was said for long");
		return;
	}
	if (s->output == conn_mark(s->conn))
		conn_write(s->conn, " ", 1);
	s->output = conn_mark(s->conn);
	timer_set(&s->timer, idle - silent < SPACE_MS && idle > silent ? idle - silent : SPACE_MS, on_timer);
}

static void
on_timer(struct timer *t)
{
	struct s2s *s = LIST_ENTRY(t, struct s2s, timer);

	if (s->state == S2S_READY)
		check_idle(s);
	else if (s->state == S2S_CLOSING || s->state == S2S_HANDSHAKE || !s->conn)
		free_with(s, "it took too long"); /* nothing could be said */
	else
		s2s_end(s, XSTREAM_CONNECTION_TIMEOUT, "authentication took too long");
}

/* The reactor's streams */

void
s2s_home_start(void)
{
	here = NEW(struct streams);
	list_init(&here->all);
	s2s_sm_home_start();
}

void
s2s_home_quiet(void)
{
	here->quiet = true;
	LIST_EACH(l, &here->all) {
		struct s2s *s = LIST_ENTRY(l, struct s2s, link);

		if (s->conn)
			update_reading(s);
	}
}

unsigned
s2s_home_shutdown(void)
{
	unsigned n = 0;

	LIST_EACH(l, &here->all) {
		s2s_end(LIST_ENTRY(l, struct s2s, link), XSTREAM_SYSTEM_SHUTDOWN, NULL);
		n++;
	}
	return n;
}

void
s2s_home_stop(void)
{
	LIST_EACH(l, &here->all)
		s2s_free(LIST_ENTRY(l, struct s2s, link));
	s2s_sm_home_stop();
	free(here);
	here = NULL;
}
