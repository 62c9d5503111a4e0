/*
 * conn: a connection to a server on the loop: its name looked up, its addresses tried one after the other, TLS with its certificate checked. Small when idle:
 * a socket, and OpenSSL's state without buffers.
 */
#ifndef GATEWAY_IRC_CONN_H
#define GATEWAY_IRC_CONN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "certificate.h"
#include "ready.h"

/* How a network's servers are spoken to; the same for all its connections, which must not outlive it. */
struct irc_tls {
	SSL_CTX *ctx;       /* NULL: no TLS */
	bool verify;        /* its certificate must be good, and for its name */
	uint8_t pin[32];    /* SHA-256 of its certificate: it, and no other, is good then */
	bool pinned;
};

struct irc_tls_files {
	const char *ca_file;     /* NULL: the system's */
	const char *pin;         /* 64 hexadecimal digits; NULL: none */
	bool verify;
};

/* -1 and the reason when a file cannot be used. */
int irc_tls_init(struct irc_tls *t, const struct irc_tls_files *files, struct err *e) MUST_CHECK;
void irc_tls_fini(struct irc_tls *t);

struct irc_conn;

struct irc_conn_events {
	void (*open)(void *arg);
	/* May close the connection. The bytes may be written to. */
	void (*data)(void *arg, char *p, size_t n);
	/* It is gone; not told after irc_conn_close. */
	void (*lost)(void *arg, const char *why);
};

/* Never NULL: what goes wrong at once is told by `lost` in a later turn of the loop. Host and the rest are borrowed while it connects. The host's addresses are tried one
 * after the other, each for `address_ms` at most, but the last. `certificate`: that we show; NULL: none. `ready` outlives it; NULL: there is none for want of descriptors. */
struct irc_conn *irc_conn_new(uv_loop_t *loop, struct ready *ready, const char *host, unsigned port, unsigned address_ms, const struct irc_tls *tls,
			      const struct irc_certificate *certificate, const struct irc_conn_events *events, void *arg);
/* Writes what it can and consumes it; goes on by itself with the rest of the same `out` as it becomes possible. */
void irc_conn_write(struct irc_conn *c, struct buf *out);
/* Reads no more, or again. */
void irc_conn_pause(struct irc_conn *c, bool paused);
/* Frees it when the loop is done with it; nothing more is told. What is in `out` is lost. NULL is fine. */
void irc_conn_close(struct irc_conn *c);

#endif
