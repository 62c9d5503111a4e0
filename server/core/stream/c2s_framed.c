/*
 * c2s_framed: a stream whose elements come and go in WebSocket messages (RFC 7395): <open/> and <close/> instead of one long
 * document's tags, each message one complete element with the namespaces it needs.
 *
 * How it ends: our <close/> goes out, the client's comes in (or has), then the WebSocket's own closing handshake, then the
 * connection. A WebSocket that is closed without <close/>, or fails, is a connection that was lost: its session can be resumed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/stream/c2s_priv.h"
#include "net/ws.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define PONGS_MAX 16384 /* bytes that a stranger does not take: further pings are not answered (RFC 6455 §5.5.3: not each needs to be) */

struct c2s_frames {
	struct ws ws;
	size_t at;          /* where what c2s_out gave begins in the output */
	unsigned elements;  /* in the message that is being read */
	uint16_t code;      /* to close the WebSocket with */
	bool peer_closed;   /* has sent <close/> */
	bool deaf;          /* nothing it says is understood any more */
};

/* Going out */

static const char client_ns[] = " xmlns='jabber:client'", stream_ns[] = " xmlns:stream='http://etherx.jabber.org/streams'";

/* §3.3.3: what a document's start tag declares for all, each element declares here. Our own elements of other namespaces
 * declare them anyway, right behind their names. */
static const char *
missing_ns(const char *p, size_t n, size_t *name)
{
	static const char *const stanzas[] = { "<message", "<presence", "<iq" };

	for (size_t i = 0; i < sizeof(stanzas) / sizeof(stanzas[0]); i++) {
		*name = strlen(stanzas[i]);
		if (n > *name && !strncmp(p, stanzas[i], *name) && strchr(" >/", p[*name]))
			return n > *name + 7 && !strncmp(p + *name, " xmlns=", 7) ? "" : client_ns;
	}
	*name = n;
	for (size_t i = 0; n > 8 && !strncmp(p, "<stream:", 8) && i < n; i++)
		if (strchr(" >/", p[i])) {
			*name = i;
			return stream_ns;
		}
	return "";
}

struct buf *
c2s_out(struct c2s *c)
{
	struct buf *out = conn_out(c->conn);

	if (c->frames)
		c->frames->at = buf_len(out);
	return out;
}

/* Puts the frame's head in front of the element, and the namespace behind its name. */
static void
frame(struct c2s *c)
{
	/* conn_out has the length to go back to from c2s_out: it must not be called again. */
	struct buf *out = conn_out_again(c->conn);
	size_t n = buf_len(out) - c->frames->at, name, more, head;
	unsigned char h[WS_HEAD_MAX];
	const char *ns;
	char *p;

	if (!n)
		return;
	ns = missing_ns(buf_data(out) + c->frames->at, n, &name);
	more = strlen(ns);
	head = ws_head(WS_OP_TEXT, n + more, h);
	(void)buf_reserve(out, head + more);
	buf_added(out, head + more);
	p = out->data + out->off + c->frames->at;
	memmove(p + head + name + more, p + name, n - name);
	memmove(p + head, p, name);
	memcpy(p + head + name, ns, more);
	memcpy(p, h, head);
}

void
c2s_wrote(struct c2s *c)
{
	if (c->frames)
		frame(c);
	conn_wrote(c->conn);
}

void
c2s_framed_open(struct c2s *c, const char *id)
{
	struct buf *out = c2s_out(c);

	buf_addf(out, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' xml:lang='en' id='%s' from='", id);
	serialize_attr(out, c2s_host_name(c), strlen(c2s_host_name(c)));
	if (c->claimed) {
		buf_adds(out, "' to='");
		serialize_attr(out, jid_bare(c->claimed), jid_bare_len(c->claimed));
	}
	buf_adds(out, "'/>");
	c2s_wrote(c);
}

void
c2s_framed_close(struct c2s *c)
{
	buf_adds(c2s_out(c), "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
	c2s_wrote(c);
}

static void
write_control(struct c2s *c, enum ws_opcode op, const void *data, size_t n)
{
	struct buf *out = conn_out(c->conn);
	unsigned char h[WS_HEAD_MAX];

	buf_add(out, h, ws_head(op, n, h));
	buf_add(out, data, n);
	conn_wrote(c->conn);
}

void
c2s_framed_bye(struct c2s *c)
{
	unsigned char code[2] = { (unsigned char)(c->frames->code >> 8), (unsigned char)c->frames->code };

	if (c->frames_said_bye)
		return;
	c->frames_said_bye = true;
	write_control(c, WS_OP_CLOSE, code, sizeof(code));
	conn_shutdown(c->conn, C2S_LINGER_MS, true);
	c2s_linger(c);
}

void
c2s_framed_closing(struct c2s *c)
{
	if (c->frames->peer_closed || c->frames->deaf)
		c2s_framed_bye(c);
}

/* Coming in */

/* Nobody has said <close/>: as if the cable had been pulled. */
static void
lost(struct c2s *c, uint16_t code)
{
	c->frames->code = code;
	c->frames->deaf = true;
	if (c->state != C2S_CLOSING)
		c2s_lost(c);
	c2s_framed_bye(c);
}

static void
failed(struct c2s *c)
{
	struct c2s_frames *f = c->frames;

	metric_add(METRIC_WEBSOCKET_ERRORS, 1);
	log_info(conn_log(c->conn), "websocket-error", "code=%d", f->ws.code);
	if (f->ws.code != WS_TOO_BIG || c->state == C2S_CLOSING) {
		lost(c, f->ws.code);
		return;
	}
	f->code = f->ws.code;
	f->deaf = true;
	c2s_refuse(c, XSTREAM_POLICY_VIOLATION, "message over a limit");
}

/* §3.3.3: exactly one element, and its "<" comes first. */
static void
take_element(struct c2s *c, const char *p, size_t n)
{
	size_t used = 0;

	c->frames->elements = 0;
	if (!n || *p != '<') {
		c2s_refuse(c, XSTREAM_BAD_FORMAT, "a message begins with an element");
		return;
	}
	if (!c2s_parsed(c, p, n, &used))
		return;
	if (!stream_is_space(p + used, n - used))
		c2s_refuse(c, XSTREAM_BAD_FORMAT, "one element in a message");
	else if (!parser_is_idle(c->parser))
		c2s_refuse(c, XSTREAM_NOT_WELL_FORMED, "the message ends within an element");
}

static void
take_message(struct c2s *c)
{
	struct buf *m = &c->frames->ws.message;

	if (c->state != C2S_CLOSING)
		take_element(c, buf_data(m), buf_len(m));
	else if (buf_len(m) >= 6 && !memcmp(buf_data(m), "<close", 6))
		c2s_framed_bye(c);
	ws_next(&c->frames->ws);
}

static void
on_event(struct c2s *c, enum ws_event e)
{
	struct ws *w = &c->frames->ws;
	unsigned code = w->control_len ? (unsigned)w->control[0] << 8 | w->control[1] : WS_NORMAL;

	switch (e) {
	case WS_MESSAGE:
		take_message(c);
		break;
	case WS_PING:
		c2s_charge(c);
		if (!c->frames_said_bye && (c->state == C2S_BOUND || c2s_unsent(c) < PONGS_MAX))
			write_control(c, WS_OP_PONG, w->control, w->control_len);
		break;
	case WS_CLOSE:
		lost(c, ws_code_is_right(code) ? (uint16_t)code : WS_PROTOCOL_ERROR);
		break;
	case WS_ERROR:
		failed(c);
		break;
	default:
		break;
	}
}

void
c2s_framed_data(struct c2s *c, const char *p, size_t n)
{
	size_t at = 0, used;

	while (at < n && !c->frames->deaf && !c->frames_said_bye) {
		if (c2s_stands_still(c)) {
			conn_keep_rest(c->conn, at);
			return;
		}
		enum ws_event e = ws_feed(&c->frames->ws, p + at, n - at, &used);

		at += used;
		if (e != WS_MORE)
			on_event(c, e);
		if (c->turn != TURN_NONE) {
			/* It goes on where it goes to. */
			conn_keep_rest(c->conn, at);
			c2s_take_turn(c);
			return;
		}
	}
}

static void
open_stream(struct c2s *c, const struct elem *e)
{
	struct parser_header h = { .ns = NS_CLIENT, .to = elem_get(e, "to"), .from = elem_get(e, "from"), .id = elem_get(e, "id"),
		.version = elem_get(e, "version"), .lang = elem_lang(e) };

	c2s_on_opened(c, &h);
}

bool
c2s_framed_element(struct c2s *c, const struct stanza *st)
{
	const struct elem *e = st->root;

	if (c->frames->elements++) {
		c2s_refuse(c, XSTREAM_BAD_FORMAT, "one element in a message");
		return true;
	}
	if (e->ns != NS_FRAMING)
		return false;
	if (!strcmp(e->name, "open") && c->state == C2S_HEADER) {
		open_stream(c, e);
	} else if (!strcmp(e->name, "close")) {
		c->frames->peer_closed = true;
		c2s_on_closed(c);
	} else {
		c2s_refuse(c, XSTREAM_BAD_FORMAT, "an element of the framing that is not due");
	}
	return true;
}

/* Life */

static struct c2s *
adopt(struct conn *conn, bool masked)
{
	struct c2s_frames *f;

	if (!c2s_takes_streams()) {
		conn_close(conn);
		return NULL;
	}
	f = NEW(struct c2s_frames);
	f->code = WS_NORMAL;
	ws_init(&f->ws, masked, home_config()->limits.stanza_bytes_unauthenticated);
	return c2s_new(conn, true, f);
}

void
c2s_accept_websocket(struct conn *conn, void *unused)
{
	(void)unused;
	if (adopt(conn, true))
		metric_add(METRIC_WEBSOCKETS, 1);
}

struct arrival {
	struct mail mail;
	int fd;
	char *address, *source, *tls;
};

static void
arrive(struct mail *m)
{
	static const struct conn_ops none;
	struct arrival *a = (struct arrival *)m;
	size_t output = c2s_takes_streams() ? home_config()->limits.output_bytes : 0;
	struct conn *conn = conn_new(a->fd, NULL, &none, NULL, output);
	struct c2s *c;

	conn_set_peer(conn, a->address, a->source);
	c = adopt(conn, false);
	if (c)
		c->via = mem_strdup(a->tls);
	free(a->address);
	free(a->source);
	free(a->tls);
	free(a);
}

void
c2s_accept_pipe(struct reactor *at, int fd, const char *address, const char *source, const char *tls)
{
	struct arrival *a = NEW(struct arrival);

	a->mail.run = arrive;
	a->fd = fd;
	a->address = mem_strdup(address);
	a->source = mem_strdup(source);
	a->tls = mem_strdup(tls);
	reactor_post(at, &a->mail);
}

void
c2s_framed_limit(struct c2s *c, size_t bytes)
{
	c->frames->ws.max = bytes;
}

void
c2s_frames_fini(struct c2s *c)
{
	if (c->frames)
		ws_fini(&c->frames->ws);
	free(c->frames);
	c->frames = NULL;
}
