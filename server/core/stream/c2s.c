/*
 * c2s: the stream object: bytes in, header, stanzas, bytes out, and its end.
 *
 * One list per reactor holds its streams. c2s_end is the only way a stream ends on our side: it writes what is
 * due, forgets the session, and leaves the rest to a short linger, so that the peer can read the error.
 */
#include "core/stream/c2s_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/everyone.h"
#include "core/home.h"
#include "core/session.h"
#include "core/stream/sasl2.h"
#include "net/listener.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

struct streams {
	struct list all;
	unsigned n;
	bool quiet; /* the server is stopping: nothing more is read */
	bool deaf;  /* … but what clients confirm; their stanzas are not taken, and not counted */
};

static _Thread_local struct streams *here;

static void on_data(struct conn *conn, void *owner, const char *p, size_t n);
static void on_secured(struct conn *conn, void *owner);
static void on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why);
static void on_flushed(struct conn *conn, void *owner, uint64_t upto);
static void on_opened(void *owner, const struct parser_header *h);
static void on_stanza(void *owner, struct stanza *st);
static void on_closed(void *owner);
static void on_timer(struct timer *t);
static void set_closing(struct c2s *c);

static const struct conn_ops conn_ops = { on_data, on_secured, on_ended, on_flushed };
static const struct parser_ops parser_ops = { on_opened, on_stanza, on_closed };

/* Birth and death */

/* The session goes on without us, when it may. */
static void
lose_session(struct c2s *c)
{
	struct session *s = c->session;

	c->session = NULL;
	if (s)
		session_stream_lost(s);
}

void
c2s_free(struct c2s *c)
{
	lose_session(c);
	c2s_login_fini(c);
	timer_clear(&c->timer);
	timer_clear(&c->throttle);
	if (c->source_counted)
		source_left(conn_source(c->conn), c->authenticated);
	conn_close(c->conn);
	parser_free(c->parser);
	c2s_frames_fini(c);
	list_remove(&c->link);
	here->n--;
	jid_unref(c->jid);
	jid_unref(c->claimed);
	free(c->client);
	free(c->via);
	free(c->lang);
	reactor_free_later(reactor_current(), free, c);
}

bool
c2s_is_secure(const struct c2s *c)
{
	return c->frames || conn_is_secure(c->conn);
}

bool
c2s_takes_streams(void)
{
	return here && !here->quiet;
}

struct c2s *
c2s_new(struct conn *conn, bool secure, struct c2s_frames *frames)
{
	const struct config *cf = home_config();
	struct parser_limits l = stream_limits_unauthenticated(secure);
	struct c2s *c = NEW(struct c2s);

	c->conn = conn;
	conn_set_owner(conn, &conn_ops, c);
	c->frames = frames;
	c->parser = frames ? parser_new_framed(&parser_ops, c, &l) : parser_new(&parser_ops, c, &l);
	list_append(&here->all, &c->link);
	here->n++;
	c->deadline_ms = reactor_now_ms(reactor_current()) + (int64_t)cf->limits.login_seconds * 1000;
	timer_set(&c->timer, (int64_t)cf->limits.login_seconds * 1000, on_timer);
	c->source_counted = source_joined(conn_source(c->conn));
	if (c->source_counted)
		return c;
	c2s_free(c);
	return NULL;
}

void
c2s_accept(int fd, const struct sockaddr *peer, void *direct_tls)
{
	struct conn *conn = conn_new(fd, peer, &conn_ops, NULL, home_config()->limits.output_bytes);
	struct c2s *c = c2s_new(conn, *(bool *)direct_tls, NULL);

	if (!c)
		return;
	c->direct_tls = *(bool *)direct_tls;
	if (c->direct_tls) {
		struct tls_set *tls = host_tls();

		c->state = C2S_HANDSHAKE;
		if (conn_start_tls(c->conn, tls, true, 0))
			c2s_end(c, XSTREAM_NONE, NULL);
		tls_set_unref(tls);
	}
}

const char *
c2s_host_name(const struct c2s *c)
{
	return (c->host ? c->host : host_at(0))->domain;
}

static void
write_header(struct c2s *c)
{
	struct buf *out;
	char id[33];

	crypt_random_hex(id, 16);
	c->opened = true;
	if (c->frames) {
		c2s_framed_open(c, id);
		return;
	}
	out = conn_out(c->conn);
	buf_adds(out, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
		"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' xml:lang='en' id='");
	buf_adds(out, id);
	buf_adds(out, "' from='");
	serialize_attr(out, c2s_host_name(c), strlen(c2s_host_name(c)));
	/* RFC 6120 §4.7.2: whom the client has named, and nobody otherwise. */
	if (c->claimed) {
		buf_adds(out, "' to='");
		serialize_attr(out, jid_bare(c->claimed), jid_bare_len(c->claimed));
	}
	buf_adds(out, "'>");
	conn_wrote(c->conn);
}

static bool
may_write(const struct c2s *c)
{
	return c->state != C2S_CLOSING && c->state != C2S_HANDSHAKE;
}

/* How fast a client may send what no lane holds back (stream.h) */

static void
end_throttle(struct c2s *c)
{
	if (!timer_is_set(&c->throttle))
		return;
	timer_clear(&c->throttle);
	conn_resume(c->conn);
}

static void
throttle_over(struct timer *t)
{
	conn_resume(LIST_ENTRY(t, struct c2s, throttle)->conn);
}

void
c2s_charge(struct c2s *c)
{
	const struct limits *l = &home_config()->limits;

	if (c->state != C2S_BOUND || stream_rate_charge(&c->rate, l->stanzas_per_second, l->stanzas_burst) || timer_is_set(&c->throttle))
		return;
	metric_add(METRIC_THROTTLED, 1);
	conn_pause(c->conn);
	timer_set(&c->throttle, STREAM_THROTTLE_MS, throttle_over);
}

bool
c2s_stands_still(const struct c2s *c)
{
	return c->paused || timer_is_set(&c->throttle);
}

void
c2s_linger(struct c2s *c)
{
	timer_set(&c->timer, C2S_LINGER_MS + 1000, on_timer);
}

void
c2s_lost(struct c2s *c)
{
	lose_session(c);
	set_closing(c);
}

static void
set_closing(struct c2s *c)
{
	c->state = C2S_CLOSING;
	c2s_login_fini(c);
	if (c->paused)
		conn_resume(c->conn);
	c->paused = false;
	end_throttle(c);
	if (c->frames)
		c2s_framed_closing(c);
	else
		conn_shutdown(c->conn, C2S_LINGER_MS, true);
	c2s_linger(c);
}

static void
end_with(struct c2s *c, enum xstream_error e, const char *text, const char *extra)
{
	c->session = NULL;
	if (may_write(c)) {
		struct buf *out;

		if (!c->opened)
			write_header(c);
		out = c2s_out(c);
		if (extra)
			buf_adds(out, extra);
		else if (e != XSTREAM_NONE)
			xstream_error_write(out, e, text);
		if (!c->frames)
			buf_adds(out, "</stream:stream>");
		c2s_wrote(c);
		if (c->frames)
			c2s_framed_close(c);
	}
	if (e != XSTREAM_NONE)
		log_info(conn_log(c->conn), "stream-error", "condition=%s text=%s", xstream_error_name(e), text);
	if (c->state != C2S_CLOSING)
		set_closing(c);
}

void
c2s_end(struct c2s *c, enum xstream_error e, const char *text)
{
	end_with(c, e, text, NULL);
}

void
c2s_refuse(struct c2s *c, enum xstream_error e, const char *text)
{
	if (c->session)
		session_close(c->session, e, text);
	else
		c2s_end(c, e, text);
}

void
c2s_fail_sm(struct c2s *c, uint32_t h, unsigned sent)
{
	struct session *s = c->session;
	char error[512];

	snprintf(error, sizeof(error),
		"<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
		"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='%u' send-count='%u'/></stream:error>",
		h, sent);
	metric_error("stream", "undefined-condition");
	metric_add(METRIC_STREAM_ERRORS, 1);
	end_with(c, XSTREAM_UNDEFINED_CONDITION, "handled-count-too-high", error);
	if (s)
		session_close(s, XSTREAM_NONE, NULL);
}

/* Bytes in */

static void
start_tls(struct c2s *c, size_t unread)
{
	struct tls_set *tls;

	/* What came behind <starttls/> in the clear must not be read as if it had come protected. White space says
	 * nothing: clients that end each element with a newline (go-xmpp) break RFC 6120 §5.3.3, but harm nobody. */
	if (unread) {
		log_warning(conn_log(c->conn), "starttls-injection", "bytes=%zu", unread);
		c2s_end(c, XSTREAM_POLICY_VIOLATION, "data behind starttls");
		return;
	}
	c2s_writef(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	parser_restart(c->parser);
	c->opened = false;
	tls = host_tls();
	if (conn_start_tls(c->conn, tls, false, 0))
		c2s_end(c, XSTREAM_NONE, NULL);
	else
		c->state = C2S_HANDSHAKE;
	tls_set_unref(tls);
}

/* After <success/> a new stream begins: nothing may have been sent ahead of it. */
static void
restart(struct c2s *c)
{
	if (c->early) {
		c2s_end(c, XSTREAM_POLICY_VIOLATION, "data ahead of the new stream");
		return;
	}
	parser_restart(c->parser);
	c->opened = false;
	c->skip_space = true;
	c->state = C2S_HEADER;
	c2s_move_home(c);
}

static void
take_turn_with(struct c2s *c, const char *rest, size_t n)
{
	enum c2s_turn turn = c->turn;

	c->turn = TURN_NONE;
	c->early |= !stream_is_space(rest, n);
	if (turn == TURN_STARTTLS)
		start_tls(c, stream_is_space(rest, n) ? 0 : n);
	else if (turn == TURN_HOME)
		sasl2_go_home(c);
	else
		restart(c);
}

void
c2s_take_turn(struct c2s *c)
{
	take_turn_with(c, "", 0);
}

static void
arrived(struct conn *conn, void *owner)
{
	struct c2s *c = owner;

	(void)conn;
	c2s_moved(c, false);
	if (c->sasl2)
		sasl2_arrived(c);
	else
		c2s_full_limits(c);
}

void
c2s_move_home(struct c2s *c)
{
	c2s_moved(c, true);
	conn_move(c->conn, home_of(c->jid), arrived);
}

void
c2s_full_limits(struct c2s *c)
{
	struct parser_limits l = home_parser_limits();

	parser_set_limits(c->parser, &l);
	if (c->frames)
		c2s_framed_limit(c, l.stanza_bytes);
}

/* The same when the answer came from a job, outside a data callback. */
void
c2s_restart(struct c2s *c)
{
	c2s_resume_reading(c);
	restart(c);
}

/* A newline behind </auth> belongs to the old stream, but may come after we have begun the new one, where nothing
 * may stand in front of the XML declaration. */
static size_t
space_ahead(struct c2s *c, const char *p, size_t n)
{
	size_t i = 0;

	while (c->skip_space && i < n && stream_is_space(p + i, 1))
		i++;
	if (i < n)
		c->skip_space = false;
	return i;
}

/* False: the stream has ended over it. */
bool
c2s_parsed(struct c2s *c, const char *p, size_t n, size_t *used)
{
	enum parser_error e = parser_feed(c->parser, p, n, used);

	if (c->state != C2S_CLOSING && e != PARSER_OK)
		c2s_refuse(c, stream_parser_error(e), parser_error_text(e));
	return c->state != C2S_CLOSING;
}

static void
on_data(struct conn *conn, void *owner, const char *p, size_t n)
{
	struct c2s *c = owner;
	size_t space, used = 0;

	if (c->frames) {
		c->input_ms = reactor_now_ms(reactor_current());
		c->pinged = c->early = false;
		c2s_framed_data(c, p, n);
		return;
	}
	if (c->state == C2S_CLOSING)
		return;
	c->input_ms = reactor_now_ms(reactor_current());
	c->pinged = c->early = false;
	space = space_ahead(c, p, n);
	if (!c2s_parsed(c, p + space, n - space, &used))
		return;
	used += space;
	if (c->turn != TURN_NONE) {
		take_turn_with(c, p + used, n - used);
	} else if (used < n) {
		c->early = c->state == C2S_LOOKING_UP && !c->authenticated && !stream_is_space(p + used, n - used);
		conn_keep_rest(conn, used);
	}
}

static void
on_secured(struct conn *conn, void *owner)
{
	struct c2s *c = owner;
	struct parser_limits l = stream_limits_unauthenticated(true);

	(void)conn;
	parser_set_limits(c->parser, &l);
	c->state = C2S_HEADER;
}

static void
on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why)
{
	struct c2s *c = owner;

	log_debug(conn_log(conn), "connection-ended", "how=%d why=%s", how, why);
	if (c->state == C2S_HANDSHAKE && how == CONN_ERROR)
		log_info(conn_log(conn), "tls-failed", "why=%s", why);
	c2s_free(c);
}

static void
on_flushed(struct conn *conn, void *owner, uint64_t upto)
{
	struct c2s *c = owner;

	(void)conn;
	if (c->session)
		resume_flushed(c->session, upto);
}

/* Stream header */

static void
take_claim(struct c2s *c, const char *from)
{
	jid_unref(c->claimed);
	c->claimed = from && *from ? jid_parse_z(from) : NULL;
}

/* XEP-0388 §2.1: who says it is somebody of another domain than the one it wants to talk to will not get on; nor does, once it has
 * authenticated, who says it is somebody else (RFC 6120 §4.9.3.9). In the clear the name is not judged. */
static bool
claim_is_right(struct c2s *c, const char *from)
{
	if (!c2s_is_secure(c) || !from || !*from)
		return true;
	return c->claimed && !strcmp(jid_domain(c->claimed), c->host->domain) && (!c->jid || jid_equal_bare(c->claimed, c->jid));
}

static enum xstream_error
check_header(struct c2s *c, const struct parser_header *h)
{
	struct jid *to = h->to ? jid_parse_z(h->to) : NULL;
	const struct host *host = to && jid_is_domain(to) ? host_find(jid_domain(to)) : NULL;
	unsigned major = 0;

	jid_unref(to);
	take_claim(c, h->from);
	if (!h->ns || strcmp(h->ns, NS_CLIENT))
		return XSTREAM_INVALID_NAMESPACE;
	if (c->host && host && host != c->host)
		return XSTREAM_NOT_AUTHORIZED; /* another host than the one before TLS or SASL */
	if (!host)
		return h->to ? XSTREAM_HOST_UNKNOWN : XSTREAM_IMPROPER_ADDRESSING;
	c->host = host;
	/* RFC 6120 §4.7.5 */
	if (!h->version || sscanf(h->version, "%u.", &major) != 1 || major < 1)
		return XSTREAM_UNSUPPORTED_VERSION;
	return claim_is_right(c, h->from) ? XSTREAM_NONE : XSTREAM_INVALID_FROM;
}

void
c2s_on_opened(struct c2s *c, const struct parser_header *h)
{
	enum xstream_error e = check_header(c, h);

	write_header(c);
	if (e != XSTREAM_NONE) {
		parser_stop(c->parser);
		c2s_end(c, e, NULL);
		return;
	}
	free(c->lang);
	c->lang = h->lang && strlen(h->lang) <= 64 ? mem_strdup(h->lang) : NULL;
	c->state = c->authenticated ? C2S_BIND : c2s_is_secure(c) ? C2S_AUTH : C2S_PLAIN;
	c2s_write_features(c);
}

static void
on_opened(void *owner, const struct parser_header *h)
{
	c2s_on_opened(owner, h);
}

void
c2s_on_closed(struct c2s *c)
{
	if (c->session)
		session_leave(c->session);
	else
		c2s_end(c, XSTREAM_NONE, NULL);
}

static void
on_closed(void *owner)
{
	c2s_on_closed(owner);
}

/* Stanzas */

static bool
is_stanza(const struct elem *e)
{
	return e->ns == NS_CLIENT &&
		(!strcmp(e->name, "message") || !strcmp(e->name, "presence") || !strcmp(e->name, "iq"));
}

/* A message that policy has refused is held back no more than what is none. */
static void
take_stanza(struct c2s *c, struct stanza *st)
{
	struct session *s = c->session;
	bool may_wait = stream_is_held_back(st->root);
	unsigned before = lane_depth(s->lane);

	session_received(s, st);
	if (c->session == s && !(may_wait && lane_depth(s->lane) > before))
		c2s_charge(c);
}

/* RFC 6120 §4.9.3.24, unless a module knows it. It counts against the rate as a stanza does. */
static void
take_nonza(struct c2s *c, const struct elem *e)
{
	c2s_charge(c);
	if (!c->session || !session_nonza(c->session, e))
		c2s_refuse(c, XSTREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

static void
on_stanza(void *owner, struct stanza *st)
{
	struct c2s *c = owner;
	struct session *s = c->session;

	if (c->state == C2S_CLOSING || (here->deaf && is_stanza(st->root))) {
		stanza_unref(st);
	} else if (elem_is(st->root, NS_STREAMS, "error")) {
		/* RFC 6120 §4.9.1.1: the stream is over, and its end is all that is left to say. */
		stanza_unref(st);
		c2s_refuse(c, XSTREAM_NONE, NULL);
	} else if (c->frames && c2s_framed_element(c, st)) {
		stanza_unref(st);
	} else if (c->state != C2S_BOUND) {
		c2s_negotiate(c, st);
	} else if (is_stanza(st->root)) {
		take_stanza(c, st);
	} else {
		if (st->root->ns != NS_SM)
			take_nonza(c, st->root);
		else if (!resume_nonza(c, s, st->root))
			c2s_charge(c);
		stanza_unref(st);
	}
	if (c->state == C2S_CLOSING || c2s_stands_still(c) || c->turn != TURN_NONE)
		parser_stop(c->parser);
}

/* Bytes out */

void
c2s_send(struct c2s *c, struct packet *p)
{
	if (!may_write(c))
		return;
	packet_write(c2s_out(c), p, c->session ? c->session->jid : NULL);
	c2s_wrote(c);
}

void
c2s_write(struct c2s *c, const char *p, size_t n)
{
	if (!may_write(c))
		return;
	buf_add(c2s_out(c), p, n);
	c2s_wrote(c);
}

void
c2s_writef(struct c2s *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text))
		c2s_write(c, text, (size_t)n);
}

void
c2s_ask_ack(struct c2s *c)
{
	static const char r[] = "<r xmlns='urn:xmpp:sm:3'/>";

	c2s_write(c, r, sizeof(r) - 1);
}

size_t
c2s_unsent(const struct c2s *c)
{
	return (size_t)(conn_mark(c->conn) - conn_flushed(c->conn));
}

uint64_t
c2s_mark(const struct c2s *c)
{
	return conn_mark(c->conn);
}

void
c2s_pause(struct c2s *c)
{
	if (c->paused)
		return;
	c->paused = true;
	conn_pause(c->conn);
}

void
c2s_resume_reading(struct c2s *c)
{
	if (!c->paused || here->quiet)
		return;
	c->paused = false;
	conn_resume(c->conn);
}

const char *
c2s_address(const struct c2s *c)
{
	return conn_address(c->conn);
}

const char *
c2s_tls(const struct c2s *c, char out[96])
{
	return c->via ? c->via : tls_describe(conn_ssl(c->conn), out);
}

const char *
c2s_mechanism(const struct c2s *c)
{
	return sasl_mechanism_name(c->mechanism);
}

int64_t
c2s_device(const struct c2s *c)
{
	return c->device;
}

const char *
c2s_client(const struct c2s *c)
{
	return c->client;
}

const char *
c2s_lang(const struct c2s *c)
{
	return c->lang;
}

void
c2s_set_session(struct c2s *c, struct session *s)
{
	c->session = s;
	if (s && c->state != C2S_CLOSING)
		c->state = C2S_BOUND;
}

/* Time */

static void
check_idle(struct c2s *c)
{
	const struct config *cf = home_config();
	int64_t silent = reactor_now_ms(reactor_current()) - c->input_ms;
	int64_t ask = (int64_t)cf->stream.ping_ms, grace = (int64_t)cf->stream.ping_timeout_ms;

	if (!ask) {
		timer_set(&c->timer, 60000, on_timer);
	} else if (!c->pinged && silent >= ask) {
		c->pinged = true;
		if (c->session && c->session->sm.enabled)
			c2s_ask_ack(c);
		else
			c2s_writef(c, "<iq type='get' id='server-ping'><ping xmlns='urn:xmpp:ping'/></iq>");
		timer_set(&c->timer, grace, on_timer);
	} else if (c->pinged && silent >= ask) {
		log_info(conn_log(c->conn), "ping-timeout", "silent_ms=%lld", (long long)silent);
		lose_session(c);
		end_with(c, XSTREAM_CONNECTION_TIMEOUT, NULL, NULL);
	} else {
		timer_set(&c->timer, ask - silent > 0 ? ask - silent : 1, on_timer);
	}
}

static void
on_timer(struct timer *t)
{
	struct c2s *c = LIST_ENTRY(t, struct c2s, timer);

	if (c->state == C2S_BOUND)
		check_idle(c);
	else if (c->state == C2S_CLOSING && c->frames && !c->frames_said_bye)
		c2s_framed_bye(c);
	else if (c->state == C2S_CLOSING || c->state == C2S_HANDSHAKE)
		c2s_free(c); /* nothing could be said */
	else
		c2s_end(c, XSTREAM_CONNECTION_TIMEOUT, "login took too long");
}

/* The reactor's list */

void
c2s_moved(struct c2s *c, bool away)
{
	if (away) {
		timer_clear(&c->timer);
		list_remove(&c->link);
		here->n--;
		return;
	}
	list_append(&here->all, &c->link);
	here->n++;
	timer_set(&c->timer, c->deadline_ms - reactor_now_ms(reactor_current()), on_timer);
}

void
c2s_login_within(struct c2s *c, uint64_t seconds)
{
	c->deadline_ms = reactor_now_ms(reactor_current()) + (int64_t)seconds * 1000;
	timer_set(&c->timer, (int64_t)seconds * 1000, on_timer);
}

void
c2s_bound(struct c2s *c)
{
	stream_rate_init(&c->rate, home_config()->limits.stanzas_burst);
	c->input_ms = reactor_now_ms(reactor_current());
	timer_set(&c->timer, home_config()->stream.ping_ms ? (int64_t)home_config()->stream.ping_ms : 60000, on_timer);
}

unsigned
c2s_count(void)
{
	return here->n;
}

unsigned
c2s_close_logins(const struct jid *bare, enum xstream_error e, const char *text)
{
	unsigned n = 0;

	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (!c2s_is_login_of(c, bare))
			continue;
		c2s_end(c, e, text);
		n++;
	}
	return n;
}

void
c2s_home_quiet(void)
{
	here->quiet = true;
	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (c->state != C2S_CLOSING)
			c2s_pause(c);
	}
}

/* Nobody can resume them after a restart: what they hold stays in the record. */
static void
end_detached(struct user *u, void *arg)
{
	struct everyone all = everyone(u);

	(void)arg;
	user_hold(u);
	for (unsigned i = 0; i < all.n; i++)
		if (!all.session[i]->stream)
			session_close(all.session[i], XSTREAM_NONE, NULL);
	user_release(u);
}

static bool
owes_confirmation(const struct c2s *c)
{
	return c->state == C2S_BOUND && c->session && c->session->sm.enabled && c->session->sm.n;
}

unsigned
c2s_home_confirm(void)
{
	bool first = !here->deaf;
	unsigned n = 0;

	here->deaf = true;
	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (!owes_confirmation(c))
			continue;
		n++;
		if (!first)
			continue;
		c2s_ask_ack(c);
		c->paused = false;
		conn_resume(c->conn);
		end_throttle(c);
	}
	return n;
}

unsigned
c2s_home_shutdown(void)
{
	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (c->state == C2S_CLOSING)
			continue;
		/* So that the client knows what need not be sent again. */
		if (c->session && c->session->sm.enabled)
			c2s_writef(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->session->sm.in);
		c2s_refuse(c, XSTREAM_SYSTEM_SHUTDOWN, NULL);
	}
	user_each(end_detached, NULL);
	return here->n;
}

void
c2s_home_start(void)
{
	here = NEW(struct streams);
	list_init(&here->all);
}

void
c2s_home_stop(void)
{
	LIST_EACH(l, &here->all)
		c2s_free(LIST_ENTRY(l, struct c2s, link));
	free(here);
	here = NULL;
}
