/*
 * wire: bytes to and from a socket, plain or under TLS, with one way of telling how it went. It
 * keeps no state and calls nobody; conn decides what to do about it.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <openssl/ssl.h>
#include <stddef.h>

enum wire {
	WIRE_MORE,       /* done; call again at once, there may be no event for what is left */
	WIRE_WAIT_READ,  /* done; go on when the socket is readable */
	WIRE_WAIT_WRITE, /* go on when it is writable, even where this was reading */
	WIRE_EOF,        /* the peer has closed */
	WIRE_LOST,       /* the socket failed: reset, timed out */
	WIRE_BROKEN,     /* TLS failed: nothing more may be done with it */
};

#define WIRE_WHY 160

/* Options for streams of small pieces; local sockets have fewer. Makes it non-blocking. */
void wire_setup(int fd, int family);
/* Reads at most `cap` bytes. *n may be set whatever is returned. `ssl` NULL: plain. `why` is set for
 * the last three. */
enum wire wire_read(int fd, SSL *ssl, char *p, size_t cap, size_t *n, char why[WIRE_WHY]);
/* Writes at most `n` bytes; WIRE_MORE when it took some. After a WAIT the same bytes must come again
 * (more may follow them, and they may have moved). */
enum wire wire_write(int fd, SSL *ssl, const char *p, size_t n, size_t *took, char why[WIRE_WHY]);
/* WIRE_MORE: the handshake has finished. */
enum wire wire_handshake(SSL *ssl, char why[WIRE_WHY]);
/* Sends close_notify. WIRE_WAIT_WRITE: again later; all else: done with. */
enum wire wire_goodbye(SSL *ssl);

#endif
