/*
 * work: what takes longer than a callback should and waits for nothing, like the cryptography of a TLS handshake: done on a thread beside
 * the reactor (a few that all share), in the order in which it was given, so many at a time for each reactor; others wait in line. Used by conn.
 *
 * Whoever gives work bounds how much of it can wait: conn has one step of one handshake for each connection.
 */
#ifndef NET_WORK_H
#define NET_WORK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "net/reactor.h"

/* Embedded in its owner, which has to stay until done(w), or until work_cancel says that none follows. */
struct work {
	struct list link;
	struct reactor *home;
	void (*run)(struct work *w);  /* on another thread */
	void (*done)(struct work *w); /* at home; may free it */
	bool begun;                   /* it waits for a thread, runs, or its result is on the way: `link` is not the line's */
	struct mail mail;
};

/* Of one reactor. */
struct works {
	struct list first, line;
	unsigned running;
	atomic_uint telling;          /* threads that post a result at the moment */
};

/* `run` and `done` are set; done follows in a later turn. `first`: before all that is not. */
void work_begin(struct work *w, bool first);
/* True: it had not begun and will not, no done follows. */
bool work_cancel(struct work *w);
/* At a time, on each reactor; from any thread. It begins with limits.s2s_handshakes' default. */
void work_set_most(unsigned n);

#endif
