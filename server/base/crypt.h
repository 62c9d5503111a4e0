/*
 * crypt: the small cryptographic helpers everything uses. OpenSSL does the work.
 */
#ifndef BASE_CRYPT_H
#define BASE_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

/* Fills p from the system's generator; exits when that fails. */
void crypt_random(void *p, size_t n);
/* `bytes` random bytes as lower-case hex; out holds 2 * bytes + 1. */
void crypt_random_hex(char *out, size_t bytes);
/* Compares in time that does not depend on the content. */
bool crypt_equal(const void *a, const void *b, size_t n);
/* Overwrites in a way the compiler keeps. */
void crypt_wipe(void *p, size_t n);
void crypt_sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE]);
/* The same of what comes in pieces. crypt_hasher_end gives the hash and frees it; with out NULL it only frees. NULL is fine. */
struct crypt_hasher;
struct crypt_hasher *crypt_hasher_new(void);
void crypt_hasher_add(struct crypt_hasher *h, const void *p, size_t n);
void crypt_hasher_end(struct crypt_hasher *h, uint8_t out[SHA256_SIZE]);
/* A keyed 64-bit hash (SipHash-2-4) under a key drawn at process start. For tables and homes. */
uint64_t crypt_hash(const void *p, size_t n);
/* The same under a key of the caller. */
uint64_t crypt_siphash(const uint8_t key[16], const void *p, size_t n);

#endif
