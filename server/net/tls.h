/*
 * tls: contexts per virtual host, SNI, ALPN, channel binding, reload.
 *
 * TLS 1.2 and 1.3 only, forward secrecy and AEAD only (ECDHE with AES-GCM or ChaCha20-Poly1305),
 * X25519 and P-256/P-384, security level 2, no renegotiation, no compression, SSL_MODE_RELEASE_BUFFERS,
 * read-ahead on. TLS 1.3 session tickets off unless asked for (they cost each login and would have to
 * be keyed across reloads).
 *
 * A tls_set is immutable and counted: reload builds a new one and swaps it; connections keep the
 * context they began with.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct tls_identity {
	const char *domain;      /* in A-labels (xn--…), as SNI carries it (RFC 6066 §3); case does not matter */
	const char *certificate; /* PEM file: leaf first, then the chain */
	const char *key;         /* PEM file */
};

struct tls_set;

/* Reads all files; the first identity is the default when SNI names nobody. NULL and `e` (file,
 * reason) when one cannot be used: missing, key does not fit, expired is only a warning in the log.
 * `alpn`: the protocol we accept, "xmpp-client". An ALPN offer without it is refused only on
 * connections made with `alpn_required`. */
struct tls_set *tls_set_new(const struct tls_identity *ids, size_t n, const char *alpn, struct err *e) MUST_CHECK;
/* The same for servers' streams: the client is asked for its certificate too, without being told whom we trust, and whatever it shows
 * (or not) the handshake goes on: who it is, is judged afterwards (net/cert.h). Connections to other servers are made of the same set.
 * OCSP responses are asked for. There is no resumption. */
struct tls_set *tls_set_new_mutual(const struct tls_identity *ids, size_t n, const char *alpn, struct err *e) MUST_CHECK;
struct tls_set *tls_set_ref(struct tls_set *s);
void tls_set_unref(struct tls_set *s);
/* A server-side connection object. The caller owns it. `alpn_required`: direct TLS (XEP-0368); an
 * ALPN offer that lacks ours ends in no_application_protocol; no ALPN at all is accepted. */
SSL *tls_accept_new(struct tls_set *s, bool alpn_required);
/* A client-side connection object of a mutual set, which shows the certificate of identity `own` (its domain as given there; the first when
 * there is no such one; a subdomain of one uses that one's). `server`, the domain of the service and not the host that it runs on, is sent as
 * SNI, in A-labels; an address is not sent. `direct`: ALPN is sent (XEP-0368 §3). The
 * caller owns it. */
SSL *tls_connect_new(struct tls_set *s, const char *own, const char *server, bool direct);

enum tls_binding { TLS_EXPORTER, TLS_SERVER_END_POINT, TLS_UNIQUE, TLS_BINDINGS };
/* Channel-binding data: RFC 9266 (TLS 1.3 only, label EXPORTER-Channel-Binding, 32 bytes; none
 * on 1.2), RFC 5929 §4, or RFC 5929 §3 with extended master secret (RFC 7627). out holds 64 bytes. Length or -1. */
/* Whether tls_channel_binding would give it, without the work. */
bool tls_can_bind(SSL *ssl, enum tls_binding type);
int tls_channel_binding(SSL *ssl, enum tls_binding type, unsigned char out[64]);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384" for logs; static or SSL-owned pieces in `out`. */
const char *tls_describe(SSL *ssl, char out[96]);
/* The newest OpenSSL error of this thread in words; clears the queue. */
const char *tls_error(char out[160]);

#endif
