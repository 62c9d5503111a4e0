/*
 * c2s_input: what comes in on a stream: bytes, the turns after which they mean something else (TLS, a new header, another home),
 * the stream header, and elements: to the negotiation, then to the session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/home.h"
#include "core/session.h"
#include "core/stream/c2s_priv.h"
#include "core/stream/resume.h"
#include "core/stream/sasl2.h"
#include "xmpp/ns.h"

/* Turns */

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

/* Bytes */

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

bool
c2s_parsed(struct c2s *c, const char *p, size_t n, size_t *used)
{
	enum parser_error e = parser_feed(c->parser, p, n, used);

	if (c->state != C2S_CLOSING && e != PARSER_OK)
		c2s_refuse(c, stream_parser_error(e), parser_error_text(e));
	return c->state != C2S_CLOSING;
}

/* XEP-0388 §2.4: while we wait for what comes next in the exchange, nothing else may come, white space neither. A newline right
 * behind an element is part of what came with it: clients that end each with one harm nobody. */
static bool
is_stray_space(const struct c2s *c, const char *p, size_t n)
{
	return c->sasl2 && c->state == C2S_CHALLENGED && n && stream_is_space(p, 1) && parser_is_idle(c->parser);
}

static size_t
space_behind(const struct c2s *c, const char *p, size_t n)
{
	size_t i = 0;

	while (c->sasl2 && i < n && stream_is_space(p + i, 1))
		i++;
	return i;
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
	if (is_stray_space(c, p, n)) {
		c2s_refuse(c, XSTREAM_POLICY_VIOLATION, "white space during authentication");
		return;
	}
	space = space_ahead(c, p, n);
	if (!c2s_parsed(c, p + space, n - space, &used))
		return;
	used += space;
	if (c->turn != TURN_NONE) {
		take_turn_with(c, p + used, n - used);
	} else if ((used += space_behind(c, p + used, n - used)) < n) {
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

/* BCP 47, as far as it can be seen without a register: parts of one to eight letters and digits. */
static bool
is_language(const char *s)
{
	size_t n;

	for (;; s += n + 1) {
		n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
		if (n < 1 || n > 8 || (s[n] && s[n] != '-'))
			return false;
		if (!s[n])
			return true;
	}
}

void
c2s_on_opened(struct c2s *c, const struct parser_header *h)
{
	enum xstream_error e = check_header(c, h);

	c2s_write_header(c);
	if (e != XSTREAM_NONE) {
		parser_stop(c->parser);
		c2s_end(c, e, NULL);
		return;
	}
	free(c->lang);
	/* RFC 6120 §8.1.5: it is put into stanzas that do not say, which others read. */
	c->lang = h->lang && strlen(h->lang) <= 64 && is_language(h->lang) ? mem_strdup(h->lang) : NULL;
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

	if (c->state == C2S_CLOSING || (c2s_home_is_deaf() && is_stanza(st->root))) {
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

const struct conn_ops c2s_conn_ops = { on_data, on_secured, on_ended, on_flushed };
const struct parser_ops c2s_parser_ops = { on_opened, on_stanza, on_closed };
