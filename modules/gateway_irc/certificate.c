#include "certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define HOUR 3600
#define DAYS (10 * 365)
#define NAME_BYTES 64 /* of a common name: RFC 5280, ub-common-name */
#define SERIAL_BITS 127

struct irc_certificate {
	X509 *cert;
	STACK_OF(X509) *chain; /* what is behind it in its file; NULL: nothing */
	EVP_PKEY *key;
};

/* A key that wants a passphrase is not good: nobody is there who could say one. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static void
read_chain(struct irc_certificate *c, BIO *from)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(from, NULL, no_passphrase, NULL))) {
		if (!c->chain)
			c->chain = sk_X509_new_null();
		sk_X509_push(c->chain, x);
	}
}

static int
check(const struct irc_certificate *c, struct err *e)
{
	if (!c->cert)
		return err_set(e, 0, "there is no certificate in it");
	if (!c->key)
		return err_set(e, 0, "its key cannot be read");
	if (X509_check_private_key(c->cert, c->key) != 1)
		return err_set(e, 0, "its key is another's");
	if (X509_cmp_current_time(X509_get0_notBefore(c->cert)) >= 0)
		return err_set(e, 0, "it is not valid yet");
	if (X509_cmp_current_time(X509_get0_notAfter(c->cert)) <= 0)
		return err_set(e, 0, "it has expired");
	return 0;
}

/* Takes both; NULL: it could not be opened. */
static struct irc_certificate *
take(BIO *cert, BIO *key, struct err *e)
{
	struct irc_certificate *c = NEW(struct irc_certificate);

	if (cert)
		c->cert = PEM_read_bio_X509(cert, NULL, no_passphrase, NULL);
	if (c->cert)
		read_chain(c, cert);
	if (key)
		c->key = PEM_read_bio_PrivateKey(key, NULL, no_passphrase, NULL);
	BIO_free(cert);
	BIO_free(key);
	ERR_clear_error();
	if (!check(c, e))
		return c;
	irc_certificate_free(c);
	return NULL;
}

struct irc_certificate *
irc_certificate_load(const char *file, const char *key, struct err *e)
{
	struct irc_certificate *c = take(BIO_new_file(file, "r"), BIO_new_file(key ? key : file, "r"), e);

	if (!c)
		err_prefix(e, "%s", file);
	return c;
}

struct irc_certificate *
irc_certificate_parse(const char *cert, const char *key, struct err *e)
{
	return take(BIO_new_mem_buf(cert, -1), BIO_new_mem_buf(key, -1), e);
}

void
irc_certificate_free(struct irc_certificate *c)
{
	if (!c)
		return;
	X509_free(c->cert);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	free(c);
}

static void
add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
}

static void
set_serial(X509 *x)
{
	BIGNUM *serial = BN_new();

	BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
	BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
	BN_free(serial);
}

static void
add_bio(struct buf *out, BIO *from)
{
	char *p;
	long n = BIO_get_mem_data(from, &p);

	buf_add(out, p, (size_t)n);
	BIO_free(from);
}

void
irc_certificate_make(const char *name, struct buf *cert, struct buf *key)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *who = X509_get_subject_name(x);
	BIO *out;

	X509_set_version(x, X509_VERSION_3);
	set_serial(x);
	/* The network's clock may be behind ours. */
	X509_gmtime_adj(X509_getm_notBefore(x), -HOUR);
	X509_time_adj_ex(X509_getm_notAfter(x), DAYS, 0, NULL);
	X509_NAME_add_entry_by_NID(who, NID_commonName, MBSTRING_UTF8, (const unsigned char *)name, (int)strnlen(name, NAME_BYTES), -1, 0);
	X509_set_issuer_name(x, who);
	X509_set_pubkey(x, pair);
	add_extension(x, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(x, NID_key_usage, "critical,digitalSignature");
	add_extension(x, NID_ext_key_usage, "clientAuth");
	X509_sign(x, pair, EVP_sha256());
	out = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(out, x);
	add_bio(cert, out);
	/* Of secure memory, so that it is wiped. */
	out = BIO_new(BIO_s_secmem());
	PEM_write_bio_PrivateKey(out, pair, NULL, NULL, 0, NULL, NULL);
	add_bio(key, out);
	X509_free(x);
	EVP_PKEY_free(pair);
	ERR_clear_error();
}

void
irc_certificate_use(const struct irc_certificate *c, SSL *ssl)
{
	SSL_use_cert_and_key(ssl, c->cert, c->key, c->chain, 1);
	ERR_clear_error();
}

void
irc_certificate_words(const struct irc_certificate *c, struct buf *out)
{
	const struct {
		const char *name;
		const EVP_MD *md;
	} kinds[] = { { "SHA-256", EVP_sha256() }, { "SHA-512", EVP_sha512() }, { "SHA-1", EVP_sha1() } };
	uint8_t hash[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1], date[16];
	struct tm end;
	unsigned n;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		X509_digest(c->cert, kinds[i].md, hash, &n);
		text_hex(hash, n, hex);
		buf_addf(out, "%s: %s\n", kinds[i].name, hex);
	}
	ASN1_TIME_to_tm(X509_get0_notAfter(c->cert), &end);
	strftime(date, sizeof(date), "%Y-%m-%d", &end);
	buf_addf(out, "good until %s", date);
}
