/*
 * auth: a table of counters by (account, address) and by address, each with the minute it counts, in the
 * order of last use so that the oldest goes when the table is full.
 */
#include "core/stream/auth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"

#define WINDOW_MS 60000
#define MOST 65536 /* counters kept */

struct counter {
	UT_hash_handle hh;
	struct list recent;
	int64_t window_ms; /* start of the minute being counted */
	unsigned failures;
	bool known;        /* has logged in */
	char key[];
};

static struct counter *table;
static struct list recent = { &recent, &recent };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t secret[32];

#define REVOKED 256 /* remembered */
static uint64_t revoked[REVOKED]; /* hashes of bare JIDs; the n-th is at n mod REVOKED */
static uint64_t nrevoked;

void
auth_set_secret(const uint8_t s[32])
{
	memcpy(secret, s, sizeof(secret));
}

const uint8_t *
auth_secret(void)
{
	return secret;
}

static void
drop(struct counter *c)
{
	HASH_DEL(table, c);
	list_remove(&c->recent);
	free(c);
}

/* The counter under "bare\nsource", or "\nsource"; made when `make`. */
static struct counter *
find(const char *bare, const char *source, bool make)
{
	char key[2304];
	int n = snprintf(key, sizeof(key), "%s\n%s", bare, source);
	struct counter *c;
	int64_t now = clock_mono_ms();

	HASH_FIND(hh, table, key, (size_t)n, c);
	if (!c && make) {
		if (HASH_COUNT(table) >= MOST)
			drop(LIST_ENTRY(recent.next, struct counter, recent));
		c = mem_zalloc(sizeof(*c) + (size_t)n + 1);
		memcpy(c->key, key, (size_t)n);
		c->window_ms = now;
		list_init(&c->recent);
		HASH_ADD_KEYPTR(hh, table, c->key, (size_t)n, c);
	}
	if (!c)
		return NULL;
	if (now - c->window_ms >= WINDOW_MS) {
		c->window_ms = now;
		c->failures = 0;
	}
	list_remove(&c->recent);
	list_append(&recent, &c->recent);
	return c;
}

bool
auth_may_try(const char *bare, const char *source)
{
	const struct limits *l = &home_config()->limits;
	const struct counter *pair, *address;
	bool may;

	pthread_mutex_lock(&lock);
	pair = find(bare, source, false);
	address = find("", source, false);
	may = (!pair || pair->failures < l->auth_failures_per_account) &&
		(!address || address->failures < l->auth_failures_per_address || (pair && pair->known));
	pthread_mutex_unlock(&lock);
	if (!may)
		metric_add(METRIC_AUTH_THROTTLED, 1);
	return may;
}

void
auth_failed(const char *bare, const char *source)
{
	pthread_mutex_lock(&lock);
	find(bare, source, true)->failures++;
	find("", source, true)->failures++;
	pthread_mutex_unlock(&lock);
	metric_add(METRIC_AUTH_FAILED, 1);
}

void
auth_succeeded(const char *bare, const char *source)
{
	pthread_mutex_lock(&lock);
	find(bare, source, true)->known = true;
	pthread_mutex_unlock(&lock);
	metric_add(METRIC_AUTH_OK, 1);
}

uint64_t
auth_moment(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = nrevoked;
	pthread_mutex_unlock(&lock);
	return n;
}

void
auth_revoked(const char *bare)
{
	pthread_mutex_lock(&lock);
	revoked[nrevoked++ % REVOKED] = crypt_hash(bare, strlen(bare));
	pthread_mutex_unlock(&lock);
}

bool
auth_revoked_since(const char *bare, uint64_t moment)
{
	uint64_t hash = crypt_hash(bare, strlen(bare));
	bool yes;

	pthread_mutex_lock(&lock);
	yes = nrevoked - moment > REVOKED;
	for (uint64_t i = moment; i < nrevoked && !yes; i++)
		yes = revoked[i % REVOKED] == hash;
	pthread_mutex_unlock(&lock);
	return yes;
}

bool
auth_may_register(const char *source)
{
	bool may;

	pthread_mutex_lock(&lock);
	/* No account has that name: they are addresses. */
	may = find("registration", source, true)->failures++ < home_config()->limits.registrations_per_address;
	pthread_mutex_unlock(&lock);
	return may;
}

void
auth_stop(void)
{
	pthread_mutex_lock(&lock);
	while (!list_is_empty(&recent))
		drop(LIST_ENTRY(recent.next, struct counter, recent));
	pthread_mutex_unlock(&lock);
}
