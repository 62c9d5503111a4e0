/* conn_out: a connection's output, collected in one buffer and handed to the kernel at the end of the turn. */
#include <sys/socket.h>

#include "base/metric.h"
#include "net/conn_priv.h"

void
conn_drop_output(struct conn *c)
{
	buf_fini(&c->out);
	c->plain_left = 0;
	c->out_waits = c->out_waits_read = false;
}

static size_t
sendable(const struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_TLS_WAITS:
		return c->plain_left;
	case CONN_HANDSHAKE:
		return 0;
	default:
		return buf_len(&c->out);
	}
}

static void
note_sent(struct conn *c, size_t n)
{
	buf_consume(&c->out, n);
	c->sent += n;
	if (c->state == CONN_TLS_WAITS)
		c->plain_left -= n;
}

void
conn_flush(struct conn *c)
{
	SSL *ssl = c->state == CONN_SECURE ? c->ssl : NULL;
	enum wire got = WIRE_MORE;
	char why[WIRE_WHY];
	size_t n;

	while (got == WIRE_MORE && sendable(c) > 0) {
		got = wire_write(c->fd, ssl, buf_data(&c->out), sendable(c), &n, why);
		note_sent(c, n);
	}
	c->out_waits = got == WIRE_WAIT_WRITE;
	c->out_waits_read = got == WIRE_WAIT_READ;
	if (got == WIRE_BROKEN) {
		conn_fail(c, CONN_ERROR, why);
		return;
	}
	if (got == WIRE_EOF || got == WIRE_LOST) {
		c->out_dead = true;
		conn_drop_output(c);
	}
	if (!buf_len(&c->out))
		buf_fini(&c->out);
	if (c->state == CONN_TLS_WAITS && !c->plain_left) {
		c->state = CONN_HANDSHAKE;
		/* A client has the first word: as soon as the socket is writable. */
		c->in_waits_write = !SSL_is_server(c->ssl);
	}
}

static bool
takes_output(const struct conn *c)
{
	return !c->closed && !c->shutting && !c->out_dead;
}

struct buf *
conn_out(struct conn *c)
{
	c->bound = buf_len(&c->out);
	return &c->out;
}

struct buf *
conn_out_again(struct conn *c)
{
	return &c->out;
}

void
conn_wrote(struct conn *c)
{
	if (!takes_output(c)) {
		/* The length, as the bytes may have been moved to close a hole. */
		c->out.len = c->out.off + c->bound;
		if (!c->bound)
			buf_fini(&c->out);
		return;
	}
	if (buf_len(&c->out) > c->max_output) {
		/* The owner may have written much in one turn to a peer that does read. */
		conn_flush(c);
		if (buf_len(&c->out) > c->max_output) {
			metric_add(METRIC_SLOW_READERS, 1);
			conn_fail_at_once(c, CONN_SLOW, "the peer does not read what it is sent");
		}
	}
	reactor_defer(c->home, &c->turn);
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
	if (!n || !takes_output(c))
		return;
	buf_add(conn_out(c), p, n);
	conn_wrote(c);
}

uint64_t
conn_mark(const struct conn *c)
{
	return c->sent + buf_len(&c->out);
}

uint64_t
conn_flushed(const struct conn *c)
{
	return c->sent;
}

void
conn_say_goodbye(struct conn *c)
{
	if (c->goodbye_said || sendable(c) > 0)
		return;
	if (c->state == CONN_SECURE && !c->out_dead && wire_goodbye(c->ssl) == WIRE_WAIT_WRITE) {
		c->out_waits = true;
		return;
	}
	c->goodbye_said = true;
	c->out_waits = false;
	(void)shutdown(c->fd, SHUT_WR);
}
