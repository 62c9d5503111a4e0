/*
 * map: uthash with a keyed hash. Its default hash has no key, so a peer who may choose names
 * (JIDs, resources, ids) could make them collide. Include this, never <uthash.h>.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/crypt.h"

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)crypt_hash((keyptr), (keylen)))
#include <uthash.h>

#endif
