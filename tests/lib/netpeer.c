/*
 * netpeer: a blocking client for tests.
 */
#include "lib/netpeer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DEADLINE_S 20

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "netpeer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
connect_to(struct netpeer *p, const struct sockaddr *sa, socklen_t len)
{
	struct timeval deadline = {.tv_sec = DEADLINE_S};
	int on = 1;

	*p = (struct netpeer){.fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	must(p->fd >= 0, "socket");
	must(connect(p->fd, sa, len) == 0, "connect");
	must(setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)) == 0, "deadline");
	must(setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline)) == 0, "deadline");
	if (sa->sa_family == AF_INET)
		(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
netpeer_connect(struct netpeer *p, int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	connect_to(p, (struct sockaddr *)&in, sizeof(in));
}

void
netpeer_connect_unix(struct netpeer *p, const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	connect_to(p, (struct sockaddr *)&un, sizeof(un));
}

static void
set_alpn(SSL *ssl, const char *name)
{
	unsigned char wire[256];
	size_t n = strlen(name);

	wire[0] = (unsigned char)n;
	memcpy(wire + 1, name, n);
	must(SSL_set_alpn_protos(ssl, wire, (unsigned)n + 1) == 0, "ALPN");
}

static void
configure(struct netpeer *p, const struct netpeer_tls *how)
{
	if (how->ca) {
		must(SSL_CTX_load_verify_locations(p->ctx, how->ca, NULL) == 1, "CA file");
		SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, NULL);
	}
	/* Level 0, so that the server is the one who refuses what is old. */
	SSL_CTX_set_security_level(p->ctx, 0);
	must(SSL_CTX_set_cipher_list(p->ctx, how->ciphers ? how->ciphers : "ALL:@SECLEVEL=0") == 1, "ciphers");
	must(SSL_CTX_set_min_proto_version(p->ctx, how->min) == 1, "version");
	must(SSL_CTX_set_max_proto_version(p->ctx, how->max) == 1, "version");
	if (how->groups)
		must(SSL_CTX_set1_groups_list(p->ctx, how->groups) == 1, "groups");
	p->ssl = SSL_new(p->ctx);
	must(p->ssl && SSL_set_fd(p->ssl, p->fd) == 1, "SSL_new");
	if (how->sni) {
		must(SSL_set_tlsext_host_name(p->ssl, how->sni) == 1, "SNI");
		if (how->ca)
			must(SSL_set1_host(p->ssl, how->sni) == 1, "host");
	}
	if (how->alpn)
		set_alpn(p->ssl, how->alpn);
}

int
netpeer_start_tls(struct netpeer *p, const struct netpeer_tls *how)
{
	p->ctx = SSL_CTX_new(TLS_client_method());
	must(p->ctx != NULL, "SSL_CTX_new");
	configure(p, how);
	if (SSL_connect(p->ssl) == 1)
		return 0;
	ERR_clear_error();
	return -1;
}

int
netpeer_write(struct netpeer *p, const void *data, size_t n)
{
	const char *s = data;

	while (n > 0) {
		int r = p->ssl ? SSL_write(p->ssl, s, n < 16384 ? (int)n : 16384)
			       : (int)send(p->fd, s, n, MSG_NOSIGNAL);

		if (r <= 0) {
			ERR_clear_error();
			return -1;
		}
		s += r;
		n -= (size_t)r;
	}
	return 0;
}

static int
tls_read(struct netpeer *p, void *data, size_t n)
{
	int r = SSL_read(p->ssl, data, (int)n), why;

	if (r > 0)
		return r;
	why = SSL_get_error(p->ssl, r);
	ERR_clear_error();
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

int
netpeer_read(struct netpeer *p, void *data, size_t n)
{
	ssize_t r;

	if (p->ssl)
		return tls_read(p, data, n);
	r = recv(p->fd, data, n, 0);
	if (r >= 0)
		return (int)r;
	return errno == EAGAIN ? -1 : 0;
}

bool
netpeer_read_exactly(struct netpeer *p, void *data, size_t n)
{
	char *s = data;

	while (n > 0) {
		int r = netpeer_read(p, s, n);

		if (r <= 0)
			return false;
		s += r;
		n -= (size_t)r;
	}
	return true;
}

void
netpeer_close(struct netpeer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct netpeer){.fd = -1};
}
