/*
 * stats: counters and levels, told to chanceryd every few seconds.
 */
#ifndef GATEWAY_STATS_H
#define GATEWAY_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct gateway;

#define STATS_MAX 64

struct stats {
	struct stats_row {
		const char *name; /* static */
		int64_t value;
		bool level;
	} rows[STATS_MAX];
	unsigned n;
	uint64_t told_ms;
	bool telling;
};

/* More names than there is room for are not counted. */
void stats_count(struct stats *s, const char *name, int64_t add);
void stats_tick(struct gateway *g);

#endif
