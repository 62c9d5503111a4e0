/*
 * crypt: random bytes, comparison, wiping, and the keyed hash of tables and homes.
 *
 * SipHash-2-4 (Aumasson and Bernstein, 2012) is here because OpenSSL's costs an allocation and
 * several calls for each hash; it is on the way of every stanza.
 */
#include "base/crypt.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

static pthread_once_t hash_once = PTHREAD_ONCE_INIT;
static uint8_t hash_key[16];
/* SHA256() and EVP_sha256() have OpenSSL 3 look it up by its name for each hash, under locks that all threads share. */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

void
crypt_random(void *p, size_t n)
{
	unsigned char *out = p;
	size_t part;

	for (; n > 0; out += part, n -= part) {
		part = n < 1 << 20 ? n : 1 << 20;
		if (RAND_bytes(out, (int)part) == 1)
			continue;
		/* Going on with predictable secrets would be worse than being away. */
		log_error(NULL, "no-random-bytes", "");
		_exit(EXIT_FAILURE);
	}
}

void
crypt_random_hex(char *out, size_t bytes)
{
	unsigned char raw[64];
	size_t part;

	for (; bytes > 0; bytes -= part, out += 2 * part) {
		part = bytes < sizeof(raw) ? bytes : sizeof(raw);
		crypt_random(raw, part);
		text_hex(raw, part, out);
	}
	*out = '\0';
	crypt_wipe(raw, sizeof(raw));
}

bool
crypt_equal(const void *a, const void *b, size_t n)
{
	return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}

void
crypt_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

static void
hashed(int ok)
{
	if (ok)
		return;
	log_error(NULL, "no-sha256", "");
	_exit(EXIT_FAILURE);
}

static void
fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hashed(sha256 != NULL);
}

void
crypt_sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE])
{
	static const unsigned char nothing;

	pthread_once(&sha256_once, fetch_sha256);
	hashed(EVP_Digest(n ? p : &nothing, n, out, NULL, sha256, NULL));
}

/* An EVP_MD_CTX by another name. */
struct crypt_hasher *
crypt_hasher_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	pthread_once(&sha256_once, fetch_sha256);
	hashed(c && EVP_DigestInit_ex2(c, sha256, NULL));
	return (struct crypt_hasher *)c;
}

void
crypt_hasher_add(struct crypt_hasher *h, const void *p, size_t n)
{
	hashed(n == 0 || EVP_DigestUpdate((EVP_MD_CTX *)h, p, n));
}

void
crypt_hasher_end(struct crypt_hasher *h, uint8_t out[SHA256_SIZE])
{
	if (h && out)
		hashed(EVP_DigestFinal_ex((EVP_MD_CTX *)h, out, NULL));
	EVP_MD_CTX_free((EVP_MD_CTX *)h);
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline uint64_t
rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static inline void
sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

uint64_t
crypt_siphash(const uint8_t key[16], const void *p, size_t n)
{
	uint64_t k0 = load64(key), k1 = load64(key + 8);
	uint64_t v[4] = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	const uint8_t *in = p;
	uint64_t last = (uint64_t)n << 56;
	size_t left;

	for (left = n; left >= 8; left -= 8, in += 8)
		sip_word(v, load64(in));
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)in[i] << (8 * i);
	sip_word(v, last);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void
hash_draw_key(void)
{
	crypt_random(hash_key, sizeof(hash_key));
}

uint64_t
crypt_hash(const void *p, size_t n)
{
	pthread_once(&hash_once, hash_draw_key);
	return crypt_siphash(hash_key, p, n);
}
