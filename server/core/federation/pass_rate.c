/*
 * pass_rate: how much passes in a minute. A partner's streams are at its home, its correspondents are everywhere: so one table for the process
 * under a mutex, which is taken only for partners with a rate.
 *
 * Each entry is one time: when all that has been taken will have been earned (the generic cell rate algorithm). It fits whatever rate is in
 * force now, so changing an entry needs nothing here.
 */
#include "core/federation/pass.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define MINUTE_NS (60 * (int64_t)1000000000)

struct rate {
	UT_hash_handle hh;
	struct list recent;
	int64_t earned_ns;
	char key[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rate *rates;
static struct list recent = { &recent, &recent }; /* the one not used for longest first */

static void
key_of(char *out, size_t size, int64_t partner, enum partner_direction d, const char *who)
{
	snprintf(out, size, "%lld/%d/%s", (long long)partner, (int)d, who);
}

static void
forget(struct rate *r)
{
	HASH_DELETE(hh, rates, r);
	list_remove(&r->recent);
	free(r);
}

/* Of the same partner, in the same direction: "ID/DIRECTION/". */
static bool
is_kin(const char *a, const char *b)
{
	size_t n = strcspn(a, "/") + 3;

	return !strncmp(a, b, n);
}

static struct rate *
rate_new(const char *key, uint64_t max)
{
	size_t n = strlen(key);
	struct rate *r = mem_zalloc(sizeof(*r) + n + 1);

	while (rates && HASH_COUNT(rates) >= max) {
		struct rate *old = LIST_ENTRY(recent.next, struct rate, recent);

		if (is_kin(key, old->key) && r->earned_ns < old->earned_ns)
			r->earned_ns = old->earned_ns;
		forget(old);
	}
	memcpy(r->key, key, n + 1);
	HASH_ADD_KEYPTR(hh, rates, r->key, n, r);
	list_append(&recent, &r->recent);
	return r;
}

static struct rate *
rate_for(const char *key, uint64_t max)
{
	struct rate *r;

	HASH_FIND(hh, rates, key, strlen(key), r);
	if (!r)
		return rate_new(key, max);
	list_remove(&r->recent);
	list_append(&recent, &r->recent);
	return r;
}

bool
pass_rate_take(int64_t partner, enum partner_direction d, const char *who, uint64_t per_minute, uint64_t max)
{
	int64_t now = clock_mono_us() * 1000, cost = MINUTE_NS / (int64_t)(per_minute ? per_minute : 1), from;
	char key[3200];
	struct rate *r;
	bool fits;

	if (!per_minute || per_minute > (uint64_t)MINUTE_NS)
		return true;
	key_of(key, sizeof(key), partner, d, who);
	pthread_mutex_lock(&lock);
	r = rate_for(key, max);
	from = r->earned_ns > now ? r->earned_ns : now;
	fits = from + cost - now <= MINUTE_NS;
	if (fits)
		r->earned_ns = from + cost;
	pthread_mutex_unlock(&lock);
	return fits;
}

void
pass_rate_return(int64_t partner, enum partner_direction d, const char *who, uint64_t per_minute)
{
	char key[3200];
	struct rate *r;

	if (!per_minute || per_minute > (uint64_t)MINUTE_NS)
		return;
	key_of(key, sizeof(key), partner, d, who);
	pthread_mutex_lock(&lock);
	HASH_FIND(hh, rates, key, strlen(key), r);
	if (r)
		r->earned_ns -= MINUTE_NS / (int64_t)per_minute;
	pthread_mutex_unlock(&lock);
}

void
pass_rate_stop(void)
{
	struct rate *r, *tmp;

	HASH_ITER(hh, rates, r, tmp)
		forget(r);
}
