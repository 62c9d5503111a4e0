/*
 * cert: the order in which a certificate is judged, and pins.
 */
#include "net/cert.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/cert_priv.h"

#define PIN_PREFIX "sha256/"

static const char *const verdicts[CERT_VERDICTS] = {
	[CERT_GOOD] = "good",
	[CERT_ABSENT] = "absent",
	[CERT_OTHER_NAME] = "other-name",
	[CERT_EXPIRED] = "expired",
	[CERT_NOT_YET] = "not-yet-valid",
	[CERT_SELF_SIGNED] = "self-signed",
	[CERT_UNKNOWN_ISSUER] = "unknown-issuer",
	[CERT_BAD_CHAIN] = "bad-chain",
	[CERT_WRONG_USE] = "wrong-use",
	[CERT_WEAK] = "weak",
	[CERT_REVOKED] = "revoked",
	[CERT_REVOCATION_UNKNOWN] = "revocation-unknown",
	[CERT_NOT_PINNED] = "not-pinned",
	[CERT_NOT_DANE] = "not-dane",
};

const char *
cert_verdict_name(enum cert_verdict v)
{
	return verdicts[v];
}

bool
cert_refuse(struct judging *j, enum cert_verdict v, const char *fmt, ...)
{
	char words[sizeof(j->a->words) + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	j->a->verdict = v;
	/* Cut where a character ends. */
	cert_text_clean(words, strlen(words), j->a->words, sizeof(j->a->words));
	return false;
}

void
cert_key_hash(X509 *x, unsigned char out[CERT_PIN])
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);

	/* One that cannot be written again is none that anybody has pinned: the hash of nothing is nobody's key. */
	crypt_sha256(der, n > 0 ? (size_t)n : 0, out);
	OPENSSL_free(der);
}

/* Pins */

void
cert_pin_write(const unsigned char pin[CERT_PIN], char out[64])
{
	memcpy(out, PIN_PREFIX, sizeof(PIN_PREFIX) - 1);
	text_base64_encode(pin, CERT_PIN, out + sizeof(PIN_PREFIX) - 1);
}

int
cert_pin_read(const char *text, unsigned char pin[CERT_PIN])
{
	unsigned char raw[CERT_PIN + 1];
	size_t n = strlen(text);

	if (strncmp(text, PIN_PREFIX, sizeof(PIN_PREFIX) - 1))
		return -1;
	text += sizeof(PIN_PREFIX) - 1;
	n -= sizeof(PIN_PREFIX) - 1;
	if (n != text_base64_size(CERT_PIN) - 1 || text_base64_decode(text, n, raw) != CERT_PIN)
		return -1;
	memcpy(pin, raw, CERT_PIN);
	return 0;
}

static bool
is_pinned(const struct cert_question *q, const unsigned char hash[CERT_PIN])
{
	for (size_t i = 0; i < q->npins; i++)
		if (!memcmp(q->pins[i], hash, CERT_PIN))
			return true;
	return false;
}

static void
push(STACK_OF(X509) *sk, X509 *x)
{
	if (!sk_X509_push(sk, x))
		mem_exhausted(0);
}

/* The certificates with a pinned key: the leaf, or CAs that were shown or are known. */
static STACK_OF(X509) *
pinned(struct judging *j)
{
	STACK_OF(X509) *found = sk_X509_new_null();
	const struct cert_store *s = j->q->store;
	unsigned char hash[CERT_PIN];

	if (!found)
		mem_exhausted(0);
	if (is_pinned(j->q, j->a->pin)) {
		push(found, j->q->leaf);
		return found;
	}
	for (int i = 0; i < sk_X509_num(j->shown); i++) {
		cert_key_hash(sk_X509_value(j->shown, i), hash);
		if (is_pinned(j->q, hash))
			push(found, sk_X509_value(j->shown, i));
	}
	for (size_t i = 0; i < cert_store_anchors(s); i++)
		if (is_pinned(j->q, s->pins[i]))
			push(found, sk_X509_value(s->list, (int)i));
	return found;
}

static bool
pin_verify(struct judging *j)
{
	STACK_OF(X509) *anchors = pinned(j);
	char key[64];
	bool good = false;

	cert_pin_write(j->a->pin, key);
	if (sk_X509_num(anchors) == 0)
		cert_refuse(j, CERT_NOT_PINNED, "its key is %s, which is not pinned", key);
	else
		good = cert_chain_verify(j, anchors);
	/* Anybody can show a certificate with a pinned key beside their own. */
	if (j->a->verdict == CERT_UNKNOWN_ISSUER || j->a->verdict == CERT_SELF_SIGNED)
		cert_refuse(j, CERT_NOT_PINNED, "its key is %s, which is not pinned, and was not certified by one that is", key);
	sk_X509_free(anchors);
	return good;
}

/* All of it */

static bool
ca_verify(struct judging *j)
{
	if (cert_store_anchors(j->q->store) == 0)
		return cert_refuse(j, CERT_UNKNOWN_ISSUER, "no certification authority is trusted here for it");
	return cert_chain_verify(j, NULL);
}

static void
describe(struct judging *j)
{
	struct cert_answer *a = j->a;
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (X509_digest(j->q->leaf, EVP_sha256(), hash, &len) == 1 && len == SHA256_SIZE)
		text_hex(hash, len, a->fingerprint);
	cert_key_hash(j->q->leaf, a->pin);
	cert_text_whole(X509_get_subject_name(j->q->leaf), a->subject, sizeof(a->subject));
	cert_text_whole(X509_get_issuer_name(j->q->leaf), a->issuer, sizeof(a->issuer));
	a->not_before = cert_text_seconds(X509_get0_notBefore(j->q->leaf));
	a->not_after = cert_text_seconds(X509_get0_notAfter(j->q->leaf));
}

static void
take_shown(struct judging *j)
{
	j->shown = sk_X509_new_null();
	if (!j->shown)
		mem_exhausted(0);
	for (int i = 0; i < sk_X509_num(j->q->chain) && sk_X509_num(j->shown) < CERT_SHOWN_MAX; i++) {
		X509 *x = sk_X509_value(j->q->chain, i);

		if (x != j->q->leaf && X509_cmp(x, j->q->leaf))
			push(j->shown, x);
	}
}

static bool
verify(struct judging *j)
{
	switch (j->q->trust) {
	case CERT_BY_CA:
		return ca_verify(j);
	case CERT_BY_PIN:
		return pin_verify(j);
	case CERT_BY_DANE:
		return cert_dane_verify(j);
	}
	return cert_refuse(j, CERT_UNKNOWN_ISSUER, "nobody is trusted here for it");
}

static void
praise(struct judging *j)
{
	char issuer[CERT_NAME_MAX], day[32];

	cert_text_name(X509_get_issuer_name(j->q->leaf), issuer, sizeof(issuer));
	j->a->verdict = CERT_GOOD;
	snprintf(j->a->words, sizeof(j->a->words), "its certificate is good: issued by '%s', until %s", issuer,
		cert_text_day(j->a->not_after, day));
}

void
cert_judge(const struct cert_question *q, struct cert_answer *a)
{
	struct judging j = { .q = q, .a = a, .list_unsigned = -1 };

	memset(a, 0, sizeof(*a));
	/* Whoever forgets to say why has not said that it is good. */
	a->verdict = CERT_BAD_CHAIN;
	a->judged = q->now;
	if (!q->leaf) {
		cert_refuse(&j, CERT_ABSENT, "it shows no certificate");
		return;
	}
	describe(&j);
	take_shown(&j);
	if (verify(&j) && (j.names_free || cert_name_check(&j)) && cert_revoked_check(&j))
		praise(&j);
	sk_X509_free(j.shown);
	sk_X509_pop_free(j.chain, X509_free);
	/* Nothing of ours may look like somebody else's error later. */
	ERR_clear_error();
}
