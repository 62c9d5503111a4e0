/* Certificates of ours: made, read, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "gateway_irc/certificate.h"

static struct buf cert, key, other_cert, other_key;

static int
setup(void **state)
{
	(void)state;
	irc_certificate_make("romeo", &cert, &key);
	irc_certificate_make("juliet", &other_cert, &other_key);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_fini(&cert);
	buf_fini(&key);
	buf_fini(&other_cert);
	buf_fini(&other_key);
	return 0;
}

static void
refused(const char *c, const char *k, const char *why)
{
	struct err e;

	assert_null(irc_certificate_parse(c, k, &e));
	assert_string_equal(e.text, why);
}

static X509 *
x509(void)
{
	BIO *b = BIO_new_mem_buf(buf_str(&cert), -1);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);

	BIO_free(b);
	assert_non_null(x);
	return x;
}

static void
test_made(void **state)
{
	struct irc_certificate *c;
	struct buf words = { 0 };
	unsigned char hash[64];
	char hex[129], name[65];
	X509 *x = x509();
	struct err e;
	unsigned n;

	(void)state;
	c = irc_certificate_parse(buf_str(&cert), buf_str(&key), &e);
	assert_non_null(c);
	irc_certificate_words(c, &words);
	X509_digest(x, EVP_sha512(), hash, &n);
	text_hex(hash, n, hex);
	assert_non_null(strstr(buf_str(&words), hex));
	X509_digest(x, EVP_sha256(), hash, &n);
	text_hex(hash, n, hex);
	assert_non_null(strstr(buf_str(&words), hex));
	assert_null(strstr(buf_str(&words), "PRIVATE"));
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	assert_string_equal(name, "romeo");
	assert_int_equal(X509_verify(x, X509_get0_pubkey(x)), 1);
	/* Both in what a credential may have. */
	assert_true(buf_len(&cert) + buf_len(&key) < 2048);
	assert_string_not_equal(buf_str(&key), buf_str(&other_key));
	buf_fini(&words);
	irc_certificate_free(c);
	X509_free(x);
}

static void
test_refused(void **state)
{
	(void)state;
	refused(buf_str(&cert), buf_str(&other_key), "its key is another's");
	refused(buf_str(&key), buf_str(&key), "there is no certificate in it");
	refused(buf_str(&cert), "", "its key cannot be read");
	refused(buf_str(&cert), buf_str(&cert), "its key cannot be read");
	refused("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", buf_str(&key), "there is no certificate in it");
}

/* The same, from one day to another, seen from now. */
static void
dated(long from, long to, const char *why)
{
	BIO *b = BIO_new_mem_buf(buf_str(&key), -1), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *pair = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	X509 *x = x509();
	char *pem;

	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	assert_true(X509_sign(x, pair, EVP_sha256()) > 0);
	PEM_write_bio_X509(out, x);
	BIO_write(out, "", 1);
	BIO_get_mem_data(out, &pem);
	refused(pem, buf_str(&key), why);
	BIO_free(out);
	BIO_free(b);
	EVP_PKEY_free(pair);
	X509_free(x);
}

static void
test_not_its_time(void **state)
{
	(void)state;
	dated(-7200, -3600, "it has expired");
	dated(3600, 7200, "it is not valid yet");
}

static void
test_files(void **state)
{
	char one[] = "/tmp/irc-certificate-XXXXXX";
	struct irc_certificate *c;
	struct err e;
	FILE *f = fdopen(mkstemp(one), "w");

	(void)state;
	/* All in one, and others behind it. */
	fprintf(f, "%s%s%s", buf_str(&key), buf_str(&cert), buf_str(&other_cert));
	fclose(f);
	c = irc_certificate_load(one, NULL, &e);
	assert_non_null(c);
	irc_certificate_free(c);
	assert_null(irc_certificate_load("/nowhere/cert.pem", one, &e));
	assert_string_equal(e.text, "/nowhere/cert.pem: there is no certificate in it");
	assert_null(irc_certificate_load(one, "/nowhere/key.pem", &e));
	unlink(one);
}

/* A key with a passphrase: nobody is asked for it. */
static void
test_passphrase(void **state)
{
	BIO *b = BIO_new_mem_buf(buf_str(&key), -1), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *pair = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	char *pem;

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey(out, pair, EVP_aes_256_cbc(), (const unsigned char *)"x", 1, NULL, NULL), 1);
	BIO_write(out, "", 1);
	BIO_get_mem_data(out, &pem);
	refused(buf_str(&cert), pem, "its key cannot be read");
	BIO_free(out);
	BIO_free(b);
	EVP_PKEY_free(pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_made), cmocka_unit_test(test_refused), cmocka_unit_test(test_not_its_time),
					    cmocka_unit_test(test_files), cmocka_unit_test(test_passphrase) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
