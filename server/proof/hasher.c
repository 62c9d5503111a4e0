/*
 * hasher: a kept SHA-256 context (see hasher.h).
 */
#include "proof/hasher.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/mem.h"

struct hasher {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

struct hasher *
hasher_new(void)
{
	struct hasher *h = NEW(struct hasher);

	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->ctx = EVP_MD_CTX_new();
	if (!h->md || !h->ctx)
		abort();
	return h;
}

void
hasher_free(struct hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
}

void
hasher_begin(struct hasher *h)
{
	if (!EVP_DigestInit_ex2(h->ctx, h->md, NULL))
		abort();
}

void
hasher_add(struct hasher *h, const void *p, size_t n)
{
	if (n && !EVP_DigestUpdate(h->ctx, p, n))
		abort();
}

void
hasher_end(struct hasher *h, uint8_t out[SHA256_SIZE])
{
	unsigned n = 0;

	if (!EVP_DigestFinal_ex(h->ctx, out, &n) || n != SHA256_SIZE)
		abort();
}
