/*
 * conn: a connection's life on its reactor. Made by the streams, which are called back through
 * struct conn_ops; conn_priv.h says which file does what.
 *
 * All output and all bad news go through the end of the turn (end_of_turn): first what the owner
 * wrote is flushed, then it is told, then a move leaves. So no function that an owner calls ever
 * calls the owner back.
 *
 * A paused connection stays registered with epoll until the first event that nobody wants: lanes
 * fill and empty often, and most pauses end before more bytes arrive.
 */
#include "net/conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/address.h"
#include "net/conn_priv.h"
#include "net/tcp.h"

static void on_event(uv_poll_t *h, int status, int events);

/* Polling */

static void
set_events(struct conn *c, int events)
{
	if (!c->poll || events == c->armed)
		return;
	c->armed = (uint8_t)events;
	if (!events)
		uv_poll_stop(c->poll);
	else if (uv_poll_start(c->poll, events, on_event))
		conn_fail(c, CONN_ERROR, "cannot be polled");
}

static bool
wants_readable(const struct conn *c)
{
	if (c->discard || c->out_waits_read)
		return true;
	switch ((enum conn_state)c->state) {
	case CONN_TLS_WAITS:
		return false;
	case CONN_HANDSHAKE:
		return !c->in_waits_write;
	default:
		return !c->pauses && !c->in_waits_write;
	}
}

void
conn_arm(struct conn *c)
{
	int events = 0;

	if (c->closed || c->move)
		return;
	if (c->shaking) {
		events = 0;
	} else if (!c->end) {
		if (wants_readable(c))
			events |= UV_READABLE;
		if (c->out_waits || c->in_waits_write)
			events |= UV_WRITABLE;
	} else if (c->end->how == CONN_EOF && c->out_waits) {
		events = UV_WRITABLE;
	}
	set_events(c, events);
}

int
conn_open_poll(struct conn *c)
{
	uv_poll_t *h = NEW(uv_poll_t);

	if (uv_poll_init(reactor_loop(c->home), h, c->fd)) {
		free(h);
		return -1;
	}
	h->data = c;
	c->poll = h;
	return 0;
}

static void
on_poll_closed(uv_handle_t *h)
{
	free(h);
}

void
conn_close_poll(struct conn *c)
{
	if (c->poll)
		uv_close((uv_handle_t *)c->poll, on_poll_closed);
	c->poll = NULL;
	c->armed = 0;
}

/* The end */

void
conn_fail(struct conn *c, enum conn_end how, const char *why)
{
	size_t n = strlen(why) + 1;

	if (c->end || c->closed)
		return;
	c->end = mem_alloc(sizeof(*c->end) + n);
	c->end->how = how;
	memcpy(c->end->why, why, n);
	if (how != CONN_EOF) {
		c->out_dead = true;
		conn_drop_output(c);
	}
	reactor_defer(c->home, &c->turn);
}

void
conn_fail_at_once(struct conn *c, enum conn_end how, const char *why)
{
	c->end_at_once = true;
	conn_fail(c, how, why);
	/* It may have been over already and waited for a paused owner. */
	reactor_defer(c->home, &c->turn);
}

void
conn_linger_over(struct timer *t)
{
	conn_fail_at_once(LIST_ENTRY(t, struct conn, linger), CONN_EOF, "the peer did not close in time");
}

static void
report_end(struct conn *c)
{
	if (c->end_reported || (!c->end_at_once && (c->pauses || c->kept)))
		return;
	c->end_reported = true;
	c->ops->ended(c, c->owner, c->end->how, c->end->why);
}

/* Events */

static void
go_on(struct conn *c, int events)
{
	if (c->closed || c->move || c->shaking)
		return;
	if ((events & UV_WRITABLE) || c->out_waits_read)
		reactor_defer(c->home, &c->turn);
	if (c->end)
		return;
	if (c->state == CONN_HANDSHAKE && !c->discard) {
		conn_shake_hands(c);
		/* OpenSSL may have read on behind the handshake. */
		if (c->state == CONN_SECURE && !c->closed)
			conn_input(c);
	} else if ((events & UV_READABLE) || c->in_waits_write) {
		conn_input(c);
	}
	conn_arm(c);
}

static void
on_event(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;
	struct reactor *r = c->home;

	reactor_enter(r);
	if (status < 0) {
		/* The socket has failed, and libuv has stopped the handle; reading tells why. */
		c->armed = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	go_on(c, events);
	reactor_leave(r, "connection");
}

static void
end_of_turn(struct deferred *d)
{
	struct conn *c = LIST_ENTRY(d, struct conn, turn);

	if (c->closed)
		return;
	conn_flush(c);
	if (c->shutting)
		conn_say_goodbye(c);
	if (c->move && c->move->to != c->home) {
		conn_leave(c);
		return;
	}
	if (c->move) {
		conn_arrive(&c->move->mail);
		return;
	}
	if (c->told != c->sent && c->ops->flushed) {
		c->told = c->sent;
		c->ops->flushed(c, c->owner, c->sent);
	}
	if (c->end && !c->closed)
		report_end(c);
	conn_arm(c);
}

/* Life */

struct conn *
conn_new(int fd, const struct sockaddr *peer, const struct conn_ops *ops, void *owner, size_t max_output)
{
	char address[ADDRESS_TEXT], source[ADDRESS_TEXT];
	size_t n, more;
	struct conn *c;

	address_text(peer, address);
	address_source(peer, source);
	n = strlen(address) + 1;
	more = strcmp(address, source) ? strlen(source) + 1 : 0;
	c = mem_zalloc(sizeof(*c) + n + more);
	c->source = c->address = memcpy(c->names, address, n);
	if (more)
		c->source = memcpy(c->names + n, source, more);
	c->home = reactor_current();
	assert(c->home);
	c->fd = fd;
	c->ops = ops;
	c->owner = owner;
	c->max_output = max_output;
	c->turn.run = end_of_turn;
	c->again.run = conn_read_again;
	c->log = (struct log){.key = "peer", .value = c->address};
	wire_setup(fd, peer ? peer->sa_family : AF_UNSPEC);
	metric_add(METRIC_CONNECTIONS_OPENED, 1);
	metric_add(METRIC_CONNECTIONS, 1);
	if (conn_open_poll(c))
		conn_fail(c, CONN_ERROR, "cannot be polled");
	conn_arm(c);
	return c;
}

void
conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner)
{
	c->ops = ops;
	c->owner = owner;
}

int
conn_tcp_progress(const struct conn *c, uint64_t *given, uint64_t *acknowledged)
{
	return tcp_progress(c->fd, given, acknowledged);
}

bool
conn_is_secure(const struct conn *c)
{
	return c->state == CONN_SECURE;
}

SSL *
conn_ssl(const struct conn *c)
{
	return c->ssl;
}

void
conn_pause(struct conn *c)
{
	assert(c->pauses < UINT16_MAX);
	c->pauses++;
}

void
conn_resume(struct conn *c)
{
	assert(c->pauses > 0);
	if (--c->pauses || c->closed || c->move)
		return;
	/* What is kept from a data() call on the stack is seen when that returns. */
	if (c->end || conn_has_input(c))
		conn_kick(c);
	else
		conn_arm(c);
}

void
conn_shutdown(struct conn *c, unsigned linger_ms, bool discard_input)
{
	if (c->closed || c->shutting)
		return;
	c->shutting = true;
	/* A handshake that has not finished will not be. */
	if (discard_input || c->state == CONN_TLS_WAITS || c->state == CONN_HANDSHAKE) {
		c->discard = true;
		c->end_at_once = true;
		conn_drop_kept(c);
	}
	timer_set(&c->linger, linger_ms, conn_linger_over);
	reactor_defer(c->home, &c->turn);
}

static void
release(void *p)
{
	struct conn *c = p;

	SSL_free(c->ssl);
	conn_drop_output(c);
	conn_drop_kept(c);
	free(c->end);
	free(c->behind);
	free(c);
}

void
conn_give_up(struct conn *c)
{
	close(c->fd);
	reactor_free_later(c->home, release, c);
}

void
conn_close(struct conn *c)
{
	if (!c || c->closed)
		return;
	conn_flush(c);
	if (!c->goodbye_said && c->state == CONN_SECURE && !c->out_dead && !buf_len(&c->out))
		(void)wire_goodbye(c->ssl);
	c->closed = true;
	reactor_undefer(c->home, &c->turn);
	reactor_undefer(c->home, &c->again);
	timer_clear(&c->linger);
	conn_close_poll(c);
	free(c->move);
	c->move = NULL;
	metric_add(METRIC_CONNECTIONS, -1);
	if (c->shaking && !work_cancel(&c->shaking->work))
		return; /* shaken() does the rest */
	free(c->shaking);
	conn_give_up(c);
}

void
conn_reset(struct conn *c)
{
	const struct linger none = { .l_onoff = 1 };

	if (!c || c->closed)
		return;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	c->out_dead = true;
	conn_drop_output(c);
	conn_close(c);
}

const char *
conn_address(const struct conn *c)
{
	return c->address;
}

const char *
conn_source(const struct conn *c)
{
	return c->source;
}

void
conn_set_peer(struct conn *c, const char *address, const char *source)
{
	size_t n = strlen(address) + 1, m = strlen(source) + 1;
	char *both = mem_alloc(n + m);

	c->address = memcpy(both, address, n);
	c->source = memcpy(both + n, source, m);
	c->log.value = c->address;
	free(c->behind);
	c->behind = both;
}

struct log *
conn_log(struct conn *c)
{
	return &c->log;
}
