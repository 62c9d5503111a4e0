/*
 * source: who is connected from where, against the limits of listener.h.
 *
 * One table under one mutex, as the connections of a source live on all reactors: touched three times
 * in a connection's life. An entry lives while anything is counted in it, so the table is bounded by
 * the limit on connections.
 */
#include "net/listener.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"

#define SAY_EVERY_MS 60000

struct source {
	UT_hash_handle hh;
	uint64_t open, unauthenticated;
	int64_t said_ms;
	char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct source *sources;
static struct source_limits limits;
static bool limits_are_set;
static uint64_t total;
static int64_t total_said_ms;

void
source_set_limits(const struct source_limits *l)
{
	pthread_mutex_lock(&lock);
	limits = *l;
	limits_are_set = true;
	pthread_mutex_unlock(&lock);
}

static void
use_defaults(void)
{
	if (limits_are_set)
		return;
	limits.connections = limits_default.connections;
	limits.connections_per_address = limits_default.connections_per_address;
	limits.unauthenticated_per_address = limits_default.unauthenticated_per_address;
	limits_are_set = true;
}

/* Refused: says so, but not for each of a flood. */
static void
refuse(const char *source, const char *limit, int64_t *said_ms)
{
	int64_t now = clock_mono_ms();

	metric_add(METRIC_CONNECTIONS_REFUSED, 1);
	if (*said_ms && now - *said_ms < SAY_EVERY_MS)
		return;
	*said_ms = now;
	log_warning(NULL, "connection-refused", "source=%s limit=%s", source, limit);
}

static struct source *
find_or_add(const char *name)
{
	size_t n = strlen(name);
	struct source *s;

	HASH_FIND(hh, sources, name, n, s);
	if (s)
		return s;
	s = mem_zalloc(sizeof(*s) + n + 1);
	memcpy(s->name, name, n + 1);
	HASH_ADD_KEYPTR(hh, sources, s->name, n, s);
	return s;
}

static void
drop_if_unused(struct source *s)
{
	if (s->open)
		return;
	HASH_DEL(sources, s);
	free(s);
}

static bool
join(const char *name)
{
	struct source *s;

	use_defaults();
	if (total >= limits.connections) {
		refuse(name, "connections", &total_said_ms);
		return false;
	}
	s = find_or_add(name);
	if (s->open >= limits.connections_per_address) {
		refuse(name, "connections_per_address", &s->said_ms);
		drop_if_unused(s);
		return false;
	}
	if (s->unauthenticated >= limits.unauthenticated_per_address) {
		refuse(name, "unauthenticated_per_address", &s->said_ms);
		drop_if_unused(s);
		return false;
	}
	total++;
	s->open++;
	s->unauthenticated++;
	return true;
}

bool
source_joined(const char *source)
{
	bool in;

	pthread_mutex_lock(&lock);
	in = join(source);
	pthread_mutex_unlock(&lock);
	return in;
}

void
source_authenticated(const char *source)
{
	struct source *s;

	pthread_mutex_lock(&lock);
	HASH_FIND(hh, sources, source, strlen(source), s);
	if (s && s->unauthenticated)
		s->unauthenticated--;
	pthread_mutex_unlock(&lock);
}

void
source_left(const char *source, bool authenticated)
{
	struct source *s;

	pthread_mutex_lock(&lock);
	HASH_FIND(hh, sources, source, strlen(source), s);
	if (s) {
		total--;
		s->open--;
		if (!authenticated && s->unauthenticated)
			s->unauthenticated--;
		drop_if_unused(s);
	}
	pthread_mutex_unlock(&lock);
}
