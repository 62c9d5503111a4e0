/*
 * c2s: the stream object: birth, bytes out, its times, and its end.
 *
 * c2s_end is the only way a stream ends on our side: it writes what is due, forgets the session, and leaves the rest to a
 * short linger, so that the peer can read the error.
 */
#include "core/stream/c2s_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/session.h"
#include "net/listener.h"
#include "xmpp/serialize.h"

static void on_timer(struct timer *t);
static void set_closing(struct c2s *c);

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
	c2s_home_leave(c);
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

struct c2s *
c2s_new(struct conn *conn, bool secure, struct c2s_frames *frames)
{
	const struct config *cf = home_config();
	struct parser_limits l = stream_limits_unauthenticated(secure);
	struct c2s *c = NEW(struct c2s);

	c->conn = conn;
	conn_set_owner(conn, &c2s_conn_ops, c);
	c->frames = frames;
	c->parser = frames ? parser_new_framed(&c2s_parser_ops, c, &l) : parser_new(&c2s_parser_ops, c, &l);
	c2s_home_join(c);
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
	struct conn *conn = conn_new(fd, peer, &c2s_conn_ops, NULL, home_config()->limits.output_bytes);
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

void
c2s_write_header(struct c2s *c)
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

void
c2s_end_throttle(struct c2s *c)
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

/* The end */

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
	c2s_end_throttle(c);
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
			c2s_write_header(c);
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
	if (!c->paused || !c2s_takes_streams())
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

void
c2s_moved(struct c2s *c, bool away)
{
	if (away) {
		timer_clear(&c->timer);
		c2s_home_leave(c);
		return;
	}
	c2s_home_join(c);
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
