/*
 * rounds: see rounds.h. The shares, in the order of the rounds, under a mutex; a name has a place between 0 and 1, which is a hash of it.
 */
#include "core/stream/rounds.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "core/stream/auth.h"
#include "store/account.h"
#include "xmpp/digest.h"

#define AGAIN_MS (5 * 60000) /* counting looks at every account */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct account_rounds shares[ACCOUNT_ROUNDS];
static size_t nshares;
static int64_t due_ms; /* 0: at once */

/* One worker asks; the others go on with what there is. */
static bool
is_due(void)
{
	int64_t now = clock_mono_ms();
	bool due;

	pthread_mutex_lock(&lock);
	due = now >= due_ms;
	if (due)
		due_ms = now + AGAIN_MS;
	pthread_mutex_unlock(&lock);
	return due;
}

enum sql_status
rounds_look(struct sql *db, struct err *e)
{
	struct account_rounds found[ACCOUNT_ROUNDS];
	size_t n = 0;
	enum sql_status st;

	if (!is_due())
		return SQL_OK;
	st = account_rounds(db, found, &n, e);
	pthread_mutex_lock(&lock);
	if (st == SQL_OK) {
		memcpy(shares, found, n * sizeof(found[0]));
		nshares = n;
	} else {
		due_ms = 0;
	}
	pthread_mutex_unlock(&lock);
	return st;
}

/* In 32 bits, so that it can be multiplied. */
static uint64_t
place_of(const char *bare)
{
	static const char label[] = "rounds";
	const struct digest_part parts[] = { { label, sizeof(label) }, { bare, strlen(bare) } };
	uint8_t hash[SCRAM_MAX];

	digest_hmac(SCRAM_SHA256, auth_secret(), SHA256_SIZE, parts, 2, hash);
	return (uint64_t)hash[0] << 24 | (uint64_t)hash[1] << 16 | (uint64_t)hash[2] << 8 | hash[3];
}

static uint32_t
rounds_at(uint64_t place, uint32_t otherwise)
{
	uint64_t all = 0, at;

	for (size_t i = 0; i < nshares; i++)
		all += shares[i].accounts;
	at = place * all >> 32;
	for (size_t i = 0; i < nshares; i++) {
		if (at < shares[i].accounts)
			return shares[i].rounds;
		at -= shares[i].accounts;
	}
	return otherwise;
}

uint32_t
rounds_of_nobody(const char *bare, uint32_t otherwise)
{
	uint64_t place = place_of(bare);
	uint32_t rounds;

	pthread_mutex_lock(&lock);
	rounds = rounds_at(place, otherwise);
	pthread_mutex_unlock(&lock);
	return rounds;
}

void
rounds_forget(void)
{
	pthread_mutex_lock(&lock);
	due_ms = 0;
	pthread_mutex_unlock(&lock);
}
