/*
 * wire: bytes to and from a socket, plain or under TLS.
 *
 * System calls saved: a read that left nothing in OpenSSL's buffer is not repeated until EAGAIN,
 * since libuv's polling is level-triggered and tells again when more arrives.
 */
#include "net/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "net/tls.h"

#define RECORD_MAX 16384

/* A peer that vanished without a word is noticed after 5 minutes of silence and 2 of asking, or
 * after 2 minutes when there is output that it does not confirm. */
#define KEEPALIVE_IDLE_S 300
#define KEEPALIVE_EVERY_S 30
#define KEEPALIVE_TRIES 4
#define UNCONFIRMED_MS 120000

static void
option(int fd, int level, int name, int value)
{
	/* None of them is vital. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

void
wire_setup(int fd, int family)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (family != AF_INET && family != AF_INET6)
		return;
	option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
	option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TRIES);
	option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNCONFIRMED_MS);
}

static enum wire
because(enum wire how, const char *text, char why[WIRE_WHY])
{
	snprintf(why, WIRE_WHY, "%s", text);
	return how;
}

/* Others on this thread may have left errors behind, which SSL_get_error would take for ours. */
static void
forget_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
	errno = 0;
}

static enum wire
tls_trouble(SSL *ssl, int result, char why[WIRE_WHY])
{
	int code = errno;

	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return WIRE_WAIT_READ;
	case SSL_ERROR_WANT_WRITE:
		return WIRE_WAIT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return because(WIRE_EOF, "closed by the peer", why);
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		if (code)
			return because(WIRE_LOST, strerror(code), why);
		return because(WIRE_EOF, "closed by the peer without close_notify", why);
	default:
		break;
	}
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return because(WIRE_EOF, "closed by the peer without close_notify", why);
	}
	tls_error(why);
	return WIRE_BROKEN;
}

static enum wire
tls_read(SSL *ssl, char *p, size_t cap, size_t *n, char why[WIRE_WHY])
{
	int r;

	do {
		forget_errors();
		r = SSL_read(ssl, p + *n, (int)(cap - *n));
		if (r <= 0)
			return tls_trouble(ssl, r, why);
		*n += (size_t)r;
		if (!SSL_has_pending(ssl))
			return WIRE_WAIT_READ;
	} while (*n < cap);
	return WIRE_MORE;
}

enum wire
wire_read(int fd, SSL *ssl, char *p, size_t cap, size_t *n, char why[WIRE_WHY])
{
	ssize_t r;

	*n = 0;
	if (ssl)
		return tls_read(ssl, p, cap, n, why);
	do
		r = recv(fd, p, cap, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return WIRE_WAIT_READ;
	if (r < 0)
		return because(WIRE_LOST, strerror(errno), why);
	if (r == 0)
		return because(WIRE_EOF, "closed by the peer", why);
	*n = (size_t)r;
	return *n == cap ? WIRE_MORE : WIRE_WAIT_READ;
}

enum wire
wire_write(int fd, SSL *ssl, const char *p, size_t n, size_t *took, char why[WIRE_WHY])
{
	ssize_t r;

	*took = 0;
	if (ssl) {
		forget_errors();
		/* A record at a time, so that a repeated call has at least the bytes of the first. */
		r = SSL_write(ssl, p, n < RECORD_MAX ? (int)n : RECORD_MAX);
		if (r <= 0)
			return tls_trouble(ssl, (int)r, why);
	} else {
		do
			r = send(fd, p, n, MSG_NOSIGNAL);
		while (r < 0 && errno == EINTR);
		if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return WIRE_WAIT_WRITE;
		if (r < 0)
			return because(WIRE_LOST, strerror(errno), why);
	}
	*took = (size_t)r;
	return WIRE_MORE;
}

enum wire
wire_handshake(SSL *ssl, char why[WIRE_WHY])
{
	int r;

	forget_errors();
	r = SSL_do_handshake(ssl);
	return r == 1 ? WIRE_MORE : tls_trouble(ssl, r, why);
}

enum wire
wire_goodbye(SSL *ssl)
{
	char why[WIRE_WHY];
	int r;

	forget_errors();
	/* 0: ours is out, the peer's is still to come, which conn sees as the end of its input. */
	r = SSL_shutdown(ssl);
	return r >= 0 ? WIRE_MORE : tls_trouble(ssl, r, why);
}
