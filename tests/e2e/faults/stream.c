/*
 * stream: sockets, TLS and XML of the load program's clients (see stream.h). Called by load.c only.
 *
 * Nothing is closed inside a callback: stream_fail marks, finish() closes.
 */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64

/* Since expat 2.6, and in the security updates of older ones. */
extern XML_Bool XML_SetReparseDeferralEnabled(XML_Parser xml, XML_Bool on) __attribute__((weak));

static struct {
	const struct stream_world *world;
	const struct stream_ops *ops;
	SSL_CTX *ctx;
	int epoll;
	int watched; /* the extra descriptor that epoll knows */
} all = {.epoll = -1, .watched = -1};

static const char *
domain_of(const struct stream *s)
{
	return s->domain ? s->domain : all.world->domain;
}

int
stream_start(const struct stream_world *w, const struct stream_ops *ops)
{
	static const unsigned char alpn[] = "\013xmpp-client";

	all.world = w;
	all.ops = ops;
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.ctx = SSL_CTX_new(TLS_client_method());
	if (all.epoll < 0 || !all.ctx || SSL_CTX_load_verify_locations(all.ctx, w->ca, NULL) != 1)
		return -1;
	SSL_CTX_set_verify(all.ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(all.ctx,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return SSL_CTX_set_alpn_protos(all.ctx, alpn, sizeof(alpn) - 1) == 0 ? 0 : -1;
}

/* XML */

static void
copy(char *out, size_t size, const char *s)
{
	snprintf(out, size, "%s", s ? s : "");
}

static const char *
attr(const char **atts, const char *name)
{
	for (; *atts; atts += 2)
		if (!strcmp(atts[0], name))
			return atts[1];
	return NULL;
}

static void
child_begins(struct element *e, const char *name, const char **atts)
{
	const char *h = attr(atts, "h");

	memset(e, 0, sizeof(*e));
	copy(e->name, sizeof(e->name), name);
	copy(e->id, sizeof(e->id), attr(atts, "id"));
	copy(e->type, sizeof(e->type), attr(atts, "type"));
	copy(e->smid, sizeof(e->smid), attr(atts, "id"));
	e->h = h ? (uint32_t)strtoul(h, NULL, 10) : 0;
}

static void XMLCALL
on_start(void *arg, const char *name, const char **atts)
{
	struct stream *s = arg;
	struct element *e = &s->e;
	int depth = s->depth++;
	bool plain_error = strcmp(e->name, "message") && strcmp(e->name, "iq") && strcmp(e->name, "presence");

	if (depth == 1) {
		child_begins(e, name, atts);
	} else if (depth == 2 && !strcmp(name, "body")) {
		s->in_body = true;
	} else if (depth == 2 && !strcmp(name, "stanza-id")) {
		copy(e->stanza_id, sizeof(e->stanza_id), attr(atts, "id"));
	} else if (depth == 2 && !strcmp(name, "error")) {
		copy(e->error_type, sizeof(e->error_type), attr(atts, "type"));
	} else if (!e->condition[0] && ((depth == 3 && e->error_type[0]) || (depth == 2 && plain_error))) {
		copy(e->condition, sizeof(e->condition), name);
	}
}

static void XMLCALL
on_end(void *arg, const char *name)
{
	struct stream *s = arg;

	(void)name;
	s->depth--;
	s->in_body = false;
	if (s->depth == 1 && !s->broken)
		all.ops->on_element(s, &s->e);
	else if (s->depth == 0)
		stream_fail(s, "the stream was closed");
}

static void XMLCALL
on_text(void *arg, const char *text, int n)
{
	struct stream *s = arg;
	size_t have = strlen(s->e.body);

	if (s->in_body && have + 1 < sizeof(s->e.body))
		snprintf(s->e.body + have, sizeof(s->e.body) - have, "%.*s", n, text);
}

static void
parser_new_stream(struct stream *s)
{
	if (s->parser)
		XML_ParserFree(s->parser);
	s->parser = XML_ParserCreate("UTF-8");
	if (!s->parser)
		abort();
	if (XML_SetReparseDeferralEnabled != NULL)
		XML_SetReparseDeferralEnabled(s->parser, XML_FALSE);
	XML_SetUserData(s->parser, s);
	XML_SetElementHandler(s->parser, on_start, on_end);
	XML_SetCharacterDataHandler(s->parser, on_text);
	s->depth = 0;
	s->in_body = s->restart = false;
	memset(&s->e, 0, sizeof(s->e));
	stream_printf(s,
		      "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' to='%s' "
		      "xmlns:stream='http://etherx.jabber.org/streams'>",
		      domain_of(s));
}

void
stream_reopen(struct stream *s)
{
	s->restart = true; /* not while the old parser is at work */
}

/* Bytes */

static void
watch(struct stream *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	if (events == s->events)
		return;
	if (epoll_ctl(all.epoll, s->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &ev) != 0)
		stream_fail(s, "epoll_ctl");
	s->events = events;
}

void
stream_printf(struct stream *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	for (;;) {
		size_t room = s->out_cap - s->out_n;

		va_start(ap, fmt);
		n = vsnprintf(s->out ? s->out + s->out_n : NULL, room, fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < room)
			break;
		s->out_cap = s->out_cap * 2 + 1024 + (size_t)(n > 0 ? n : 0);
		s->out = realloc(s->out, s->out_cap);
		if (!s->out)
			abort();
	}
	s->out_n += (size_t)n;
}

/* After an operation that gave r <= 0: true when it is to be tried again later. */
static bool
wants_more(struct stream *s, int r, uint32_t *events)
{
	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return true;
	case SSL_ERROR_WANT_WRITE:
		*events |= EPOLLOUT;
		return true;
	default:
		ERR_clear_error();
		return false;
	}
}

static void
write_out(struct stream *s, uint32_t *events)
{
	while (s->out_n && !s->broken) {
		int r = SSL_write(s->ssl, s->out, (int)s->out_n);

		if (r > 0) {
			memmove(s->out, s->out + r, s->out_n - (size_t)r);
			s->out_n -= (size_t)r;
		} else if (wants_more(s, r, events)) {
			return;
		} else {
			stream_fail(s, "writing failed");
		}
	}
}

static void
read_in(struct stream *s, uint32_t *events)
{
	char data[16384];
	int r = 0;

	while (!s->broken && (r = SSL_read(s->ssl, data, sizeof(data))) > 0) {
		if (XML_Parse(s->parser, data, r, 0) != XML_STATUS_OK && !s->broken)
			stream_fail(s, "bad XML");
		if (s->restart && !s->broken)
			parser_new_stream(s);
	}
	if (!s->broken && !wants_more(s, r, events))
		stream_fail(s, "the connection ended");
}

static void
handshake(struct stream *s, uint32_t *events)
{
	int r = SSL_do_handshake(s->ssl);

	if (r == 1) {
		s->state = STREAM_OPEN;
		parser_new_stream(s);
		all.ops->on_open(s);
	} else if (!wants_more(s, r, events)) {
		stream_fail(s, "the TLS handshake failed");
	}
}

static void
finish(struct stream *s)
{
	const char *why = s->why;

	stream_free(s);
	all.ops->on_lost(s, why);
}

static void
work(struct stream *s)
{
	uint32_t events = EPOLLIN;

	if (s->state == STREAM_CONNECTING) {
		int e = 0;
		socklen_t n = sizeof(e);

		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0 || e)
			stream_fail(s, "not connected");
		else
			s->state = STREAM_HANDSHAKE;
	}
	if (!s->broken && s->state == STREAM_HANDSHAKE)
		handshake(s, &events);
	if (!s->broken && s->state == STREAM_OPEN)
		read_in(s, &events);
	if (!s->broken && s->state == STREAM_OPEN)
		write_out(s, &events);
	if (!s->broken)
		watch(s, events);
	if (s->broken)
		finish(s);
}

/* Life */

static int
open_socket(const struct stream *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(s->domain ? s->port : all.world->port))};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, all.world->host, &a.sin_addr) != 1)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

void
stream_connect(struct stream *s)
{
	stream_free(s);
	s->fd = open_socket(s);
	s->state = STREAM_CONNECTING;
	if (s->fd < 0) {
		stream_fail(s, "no socket");
		finish(s);
		return;
	}
	s->ssl = SSL_new(all.ctx);
	if (!s->ssl || !SSL_set_fd(s->ssl, s->fd) || !SSL_set1_host(s->ssl, domain_of(s)) ||
	    !SSL_set_tlsext_host_name(s->ssl, domain_of(s)))
		abort();
	SSL_set_connect_state(s->ssl);
	watch(s, EPOLLOUT);
}

void
stream_fail(struct stream *s, const char *why)
{
	if (s->broken)
		return;
	s->broken = true;
	s->why = why;
}

void
stream_cut(struct stream *s)
{
	struct linger reset = {.l_onoff = 1};

	if (s->state != STREAM_OPEN)
		return;
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	stream_fail(s, "cut");
	work(s);
}

void
stream_free(struct stream *s)
{
	struct stream was = *s;

	SSL_free(s->ssl);
	if (s->parser)
		XML_ParserFree(s->parser);
	if (s->state != STREAM_IDLE && s->fd >= 0)
		close(s->fd);
	free(s->out);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	/* Whose it is, and where it goes when it is made again. */
	s->owner = was.owner;
	s->domain = was.domain;
	s->port = was.port;
}

void
stream_push(struct stream *s)
{
	if (s->state == STREAM_OPEN && (s->out_n || s->broken))
		work(s);
}

bool
stream_turn(int in, int ms)
{
	struct epoll_event ev[EVENTS];
	bool extra = false;
	int n;

	if (in != all.watched) {
		struct epoll_event e = {.events = EPOLLIN};

		if (all.watched >= 0)
			epoll_ctl(all.epoll, EPOLL_CTL_DEL, all.watched, NULL);
		if (in >= 0 && epoll_ctl(all.epoll, EPOLL_CTL_ADD, in, &e) != 0)
			in = -1;
		all.watched = in;
	}
	n = epoll_wait(all.epoll, ev, EVENTS, ms);
	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr)
			work(ev[i].data.ptr);
		else
			extra = true;
	}
	return extra;
}
