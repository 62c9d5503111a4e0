/*
 * address: bare JIDs as the record's indexes know them: a 64-bit number that is the same in every process and, by
 * archive.address_hash, in SQL. Two addresses may share one, so whoever looks up by it compares the text too.
 */
#ifndef STORE_ADDRESS_H
#define STORE_ADDRESS_H

#include <stdint.h>

#include "base/crypt.h"

/* The number in the first eight bytes of the SHA-256 of a bare JID. */
int64_t address_of_digest(const uint8_t sum[SHA256_SIZE]);
int64_t address_hash(const char *bare);

/* Of a conversation, the same from both ends. */
static inline int64_t
address_pair(int64_t a, int64_t b)
{
	return a == b ? a : a ^ b;
}

#endif
