/*
 * tls_binding: channel binding, for SASL: data that both ends of a TLS connection know and nobody between them has made the same.
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "net/tls.h"

#define EXPORTER_LABEL "EXPORTER-Channel-Binding"
#define EXPORTER_SIZE 32

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
