/*
 * reactor: one libuv loop in one thread, with a mailbox, timers, deferred work and a watchdog.
 *
 * Reactors share nothing. reactor_current() is the reactor of the calling thread (NULL elsewhere).
 * All functions but reactor_post, reactor_count and reactor_at belong to the reactor's own thread.
 *
 * A turn: libuv runs callbacks; at its end (a uv_check/uv_prepare pair) the deferred functions run
 * until none is left: conn flushes its output there, freed objects are released there. A callback
 * over 50 ms is logged as `slow-callback` and counted; turn time goes to METRIC_TURN.
 */
#ifndef NET_REACTOR_H
#define NET_REACTOR_H

#include <stdint.h>
#include <uv.h>

#include "base/arena.h"
#include "net/mailbox.h"

struct reactor;
struct works; /* net/work.h */

/* Makes and starts `n` reactors (threads). Called once from main. 0 or -1. */
int reactor_start_all(unsigned n);
/* Ends every loop and joins the threads; mail that is still in a box is run by the calling thread in
 * the reactor's stead. Before it: connections and listeners closed (what is left is logged as
 * `handles-left` and leaks), and nobody else posts any more. From main only. */
void reactor_stop_all(void);
/* One beside the numbered ones, with a thread of its own: nobody's home, for work that may have to wait for a disk.
 * `name`, of 15 bytes at most, is the thread's. NULL when it cannot be started. */
struct reactor *reactor_start_side(const char *name);
/* Before reactor_stop_all, by main. What is in its box by then is run. NULL is fine. */
void reactor_stop_side(struct reactor *r);
unsigned reactor_count(void);
struct reactor *reactor_at(unsigned index);

struct reactor *reactor_current(void);
unsigned reactor_index(const struct reactor *r);
uv_loop_t *reactor_loop(struct reactor *r);
/* Monotonic milliseconds, read once a turn. */
int64_t reactor_now_ms(struct reactor *r);
/* The scratch arena: emptied at the end of the turn. Nothing in it outlives the callback. */
struct arena *reactor_scratch(struct reactor *r);
/* What its thread has given to others to do. */
struct works *reactor_works(struct reactor *r);

/* From any thread: m->run(m) runs in r's thread. Never blocks, never fails. */
void reactor_post(struct reactor *r, struct mail *m);
/* The same with a function and a pointer (allocates). */
void reactor_call(struct reactor *r, void (*fn)(void *), void *arg);

/* Work for the end of this turn, in the order given. `d` is embedded in its owner; deferring what
 * is already deferred does nothing; reactor_undefer takes it back. Zero-initialised is idle. */
struct deferred {
	struct deferred *next, *prev;
	void (*run)(struct deferred *d);
	char queued;
};
void reactor_defer(struct reactor *r, struct deferred *d);
void reactor_undefer(struct reactor *r, struct deferred *d);
/* The same for the next turn, after libuv has looked for events without waiting: for work that is
 * done in pieces so that others get their share. */
void reactor_next_turn(struct reactor *r, struct deferred *d);
/* fn(p) at the end of the turn, after all deferred work: for releasing memory that a callback
 * further up the stack may still look at. */
void reactor_free_later(struct reactor *r, void (*fn)(void *), void *p);

/* Around every callback that libuv makes by itself (a uv_poll of one's own): makes it part of a turn
 * and of the watchdog. Mails, timers and deferred functions have this already. `kind` is static text. */
void reactor_enter(struct reactor *r);
void reactor_leave(struct reactor *r, const char *kind);

/* One-shot timers, cheap enough to have several per session: a heap of our own over one uv_timer.
 * Zero-initialised is unset; setting one that is set moves it. Belongs to the reactor it was set
 * on; timer_clear before it moves or is freed. Not for sub-millisecond use. */
struct timer {
	int64_t due_ms;
	void (*fn)(struct timer *t);
	uint32_t slot; /* index in the heap + 1; 0: unset */
};
typedef void (*timer_fn)(struct timer *t);
void timer_set(struct timer *t, int64_t in_ms, timer_fn fn);
void timer_clear(struct timer *t);
static inline int
timer_is_set(const struct timer *t)
{
	return t->slot != 0;
}

#endif
