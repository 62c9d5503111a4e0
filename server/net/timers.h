/*
 * timers: the heap under timer_set and timer_clear (net/reactor.h). It knows no clock and no loop:
 * the reactor asks what is due and arms one uv_timer for the head. Used by reactor.c only.
 */
#ifndef NET_TIMERS_H
#define NET_TIMERS_H

#include <stdint.h>

#include "net/reactor.h"

/* Zero-initialised is empty. */
struct timers {
	struct timer **heap;
	uint32_t count, room;
};

/* Frees the heap; timers still in it are made unset. */
void timers_fini(struct timers *h);
/* Puts `t` in by its due_ms, or moves it there. */
void timers_put(struct timers *h, struct timer *t);
void timers_remove(struct timers *h, struct timer *t);
/* The earliest; NULL when empty. */
struct timer *timers_first(const struct timers *h);

#endif
