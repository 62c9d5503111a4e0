/* bench: what the measurements of bench.c and room.c share. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "usage.h"

/* Seconds for sessions to come and go, and for messages on their way to arrive. */
#define PATIENCE 60.0

extern struct options {
	const char *mode;
	int window, size, rounds, senders, pid, pg_pid, peer_pid, peer_pg_pid;
	double rate, warmup, seconds;
} opt;
extern bool measuring;
extern unsigned run_id; /* in every body */
extern char *filler;    /* of opt.size bytes */

/* All sessions log in; all end. */
void bring_up(void);
void end_all(void);
/* Warms up, then measures `seconds` of whatever goes on; *done counts it. */
void measure(const uint64_t *done, struct usage *a, struct usage *b);

/* room.c: --senders of the sessions talk in a room where all are; one enters and leaves a room where all the others are. */
void measure_room(void);
void measure_enter(void);

#endif
