/*
 * conn_in: a connection's input, read and given to its owner in pieces.
 *
 * Input is never dropped while the owner may still want it: an end of file or a failed socket is
 * reported only when all that was read before has been given (a client that sends ten messages and
 * hangs up has sent ten messages), and a failed write ends nothing by itself: the reading side runs
 * into the same trouble once it has given what is left.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "net/conn_priv.h"

/* One data() call, and what one connection may read in a turn. */
#define PIECE 16384
#define TURN_BYTES 65536

void
conn_drop_kept(struct conn *c)
{
	if (c->kept) {
		buf_fini(c->kept);
		free(c->kept);
	}
	c->kept = NULL;
}

bool
conn_may_give(const struct conn *c)
{
	return !c->closed && !c->move && !c->pauses && !c->discard;
}

static bool
may_read(const struct conn *c)
{
	return conn_may_give(c) && !c->end && !c->kept && (c->state == CONN_PLAIN || c->state == CONN_SECURE);
}

/* Gives one piece; what the owner leaves is kept. */
static void
give(struct conn *c, const char *p, size_t n)
{
	bool keep;

	c->giving = true;
	c->ops->data(c, c->owner, p, n);
	keep = c->keep;
	c->giving = c->keep = false;
	if (!keep || c->closed || c->discard || c->used >= n)
		return;
	c->kept = NEW(struct buf);
	buf_add(c->kept, p + c->used, n - c->used);
}

static void
give_kept(struct conn *c)
{
	struct buf *kept = c->kept;

	c->kept = NULL;
	give(c, buf_data(kept), buf_len(kept));
	buf_fini(kept);
	free(kept);
}

bool
conn_has_input(const struct conn *c)
{
	return c->kept || (c->state == CONN_SECURE && !c->end && SSL_has_pending(c->ssl));
}

void
conn_take_end(struct conn *c, enum wire got, const char *why)
{
	if (got == WIRE_EOF)
		conn_fail(c, CONN_EOF, why);
	else if (got == WIRE_LOST || got == WIRE_BROKEN)
		conn_fail(c, CONN_ERROR, why);
}

/* After conn_shutdown: below TLS, as nobody will look at it. */
static void
throw_away(struct conn *c, char *piece)
{
	enum wire got = WIRE_MORE;
	char why[WIRE_WHY];
	size_t n;

	for (size_t budget = TURN_BYTES; got == WIRE_MORE && budget >= PIECE; budget -= PIECE)
		got = wire_read(c->fd, NULL, piece, PIECE, &n, why);
	c->end_at_once = true;
	conn_take_end(c, got, why);
}

void
conn_input(struct conn *c)
{
	static _Thread_local char piece[PIECE];
	enum wire got = WIRE_MORE;
	char why[WIRE_WHY];
	size_t n, budget = TURN_BYTES;

	if (c->discard) {
		throw_away(c, piece);
		return;
	}
	if (c->kept && conn_may_give(c))
		give_kept(c);
	while (got == WIRE_MORE && budget > 0 && may_read(c)) {
		got = wire_read(c->fd, c->ssl, piece, PIECE, &n, why);
		c->in_waits_write = got == WIRE_WAIT_WRITE;
		budget -= n < budget ? n : budget;
		conn_take_end(c, got, why);
		if (n > 0)
			give(c, piece, n);
	}
	/* Not for half a record in OpenSSL's buffer: its other half makes an event. */
	if (conn_may_give(c) && conn_has_input(c) && (c->kept || got == WIRE_MORE))
		reactor_next_turn(c->home, &c->again);
	else if (c->end && !c->closed)
		reactor_defer(c->home, &c->turn);
}

void
conn_read_again(struct deferred *d)
{
	struct conn *c = LIST_ENTRY(d, struct conn, again);

	if (c->closed || c->move)
		return;
	conn_input(c);
	conn_arm(c);
}

void
conn_keep_rest(struct conn *c, size_t used)
{
	assert(c->giving);
	c->keep = true;
	c->used = used;
}
