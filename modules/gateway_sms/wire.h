/*
 * wire: a TCP connection that we open, plain or TLS, on libuv. It knows nothing of SMPP.
 *
 * One `closed` ends it unless wire_close comes first; behind either no call follows, and the wire is gone. Calls may close it.
 */
#ifndef GATEWAY_SMS_WIRE_H
#define GATEWAY_SMS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/err.h"

struct wire;
struct wire_trust; /* what TLS needs, made once of the settings and used for each connection */

/* TLS 1.2 and later. The certificates of `ca_file` are believed (NULL: those of the system). `certificate` and `key`: ours, PEM files, or NULL. */
struct wire_trust *wire_trust_new(const char *ca_file, const char *certificate, const char *key, struct err *e) MUST_CHECK;
void wire_trust_free(struct wire_trust *t);

struct wire_calls {
	/* The other side is there, and with TLS is who it says. */
	void (*opened)(void *owner);
	void (*data)(void *owner, const void *p, size_t n);
	/* `why`: plain words. */
	void (*closed)(void *owner, const char *why);
};

/* Begins; never calls back within this call. `trust` NULL: no TLS; else the certificate must be for `host`, a name or an address. Gives up after `timeout_ms`. */
struct wire *wire_open(uv_loop_t *loop, const char *host, uint16_t port, const struct wire_trust *trust, unsigned timeout_ms,
	const struct wire_calls *calls, void *owner);
/* Writes all of `b`, which is empty then. Only when it is open. */
void wire_write(struct wire *w, struct buf *b);
/* What has been written and is not in the kernel yet. */
size_t wire_unwritten(const struct wire *w);
/* Sends what has been written as far as the kernel takes it at once, and closes. */
void wire_close(struct wire *w);

#endif
