/*
 * cert: may whoever showed this certificate speak for that domain? Pure: no network, no state.
 *
 * Names (RFC 6120 §13.7.1, RFC 6125, RFC 9525): XmppAddr (id-on-xmppAddr, the bare domain), SRV-ID (RFC 4985, `_xmpp-server` only), DNS-ID;
 * a wildcard only as the complete left-most label of a DNS-ID, for one label; domains are compared in A-labels, case-insensitively.
 * The CN is never looked at. Chains: RFC 5280 with path length, key usage, name constraints; the purpose is *server* in both
 * directions (public CAs no longer issue clientAuth); a certificate whose extended key usage has only clientAuth is refused.
 * Keys: RSA of 2048 bits, P-256 or better, Ed25519; no signature by MD5 or SHA-1 within the chain below its anchor.
 */
#ifndef NET_CERT_H
#define NET_CERT_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum cert_verdict {
	CERT_GOOD,
	CERT_ABSENT,         /* none was shown */
	CERT_OTHER_NAME,     /* for another name */
	CERT_EXPIRED,
	CERT_NOT_YET,
	CERT_SELF_SIGNED,    /* and not pinned */
	CERT_UNKNOWN_ISSUER,
	CERT_BAD_CHAIN,      /* a signature, path length, basic constraint or name constraint is wrong */
	CERT_WRONG_USE,      /* key usage, extended key usage */
	CERT_WEAK,           /* key or signature algorithm */
	CERT_REVOKED,
	CERT_REVOCATION_UNKNOWN, /* nobody could say, and the setting wants to know */
	CERT_NOT_PINNED,     /* other keys are pinned */
	CERT_NOT_DANE,       /* TLSA records do not match, or are not secure */
	CERT_VERDICTS
};

/* "expired", "other-name": for logs, metrics, the record. */
const char *cert_verdict_name(enum cert_verdict v);

enum cert_trust { CERT_BY_CA, CERT_BY_PIN, CERT_BY_DANE };

/* As in RFC 6698 §2.1. */
struct cert_tlsa {
	uint8_t usage, selector, matching;
	const unsigned char *data;
	size_t len;
};

#define CERT_PIN 32 /* SHA-256 of the SubjectPublicKeyInfo */

/* Anchors and lists, made once and shared; immutable, counted. */
struct cert_store;
/* `anchors`: PEM, NULL: none; `crls`: PEM with certificate revocation lists, NULL: none. What is given must hold one at least, and
 * nothing that cannot be read. */
struct cert_store *cert_store_new(const char *anchors, const char *crls, struct err *e) MUST_CHECK;
struct cert_store *cert_store_ref(struct cert_store *s);
void cert_store_unref(struct cert_store *s);
/* How many of each are in it. */
size_t cert_store_anchors(const struct cert_store *s);
size_t cert_store_lists(const struct cert_store *s);

enum cert_revocation { CERT_REVOCATION_OFF, CERT_REVOCATION_SOFT, CERT_REVOCATION_HARD };

/* Puts the prepared form of a domain into out, with a NUL; -1: malformed. */
typedef int (*cert_prepare_fn)(const char *s, size_t n, char out[1024]);

struct cert_question {
	X509 *leaf;                  /* NULL: none was shown */
	STACK_OF(X509) *chain;       /* what came with it; may be NULL or have the leaf in it */
	const char *domain;          /* prepared (U-labels) */
	const char *ascii;           /* the same in A-labels, as DNS-IDs and SRV-IDs have it; NULL: it is ASCII anyway */
	cert_prepare_fn prepare;     /* for what XmppAddrs say (jid_prepare_domain); NULL: ASCII ones only */
	enum cert_trust trust;
	struct cert_store *store;    /* BY_CA: whom we trust; BY_DANE: the same for usages 0 and 1; BY_PIN: where a pinned CA may be that the peer
	                                did not show, as roots are not; or NULL */
	struct cert_store *lists;    /* revocation lists (may be the same as store, or NULL) */
	const unsigned char (*pins)[CERT_PIN]; /* BY_PIN: leaf's key, or a CA's in its chain; the name must fit all the same */
	size_t npins;
	const struct cert_tlsa *tlsa; /* BY_DANE: from secure answers only. RFC 7673 §4: with usage 3 names and dates are not looked at */
	size_t ntlsa;
	const char *tlsa_why;        /* none, as they could not be looked up: why; else NULL */
	const char *const *also;     /* BY_DANE: the SRV targets, names that are fine too (RFC 7673 §4.2) */
	size_t nalso;
	enum cert_revocation revocation;
	const unsigned char *ocsp;   /* a stapled response, DER; NULL: none */
	size_t ocsp_len;
	int64_t now;                 /* seconds since 1970 */
};

struct cert_answer {
	enum cert_verdict verdict;
	char words[400];             /* why, for people: "its certificate was for shop.example until 2026-01-02" */
	char fingerprint[65];        /* SHA-256 of the certificate, hex; "" when none */
	unsigned char pin[CERT_PIN]; /* SHA-256 of its public key */
	char subject[200], issuer[200];
	int64_t not_before, not_after; /* seconds since 1970 */
	int64_t judged;              /* the question's `now` */
	bool revocation_known;
};

/* Any thread. What is in the answer's texts is valid UTF-8 without control characters, whatever the certificate says. */
void cert_judge(const struct cert_question *q, struct cert_answer *a);
/* "sha256/BASE64" as people write pins, both ways. -1: is none. */
void cert_pin_write(const unsigned char pin[CERT_PIN], char out[64]);
int cert_pin_read(const char *text, unsigned char pin[CERT_PIN]);

#endif
