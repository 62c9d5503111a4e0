/*
 * map: uthash with a keyed hash. Its default hash has no key, so a peer who may choose names
 * (JIDs, resources, ids) could make them collide. Include this, never <uthash.h>.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/crypt.h"

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)crypt_hash((keyptr), (keylen)))
#include <uthash.h>

/* Most tables stay small (of a session, of a room), and there are very many: 32 buckets at first are 512 bytes each. They double as they fill. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS 4U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U

#endif
