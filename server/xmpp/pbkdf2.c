/*
 * pbkdf2: PBKDF2 (RFC 8018 §5.2) with the HMACs of SCRAM, one block of output. Called by scram_keys.c; see digest.h.
 *
 * OpenSSL 3.0's own copies an EVP context in each round, which allocates, wipes and frees: more work than the hashing. This one
 * prepares the inner and the outer state of the HMAC once and copies plain structures. They are of the interface that 3.0
 * calls deprecated; there is no other that can be copied without an allocation.
 */
#define OPENSSL_API_COMPAT 10101

#include "xmpp/digest.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/crypt.h"

#define BLOCK_MAX SHA512_CBLOCK

union state {
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512;
};

struct hmac {
	enum scram_hash hash;
	size_t size;
	union state inner, outer; /* the key has gone in */
};

static void
begin(enum scram_hash h, union state *s)
{
	switch (h) {
	case SCRAM_SHA1: SHA1_Init(&s->sha1); break;
	case SCRAM_SHA256: SHA256_Init(&s->sha256); break;
	default: SHA512_Init(&s->sha512);
	}
}

static void
update(enum scram_hash h, union state *s, const void *p, size_t n)
{
	switch (h) {
	case SCRAM_SHA1: SHA1_Update(&s->sha1, p, n); break;
	case SCRAM_SHA256: SHA256_Update(&s->sha256, p, n); break;
	default: SHA512_Update(&s->sha512, p, n);
	}
}

static void
finish(enum scram_hash h, union state *s, uint8_t out[SCRAM_MAX])
{
	switch (h) {
	case SCRAM_SHA1: SHA1_Final(out, &s->sha1); break;
	case SCRAM_SHA256: SHA256_Final(out, &s->sha256); break;
	default: SHA512_Final(out, &s->sha512);
	}
}

/* RFC 2104 §2: a key longer than a block is hashed first. */
static void
hmac_key(struct hmac *m, const void *key, size_t n)
{
	size_t block = m->hash == SCRAM_SHA512 ? SHA512_CBLOCK : SHA256_CBLOCK;
	uint8_t pad[BLOCK_MAX] = {0}, short_key[SCRAM_MAX];

	if (n > block) {
		begin(m->hash, &m->inner);
		update(m->hash, &m->inner, key, n);
		finish(m->hash, &m->inner, short_key);
		key = short_key;
		n = m->size;
	}
	if (n)
		memcpy(pad, key, n);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36;
	begin(m->hash, &m->inner);
	update(m->hash, &m->inner, pad, block);
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	begin(m->hash, &m->outer);
	update(m->hash, &m->outer, pad, block);
	crypt_wipe(pad, sizeof(pad));
	crypt_wipe(short_key, sizeof(short_key));
}

/* Of the message that has been put into *s, which began as a copy of m->inner. */
static void
hmac_finish(const struct hmac *m, union state *s, uint8_t out[SCRAM_MAX])
{
	finish(m->hash, s, out);
	*s = m->outer;
	update(m->hash, s, out, m->size);
	finish(m->hash, s, out);
}

void
digest_pbkdf2(enum scram_hash h, const char *password, size_t n, const uint8_t *salt, size_t salt_len, uint32_t iterations,
	      uint8_t out[SCRAM_MAX])
{
	static const uint8_t first_block[4] = {0, 0, 0, 1};
	struct hmac m = {.hash = h, .size = scram_hash_size(h)};
	union state s;
	uint8_t u[SCRAM_MAX];

	assert(iterations > 0);
	hmac_key(&m, password, n);
	s = m.inner;
	update(h, &s, salt, salt_len);
	update(h, &s, first_block, sizeof(first_block));
	hmac_finish(&m, &s, u);
	memcpy(out, u, m.size);
	while (--iterations) {
		s = m.inner;
		update(h, &s, u, m.size);
		hmac_finish(&m, &s, u);
		for (size_t i = 0; i < m.size; i++)
			out[i] ^= u[i];
	}
	crypt_wipe(u, sizeof(u));
	crypt_wipe(&s, sizeof(s));
	crypt_wipe(&m, sizeof(m));
}
