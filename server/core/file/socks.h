/*
 * socks: what a client says to the proxy first (RFC 1928, as XEP-0065 uses it): greeting without authentication, and CONNECT to a name that
 * is a SHA-1 in hex. Bytes in, bytes out; no I/O.
 */
#ifndef CORE_SOCKS_H
#define CORE_SOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define SOCKS_ADDRESS 40 /* hex digits of a SHA-1 */

enum socks_state {
	SOCKS_GREETING,
	SOCKS_REQUEST,
	SOCKS_ASKED,   /* `address` says for which bytestream; the answer is the caller's: socks_answer */
	SOCKS_REFUSED, /* what had to be said is in `out`; `why` says what was wrong */
};

struct socks {
	enum socks_state state;
	unsigned have;
	uint8_t bytes[262];  /* of the message that is under way: 4 + 1 + 255 + 2 at most */
	char address[SOCKS_ADDRESS + 1]; /* in small letters */
	const char *why;
};

enum socks_reply { SOCKS_SUCCEEDED = 0, SOCKS_NOT_ALLOWED = 2, SOCKS_NO_COMMAND = 7, SOCKS_NO_ADDRESS_TYPE = 8 };

/* Takes what has come; how many bytes of it belong to the handshake. Nothing behind SOCKS_ASKED or SOCKS_REFUSED. */
size_t socks_take(struct socks *s, const void *p, size_t n, struct buf *out);
/* RFC 1928 §6: BND.ADDR and BND.PORT are those of the request (XEP-0065 §6.3.2). */
void socks_answer(const struct socks *s, enum socks_reply reply, struct buf *out);

#endif
