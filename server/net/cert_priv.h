/*
 * cert_priv: what the files of cert share: cert (verdicts, pins, the order of things), cert_chain (the way to an anchor, RFC 5280),
 * cert_name (whom it is for), cert_revoked (CRL, OCSP), cert_dane (TLSA), cert_store (anchors and lists), cert_text (what is in
 * certificates, fit to be shown).
 */
#ifndef NET_CERT_PRIV_H
#define NET_CERT_PRIV_H

#include <stdatomic.h>

#include "net/cert.h"

#define CERT_SHOWN_MAX 16 /* certificates that a peer shows and that are looked at */
#define CERT_DEPTH_MAX 8  /* CAs between leaf and anchor */
#define CERT_NAMES_MAX 500 /* names in a certificate that are looked at */
#define CERT_NAME_MAX 100 /* bytes of a name in our words */

struct cert_store {
	atomic_uint refs;
	X509_STORE *anchors;
	STACK_OF(X509) *list;            /* the same, as a list */
	unsigned char (*pins)[CERT_PIN]; /* of their keys */
	STACK_OF(X509_CRL) *crls;
};

/* One question under way. */
struct judging {
	const struct cert_question *q;
	struct cert_answer *a;
	STACK_OF(X509) *shown;  /* what the peer showed, without the leaf, at most CERT_SHOWN_MAX; borrowed certificates */
	STACK_OF(X509) *chain;  /* the verified one, leaf to anchor; owned */
	bool names_free;        /* DANE-EE: whom it is for and when is not looked at */
	bool list_silent;       /* no revocation list speaks for the leaf */
	int list_unsigned;      /* the depth at which a list was found whose signature does not fit; -1: none */
	int64_t revoked_on;     /* found in a list; 0: not known */
};

/* Sets verdict and words; always false. */
bool cert_refuse(struct judging *j, enum cert_verdict v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* SHA-256 of the SubjectPublicKeyInfo. */
void cert_key_hash(X509 *x, unsigned char out[CERT_PIN]);

/* RSA of 2048 bits, P-256, Ed25519, or better. */
bool cert_key_is_strong(X509 *x);

/* The way from the leaf to an anchor: `anchors`, which may be anything that was shown (a partial chain is enough), or NULL: those of
 * q->store, which must be roots. Fills j->chain when true. */
bool cert_chain_verify(struct judging *j, STACK_OF(X509) *anchors);

/* Is it for q->domain (or one of q->also)? */
bool cert_name_check(struct judging *j);

/* X509_STORE_CTX: makes it look at revocation lists, and what its verification callback does about them: true: go on. */
void cert_lists_use(struct judging *j, X509_STORE_CTX *ctx);
bool cert_lists_problem(struct judging *j, X509_STORE_CTX *ctx);
/* What the stapled response says, and whether somebody had to. Behind cert_chain_verify. */
bool cert_revoked_check(struct judging *j);

/* BY_DANE, the chain; names are the caller's business unless j->names_free. */
bool cert_dane_verify(struct judging *j);

/* Names as people read them, in quotation marks of the caller. */
void cert_text_name(const X509_NAME *n, char *out, size_t max); /* the common name, else the whole */
void cert_text_whole(const X509_NAME *n, char *out, size_t max);
/* Copies what a certificate says: valid UTF-8, no control characters, cut where it is too long. */
void cert_text_clean(const void *p, size_t n, char *out, size_t max);
int64_t cert_text_seconds(const ASN1_TIME *t); /* since 1970; 0: cannot be read */
const char *cert_text_day(int64_t seconds, char out[32]);

#endif
