/*
 * digest: the hashes of SCRAM, fetched from OpenSSL once a process: fetching per call would
 * cost more than the hashing. Thread-safe. Used by scram.c and scram_keys.c; a failure of
 * OpenSSL here is ours and ends the process.
 */
#ifndef XMPP_DIGEST_H
#define XMPP_DIGEST_H

#include "xmpp/scram.h"

struct digest_part {
	const void *p;
	size_t n;
};

/* By the names of XEP-0300: sha-1, sha-256, sha-512, sha3-256, sha3-512. The size, or 0: unknown name. */
#define DIGEST_MAX 64
size_t digest_named(const char *name, const void *p, size_t n, uint8_t out[DIGEST_MAX]);

/* The same and "md5", of what comes in pieces. Size 0 and NULL: unknown name. digest_sum_end frees it; `out` NULL: only that. NULL is fine. */
struct digest_sum;
size_t digest_sum_size(const char *name);
struct digest_sum *digest_sum_new(const char *name);
void digest_sum_add(struct digest_sum *s, const void *p, size_t n);
size_t digest_sum_end(struct digest_sum *s, uint8_t out[DIGEST_MAX]);

void digest_hash(enum scram_hash h, const void *p, size_t n, uint8_t out[SCRAM_MAX]);
/* Of the parts one after another. The key is scram_hash_size() or any other length. */
void digest_hmac(enum scram_hash h, const void *key, size_t key_len,
		 const struct digest_part *parts, size_t count, uint8_t out[SCRAM_MAX]);
/* SaltedPassword, RFC 5802 §2.2: PBKDF2 with this HMAC (pbkdf2.c). CPU-heavy. */
void digest_pbkdf2(enum scram_hash h, const char *password, size_t n, const uint8_t *salt,
		   size_t salt_len, uint32_t iterations, uint8_t out[SCRAM_MAX]);

#endif
