/*
 * work: what takes longer than a callback should and waits for nothing, like the cryptography of a TLS handshake: done on a thread beside
 * the reactor (libuv's pool), in the order in which it was given, so many at a time for each reactor; others wait in line. Used by conn.
 *
 * Whoever gives work bounds how much of it can wait: conn has one step of one handshake for each connection.
 */
#ifndef NET_WORK_H
#define NET_WORK_H

#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "net/reactor.h"

/* Embedded in its owner, which has to stay until done(w), or until work_cancel says that none follows. */
struct work {
	struct list link;
	struct reactor *home;
	void (*run)(struct work *w);  /* on another thread */
	void (*done)(struct work *w); /* at home; may free it */
	uv_work_t request;
};

/* Of one reactor. */
struct works {
	struct list first, line;
	unsigned running;
};

/* `run` and `done` are set; done follows in a later turn. `first`: before all that is not. */
void work_begin(struct work *w, bool first);
/* True: it had not begun and will not, no done follows. */
bool work_cancel(struct work *w);
/* At a time, on each reactor; from any thread. It begins with limits.s2s_handshakes' default. */
void work_set_most(unsigned n);

#endif
