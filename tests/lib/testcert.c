/*
 * testcert: a throw-away certificate authority for tests.
 */
#include "lib/testcert.h"

#include <ftw.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct testca {
	char dir[128];
	char file[160];
	EVP_PKEY *key;
	X509 *cert;
	long serial;
};

#define MUST(x) must((x) != 0, #x)

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "testcert: %s failed\n", what);
	exit(1);
}

static EVP_PKEY *
make_key(enum testcert_kind kind)
{
	EVP_PKEY *key = kind == TESTCERT_RSA ? EVP_RSA_gen(2048)
		: kind == TESTCERT_EC        ? EVP_EC_gen("P-256")
					     : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	MUST(key);
	return key;
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	MUST(ext);
	MUST(X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static X509 *
make_cert(struct testca *ca, EVP_PKEY *key, const char *name, long from_s, long to_s)
{
	X509 *cert = X509_new();

	MUST(cert);
	MUST(X509_set_version(cert, 2));
	MUST(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++ca->serial));
	MUST(X509_gmtime_adj(X509_getm_notBefore(cert), from_s));
	MUST(X509_gmtime_adj(X509_getm_notAfter(cert), to_s));
	MUST(X509_set_pubkey(cert, key));
	MUST(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0));
	MUST(X509_set_issuer_name(cert, X509_get_subject_name(ca->cert ? ca->cert : cert)));
	return cert;
}

static void
write_certs(const char *file, X509 *first, X509 *second)
{
	FILE *f = fopen(file, "w");

	MUST(f);
	MUST(PEM_write_X509(f, first));
	if (second)
		MUST(PEM_write_X509(f, second));
	MUST(fclose(f) == 0);
}

static void
write_key(const char *file, EVP_PKEY *key)
{
	FILE *f = fopen(file, "w");

	MUST(f);
	MUST(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	MUST(fclose(f) == 0);
}

struct testca *
testca_new(void)
{
	const char *tmp = getenv("TMPDIR");
	struct testca *ca = calloc(1, sizeof(*ca));

	MUST(ca);
	snprintf(ca->dir, sizeof(ca->dir), "%.90s/testcert-XXXXXX", tmp ? tmp : "/tmp");
	MUST(mkdtemp(ca->dir));
	ca->serial = 1000;
	ca->key = make_key(TESTCERT_EC);
	ca->cert = make_cert(ca, ca->key, "Test authority", -86400, 30 * 86400);
	add_extension(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	MUST(X509_sign(ca->cert, ca->key, EVP_sha256()));
	snprintf(ca->file, sizeof(ca->file), "%s/ca.pem", ca->dir);
	write_certs(ca->file, ca->cert, NULL);
	return ca;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void
testca_free(struct testca *ca)
{
	if (!ca)
		return;
	nftw(ca->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
	free(ca);
}

const char *
testca_file(const struct testca *ca)
{
	return ca->file;
}

const char *
testca_dir(const struct testca *ca)
{
	return ca->dir;
}

struct testcert
testca_issue(struct testca *ca, const char *name, enum testcert_kind kind, int days)
{
	EVP_PKEY *key = make_key(kind);
	struct testcert out;
	char san[300];
	X509 *cert;

	/* An expired one must still begin before it ends. */
	cert = make_cert(ca, key, name, days < 0 ? (days - 1) * 86400L : -86400L, days * 86400L + 60);
	snprintf(san, sizeof(san), "DNS:%s", name);
	add_extension(cert, ca->cert, NID_subject_alt_name, san);
	add_extension(cert, ca->cert, NID_ext_key_usage, "serverAuth");
	MUST(X509_sign(cert, ca->key, EVP_sha256()));
	snprintf(out.certificate, sizeof(out.certificate), "%s/%ld.pem", ca->dir, ca->serial);
	snprintf(out.key, sizeof(out.key), "%s/%ld.key", ca->dir, ca->serial);
	write_certs(out.certificate, cert, ca->cert);
	write_key(out.key, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return out;
}
