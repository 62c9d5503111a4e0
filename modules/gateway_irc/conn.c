#include "conn.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"

#define READ_BYTES 16384
#define READS_PER_TURN 4 /* others want to be heard, too */

struct irc_conn {
	uv_loop_t *loop;
	const char *host;
	unsigned address_ms;
	const struct irc_tls *tls;
	const struct irc_certificate *certificate;
	const struct irc_conn_events *events;
	void *arg;
	struct addrinfo *found, *next; /* addresses that were found, and the one to be tried next */
	uv_getaddrinfo_t lookup;
	uv_timer_t soon; /* tells `lost` in a later turn; while an address is tried: gives it up */
	struct ready *ready;
	struct ready_socket *sock; /* NULL: none */
	unsigned busy; /* handles and requests that the loop still has */
	SSL *ssl;
	enum { LOOKING, CONNECTING, SHAKING, OPEN, LOST, CLOSED } state;
	bool paused, wants_write;
	struct buf *out; /* the caller's */
	char why[200];
};

/* ---- TLS ---- */

static int
pin_or_chain(X509_STORE_CTX *store, void *arg)
{
	const struct irc_tls *t = arg;
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	uint8_t hash[32];
	unsigned n = sizeof(hash);

	if (!t->pinned)
		return !t->verify || X509_verify_cert(store) == 1;
	if (cert && X509_digest(cert, EVP_sha256(), hash, &n) && n == sizeof(hash) && crypt_equal(hash, t->pin, n))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

int
irc_tls_init(struct irc_tls *t, const struct irc_tls_files *files, struct err *e)
{
	memset(t, 0, sizeof(*t));
	t->verify = files->verify;
	if (files->pin) {
		if (strlen(files->pin) != 2 * sizeof(t->pin) || text_unhex(files->pin, strlen(files->pin), t->pin) != sizeof(t->pin))
			return err_set(e, 0, "a fingerprint has 64 hexadecimal digits");
		t->pinned = true;
	}
	t->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(t->ctx, pin_or_chain, t);
	if (files->ca_file ? SSL_CTX_load_verify_file(t->ctx, files->ca_file) != 1 : SSL_CTX_set_default_verify_paths(t->ctx) != 1) {
		ERR_clear_error();
		irc_tls_fini(t);
		return err_set(e, 0, "certificates of %s cannot be read", files->ca_file ? files->ca_file : "the system");
	}
	ERR_clear_error();
	return 0;
}

void
irc_tls_fini(struct irc_tls *t)
{
	SSL_CTX_free(t->ctx);
	t->ctx = NULL;
}

/* The name that is checked, which is the one that the administrator wrote. */
static void
tls_begin(struct irc_conn *c)
{
	X509_VERIFY_PARAM *param;

	c->ssl = SSL_new(c->tls->ctx);
	param = SSL_get0_param(c->ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, c->host) != 1) {
		X509_VERIFY_PARAM_set1_host(param, c->host, 0);
		SSL_set_tlsext_host_name(c->ssl, c->host);
	}
	if (c->certificate)
		irc_certificate_use(c->certificate, c->ssl);
	SSL_set_fd(c->ssl, c->sock->fd);
	SSL_set_connect_state(c->ssl);
	ERR_clear_error();
}

static const char *
tls_why(struct irc_conn *c, char *out, size_t size)
{
	long verdict = SSL_get_verify_result(c->ssl);
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (verdict != X509_V_OK && c->state == SHAKING)
		snprintf(out, size, "its certificate is not good: %s", X509_verify_cert_error_string(verdict));
	else
		snprintf(out, size, "TLS: %s", reason ? reason : "the connection was closed");
	ERR_clear_error();
	return out;
}

/* ---- Life ---- */

static void
unbusy(struct irc_conn *c)
{
	if (--c->busy || c->state != CLOSED)
		return;
	uv_freeaddrinfo(c->found);
	free(c);
}

static void
timer_closed(uv_handle_t *h)
{
	unbusy(h->data);
}

static void
drop_socket(struct irc_conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->sock)
		ready_close(c->ready, c->sock);
	c->sock = NULL;
}

void
irc_conn_close(struct irc_conn *c)
{
	if (!c || c->state == CLOSED)
		return;
	if (c->state == OPEN && c->ssl)
		SSL_shutdown(c->ssl);
	ERR_clear_error();
	c->state = CLOSED;
	c->out = NULL;
	drop_socket(c);
	uv_close((uv_handle_t *)&c->soon, timer_closed);
	uv_cancel((uv_req_t *)&c->lookup);
}

static void
tell_lost(uv_timer_t *t)
{
	struct irc_conn *c = t->data;

	c->events->lost(c->arg, c->why);
}

/* Told in a later turn, so that nobody is freed by what they are doing. */
static void
lose(struct irc_conn *c, const char *why)
{
	if (c->state == CLOSED || c->state == LOST)
		return;
	c->state = LOST;
	if (why != c->why)
		snprintf(c->why, sizeof(c->why), "%s", why);
	drop_socket(c);
	uv_timer_start(&c->soon, tell_lost, 0, 0);
}

/* ---- Bytes ---- */

static void
watch(struct irc_conn *c)
{
	uint32_t events = c->paused && c->state == OPEN ? 0 : EPOLLIN | EPOLLRDHUP;

	if (c->wants_write)
		events |= EPOLLOUT;
	ready_watch(c->ready, c->sock, events);
}

/* Of a step of TLS that could not go on: waits for what it needs. False: it cannot. */
static bool
tls_waits(struct irc_conn *c, int rc)
{
	char why[160];

	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return true;
	case SSL_ERROR_WANT_WRITE:
		c->wants_write = true;
		return true;
	default:
		lose(c, tls_why(c, why, sizeof(why)));
		return false;
	}
}

/* How many bytes have come; 0: none now, or it is lost. */
static size_t
read_some(struct irc_conn *c, char *p, size_t size)
{
	ssize_t n;

	if (c->ssl) {
		int rc;

		ERR_clear_error();
		rc = SSL_read(c->ssl, p, (int)size);
		if (rc > 0)
			return (size_t)rc;
		tls_waits(c, rc);
		return 0;
	}
	do
		n = recv(c->sock->fd, p, size, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return (size_t)n;
	if (!n)
		lose(c, "the server has closed the connection");
	else if (errno != EAGAIN)
		lose(c, strerror(errno));
	return 0;
}

/* `ends`: there is an end, or an error, behind what is to be read. */
static void
read_all(struct irc_conn *c, bool ends)
{
	char bytes[READ_BYTES];
	size_t n;

	c->busy++;
	for (int i = 0; c->state == OPEN && !c->paused; i++) {
		if (i >= READS_PER_TURN && !(c->ssl && SSL_pending(c->ssl))) {
			ready_again(c->ready, c->sock);
			break;
		}
		if (!(n = read_some(c, bytes, sizeof(bytes))))
			break;
		c->events->data(c->arg, bytes, n);
		/* That was all (epoll(7)): the kernel need not be asked to say so. What TLS gives is a record, behind which there may be others. */
		if (n < sizeof(bytes) && !c->ssl && !ends)
			break;
	}
	/* A change of keys of TLS that could not be answered. */
	if (c->state == OPEN && c->wants_write)
		watch(c);
	unbusy(c);
}

static void
write_all(struct irc_conn *c)
{
	struct buf *out = c->out;

	c->wants_write = false;
	while (out && buf_len(out)) {
		ssize_t n;

		ERR_clear_error();
		n = c->ssl ? SSL_write(c->ssl, buf_data(out), (int)buf_len(out)) : send(c->sock->fd, buf_data(out), buf_len(out), MSG_NOSIGNAL);
		if (n > 0) {
			buf_consume(out, (size_t)n);
			continue;
		}
		if (!c->ssl && errno == EINTR)
			continue;
		if (c->ssl ? !tls_waits(c, (int)n) : errno != EAGAIN) {
			if (!c->ssl)
				lose(c, strerror(errno));
			return;
		}
		c->wants_write = true;
		break;
	}
	/* Who is idle holds no memory for it. */
	if (out && !buf_len(out))
		buf_fini(out);
	watch(c);
}

void
irc_conn_write(struct irc_conn *c, struct buf *out)
{
	c->out = out;
	if (c->state == OPEN && !c->wants_write && buf_len(out))
		write_all(c);
}

void
irc_conn_pause(struct irc_conn *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	if (c->state == OPEN)
		watch(c);
}

/* ---- Connecting ---- */

static void try_next(struct irc_conn *c);

static void
opened(struct irc_conn *c)
{
	c->state = OPEN;
	c->wants_write = false;
	watch(c);
	/* What came together with the end of the handshake has been told already. */
	if (c->ssl)
		ready_again(c->ready, c->sock);
	c->busy++;
	c->events->open(c->arg);
	unbusy(c);
}

static void
shake(struct irc_conn *c)
{
	int rc;

	c->wants_write = false;
	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1)
		opened(c);
	else if (tls_waits(c, rc))
		watch(c);
}

static void
connected(struct irc_conn *c)
{
	int error = 0;
	socklen_t n = sizeof(error);

	uv_timer_stop(&c->soon);
	getsockopt(c->sock->fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (error) {
		snprintf(c->why, sizeof(c->why), "%s", strerror(error));
		try_next(c);
		return;
	}
	if (!c->tls->ctx) {
		opened(c);
		return;
	}
	c->state = SHAKING;
	tls_begin(c);
	shake(c);
}

static void
on_ready(void *arg, uint32_t events)
{
	struct irc_conn *c = arg;

	if (c->state == CONNECTING) {
		connected(c);
	} else if (c->state == SHAKING) {
		shake(c);
	} else {
		c->busy++;
		if (events & EPOLLOUT && c->state == OPEN)
			write_all(c);
		if ((c->ssl || events & ~(uint32_t)EPOLLOUT) && c->state == OPEN && !c->paused)
			read_all(c, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
		unbusy(c);
	}
}

/* An address that says nothing at all, as those do that lead nowhere. */
static void
give_up_address(uv_timer_t *t)
{
	struct irc_conn *c = t->data;

	snprintf(c->why, sizeof(c->why), "it does not answer");
	try_next(c);
}

/* The next address; none is left: that is what is told. */
static void
try_next(struct irc_conn *c)
{
	struct addrinfo *a;
	int fd, one = 1;

	drop_socket(c);
	while ((a = c->next)) {
		c->next = a->ai_next;
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connect(fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS) {
			snprintf(c->why, sizeof(c->why), "%s", strerror(errno));
			close(fd);
			continue;
		}
		if (!(c->sock = ready_open(c->ready, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, on_ready, c))) {
			snprintf(c->why, sizeof(c->why), "%s", strerror(errno));
			close(fd);
			continue;
		}
		c->state = CONNECTING;
		/* The last one has the time that is left. */
		if (c->next)
			uv_timer_start(&c->soon, give_up_address, c->address_ms, 0);
		return;
	}
	lose(c, *c->why ? c->why : "it cannot be connected to");
}

static void
looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct irc_conn *c = req->data;

	c->found = found;
	if (c->state == LOOKING) {
		c->next = found;
		if (status)
			lose(c, uv_strerror(status));
		else
			try_next(c);
	}
	unbusy(c);
}

struct irc_conn *
irc_conn_new(uv_loop_t *loop, struct ready *ready, const char *host, unsigned port, unsigned address_ms, const struct irc_tls *tls,
	     const struct irc_certificate *certificate, const struct irc_conn_events *events, void *arg)
{
	struct irc_conn *c = NEW(struct irc_conn);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char service[8];
	int rc;

	c->loop = loop;
	c->ready = ready;
	c->host = host;
	c->address_ms = address_ms;
	c->tls = tls;
	c->certificate = certificate;
	c->events = events;
	c->arg = arg;
	c->busy = 1; /* its timer */
	uv_timer_init(loop, &c->soon);
	c->soon.data = c;
	c->lookup.data = c;
	snprintf(service, sizeof(service), "%u", port & 0xffff);
	rc = !ready ? UV_EMFILE : uv_getaddrinfo(loop, &c->lookup, looked_up, host, service, &hints);
	if (rc)
		lose(c, uv_strerror(rc));
	else
		c->busy++;
	return c;
}
