/*
 * cert_store: whom we trust, and revocation lists, from PEM. Made once, then only read: by any thread.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/mem.h"
#include "net/cert_priv.h"
#include "net/tls.h"

/* Encrypted ones are an error, and no question on the terminal. */
static int
no_passphrase(char *p, int n, int writing, void *arg)
{
	(void)p;
	(void)n;
	(void)writing;
	(void)arg;
	return -1;
}

/* Was that the end of the file and not trouble? */
static bool
at_end(void)
{
	unsigned long code = ERR_peek_last_error();

	if (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

static int
read_anchors(struct cert_store *s, BIO *b, struct err *e)
{
	char why[160];
	X509 *x;
	size_t n;

	while ((x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL))) {
		if (!sk_X509_push(s->list, x))
			mem_exhausted(0);
		/* Looks at the extensions now, when nobody else does. */
		X509_check_purpose(x, -1, 0);
		if (X509_STORE_add_cert(s->anchors, x) != 1)
			return err_set(e, 0, "certificate %d: %s", sk_X509_num(s->list), tls_error(why));
	}
	if (!at_end())
		return err_set(e, 0, "certificate %d: %s", sk_X509_num(s->list) + 1, tls_error(why));
	n = (size_t)sk_X509_num(s->list);
	if (n == 0)
		return err_set(e, 0, "no certificate in it");
	s->pins = mem_alloc(n * sizeof(*s->pins));
	for (size_t i = 0; i < n; i++)
		cert_key_hash(sk_X509_value(s->list, (int)i), s->pins[i]);
	return 0;
}

static int
read_lists(struct cert_store *s, BIO *b, struct err *e)
{
	char why[160];
	X509_CRL *crl;

	while ((crl = PEM_read_bio_X509_CRL(b, NULL, no_passphrase, NULL)))
		if (!sk_X509_CRL_push(s->crls, crl))
			mem_exhausted(0);
	if (!at_end())
		return err_set(e, 0, "revocation list %d: %s", sk_X509_CRL_num(s->crls) + 1, tls_error(why));
	return sk_X509_CRL_num(s->crls) == 0 ? err_set(e, 0, "no revocation list in it") : 0;
}

static int
read_text(struct cert_store *s, const char *text, int (*fn)(struct cert_store *, BIO *, struct err *), struct err *e)
{
	BIO *b;
	int r;

	if (!text)
		return 0;
	ERR_clear_error();
	b = BIO_new_mem_buf(text, -1);
	if (!b)
		mem_exhausted(0);
	r = fn(s, b, e);
	BIO_free(b);
	return r;
}

struct cert_store *
cert_store_new(const char *anchors, const char *crls, struct err *e)
{
	struct cert_store *s = NEW(struct cert_store);

	atomic_init(&s->refs, 1);
	s->anchors = X509_STORE_new();
	s->list = sk_X509_new_null();
	s->crls = sk_X509_CRL_new_null();
	if (!s->anchors || !s->list || !s->crls)
		mem_exhausted(0);
	if (!read_text(s, anchors, read_anchors, e) && !read_text(s, crls, read_lists, e))
		return s;
	cert_store_unref(s);
	return NULL;
}

struct cert_store *
cert_store_ref(struct cert_store *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
cert_store_unref(struct cert_store *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	X509_STORE_free(s->anchors);
	sk_X509_pop_free(s->list, X509_free);
	sk_X509_CRL_pop_free(s->crls, X509_CRL_free);
	free(s->pins);
	free(s);
}

size_t
cert_store_anchors(const struct cert_store *s)
{
	return s ? (size_t)sk_X509_num(s->list) : 0;
}

size_t
cert_store_lists(const struct cert_store *s)
{
	return s ? (size_t)sk_X509_CRL_num(s->crls) : 0;
}
