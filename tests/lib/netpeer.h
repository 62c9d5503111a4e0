/*
 * netpeer: the other end of a connection, for tests: a blocking client with a deadline of 20 s on
 * each read, plain or TLS. It exits on trouble only where a test could not go on; what a test may
 * want to see comes back as a result.
 */
#ifndef TESTS_LIB_NETPEER_H
#define TESTS_LIB_NETPEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct netpeer {
	int fd;
	SSL *ssl;     /* NULL: plain */
	SSL_CTX *ctx; /* as long as ssl */
};

struct netpeer_tls {
	const char *ca;       /* file to check against; NULL: no check */
	const char *sni;      /* also the name to be found in the certificate */
	const char *alpn;     /* one protocol name */
	const char *ciphers;  /* TLS 1.2 list at security level 0 */
	const char *groups;   /* for the key exchange, the first is offered */
	int min, max;         /* TLS1_2_VERSION …; 0: whatever */
};

/* To 127.0.0.1. */
void netpeer_connect(struct netpeer *p, int port);
void netpeer_connect_unix(struct netpeer *p, const char *path);
/* 0 or -1 when the handshake fails. */
int netpeer_start_tls(struct netpeer *p, const struct netpeer_tls *how);
/* All of it; -1 on failure. */
int netpeer_write(struct netpeer *p, const void *data, size_t n);
/* As SSL_read and read: > 0, 0 at the end (also after a reset), -1 after the deadline. */
int netpeer_read(struct netpeer *p, void *data, size_t n);
/* Exactly n bytes; false otherwise. */
bool netpeer_read_exactly(struct netpeer *p, void *data, size_t n);
/* Closes without close_notify. */
void netpeer_close(struct netpeer *p);

#endif
