/*
 * fuzz_cert: what a partner's server shows. The first byte chooses how it is to be trusted and how much revocation matters, then come DER
 * certificates, one behind the other: the leaf, its chain; what cannot be read as one is the stapled response. The last one is an anchor, and
 * its key is pinned and in a TLSA record, so that there is something to verify. Whatever it is: there is a verdict, and words that can be shown.
 */
#include <openssl/pem.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "net/cert.h"

#define SHOWN 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
prepare(const char *s, size_t n, char out[1024])
{
	if (n >= 1024)
		abort();
	memcpy(out, s, n);
	out[n] = '\0';
	return 0;
}

static void
presentable(const char *text)
{
	if (!text_is_utf8(text, strlen(text)))
		abort();
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			abort();
}

static void
check(const struct cert_answer *a)
{
	if (a->verdict >= CERT_VERDICTS || !a->words[0] || !memchr(a->words, 0, sizeof(a->words)))
		abort();
	presentable(a->words);
	presentable(a->subject);
	presentable(a->issuer);
	presentable(cert_verdict_name(a->verdict));
}

/* NULL: it cannot be an anchor. */
static struct cert_store *
anchor_of(X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());
	struct cert_store *s = NULL;
	struct err e;

	if (x && PEM_write_bio_X509(b, x) == 1 && BIO_write(b, "", 1) == 1) {
		char *text;

		BIO_get_mem_data(b, &text);
		s = cert_store_new(text, NULL, &e);
	}
	BIO_free(b);
	return s;
}

static void
judge(struct cert_question *q, X509 *last)
{
	struct cert_answer a;
	unsigned char pin[1][CERT_PIN];
	struct cert_question of_last = { .leaf = last, .domain = "partner.test" };
	struct cert_tlsa tlsa[2];
	struct tm tm;

	cert_judge(&of_last, &a);
	memcpy(pin[0], a.pin, CERT_PIN);
	tlsa[0] = (struct cert_tlsa){ 2, 1, 1, pin[0], CERT_PIN };
	tlsa[1] = (struct cert_tlsa){ 0, 1, 1, pin[0], CERT_PIN };
	q->pins = (const unsigned char (*)[CERT_PIN])pin;
	q->npins = q->leaf ? 1 : 0;
	q->tlsa = tlsa;
	q->ntlsa = 2;
	if (q->leaf && ASN1_TIME_to_tm(X509_get0_notBefore(q->leaf), &tm) == 1)
		q->now = (int64_t)timegm(&tm) + 2 * 86400;
	cert_judge(q, &a);
	check(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cert_question q = { .domain = "partner.test", .prepare = prepare };
	const unsigned char *p = data + 1;
	X509 *x, *last = NULL;

	if (size < 1)
		return 0;
	q.trust = (enum cert_trust)(data[0] % 3);
	q.revocation = (enum cert_revocation)(data[0] / 3 % 3);
	q.chain = sk_X509_new_null();
	while (sk_X509_num(q.chain) < SHOWN && (x = d2i_X509(NULL, &p, (long)(size - (size_t)(p - data))))) {
		if (q.leaf)
			sk_X509_push(q.chain, x);
		else
			q.leaf = x;
		last = x;
	}
	q.ocsp = p;
	q.ocsp_len = size - (size_t)(p - data);
	q.store = q.leaf ? anchor_of(last) : NULL;
	q.lists = q.store;
	judge(&q, last);
	cert_store_unref(q.store);
	X509_free(q.leaf);
	sk_X509_pop_free(q.chain, X509_free);
	return 0;
}
