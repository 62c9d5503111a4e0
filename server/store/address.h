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

/* Where the records of a conversation are. Few of them carry the number of the pair; each that does opens a span of the
 * conversation, and whoever reads it finds the others by the numbers of the two addresses: a record of a span is among the first
 * ADDRESS_SPAN_RECORDS of those from, or to, either of the two that begin with the one that opened it, and its id is less
 * than ADDRESS_SPAN_US above. A span may be as short as one record. The record that opens the next
 * one says how many others it has, if the writer still knows. */
#define ADDRESS_SPAN_RECORDS 32
#define ADDRESS_SPAN_US 2419200000000 /* four weeks: two partitions at most */

#endif
