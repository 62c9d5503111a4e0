/*
 * s2s_read: what comes on the stream of another server: bytes, headers, elements; and the turns between one stream and the next: TLS, the restart
 * behind authentication, the way home.
 */
#include <stdio.h>
#include <string.h>

#include "base/crypt.h"
#include "core/federation/route.h"
#include "core/federation/s2s_priv.h"
#include "core/host.h"
#include "core/user.h"
#include "xmpp/domain.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

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

	/* An IP literal stays as it is. */
	if (domain_to_ascii(jid_domain(s->local), own, sizeof(own)) < 0)
		snprintf(own, sizeof(own), "%s", jid_domain(s->local));
	if (domain_to_ascii(jid_domain(s->remote), server, sizeof(server)) < 0)
		snprintf(server, sizeof(server), "%s", jid_domain(s->remote));
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
	s2s_enlist(s);
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
		log_info(conn_log(conn), "tls-failed", "remote=%s why=%s", s2s_remote_name(s), why);
	snprintf(words, sizeof(words), "%s: %s", s->state == S2S_HANDSHAKE ? "TLS failed" : "the connection broke", why ? why : "closed");
	s2s_free_with(s, words);
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
	log_info(conn_log(s->conn), "remote-stream-error", "remote=%s condition=%s text=%.*s", s2s_remote_name(s), s->peer_error,
		200, said ? said : "");
	/* Senders read this: what somebody on the way may have written is not for them. */
	if (!s->cert || s->cert->verdict != CERT_GOOD)
		said = NULL;
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
	s2s_left(owner);
}

const struct conn_ops s2s_conn_ops = { on_data, on_secured, on_ended, on_flushed };
const struct parser_ops s2s_parser_ops = { on_opened, on_element, on_closed };
