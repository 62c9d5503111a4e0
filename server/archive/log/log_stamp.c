/*
 * log_stamp: RFC 3161 over HTTP (§3.4) by libcurl and OpenSSL (see log_stamp.h).
 */
#include "archive/log/log_stamp.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ts.h>
#include <string.h>

#include "base/crypt.h"

#define SECONDS 10L
#define ANSWER_MAX 65536
#define NONCE 8

static TS_REQ *
make_request(const uint8_t digest[SHA256_SIZE])
{
	TS_REQ *q = TS_REQ_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *alg = X509_ALGOR_new();
	uint8_t random[NONCE];
	BIGNUM *n;
	ASN1_INTEGER *nonce;
	bool good;

	crypt_random(random, sizeof(random));
	n = BN_bin2bn(random, sizeof(random), NULL);
	nonce = n ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
	good = q && imprint && alg && nonce && X509_ALGOR_set0(alg, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) && TS_REQ_set_version(q, 1) &&
		TS_MSG_IMPRINT_set_algo(imprint, alg) && TS_MSG_IMPRINT_set_msg(imprint, (unsigned char *)digest, SHA256_SIZE) &&
		TS_REQ_set_msg_imprint(q, imprint) && TS_REQ_set_nonce(q, nonce) && TS_REQ_set_cert_req(q, 1);
	BN_free(n);
	ASN1_INTEGER_free(nonce);
	X509_ALGOR_free(alg);
	TS_MSG_IMPRINT_free(imprint);
	if (good)
		return q;
	TS_REQ_free(q);
	return NULL;
}

/* HTTP */

static size_t
take_answer(char *p, size_t size, size_t n, void *arg)
{
	struct buf *out = arg;

	if (size * n > ANSWER_MAX - buf_len(out))
		return 0;
	buf_add(out, p, size * n);
	return size * n;
}

/* Now and then: anything but 0 ends it. */
static int
look_up(void *arg, curl_off_t down, curl_off_t down_now, curl_off_t up, curl_off_t up_now)
{
	const atomic_bool *stop = arg;

	(void)down, (void)down_now, (void)up, (void)up_now;
	return atomic_load(stop);
}

static int
post(const char *url, const atomic_bool *stop, const unsigned char *body, int n, struct buf *answer, struct err *e)
{
	CURL *c = curl_easy_init();
	struct curl_slist *head = curl_slist_append(NULL, "Content-Type: application/timestamp-query");
	long status = 0;
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	bool bad;

	bad = !c || !head || curl_easy_setopt(c, CURLOPT_URL, url) || curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") ||
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, (const char *)body) || curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)n) ||
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, head) || curl_easy_setopt(c, CURLOPT_TIMEOUT, SECONDS) || curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) ||
		curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) ||
		curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_up) || curl_easy_setopt(c, CURLOPT_XFERINFODATA, (void *)(uintptr_t)stop) ||
		curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_answer) || curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
	if (!bad)
		rc = curl_easy_perform(c);
	if (rc == CURLE_OK)
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(head);
	curl_easy_cleanup(c);
	if (rc != CURLE_OK)
		return err_set(e, 0, "%s", curl_easy_strerror(rc));
	return status == 200 ? 0 : err_set(e, 0, "it answers %ld", status);
}

/* The answer */

/* Granted, and over what we have asked about. */
static int
check_answer(TS_RESP *a, TS_REQ *q, struct err *e)
{
	TS_VERIFY_CTX *ctx = TS_REQ_to_TS_VERIFY_CTX(q, NULL);
	int rc = -1;

	if (ctx) {
		/* Not its signature: there is no authority that everybody believes. */
		(void)TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_IMPRINT | TS_VFY_NONCE);
		rc = TS_RESP_verify_response(ctx, a) == 1 ? 0 : -1;
		TS_VERIFY_CTX_free(ctx);
	}
	ERR_clear_error();
	return rc ? err_set(e, 0, "it gives no stamp of what it was asked to stamp") : 0;
}

static int
take_token(const struct buf *answer, TS_REQ *q, struct buf *token, struct err *e)
{
	const unsigned char *p = (const unsigned char *)buf_data(answer);
	TS_RESP *a = d2i_TS_RESP(NULL, &p, (long)buf_len(answer));
	unsigned char *der = NULL;
	int n = 0, rc;

	ERR_clear_error();
	rc = a ? check_answer(a, q, e) : err_set(e, 0, "its answer is no time stamp");
	if (!rc) {
		n = i2d_PKCS7(TS_RESP_get_token(a), &der);
		if (n > 0)
			buf_add(token, der, (size_t)n);
		else
			rc = err_set(e, 0, "its stamp cannot be kept");
		OPENSSL_free(der);
	}
	TS_RESP_free(a);
	return rc;
}

int
log_stamp_ask(const char *url, const char *note, const atomic_bool *stop, struct buf *token, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	struct buf answer = { 0 };
	unsigned char *der = NULL;
	TS_REQ *q;
	int n, rc;

	crypt_sha256(note, strlen(note), digest);
	q = make_request(digest);
	n = q ? i2d_TS_REQ(q, &der) : 0;
	rc = n > 0 ? post(url, stop, der, n, &answer, e) : err_set(e, 0, "the question cannot be made");
	if (!rc)
		rc = take_token(&answer, q, token, e);
	buf_fini(&answer);
	OPENSSL_free(der);
	TS_REQ_free(q);
	return rc;
}
