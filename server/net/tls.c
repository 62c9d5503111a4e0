/*
 * tls: contexts made from certificate files; the choice between them by SNI.
 *
 * Who owns what. A set is its contexts, one per identity (two in a mutual set: a server's and a client's). Its memory is tied to the life of the
 * first context and not to the callers' references: OpenSSL keeps the context a connection was made
 * from (its session context) as long as the connection, SNI or not. So the set outlives every
 * handshake that may still look up a name in it, although a connection holds no reference of ours.
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/hello.h"

#define EXPIRES_SOON_DAYS 30

/* Forward secrecy and AEAD only. TLS 1.3 has nothing else. */
static const char ciphers_12[] =
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
static const char ciphers_13[] =
	"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
static const char groups[] = "X25519:P-256:P-384";

struct tls_host {
	char *domain;
	SSL_CTX *ctx;
	SSL_CTX *client; /* NULL: not a mutual set */
};

struct tls_set {
	atomic_uint refs;
	size_t n;
	struct tls_host *hosts;
	unsigned char alpn[256]; /* as on the wire: length, name (RFC 7301 §3.1) */
	unsigned char alpn_len;
};

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int set_index = -1; /* the set, on its first context */

static void
set_free(struct tls_set *s)
{
	/* The first context is the one that calls us. */
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			SSL_CTX_free(s->hosts[i].ctx);
		SSL_CTX_free(s->hosts[i].client);
		free(s->hosts[i].domain);
	}
	free(s->hosts);
	free(s);
}

static void
on_ctx_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (ptr)
		set_free(ptr);
}

static void
make_index(void)
{
	set_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_ctx_freed);
}

const char *
tls_error(char out[160])
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (reason)
		snprintf(out, 160, "%s", reason);
	else if (code)
		snprintf(out, 160, "error %lx", code);
	else
		snprintf(out, 160, "unknown error");
	ERR_clear_error();
	return out;
}

/* While reading files OpenSSL heaps "PEM lib" and the like on the cause: the oldest says it. */
static const char *
first_error(char out[160])
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
						    : ERR_reason_error_string(code);

	snprintf(out, 160, "%s", reason ? reason : "cannot be used");
	ERR_clear_error();
	return out;
}

/* Callbacks during the handshake */

/* Of `own`, or of the nearest domain above it (conference.a.test is a.test's). NULL: none. */
static const struct tls_host *
host_of(const struct tls_set *s, const char *own)
{
	for (const char *name = own; name; name = strchr(name, '.') ? strchr(name, '.') + 1 : NULL)
		for (size_t i = 0; i < s->n; i++)
			if (text_equal_nocase(s->hosts[i].domain, name))
				return &s->hosts[i];
	return NULL;
}

static int
on_servername(SSL *ssl, int *alert, void *arg)
{
	const struct tls_set *s = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_host *h = name && *name ? host_of(s, name) : NULL;

	(void)alert;
	/* RFC 6066 §3: a name that is not known may go on with the default. */
	if (!h)
		return SSL_TLSEXT_ERR_NOACK;
	if (h != s->hosts && !SSL_set_SSL_CTX(ssl, h->ctx))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len,
	void *arg)
{
	const struct tls_set *s = arg;

	for (unsigned i = 0; i < in_len; i += 1u + in[i])
		if (in[i] == s->alpn_len && in_len - i > in[i] && !memcmp(in + i + 1, s->alpn + 1, in[i])) {
			*out = in + i + 1;
			*out_len = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	/* XEP-0368 §3 guards against other protocols on the direct port; behind STARTTLS the protocol
	 * has been agreed already. */
	return SSL_get_app_data(ssl) ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

/* Mutual sets: in place of OpenSSL's own verification, which knows neither whom we trust nor which name it is about. */
static int
let_pass(X509_STORE_CTX *chain, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(chain, X509_V_OK);
	return 1;
}

/* A key under a passphrase must fail, not ask on the terminal. */
static int
no_passphrase(char *p, int n, int writing, void *arg)
{
	(void)p;
	(void)n;
	(void)writing;
	(void)arg;
	return -1;
}

/* Making a set */

static int
readable(const char *what, const char *file, struct err *e)
{
	FILE *f = fopen(file, "re");

	if (!f) {
		int code = errno;

		return err_set(e, code, "%s %s: %s", what, file, strerror(code));
	}
	fclose(f);
	return 0;
}

static void
warn_of_dates(SSL_CTX *ctx, const struct tls_identity *id)
{
	X509 *leaf = SSL_CTX_get0_certificate(ctx);
	time_t now = (time_t)(clock_wall_us() / 1000000);
	ASN1_TIME *at = ASN1_TIME_set(NULL, now);
	int days = 0, seconds = 0;

	if (at && ASN1_TIME_diff(&days, &seconds, at, X509_get0_notAfter(leaf)) &&
	    (days < EXPIRES_SOON_DAYS || seconds < 0))
		log_warning(NULL, "certificate-expires", "domain=%s file=%s days=%d expired=%s", id->domain,
			id->certificate, days, days < 0 || seconds < 0 ? "yes" : "no");
	if (at && ASN1_TIME_diff(&days, &seconds, at, X509_get0_notBefore(leaf)) && (days > 0 || seconds > 0))
		log_warning(NULL, "certificate-not-yet-valid", "domain=%s file=%s days=%d", id->domain,
			id->certificate, days);
	ASN1_TIME_free(at);
}

static int
load_files(SSL_CTX *ctx, const struct tls_identity *id, struct err *e)
{
	char why[160];

	ERR_clear_error();
	if (readable("certificate", id->certificate, e) || readable("key", id->key, e))
		return -1;
	if (SSL_CTX_use_certificate_chain_file(ctx, id->certificate) != 1)
		return err_set(e, 0, "certificate %s: %s", id->certificate, first_error(why));
	/* Also checks that it belongs to the certificate. */
	if (SSL_CTX_use_PrivateKey_file(ctx, id->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return err_set(e, 0, "key %s (for %s): %s", id->key, id->certificate, first_error(why));
	return 0;
}

static int
set_policy(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
			SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
			SSL_CTX_set_cipher_list(ctx, ciphers_12) == 1 &&
			SSL_CTX_set_ciphersuites(ctx, ciphers_13) == 1 &&
			SSL_CTX_set1_groups_list(ctx, groups) == 1
		? 0
		: -1;
}

/* The peer shows a certificate if it has one; anything goes, for now. An empty list of CAs: it may be anybody's. */
static int
set_mutual(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, let_pass, NULL);
	/* There is no resumption, but a client may ask for it. */
	return SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"s2s", 3) == 1 ? 0 : -1;
}

static SSL_CTX *
make_ctx(const SSL_METHOD *method, const struct tls_identity *id, bool mutual, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	char why[160];

	if (!ctx || set_policy(ctx) || (mutual && set_mutual(ctx)))
		err_set(e, 0, "TLS cannot be set up: %s", tls_error(why));
	else if (!load_files(ctx, id, e))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* Adds nothing when it fails. */
static int
add_host(struct tls_set *s, const struct tls_identity *id, bool mutual, struct err *e)
{
	struct tls_host h = {.ctx = make_ctx(TLS_server_method(), id, mutual, e)};

	if (!h.ctx)
		return -1;
	if (mutual && !(h.client = make_ctx(TLS_client_method(), id, true, e))) {
		SSL_CTX_free(h.ctx);
		return -1;
	}
	warn_of_dates(h.ctx, id);
	SSL_CTX_set_tlsext_servername_callback(h.ctx, on_servername);
	SSL_CTX_set_tlsext_servername_arg(h.ctx, s);
	if (s->alpn_len)
		SSL_CTX_set_alpn_select_cb(h.ctx, on_alpn, s);
	/* Whoever comes has not shown anything yet; whom we connect to, we have chosen. */
	SSL_CTX_set_max_cert_list(h.ctx, HELLO_MAX);
	if (h.client) {
		SSL_CTX_set_max_cert_list(h.client, HELLO_CHAIN_MAX);
		SSL_CTX_set_tlsext_status_type(h.client, TLSEXT_STATUSTYPE_ocsp);
	}
	h.domain = mem_strdup(id->domain);
	s->hosts[s->n++] = h;
	return 0;
}

static int
set_alpn(struct tls_set *s, const char *alpn, struct err *e)
{
	size_t len = alpn ? strlen(alpn) : 0;

	if (len > 255)
		return err_set(e, 0, "ALPN name of %zu bytes", len);
	s->alpn[0] = s->alpn_len = (unsigned char)len;
	if (len)
		memcpy(s->alpn + 1, alpn, len);
	return 0;
}

static struct tls_set *
set_new(const struct tls_identity *ids, size_t n, const char *alpn, bool mutual, struct err *e)
{
	struct tls_set *s;

	pthread_once(&index_once, make_index);
	if (n == 0 || set_index < 0) {
		err_set(e, 0, "no TLS identity");
		return NULL;
	}
	s = NEW(struct tls_set);
	atomic_init(&s->refs, 1);
	s->hosts = mem_zalloc(n * sizeof(*s->hosts));
	if (set_alpn(s, alpn, e))
		goto fail;
	for (size_t i = 0; i < n; i++)
		if (add_host(s, &ids[i], mutual, e))
			goto fail;
	if (SSL_CTX_set_ex_data(s->hosts[0].ctx, set_index, s) == 1)
		return s;
	err_set(e, 0, "out of memory");
fail:
	if (s->n > 0)
		SSL_CTX_free(s->hosts[0].ctx);
	set_free(s);
	return NULL;
}

struct tls_set *
tls_set_new(const struct tls_identity *ids, size_t n, const char *alpn, struct err *e)
{
	return set_new(ids, n, alpn, false, e);
}

struct tls_set *
tls_set_new_mutual(const struct tls_identity *ids, size_t n, const char *alpn, struct err *e)
{
	return set_new(ids, n, alpn, true, e);
}

struct tls_set *
tls_set_ref(struct tls_set *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
tls_set_unref(struct tls_set *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		SSL_CTX_free(s->hosts[0].ctx);
}

/* A connection */

SSL *
tls_accept_new(struct tls_set *s, bool alpn_required)
{
	SSL *ssl = SSL_new(s->hosts[0].ctx);

	if (!ssl || (alpn_required && SSL_set_app_data(ssl, s) != 1))
		mem_exhausted(0);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* The identity of `own`, or of the nearest domain above it (conference.a.test is a.test's). */
static const struct tls_host *
identity_of(const struct tls_set *s, const char *own)
{
	const struct tls_host *h = host_of(s, own);

	return h ? h : &s->hosts[0];
}

/* RFC 6066 §3: names only. */
static bool
may_be_sni(const char *server)
{
	unsigned char address[16];

	return *server && *server != '[' && strlen(server) <= TLSEXT_MAXLEN_host_name && inet_pton(AF_INET, server, address) != 1 &&
		inet_pton(AF_INET6, server, address) != 1;
}

SSL *
tls_connect_new(struct tls_set *s, const char *own, const char *server, bool direct)
{
	SSL_CTX *ctx = identity_of(s, own)->client;
	SSL *ssl;

	assert(ctx);
	ssl = SSL_new(ctx);
	if (!ssl || (may_be_sni(server) && SSL_set_tlsext_host_name(ssl, server) != 1) ||
		(direct && s->alpn_len && SSL_set_alpn_protos(ssl, s->alpn, 1u + s->alpn_len)))
		mem_exhausted(0);
	SSL_set_connect_state(ssl);
	return ssl;
}

const char *
tls_describe(SSL *ssl, char out[96])
{
	snprintf(out, 96, "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
	return out;
}
