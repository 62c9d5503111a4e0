/*
 * hello: watches the peer's unencrypted handshake messages go by and says when one claims to be too
 * long. OpenSSL allots memory for a whole message once it has seen its first four bytes, up to 128 KiB
 * for a ClientHello: too much for somebody who has not shown anything yet. Used by conn until its
 * handshake has finished. A real ClientHello has 0.2 to 3 KiB.
 *
 * From a server that we have chosen to connect to, the messages that carry certificates or names of CAs may be longer: Certificate,
 * CertificateRequest (a server that names all public CAs needs 20 KiB), CertificateStatus. Where they are encrypted (TLS 1.3),
 * SSL_set_max_cert_list bounds them alike.
 */
#ifndef NET_HELLO_H
#define NET_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_MAX 16384
#define HELLO_CHAIN_MAX 65536

/* Zero-initialised is at the start of a connection. */
struct hello {
	uint8_t record_head[5], record_have; /* headers as far as they have come */
	uint8_t message_head[4], message_have;
	uint8_t messages;
	bool handshake; /* the current record's content */
	bool off;       /* the rest is encrypted */
	bool chains;    /* set by the user: it is such a server */
	uint16_t record_left;
	uint32_t message_left;
};

/* The next bytes that have come from the peer. False when a message is over its bound. */
bool hello_passes(struct hello *h, const unsigned char *p, size_t n);

#endif
