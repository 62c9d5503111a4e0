/*
 * address: see address.h. Collisions cannot be made at will (SHA-256), so no peer can crowd a range of the index that
 * is somebody else's.
 */
#include "store/address.h"

#include <endian.h>
#include <string.h>

int64_t
address_of_digest(const uint8_t sum[SHA256_SIZE])
{
	uint64_t v;

	memcpy(&v, sum, sizeof(v));
	return (int64_t)be64toh(v);
}

int64_t
address_hash(const char *bare)
{
	uint8_t sum[SHA256_SIZE];

	crypt_sha256(bare, strlen(bare), sum);
	return address_of_digest(sum);
}
