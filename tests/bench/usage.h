/*
 * usage: what the server, PostgreSQL and this program have used so far, from /proc; and samples of how long
 * things took.
 */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdint.h>

struct usage {
	uint64_t at;                   /* monotonic, nanoseconds */
	double server, database, self; /* seconds of CPU */
	uint64_t units;                /* what was done until then: messages delivered, or logins */
};

uint64_t now_ns(void);

/* pid and pg_pid are the server's and the postmaster's; 0: not measured. */
struct usage usage_now(int pid, int pg_pid, uint64_t units);

/* A second server, and its postmaster, whose CPU is added to the first one's. */
void usage_of_peer(int pid, int pg_pid);

/* The server's memory in bytes: its PSS, so that pages shared with others count by their share. */
double memory_now(int pid);

void sample_add(uint64_t ns);

/* Rates, CPU for each unit, and the samples' quantiles, as lines of NAME VALUE. */
void usage_print(const struct usage *a, const struct usage *b, const char *unit);

#endif
