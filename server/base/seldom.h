/*
 * seldom: how often something was done lately, for things known by a hash of theirs: a bounded table, forgotten by itself.
 */
#ifndef BASE_SELDOM_H
#define BASE_SELDOM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SELDOM_SETS 256
#define SELDOM_WAYS 8

struct seldom {
	pthread_mutex_t lock; /* PTHREAD_MUTEX_INITIALIZER; the rest zeros */
	struct {
		uint64_t key;
		int64_t until_ms; /* 0: never used */
		unsigned n;
	} places[SELDOM_SETS][SELDOM_WAYS];
};

/* May it be done, now (clock_mono_ms) and `most` times within `span_ms` of the first? True counts it. `key`: a keyed hash, all 64 bits of it: only
 * the same thing is refused. When more than there is room for are under way the one that ends first is forgotten: it may be done too often. */
bool seldom_may(struct seldom *s, uint64_t key, unsigned most, int64_t span_ms, int64_t now_ms);
/* The same without counting it. */
bool seldom_might(struct seldom *s, uint64_t key, unsigned most, int64_t now_ms);

#endif
