#include "gateway/link.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "gateway/priv.h"
#include "gateway/text.h"
#include "xmpp/ns.h"

#define HANDSHAKE_MS 30000
#define READ_BYTES 65536
#define WRITE_HIGH 4194304 /* of output that chanceryd does not read, above which no more is written for now */

/* One attempt: outlives its stream until libuv has closed it. */
struct link_socket {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} u;
	uv_connect_t connect;
	struct gateway *g; /* NULL: given up */
};

/* One stanza, or several that differ in nothing but whom they are to. */
struct sent {
	struct list link;
	link_stored_fn *fn;
	void *arg;
	unsigned n;               /* stanzas */
	unsigned acked, written;  /* so many of them are: written to this stream, or acknowledged before it began */
	size_t len;               /* of all of them, as they go over the stream */
	size_t head, tail, to_at; /* bytes of each; where the next address is among those */
	char text[];              /* head, tail, addresses */
};

struct write {
	uv_write_t req;
	char *data;
};

static void try_again(struct gateway *g);

/* Writing */

static void
wrote(uv_write_t *req, int status)
{
	struct write *w = req->data;

	(void)status; /* what does not go out ends the stream where it is read */
	free(w->data);
	free(w);
}

static void
flush(struct link *l)
{
	struct write *w;
	uv_buf_t b;
	int n;

	if (!buf_len(&l->out) || !l->socket)
		return;
	b = uv_buf_init((char *)buf_data(&l->out), (unsigned)buf_len(&l->out));
	n = uv_try_write(&l->socket->u.stream, &b, 1);
	if (n > 0)
		buf_consume(&l->out, (size_t)n);
	if (!buf_len(&l->out)) {
		buf_clear(&l->out);
		return;
	}
	w = NEW(struct write);
	w->data = mem_alloc(buf_len(&l->out));
	memcpy(w->data, buf_data(&l->out), buf_len(&l->out));
	w->req.data = w;
	b = uv_buf_init(w->data, (unsigned)buf_len(&l->out));
	buf_clear(&l->out);
	if (uv_write(&w->req, &l->socket->u.stream, &b, 1, wrote))
		wrote(&w->req, 0);
}

static const char *
addresses(const struct sent *s)
{
	return s->text + s->head + s->tail;
}

static void
write_next(struct link *l, struct sent *s)
{
	const char *to = addresses(s) + s->to_at;
	size_t n = strlen(to);
	char *p = buf_reserve(&l->out, s->head + n + s->tail);

	memcpy(p, s->text, s->head);
	memcpy(p + s->head, to, n);
	memcpy(p + s->head + n, s->text + s->head, s->tail);
	buf_added(&l->out, s->head + n + s->tail);
	s->to_at += n + 1;
	s->written++;
	l->written++;
}

static void
write_sent(struct link *l, struct sent *s)
{
	while (s->written < s->n && buf_len(&l->out) < WRITE_HIGH)
		write_next(l, s);
}

/* Another stream: what was not acknowledged on the last one is to be written anew. */
static void
write_anew(struct sent *s)
{
	s->written = s->acked;
	s->to_at = 0;
	for (unsigned i = 0; i < s->acked; i++)
		s->to_at += strlen(addresses(s) + s->to_at) + 1;
}

static bool
takes(const struct link *l)
{
	return l->state == LINK_OPEN && buf_len(&l->out) < WRITE_HIGH && uv_stream_get_write_queue_size(&l->socket->u.stream) < WRITE_HIGH;
}

static void
give(struct link *l, struct sent *s)
{
	bool next = l->written - l->acked == l->waiting;

	list_append(&l->sent, &s->link);
	l->given += s->n;
	l->waiting += s->n;
	l->waiting_bytes += s->len;
	if (next && takes(l))
		write_sent(l, s);
}

void
link_send(struct gateway *g, const char *xml, size_t n, link_stored_fn *fn, void *arg)
{
	struct sent *s = mem_alloc(sizeof(*s) + n + 1);

	*s = (struct sent){ .fn = fn, .arg = arg, .n = 1, .len = n, .head = n };
	memcpy(s->text, xml, n);
	s->text[n] = '\0';
	give(&g->link, s);
}

void
link_send_copies(struct gateway *g, const struct link_copies *c, link_stored_fn *fn, void *arg)
{
	size_t head = buf_len(c->head), tail = buf_len(c->tail), to = buf_len(c->to);
	struct sent *s = mem_alloc(sizeof(*s) + head + tail + to);

	*s = (struct sent){ .fn = fn, .arg = arg, .n = c->n, .len = c->n * (head + tail) + to - c->n, .head = head, .tail = tail };
	memcpy(s->text, buf_data(c->head), head);
	memcpy(s->text + head, buf_data(c->tail), tail);
	memcpy(s->text + head + tail, buf_data(c->to), to);
	give(&g->link, s);
}

/* What could not be written when it was sent. */
static void
catch_up(struct link *l)
{
	if (l->written - l->acked == l->waiting || uv_stream_get_write_queue_size(&l->socket->u.stream) >= WRITE_HIGH)
		return;
	LIST_EACH(pos, &l->sent) {
		write_sent(l, LIST_ENTRY(pos, struct sent, link));
		if (buf_len(&l->out) >= WRITE_HIGH)
			return;
	}
}

void
link_turn(struct gateway *g)
{
	struct link *l = &g->link;
	uint32_t h;

	if (l->state == LINK_OPEN) {
		catch_up(l);
		if (ledger_answers(&g->ledger, g->now_ms, &h))
			buf_addf(&l->out, "<a xmlns='%s' h='%u'/>", NS_SM, h);
		if (!l->asking && l->written != l->acked) {
			l->asking = true;
			l->asked_at = l->written;
			l->asked_ms = g->now_ms;
			buf_addf(&l->out, "<r xmlns='%s'/>", NS_SM);
		}
	}
	flush(l);
}

/* The end of a stream */

static void
closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
drop(struct gateway *g)
{
	struct link *l = &g->link;

	uv_timer_stop(&l->timer);
	if (l->socket) {
		l->socket->g = NULL;
		uv_close(&l->socket->u.handle, closed);
		l->socket = NULL;
	}
	parser_free(l->parser);
	l->parser = NULL;
	buf_clear(&l->out);
	l->state = LINK_DOWN;
	ledger_reset(&g->ledger);
}

/* The stream is lost: what it had not acknowledged is for the next one. */
static void
lost(struct gateway *g, const char *why)
{
	struct link *l = &g->link;
	bool open = l->state == LINK_OPEN;

	if (l->state == LINK_DOWN)
		return;
	log_warning(NULL, open ? "stream-lost" : "stream-failed", "why=%s waiting=%zu", why, l->waiting);
	drop(g);
	if (open)
		l->tries = 0;
	LIST_EACH(pos, &l->sent)
		write_anew(LIST_ENTRY(pos, struct sent, link));
	l->written = l->acked = 0;
	l->asking = false;
	if (!g->stopping)
		try_again(g);
	else
		program_all_arrived(g);
}

/* A machine that has gone says nothing: TCP would notice after a quarter of an hour. */
void
link_tick(struct gateway *g)
{
	struct link *l = &g->link;
	uint64_t since = l->heard_ms > l->asked_ms ? l->heard_ms : l->asked_ms;

	if (l->state == LINK_OPEN && l->asking && g->now_ms - since > g->limits->silence_seconds * 1000)
		lost(g, "no answer");
}

/* What comes */

static void
write_handshake(struct gateway *g, const char *id)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	struct buf b = { 0 };
	unsigned n = 0;

	buf_adds(&b, id);
	buf_adds(&b, g->start.secret);
	/* XEP-0114 §3: SHA-1 of the stream's id and the secret. */
	if (!EVP_Digest(buf_data(&b), buf_len(&b), hash, &n, EVP_sha1(), NULL))
		n = 0;
	text_hex(hash, n, hex);
	crypt_wipe(b.data, b.cap);
	buf_fini(&b);
	buf_addf(&g->link.out, "<handshake>%s</handshake>", hex);
	g->link.state = LINK_HANDSHAKE;
}

static void
opened(void *owner, const struct parser_header *h)
{
	struct gateway *g = owner;

	if (g->link.state == LINK_HEADER)
		write_handshake(g, h->id ? h->id : "");
}

/* What cannot get better by trying again ends the program. */
static void
stream_error(struct gateway *g, const struct elem *e)
{
	const struct elem *c = elem_child(e, NS_STREAM_ERRORS, NULL);
	const char *name = c ? c->name : "undefined-condition";

	if (!strcmp(name, "not-authorized") || !strcmp(name, "host-unknown") || !strcmp(name, "host-gone")) {
		log_error(NULL, "stream-refused", "why=%s domain=%s", name, g->start.domain);
		drop(g);
		program_end(g, 2);
		return;
	}
	lost(g, name);
}

static void
take_answer(struct gateway *g, const struct elem *e)
{
	struct link *l = &g->link;
	const char *v = elem_get(e, "h");
	uint64_t h;

	if (!v || !text_u64(v, strlen(v), 0, UINT32_MAX, &h) || (uint32_t)h - l->acked > l->written - l->acked) {
		lost(g, "acknowledges what was not sent");
		return;
	}
	l->asking = false;
	while (l->acked != (uint32_t)h) {
		struct sent *s = LIST_ENTRY(l->sent.next, struct sent, link);
		uint32_t n = (uint32_t)h - l->acked;

		if (n > s->n - s->acked)
			n = s->n - s->acked;
		s->acked += n;
		l->acked += n;
		l->confirmed += n;
		l->waiting -= n;
		if (s->acked < s->n)
			break;
		list_remove(&s->link);
		l->waiting_bytes -= s->len;
		if (s->fn)
			s->fn(s->arg);
		free(s);
	}
	if (g->stopping && !l->waiting)
		program_all_arrived(g);
}

/* All that was not acknowledged goes first, in its order. */
static void
enabled(struct gateway *g)
{
	struct link *l = &g->link;

	l->state = LINK_OPEN;
	uv_timer_stop(&l->timer);
	ledger_begin(&g->ledger);
	if (l->waiting)
		stats_count(&g->stats, "repeated", (int64_t)l->waiting);
	l->tries = 0;
	log_info(NULL, "stream-open", "domain=%s repeated=%zu", g->start.domain, l->waiting);
	catch_up(l);
	questions_again(g);
	program_stream_up(g);
}

static void
take_nonza(struct gateway *g, const struct elem *e)
{
	if (!strcmp(e->name, "r"))
		ledger_asked(&g->ledger, g->now_ms);
	else if (!strcmp(e->name, "a") && g->link.state == LINK_OPEN)
		take_answer(g, e);
	else if (!strcmp(e->name, "enabled") && g->link.state == LINK_ENABLING)
		enabled(g);
	else if (!strcmp(e->name, "failed"))
		lost(g, "stream management is refused");
}

static void
came(void *owner, struct stanza *st)
{
	struct gateway *g = owner;
	struct link *l = &g->link;
	const struct elem *e = st->root;

	if (e->ns == NS_STREAMS && !strcmp(e->name, "error")) {
		stream_error(g, e);
	} else if (l->state == LINK_HANDSHAKE && elem_is(e, NS_COMPONENT, "handshake")) {
		l->state = LINK_ENABLING;
		buf_addf(&l->out, "<enable xmlns='%s'/>", NS_SM);
	} else if (l->state < LINK_ENABLING) {
		lost(g, "a stanza before the handshake");
	} else if (e->ns == NS_SM) {
		take_nonza(g, e);
	} else {
		dispatch(g, st, ledger_take(&g->ledger));
		return;
	}
	stanza_unref(st);
}

static void
ended(void *owner)
{
	lost(owner, "closed by the server");
}

static const struct parser_ops parser_ops = { opened, came, ended };

static void
allocate(uv_handle_t *handle, size_t wished, uv_buf_t *b)
{
	static char bytes[READ_BYTES];

	(void)handle;
	(void)wished;
	*b = uv_buf_init(bytes, sizeof(bytes));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct link_socket *s = stream->data;
	struct gateway *g = s->g;
	enum parser_error e;
	size_t used;

	if (!g)
		return;
	if (n < 0) {
		lost(g, n == UV_EOF ? "the connection ended" : uv_strerror((int)n));
		return;
	}
	g->now_ms = g->link.heard_ms = uv_now(g->loop);
	e = parser_feed(g->link.parser, b->base, (size_t)n, &used);
	/* A callback may have ended the stream. */
	if (e != PARSER_OK && s->g)
		lost(g, parser_error_text(e));
}

/* Connecting */

static void
connected(uv_connect_t *req, int status)
{
	struct link_socket *s = req->data;
	struct gateway *g = s->g;
	struct gateway_limits *lim;
	struct parser_limits p;

	if (!g)
		return;
	if (status) {
		lost(g, uv_strerror(status));
		return;
	}
	lim = g->limits;
	p = (struct parser_limits){ .stanza_bytes = lim->stanza_bytes, .token_bytes = lim->stanza_bytes, .memory_bytes = 16 * lim->stanza_bytes,
		.depth = 1024, .attributes = 1024, .namespaces = 1024 };
	g->link.parser = parser_new(&parser_ops, g, &p);
	g->link.state = LINK_HEADER;
	if (s->u.handle.type == UV_TCP)
		uv_tcp_nodelay(&s->u.tcp, 1);
	uv_read_start(&s->u.stream, allocate, on_read);
	buf_addf(&g->link.out, "<stream:stream xmlns='%s' xmlns:stream='%s' to='", NS_COMPONENT, NS_STREAMS);
	gateway_text_add(&g->link.out, g->start.domain, strlen(g->start.domain), SIZE_MAX);
	buf_adds(&g->link.out, "'>");
}

static void
overdue(uv_timer_t *timer)
{
	lost(timer->data, "no answer");
}

static int
connect_to(struct gateway *g, struct link_socket *s)
{
	struct sockaddr_storage a;

	if (!strncmp(g->start.server, "unix:", 5)) {
		uv_pipe_init(g->loop, &s->u.pipe, 0);
		uv_pipe_connect(&s->connect, &s->u.pipe, g->start.server + 5, connected);
		return 0;
	}
	uv_tcp_init(g->loop, &s->u.tcp);
	if (uv_ip4_addr(g->start.server, g->start.port, (struct sockaddr_in *)&a) && uv_ip6_addr(g->start.server, g->start.port, (struct sockaddr_in6 *)&a))
		return UV_EINVAL;
	return uv_tcp_connect(&s->connect, &s->u.tcp, (const struct sockaddr *)&a, connected);
}

static void
try_now(uv_timer_t *timer)
{
	struct gateway *g = timer->data;
	struct link_socket *s = NEW(struct link_socket);
	int e;

	s->g = g;
	g->link.socket = s;
	g->link.state = LINK_CONNECTING;
	g->link.tries++;
	e = connect_to(g, s);
	s->u.handle.data = s->connect.data = s;
	uv_timer_start(&g->link.timer, overdue, HANDSHAKE_MS, 0);
	if (e)
		lost(g, uv_strerror(e));
}

static void
try_again(struct gateway *g)
{
	uint64_t ms = gateway_backoff_ms(g->link.tries ? g->link.tries : 1);

	uv_timer_start(&g->link.timer, try_now, ms > 30000 ? 30000 : ms, 0);
}

void
link_init(struct gateway *g)
{
	list_init(&g->link.sent);
	uv_timer_init(g->loop, &g->link.timer);
	g->link.timer.data = g;
}

void
link_start(struct gateway *g)
{
	uv_timer_start(&g->link.timer, try_now, 0, 0);
}

void
link_stop(struct gateway *g)
{
	struct link *l = &g->link;
	struct list *pos;
	uint32_t h;

	if (l->state == LINK_OPEN) {
		/* What has been handled is said, so that it does not come again. */
		ledger_asked(&g->ledger, 0);
		if (ledger_answers(&g->ledger, g->now_ms, &h))
			buf_addf(&l->out, "<a xmlns='%s' h='%u'/>", NS_SM, h);
		buf_adds(&l->out, "</stream:stream>");
		flush(l);
	}
	drop(g);
	if (!uv_is_closing((uv_handle_t *)&l->timer))
		uv_close((uv_handle_t *)&l->timer, NULL);
	while ((pos = list_pop(&l->sent)))
		free(LIST_ENTRY(pos, struct sent, link));
	buf_fini(&l->out);
}
