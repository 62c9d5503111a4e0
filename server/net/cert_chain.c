/*
 * cert_chain: is there a way from the leaf to an anchor that RFC 5280 §6 allows, with keys that are strong enough, for servers? OpenSSL
 * builds and checks the chain; what it is too kind about is looked at afterwards.
 *
 * The purpose is not OpenSSL's business: it does not take anyExtendedKeyUsage for serverAuth, and lets things be CAs that do not say so.
 */
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/cert_priv.h"

#define SECURITY_LEVEL 2 /* 112 bits: RSA of 2048, no SHA-1 */
#define SECURITY_BITS 112
#define EC_BITS_MIN 256

/* What OpenSSL found, for the leaf and for a CA above it. %s: that CA. Those that have words of their own are in `explain`. */
static const struct {
	int error;
	enum cert_verdict verdict;
	const char *leaf, *above;
} problems[] = {
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, CERT_BAD_CHAIN, "the signature of its certificate is wrong",
		"the signature of its issuer's certificate '%s' is wrong" },
	{ X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, CERT_BAD_CHAIN, "the signature of its certificate is wrong",
		"the signature of its issuer's certificate '%s' is wrong" },
	{ X509_V_ERR_PATH_LENGTH_EXCEEDED, CERT_BAD_CHAIN, "its chain is longer than one of its issuers allows",
		"its chain is longer than its issuer '%s' allows" },
	{ X509_V_ERR_CERT_CHAIN_TOO_LONG, CERT_BAD_CHAIN, "its chain is too long", "its chain is too long" },
	{ X509_V_ERR_INVALID_NON_CA, CERT_BAD_CHAIN, "its certificate is one of an authority", "its issuer '%s' is an authority" },
	{ X509_V_ERR_KEYUSAGE_NO_CERTSIGN, CERT_WRONG_USE, "its issuer may not sign certificates (key usage)",
		"its issuer '%s' may not sign certificates (key usage)" },
	{ X509_V_ERR_INVALID_PURPOSE, CERT_WRONG_USE, "its certificate is not for servers", "its issuer '%s' is not for servers" },
	{ X509_V_ERR_PERMITTED_VIOLATION, CERT_BAD_CHAIN, "an authority above it may not issue certificates for the names in it",
		"an authority above '%s' may not issue certificates for the names in it" },
	{ X509_V_ERR_EXCLUDED_VIOLATION, CERT_BAD_CHAIN, "an authority above it may not issue certificates for the names in it",
		"an authority above '%s' may not issue certificates for the names in it" },
	{ X509_V_ERR_SUBTREE_MINMAX, CERT_BAD_CHAIN, "a name constraint in its chain cannot be understood", NULL },
	{ X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, CERT_BAD_CHAIN, "a name constraint in its chain cannot be understood", NULL },
	{ X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, CERT_BAD_CHAIN, "a name constraint in its chain cannot be understood", NULL },
	{ X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, CERT_BAD_CHAIN, "a name in its chain cannot be understood", NULL },
	{ X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, CERT_BAD_CHAIN, "its certificate has a critical extension that is not understood here",
		"its issuer '%s' has a critical extension that is not understood here" },
	{ X509_V_ERR_EE_KEY_TOO_SMALL, CERT_WEAK, "its key is too weak", "the key of its issuer '%s' is too weak" },
	{ X509_V_ERR_CA_KEY_TOO_SMALL, CERT_WEAK, "the key of one of its issuers is too weak", "the key of its issuer '%s' is too weak" },
	{ X509_V_ERR_CA_MD_TOO_WEAK, CERT_WEAK, "its certificate is signed with a hash that is too weak, such as SHA-1",
		"the certificate of its issuer '%s' is signed with a hash that is too weak, such as SHA-1" },
	{ X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, CERT_WEAK, "its key is on a curve of its own", "the key of its issuer '%s' is on a curve of its own" },
	{ X509_V_ERR_CERT_REJECTED, CERT_UNKNOWN_ISSUER, "its certificate is marked as one not to be trusted",
		"its issuer '%s' is marked as one not to be trusted" },
};

/* `above`: a format of ours that has one %s, for the name, or none. */
static bool
of_issuer(struct judging *j, X509 *at, enum cert_verdict v, const char *leaf, const char *above)
{
	char name[CERT_NAME_MAX];

	if (at == j->q->leaf || !at || !above)
		return cert_refuse(j, v, "%s", leaf);
	cert_text_name(X509_get_subject_name(at), name, sizeof(name));
	return cert_refuse(j, v, above, name);
}

static bool
dates(struct judging *j, X509 *at, bool expired)
{
	int64_t when = cert_text_seconds(expired ? X509_get0_notAfter(at) : X509_get0_notBefore(at));
	enum cert_verdict v = expired ? CERT_EXPIRED : CERT_NOT_YET;
	char day[32], name[CERT_NAME_MAX];

	cert_text_day(when, day);
	if (at == j->q->leaf)
		return cert_refuse(j, v, expired ? "its certificate expired on %s" : "its certificate is not valid before %s", day);
	cert_text_name(X509_get_subject_name(at), name, sizeof(name));
	return cert_refuse(j, v,
		expired ? "the certificate of its issuer '%s' expired on %s" : "the certificate of its issuer '%s' is not valid before %s",
		name, day);
}

/* Basic constraints say that it is one; key usage, if any, that it may sign (RFC 5280 §6.1.4 k, n). */
static bool
is_authority(struct judging *j, X509 *x)
{
	if (!(X509_get_extension_flags(x) & EXFLAG_CA))
		return of_issuer(j, x, CERT_BAD_CHAIN, "", "its issuer '%s' is not a certification authority");
	if (!(X509_get_key_usage(x) & KU_KEY_CERT_SIGN))
		return of_issuer(j, x, CERT_WRONG_USE, "", "its issuer '%s' may not sign certificates (key usage)");
	return true;
}

static bool
revoked(struct judging *j, X509 *at)
{
	char day[32], name[CERT_NAME_MAX];

	cert_text_day(j->revoked_on, day);
	if (at == j->q->leaf)
		return cert_refuse(j, CERT_REVOKED, "its certificate was revoked on %s", day);
	cert_text_name(X509_get_subject_name(at), name, sizeof(name));
	return cert_refuse(j, CERT_REVOKED, "the certificate of its issuer '%s' was revoked on %s", name, day);
}

/* Somebody trusted has that name: a new key of theirs that is not known here yet, or somebody else's. */
static bool
is_namesake(const struct judging *j, const X509_NAME *name)
{
	const struct cert_store *s = j->q->store;

	for (size_t i = 0; i < cert_store_anchors(s); i++)
		if (!X509_NAME_cmp(X509_get_subject_name(sk_X509_value(s->list, (int)i)), name))
			return true;
	return false;
}

/* The chain does not get to anybody we trust. `last`: as far as it went. */
static bool
nobody_known(struct judging *j, X509 *last)
{
	char at[CERT_NAME_MAX], issuer[CERT_NAME_MAX];
	bool end;

	if (!last)
		last = j->q->leaf;
	end = !X509_NAME_cmp(X509_get_subject_name(last), X509_get_issuer_name(last));
	cert_text_name(X509_get_subject_name(last), at, sizeof(at));
	cert_text_name(X509_get_issuer_name(last), issuer, sizeof(issuer));
	if (end && last == j->q->leaf)
		return cert_refuse(j, CERT_SELF_SIGNED, "its certificate is signed by itself and nobody else");
	if (is_namesake(j, X509_get_issuer_name(last)))
		return cert_refuse(j, CERT_UNKNOWN_ISSUER,
			"its chain ends at an authority with the name '%s', as one that is trusted here, but with another key", issuer);
	if (end)
		return cert_refuse(j, CERT_UNKNOWN_ISSUER, "its chain ends at '%s', which is not trusted here", at);
	if (last == j->q->leaf)
		return cert_refuse(j, CERT_UNKNOWN_ISSUER,
			"its certificate was issued by '%s', whose certificate it does not show and which is not trusted here", issuer);
	return cert_refuse(j, CERT_UNKNOWN_ISSUER, "its chain ends at '%s', issued by '%s', which is not trusted here", at, issuer);
}

static bool
explain(struct judging *j, X509_STORE_CTX *ctx)
{
	int error = X509_STORE_CTX_get_error(ctx);
	X509 *at = X509_STORE_CTX_get_current_cert(ctx);

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return dates(j, at ? at : j->q->leaf, error == X509_V_ERR_CERT_HAS_EXPIRED);
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
		return nobody_known(j, at);
	case X509_V_ERR_INVALID_CA:
		return (!at || is_authority(j, at)) ? cert_refuse(j, CERT_BAD_CHAIN, "an issuer in its chain is not a certification authority") : false;
	case X509_V_ERR_CERT_REVOKED:
		return revoked(j, at ? at : j->q->leaf);
	default:
		break;
	}
	for (size_t i = 0; i < sizeof(problems) / sizeof(*problems); i++)
		if (problems[i].error == error)
			return of_issuer(j, at, problems[i].verdict, problems[i].leaf, problems[i].above);
	return cert_refuse(j, CERT_BAD_CHAIN, "its chain cannot be verified: %s", X509_verify_cert_error_string(error));
}

static int
on_problem(int ok, X509_STORE_CTX *ctx)
{
	return ok || cert_lists_problem(X509_STORE_CTX_get_app_data(ctx), ctx);
}

bool
cert_key_is_strong(X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);

	if (!key || EVP_PKEY_get_security_bits(key) < SECURITY_BITS)
		return false;

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		return true;
	case EVP_PKEY_EC:
		return EVP_PKEY_get_bits(key) >= EC_BITS_MIN;
	default:
		return false;
	}
}

/* RFC 5280 §4.2.1.12: no extended key usage is any; an issuer's bounds what is below it, as everybody has it. */
static bool
is_for_servers(X509 *x)
{
	return !(X509_get_extension_flags(x) & EXFLAG_XKUSAGE) || (X509_get_extended_key_usage(x) & (XKU_SSL_SERVER | XKU_ANYEKU));
}

static bool
leaf_use(struct judging *j, X509 *leaf)
{
	if (!is_for_servers(leaf)) {
		if (X509_get_extended_key_usage(leaf) & XKU_SSL_CLIENT)
			return cert_refuse(j, CERT_WRONG_USE, "its certificate is for clients only, not for servers (extended key usage)");
		return cert_refuse(j, CERT_WRONG_USE, "its certificate is not for servers (extended key usage)");
	}
	/* Every key exchange we have is signed (RFC 8446 §4.4.2.2); no key usage at all reads as all bits. */
	if (!(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
		return cert_refuse(j, CERT_WRONG_USE, "the key of its certificate is not for signatures (key usage)");
	return true;
}

/* What OpenSSL accepts and we do not. */
static bool
strict(struct judging *j)
{
	int n = sk_X509_num(j->chain);

	if (!leaf_use(j, sk_X509_value(j->chain, 0)))
		return false;
	for (int i = 0; i < n; i++) {
		X509 *x = sk_X509_value(j->chain, i);
		bool anchor = i == n - 1;

		if (!cert_key_is_strong(x))
			return of_issuer(j, i ? x : j->q->leaf, CERT_WEAK, "its key is too weak", "the key of its issuer '%s' is too weak");
		if (i == 0)
			continue;
		/* 1: it says so itself. An anchor may be as old as that it does not. */
		if (!anchor && !is_authority(j, x))
			return false;
		if (!is_for_servers(x))
			return of_issuer(j, x, CERT_WRONG_USE, "", "its issuer '%s' is not for servers (extended key usage)");
	}
	return true;
}

bool
cert_chain_verify(struct judging *j, STACK_OF(X509) *anchors)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	bool good;

	if (!ctx || X509_STORE_CTX_init(ctx, anchors ? NULL : j->q->store->anchors, j->q->leaf, j->shown) != 1)
		mem_exhausted(0);
	param = X509_STORE_CTX_get0_param(ctx);
	if (anchors) {
		X509_STORE_CTX_set0_trusted_stack(ctx, anchors);
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	}
	X509_VERIFY_PARAM_set_depth(param, CERT_DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_time(param, (time_t)j->q->now);
	X509_STORE_CTX_set_app_data(ctx, j);
	X509_STORE_CTX_set_verify_cb(ctx, on_problem);
	cert_lists_use(j, ctx);
	ERR_clear_error();
	good = X509_verify_cert(ctx) == 1 || explain(j, ctx);
	if (good) {
		sk_X509_pop_free(j->chain, X509_free);
		j->chain = X509_STORE_CTX_get1_chain(ctx);
		if (!j->chain)
			mem_exhausted(0);
		good = strict(j);
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return good;
}
