/*
 * tls: server contexts made from certificate files; the choice between them by SNI; channel binding.
 *
 * Who owns what. A set is its contexts, one per identity. Its memory is tied to the life of the
 * first context and not to the callers' references: OpenSSL keeps the context a connection was made
 * from (its session context) as long as the connection, SNI or not. So the set outlives every
 * handshake that may still look up a name in it, although a connection holds no reference of ours.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define EXPIRES_SOON_DAYS 30
#define EXPORTER_LABEL "EXPORTER-Channel-Binding"
#define EXPORTER_SIZE 32

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

static int
on_servername(SSL *ssl, int *alert, void *arg)
{
	const struct tls_set *s = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	size_t len = name ? strlen(name) : 0;

	(void)alert;
	for (size_t i = 0; len && i < s->n; i++) {
		if (!text_equal_nocase(s->hosts[i].domain, name))
			continue;
		if (i > 0 && !SSL_set_SSL_CTX(ssl, s->hosts[i].ctx))
			return SSL_TLSEXT_ERR_ALERT_FATAL;
		return SSL_TLSEXT_ERR_OK;
	}
	/* RFC 6066 §3: a name that is not known may go on with the default. */
	return SSL_TLSEXT_ERR_NOACK;
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
	warn_of_dates(ctx, id);
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

static SSL_CTX *
make_ctx(struct tls_set *s, const struct tls_identity *id, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char why[160];

	if (!ctx || set_policy(ctx)) {
		err_set(e, 0, "TLS cannot be set up: %s", tls_error(why));
		goto fail;
	}
	if (load_files(ctx, id, e))
		goto fail;
	SSL_CTX_set_tlsext_servername_callback(ctx, on_servername);
	SSL_CTX_set_tlsext_servername_arg(ctx, s);
	if (s->alpn_len)
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, s);
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
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

struct tls_set *
tls_set_new(const struct tls_identity *ids, size_t n, const char *alpn, struct err *e)
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
	for (; s->n < n; s->n++) {
		s->hosts[s->n].ctx = make_ctx(s, &ids[s->n], e);
		if (!s->hosts[s->n].ctx)
			goto fail;
		s->hosts[s->n].domain = mem_strdup(ids[s->n].domain);
	}
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

const char *
tls_sni(SSL *ssl)
{
	return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
}

/* RFC 9266 §2. On TLS 1.3 only: below it implementations differ in what they export for an empty context. */
static int
binding_exporter(SSL *ssl, unsigned char *out)
{
	static const unsigned char empty[1];

	if (SSL_version(ssl) < TLS1_3_VERSION)
		return -1;
	if (SSL_export_keying_material(ssl, out, EXPORTER_SIZE, EXPORTER_LABEL, sizeof(EXPORTER_LABEL) - 1, empty, 0,
		    1) != 1) {
		ERR_clear_error();
		return -1;
	}
	return EXPORTER_SIZE;
}

/* RFC 5929 §4.1: the certificate under the hash of its own signature, but SHA-256 for MD5 and SHA-1;
 * undefined (NULL) where a signature has no single hash (Ed25519). */
static const EVP_MD *
end_point_hash(X509 *leaf)
{
	int hash = NID_undef;
	const EVP_MD *md;

	if (!leaf || X509_get_signature_info(leaf, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef) {
		ERR_clear_error();
		return NULL;
	}
	md = hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
	return md && EVP_MD_get_size(md) <= 64 ? md : NULL;
}

static int
binding_end_point(SSL *ssl, unsigned char *out)
{
	X509 *leaf = SSL_get_certificate(ssl);
	const EVP_MD *md = end_point_hash(leaf);
	unsigned len = 0;

	if (!md || X509_digest(leaf, md, out, &len) != 1) {
		ERR_clear_error();
		return -1;
	}
	return (int)len;
}

/* RFC 5929 §3.1: the first Finished message: the client's, or the server's when a session is resumed. Without the extended master
 * secret it says nothing (RFC 7627 §1). RFC 9266 leaves it undefined for TLS 1.3, yet there it is a MAC over the whole
 * handshake under a key of its own, and is what clients of before 2022 send. */
static bool
has_unique(SSL *ssl)
{
	return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

static int
binding_unique(SSL *ssl, unsigned char *out)
{
	size_t n;

	if (!has_unique(ssl))
		return -1;
	n = SSL_session_reused(ssl) ? SSL_get_finished(ssl, out, 64) : SSL_get_peer_finished(ssl, out, 64);
	return n > 0 && n <= 64 ? (int)n : -1;
}

bool
tls_can_bind(SSL *ssl, enum tls_binding type)
{
	if (!ssl || !SSL_is_init_finished(ssl))
		return false;
	if (type == TLS_EXPORTER)
		return SSL_version(ssl) >= TLS1_3_VERSION;
	if (type == TLS_UNIQUE)
		return has_unique(ssl);
	return end_point_hash(SSL_get_certificate(ssl)) != NULL;
}

int
tls_channel_binding(SSL *ssl, enum tls_binding type, unsigned char out[64])
{
	if (!ssl || !SSL_is_init_finished(ssl))
		return -1;
	if (type == TLS_UNIQUE)
		return binding_unique(ssl, out);
	return type == TLS_EXPORTER ? binding_exporter(ssl, out) : binding_end_point(ssl, out);
}

const char *
tls_describe(SSL *ssl, char out[96])
{
	snprintf(out, 96, "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
	return out;
}
