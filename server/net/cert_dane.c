/*
 * cert_dane: TLSA records (RFC 6698, RFC 7671), which DNSSEC vouches for, instead of authorities or beside them.
 *
 *   3  this certificate or key: name and dates do not matter (RFC 7671 §5.1)
 *   2  this authority, which the peer shows: dates and name do
 *   1  this certificate, and the authorities that we trust agree
 *   0  this authority in its chain, and they agree
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"
#include "net/cert_priv.h"

enum { USE_CA_TRUSTED, USE_LEAF_TRUSTED, USE_CA, USE_LEAF };

static bool
is_usable(const struct cert_tlsa *t)
{
	static const size_t sizes[] = { 0, 32, 64 };

	if (t->usage > USE_LEAF || t->selector > 1 || t->matching > 2)
		return false;
	return t->matching == 0 ? t->len > 0 : t->len == sizes[t->matching];
}

static bool
matches(const struct cert_tlsa *t, X509 *x)
{
	unsigned char *der = NULL, hash[EVP_MAX_MD_SIZE];
	int n = t->selector == 0 ? i2d_X509(x, &der) : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	unsigned len = 0;
	bool same = false;

	if (n > 0 && t->matching == 0)
		same = (size_t)n == t->len && !memcmp(der, t->data, t->len);
	else if (n > 0 && EVP_Digest(der, (size_t)n, hash, &len, t->matching == 1 ? EVP_sha256() : EVP_sha512(), NULL) == 1)
		same = len == t->len && !memcmp(hash, t->data, len);
	OPENSSL_free(der);
	return same;
}

/* Those of the records with this usage that mean x. */
static bool
named(const struct judging *j, unsigned usage, X509 *x)
{
	for (size_t i = 0; i < j->q->ntlsa; i++)
		if (j->q->tlsa[i].usage == usage && is_usable(&j->q->tlsa[i]) && matches(&j->q->tlsa[i], x))
			return true;
	return false;
}

static bool
has_usage(const struct judging *j, unsigned usage)
{
	for (size_t i = 0; i < j->q->ntlsa; i++)
		if (j->q->tlsa[i].usage == usage && is_usable(&j->q->tlsa[i]))
			return true;
	return false;
}

/* RFC 7671 §5.2.3: an authority whose whole certificate is in the record need not be shown. */
static void
from_records(const struct judging *j, STACK_OF(X509) *anchors, STACK_OF(X509) *owned)
{
	for (size_t i = 0; i < j->q->ntlsa; i++) {
		const struct cert_tlsa *t = &j->q->tlsa[i];
		const unsigned char *p = t->data;
		X509 *x;

		if (t->usage != USE_CA || t->selector != 0 || t->matching != 0 || sk_X509_num(owned) >= CERT_SHOWN_MAX ||
		    !(x = d2i_X509(NULL, &p, (long)t->len)))
			continue;
		if (!sk_X509_push(owned, x) || !sk_X509_push(anchors, x))
			mem_exhausted(0);
	}
}

/* Usage 2. */
static bool
by_authority(struct judging *j)
{
	STACK_OF(X509) *anchors = sk_X509_new_null(), *owned = sk_X509_new_null();
	bool good = false;

	if (!anchors || !owned)
		mem_exhausted(0);
	for (int i = 0; i < sk_X509_num(j->shown); i++)
		if (named(j, USE_CA, sk_X509_value(j->shown, i)) && !sk_X509_push(anchors, sk_X509_value(j->shown, i)))
			mem_exhausted(0);
	from_records(j, anchors, owned);
	if (sk_X509_num(anchors) > 0)
		good = cert_chain_verify(j, anchors);
	sk_X509_free(anchors);
	sk_X509_pop_free(owned, X509_free);
	return good;
}

/* Usages 0 and 1. */
static bool
by_both(struct judging *j)
{
	if (cert_store_anchors(j->q->store) == 0 || !cert_chain_verify(j, NULL))
		return false;
	if (named(j, USE_LEAF_TRUSTED, j->q->leaf))
		return true;
	for (int i = 1; i < sk_X509_num(j->chain); i++)
		if (named(j, USE_CA_TRUSTED, sk_X509_value(j->chain, i)))
			return true;
	return false;
}

bool
cert_dane_verify(struct judging *j)
{
	bool usable = false;

	for (unsigned usage = USE_CA_TRUSTED; usage <= USE_LEAF; usage++)
		usable |= has_usage(j, usage);
	if (!usable && j->q->tlsa_why)
		return cert_refuse(j, CERT_NOT_DANE, "its TLSA records could not be looked up: %s", j->q->tlsa_why);
	if (!usable)
		return cert_refuse(j, CERT_NOT_DANE, "there are no TLSA records for it that DNSSEC vouches for");
	if (named(j, USE_LEAF, j->q->leaf)) {
		if (!cert_key_is_strong(j->q->leaf))
			return cert_refuse(j, CERT_WEAK, "its key is too weak");
		j->names_free = true;
		j->list_silent = true;
		return true;
	}
	j->a->verdict = CERT_NOT_DANE;
	if ((has_usage(j, USE_CA) && by_authority(j)) ||
	    ((has_usage(j, USE_CA_TRUSTED) || has_usage(j, USE_LEAF_TRUSTED)) && by_both(j)))
		return true;
	/* That the authority is named and its chain has a fault says more than that no record fits. */
	if (j->a->verdict == CERT_NOT_DANE || j->a->verdict == CERT_UNKNOWN_ISSUER || j->a->verdict == CERT_SELF_SIGNED)
		return cert_refuse(j, CERT_NOT_DANE, "none of its TLSA records fits its certificate");
	return false;
}
