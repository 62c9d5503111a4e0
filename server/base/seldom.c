/*
 * seldom: see seldom.h.
 */
#include "base/seldom.h"

#include <stddef.h>

bool
seldom_might(struct seldom *s, uint64_t key, unsigned most, int64_t now_ms)
{
	size_t set = key % SELDOM_SETS;
	bool may = true;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < SELDOM_WAYS && may; i++)
		may = s->places[set][i].until_ms <= now_ms || s->places[set][i].key != key || s->places[set][i].n < most;
	pthread_mutex_unlock(&s->lock);
	return may;
}

bool
seldom_may(struct seldom *s, uint64_t key, unsigned most, int64_t span_ms, int64_t now_ms)
{
	size_t set = key % SELDOM_SETS, at = 0;
	bool may = true;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < SELDOM_WAYS; i++) {
		if (s->places[set][i].until_ms > now_ms && s->places[set][i].key == key) {
			may = s->places[set][i].n < most;
			s->places[set][i].n += may;
			goto out;
		}
		if (s->places[set][i].until_ms < s->places[set][at].until_ms)
			at = i;
	}
	s->places[set][at].key = key;
	s->places[set][at].until_ms = now_ms + span_ms;
	s->places[set][at].n = 1;
out:
	pthread_mutex_unlock(&s->lock);
	return may;
}
