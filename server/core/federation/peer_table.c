/*
 * peer_table: over which stream a message for another server would go, for those who record it before it has got there. Written by
 * the homes of the routes, read by the lanes of all.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "core/federation/federation.h"
#include "core/federation/route_priv.h"

struct place {
	UT_hash_handle hh;
	uint64_t record;
	char key[]; /* local, NUL, remote */
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct place *places; /* under lock */

void
peer_table_set(const struct route *r, uint64_t record)
{
	struct place *p = NULL;

	pthread_rwlock_wrlock(&lock);
	HASH_FIND(hh, places, r->key, r->key_len, p);
	if (!p && record) {
		p = mem_zalloc(sizeof(*p) + r->key_len);
		memcpy(p->key, r->key, r->key_len);
		HASH_ADD_KEYPTR(hh, places, p->key, r->key_len, p);
	}
	if (p && record) {
		p->record = record;
	} else if (p) {
		HASH_DELETE(hh, places, p);
		free(p);
	}
	pthread_rwlock_unlock(&lock);
}

uint64_t
federation_peer_record(const struct jid *from, const struct jid *to)
{
	char key[ROUTE_KEY_SIZE];
	size_t len = route_key(from, to, key);
	const struct place *p = NULL;
	uint64_t record;

	pthread_rwlock_rdlock(&lock);
	if (places)
		HASH_FIND(hh, places, key, len, p);
	record = p ? p->record : 0;
	pthread_rwlock_unlock(&lock);
	return record;
}
