/*
 * digest: SHA-1, SHA-256, SHA-512 and their HMACs over OpenSSL's EVP interface.
 */
#include "xmpp/digest.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static struct algorithm {
	const char *name;
	size_t size;
	EVP_MD *md;
	EVP_MAC_CTX *hmac; /* keyed with something, to be copied and keyed anew */
} algorithms[SCRAM_HASHES] = {
	[SCRAM_SHA1] = {.name = "SHA1", .size = 20},
	[SCRAM_SHA256] = {.name = "SHA256", .size = 32},
	[SCRAM_SHA512] = {.name = "SHA512", .size = 64},
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* OpenSSL has its algorithms or nobody can log in; there is nothing to degrade to. */
static void
must(int ok, const char *what)
{
	if (ok)
		return;
	log_error(NULL, "digest-failed", "call=%s", what);
	abort();
}

static void
fetch(void)
{
	static const unsigned char any[1];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	must(mac != NULL, "EVP_MAC_fetch");
	for (int i = 0; i < SCRAM_HASHES; i++) {
		struct algorithm *a = &algorithms[i];
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)a->name, 0),
			OSSL_PARAM_construct_end(),
		};

		a->md = EVP_MD_fetch(NULL, a->name, NULL);
		must(a->md != NULL, "EVP_MD_fetch");
		a->hmac = EVP_MAC_CTX_new(mac);
		must(a->hmac && EVP_MAC_init(a->hmac, any, sizeof(any), params), "EVP_MAC_init");
	}
	EVP_MAC_free(mac);
}

static const struct algorithm *
find(enum scram_hash h)
{
	assert((unsigned)h < SCRAM_HASHES);
	pthread_once(&once, fetch);
	return &algorithms[h];
}

size_t
scram_hash_size(enum scram_hash h)
{
	assert((unsigned)h < SCRAM_HASHES);
	return algorithms[h].size;
}

static const struct named {
	const char *name, *openssl;
	size_t size;
} names[] = {
	{ "sha-1", "SHA1", 20 },
	{ "sha-256", "SHA256", 32 },
	{ "sha-512", "SHA512", 64 },
	{ "sha3-256", "SHA3-256", 32 },
	{ "sha3-512", "SHA3-512", 64 },
	{ "md5", "MD5", 16 }, /* what SI announces (XEP-0096); the last: not a name of XEP-0300 that anything is believed by */
};

static const struct named *
find_named(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].name, name))
			return &names[i];
	return NULL;
}

size_t
digest_named(const char *name, const void *p, size_t n, uint8_t out[DIGEST_MAX])
{
	const struct named *d = find_named(name);
	size_t size = 0;

	if (d && strcmp(d->name, "md5"))
		must(EVP_Q_digest(NULL, d->openssl, NULL, p, n, out, &size), "EVP_Q_digest");
	return size;
}

/* In pieces */

struct digest_sum {
	EVP_MD_CTX *ctx;
	EVP_MD *md;
};

size_t
digest_sum_size(const char *name)
{
	const struct named *d = find_named(name);

	return d ? d->size : 0;
}

struct digest_sum *
digest_sum_new(const char *name)
{
	const struct named *d = find_named(name);
	struct digest_sum *s;

	if (!d)
		return NULL;
	s = NEW(struct digest_sum);
	s->md = EVP_MD_fetch(NULL, d->openssl, NULL);
	s->ctx = EVP_MD_CTX_new();
	must(s->md && s->ctx && EVP_DigestInit_ex2(s->ctx, s->md, NULL), "EVP_DigestInit");
	return s;
}

void
digest_sum_add(struct digest_sum *s, const void *p, size_t n)
{
	must(EVP_DigestUpdate(s->ctx, p, n), "EVP_DigestUpdate");
}

size_t
digest_sum_end(struct digest_sum *s, uint8_t out[DIGEST_MAX])
{
	unsigned n = 0;

	if (!s)
		return 0;
	if (out)
		must(EVP_DigestFinal_ex(s->ctx, out, &n), "EVP_DigestFinal");
	EVP_MD_CTX_free(s->ctx);
	EVP_MD_free(s->md);
	free(s);
	return n;
}

void
digest_hash(enum scram_hash h, const void *p, size_t n, uint8_t out[SCRAM_MAX])
{
	must(EVP_Digest(p, n, out, NULL, find(h)->md, NULL), "EVP_Digest");
}

void
digest_hmac(enum scram_hash h, const void *key, size_t key_len, const struct digest_part *parts,
	    size_t count, uint8_t out[SCRAM_MAX])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(find(h)->hmac);
	size_t len;

	must(ctx && EVP_MAC_init(ctx, key, key_len, NULL), "EVP_MAC_init");
	for (size_t i = 0; i < count; i++)
		must(EVP_MAC_update(ctx, parts[i].p, parts[i].n), "EVP_MAC_update");
	must(EVP_MAC_final(ctx, out, &len, SCRAM_MAX), "EVP_MAC_final");
	EVP_MAC_CTX_free(ctx);
}
