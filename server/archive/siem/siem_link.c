/*
 * siem_link: OpenSSL over a socket that does not block, with deadlines.
 */
#include "archive/siem/siem_link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define OPEN_MS 10000
#define WRITE_MS 30000
#define HOLD_MS 300   /* behind the acknowledgement of the kernel */
#define SLICE_MS 100  /* how soon a stop is seen */

struct siem_link {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	char host[256], port[16];
	const atomic_bool *stop;
};

static int
fail(struct err *e, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	char text[160] = "the other end closed the connection";

	if (code != 0)
		ERR_error_string_n(code, text, sizeof text);
	ERR_clear_error();
	return err_set(e, 0, "%s: %s", what, text);
}

static int
split(struct siem_link *l, const char *address, struct err *e)
{
	const char *colon = strrchr(address, ':'), *host = address;
	size_t n;

	if (colon == NULL || colon == address || strlen(colon + 1) >= sizeof l->port || colon[1] == '\0')
		return err_set(e, 0, "siem.address: expected HOST:PORT");
	n = (size_t)(colon - address);
	if (host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof l->host)
		return err_set(e, 0, "siem.address: expected HOST:PORT");
	memcpy(l->host, host, n);
	snprintf(l->port, sizeof l->port, "%s", colon + 1);
	return 0;
}

static int
load(struct siem_link *l, const char *ca_file, const char *certificate, const char *key, struct err *e)
{
	SSL_CTX_set_min_proto_version(l->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(l->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_verify(l->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(l->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (ca_file[0] != '\0' ? !SSL_CTX_load_verify_locations(l->ctx, ca_file, NULL) : !SSL_CTX_set_default_verify_paths(l->ctx))
		return fail(e, "siem.ca_file");
	if (certificate[0] != '\0' &&
	    (SSL_CTX_use_certificate_chain_file(l->ctx, certificate) != 1 || SSL_CTX_use_PrivateKey_file(l->ctx, key, SSL_FILETYPE_PEM) != 1 ||
	     SSL_CTX_check_private_key(l->ctx) != 1))
		return fail(e, "siem.certificate, siem.key");
	return 0;
}

struct siem_link *
siem_link_new(const char *address, const char *ca_file, const char *certificate, const char *key, const atomic_bool *stop, struct err *e)
{
	struct siem_link *l = NEW(struct siem_link);

	l->fd = -1;
	l->stop = stop;
	l->ctx = SSL_CTX_new(TLS_client_method());
	if (l->ctx != NULL && split(l, address, e) == 0 && load(l, ca_file, certificate, key, e) == 0)
		return l;
	siem_link_free(l);
	return NULL;
}

void
siem_link_free(struct siem_link *l)
{
	if (l == NULL)
		return;
	siem_link_close(l);
	SSL_CTX_free(l->ctx);
	free(l);
}

bool
siem_link_is_open(const struct siem_link *l)
{
	return l->ssl != NULL;
}

static void
drop(struct siem_link *l)
{
	SSL_free(l->ssl);
	l->ssl = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	ERR_clear_error();
}

void
siem_link_close(struct siem_link *l)
{
	if (l->ssl != NULL)
		(void)SSL_shutdown(l->ssl);
	drop(l);
}

/* 1 ready, 0 not in time, -1 broken or we stop. */
static int
wait_fd(struct siem_link *l, int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		int n;

		if (left <= 0)
			return 0;
		if (atomic_load(l->stop))
			return -1;
		n = poll(&p, 1, left > SLICE_MS ? SLICE_MS : (int)left);
		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

/* What OpenSSL waits for. -1: it is over. */
static int
wait_ssl(struct siem_link *l, int rc, int64_t deadline)
{
	int why = SSL_get_error(l->ssl, rc);

	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return -1;
	return wait_fd(l, l->fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline) == 1 ? 0 : -1;
}

static int
dial_one(struct siem_link *l, const struct addrinfo *a, int64_t deadline)
{
	int on = 1, failed = 0;
	socklen_t n = sizeof failed;

	l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -1;
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if ((connect(l->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS) && wait_fd(l, l->fd, POLLOUT, deadline) == 1 &&
	    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &failed, &n) == 0 && failed == 0)
		return 0;
	if (failed != 0)
		errno = failed;
	close(l->fd);
	l->fd = -1;
	return -1;
}

static int
dial(struct siem_link *l, int64_t deadline, struct err *e)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
	int rc = getaddrinfo(l->host, l->port, &want, &list);

	if (rc != 0)
		return err_set(e, 0, "%s: %s", l->host, gai_strerror(rc));
	errno = 0;
	for (const struct addrinfo *a = list; a != NULL && l->fd < 0; a = a->ai_next)
		rc = dial_one(l, a, deadline);
	freeaddrinfo(list);
	return l->fd >= 0 ? 0 : err_set(e, errno, "%s port %s: %s", l->host, l->port, errno != 0 ? strerror(errno) : "no answer");
}

/* Name or address, by the alternative names alone. */
static int
expect_host(struct siem_link *l)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(l->ssl);

	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(p, l->host) == 1)
		return 0;
	ERR_clear_error();
	return X509_VERIFY_PARAM_set1_host(p, l->host, 0) == 1 && SSL_set_tlsext_host_name(l->ssl, l->host) == 1 ? 0 : -1;
}

static int
shake(struct siem_link *l, int64_t deadline, struct err *e)
{
	int rc = -1;
	long verdict;

	l->ssl = SSL_new(l->ctx);
	if (l->ssl == NULL || expect_host(l) != 0 || SSL_set_fd(l->ssl, l->fd) != 1)
		return fail(e, "TLS");
	while ((rc = SSL_connect(l->ssl)) != 1)
		if (wait_ssl(l, rc, deadline) != 0)
			break;
	if (rc == 1)
		return 0;
	verdict = SSL_get_verify_result(l->ssl);
	if (verdict != X509_V_OK)
		return err_set(e, 0, "the certificate of %s: %s", l->host, X509_verify_cert_error_string(verdict));
	return fail(e, "TLS");
}

int
siem_link_open(struct siem_link *l, struct err *e)
{
	int64_t deadline = clock_mono_ms() + OPEN_MS;

	siem_link_close(l);
	if (dial(l, deadline, e) == 0 && shake(l, deadline, e) == 0)
		return 0;
	drop(l);
	return -1;
}

/* Nothing is said in this direction: whatever comes is the end, or TLS's own (tickets). -1: the end. */
static int
listen_in(struct siem_link *l)
{
	char any[256];
	int rc = SSL_read(l->ssl, any, sizeof any);

	if (rc > 0)
		return 0;
	return SSL_get_error(l->ssl, rc) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static int
is_taken(struct siem_link *l)
{
	int left = 0;

	return ioctl(l->fd, SIOCOUTQ, &left) == 0 && left == 0;
}

static int
settle(struct siem_link *l, int64_t deadline)
{
	int64_t held = 0;
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	while (held == 0 || clock_mono_ms() < held) {
		if (clock_mono_ms() > deadline || atomic_load(l->stop))
			return -1;
		if (poll(&p, 1, 10) > 0 && ((p.revents & (POLLERR | POLLHUP)) != 0 || listen_in(l) != 0))
			return -1;
		if (held == 0 && is_taken(l))
			held = clock_mono_ms() + HOLD_MS;
	}
	return 0;
}

int
siem_link_deliver(struct siem_link *l, const void *p, size_t n, struct err *e)
{
	int64_t deadline = clock_mono_ms() + WRITE_MS;
	const char *s = p;

	while (n > 0) {
		int rc = SSL_write(l->ssl, s, n > 16384 ? 16384 : (int)n);

		if (rc > 0) {
			s += rc;
			n -= (size_t)rc;
		} else if (wait_ssl(l, rc, deadline) != 0) {
			break;
		}
	}
	if (n == 0 && settle(l, deadline) == 0)
		return 0;
	fail(e, "sending");
	drop(l);
	return -1;
}

void
siem_link_look(struct siem_link *l)
{
	if (l->ssl != NULL && listen_in(l) != 0)
		drop(l);
}
