/*
 * conn_move: a connection goes to another reactor, in one mail, at the end of a turn: what its owner wrote before is flushed, and nothing is read until it is there.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/conn_priv.h"

void
conn_leave(struct conn *c)
{
	struct conn_moving *m = c->move;

	assert(!c->shaking); /* its TLS is another thread's for now: moves follow the handshake */
	reactor_undefer(c->home, &c->again);
	m->linger_due_ms = timer_is_set(&c->linger) ? c->linger.due_ms : 0;
	timer_clear(&c->linger);
	conn_close_poll(c);
	c->home = m->to;
	/* From here on it belongs to the other thread. */
	reactor_post(m->to, &m->mail);
}

void
conn_kick(struct conn *c)
{
	if (conn_may_give(c) && conn_has_input(c))
		reactor_next_turn(c->home, &c->again);
	reactor_defer(c->home, &c->turn);
}

void
conn_arrive(struct mail *mail)
{
	struct conn_moving *m = (struct conn_moving *)mail;
	struct conn *c = m->c;

	c->move = NULL;
	if (!c->poll && conn_open_poll(c))
		conn_fail(c, CONN_ERROR, "cannot be polled");
	if (m->linger_due_ms)
		timer_set(&c->linger, m->linger_due_ms - reactor_now_ms(c->home), conn_linger_over);
	m->arrived(c, c->owner);
	free(m);
	if (!c->closed)
		conn_kick(c);
}

void
conn_move(struct conn *c, struct reactor *to, void (*arrived)(struct conn *c, void *owner))
{
	assert(!c->move && !c->closed);
	c->move = NEW(struct conn_moving);
	c->move->mail.run = conn_arrive;
	c->move->c = c;
	c->move->to = to;
	c->move->arrived = arrived;
	reactor_defer(c->home, &c->turn);
}
