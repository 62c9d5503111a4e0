/*
 * wire: see wire.h. TLS is OpenSSL between two memory BIOs.
 */
#include "gateway_sms/wire.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK 16384

struct wire {
	const struct wire_calls *calls;
	void *owner;
	char host[256];
	SSL *ssl;          /* NULL: plain */
	uv_getaddrinfo_t resolve;
	struct addrinfo *found, *next; /* addresses, and the one to try when this one fails */
	uv_connect_t connect;
	uv_tcp_t tcp;
	uv_timer_t deadline;
	unsigned handles;  /* that libuv still has; with the last one the memory goes */
	bool resolving, open, closing;
	char why[256];
	char chunk[CHUNK];
};

struct write {
	uv_write_t req; /* first: libuv gives it back */
	struct wire *w;
	struct buf bytes;
};

/* ---- trust ----------------------------------------------------------------------------------------------- */

static const char *
tls_error(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return reason ? reason : "unknown error";
}

struct wire_trust *
wire_trust_new(const char *ca_file, const char *certificate, const char *key, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx) {
		err_set(e, 0, "TLS: %s", tls_error());
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (ca_file ? !SSL_CTX_load_verify_locations(ctx, ca_file, NULL) : !SSL_CTX_set_default_verify_paths(ctx))
		err_set(e, 0, "%s: %s", ca_file ? ca_file : "the system's certificates", tls_error());
	else if (certificate && SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		err_set(e, 0, "%s: %s", certificate, tls_error());
	else if (certificate && SSL_CTX_use_PrivateKey_file(ctx, key ? key : certificate, SSL_FILETYPE_PEM) != 1)
		err_set(e, 0, "%s: %s", key ? key : certificate, tls_error());
	else
		return (struct wire_trust *)ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

void
wire_trust_free(struct wire_trust *t)
{
	SSL_CTX_free((SSL_CTX *)t);
}

static SSL *
tls_new(const struct wire_trust *trust, const char *host)
{
	SSL *ssl = SSL_new((SSL_CTX *)trust);
	uint8_t address[16];

	if (!ssl)
		mem_exhausted(0);
	if (uv_inet_pton(AF_INET, host, address) == 0 || uv_inet_pton(AF_INET6, host, address) == 0) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	} else {
		SSL_set_tlsext_host_name(ssl, host);
		SSL_set1_host(ssl, host);
	}
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	return ssl;
}

/* ---- its end --------------------------------------------------------------------------------------------- */

static void flush_tls(struct wire *w);

static void
released(struct wire *w)
{
	if (--w->handles)
		return;
	SSL_free(w->ssl);
	if (w->found)
		uv_freeaddrinfo(w->found);
	free(w);
}

static void
handle_closed(uv_handle_t *h)
{
	released(h->data);
}

void
wire_close(struct wire *w)
{
	if (!w || w->closing)
		return;
	if (w->open && w->ssl) {
		SSL_shutdown(w->ssl);
		ERR_clear_error();
		flush_tls(w);
	}
	w->closing = true;
	if (w->resolving)
		uv_cancel((uv_req_t *)&w->resolve);
	/* Between two addresses it is closing already. */
	if (!uv_is_closing((uv_handle_t *)&w->tcp))
		uv_close((uv_handle_t *)&w->tcp, handle_closed);
	uv_close((uv_handle_t *)&w->deadline, handle_closed);
}

static void
fail(struct wire *w, const char *what, const char *why)
{
	if (w->closing)
		return;
	snprintf(w->why, sizeof(w->why), "%s%s%s", what, *what && *why ? ": " : "", why);
	wire_close(w);
	w->calls->closed(w->owner, w->why);
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static void
written(uv_write_t *req, int status)
{
	struct write *wr = (struct write *)req;
	struct wire *w = wr->w;

	buf_fini(&wr->bytes);
	free(wr);
	if (status < 0)
		fail(w, "", uv_strerror(status));
	released(w);
}

static void
write_bytes(struct wire *w, struct buf *b)
{
	struct write *wr;
	uv_buf_t bytes = uv_buf_init((char *)buf_data(b), (unsigned)buf_len(b));
	int n = 0;

	if (!buf_len(b))
		return;
	if (!w->tcp.write_queue_size)
		n = uv_try_write((uv_stream_t *)&w->tcp, &bytes, 1);
	if (n > 0)
		buf_consume(b, (size_t)n);
	if (!buf_len(b))
		return;
	wr = NEW(struct write);
	wr->w = w;
	wr->bytes = *b;
	memset(b, 0, sizeof(*b));
	bytes = uv_buf_init((char *)buf_data(&wr->bytes), (unsigned)buf_len(&wr->bytes));
	w->handles++;
	if (uv_write(&wr->req, (uv_stream_t *)&w->tcp, &bytes, 1, written) < 0) {
		w->handles--;
		buf_fini(&wr->bytes);
		free(wr);
	}
}

/* What TLS has to say. */
static void
flush_tls(struct wire *w)
{
	BIO *out = SSL_get_wbio(w->ssl);
	struct buf b = { 0 };
	size_t n = BIO_ctrl_pending(out);

	if (!n)
		return;
	BIO_read(out, buf_reserve(&b, n), (int)n);
	buf_added(&b, n);
	write_bytes(w, &b);
	buf_fini(&b);
}

void
wire_write(struct wire *w, struct buf *b)
{
	if (w->closing || !buf_len(b))
		return;
	if (!w->ssl) {
		write_bytes(w, b);
		buf_clear(b);
		return;
	}
	/* A memory BIO takes everything. */
	if (SSL_write(w->ssl, buf_data(b), (int)buf_len(b)) > 0)
		flush_tls(w);
	buf_clear(b);
}

size_t
wire_unwritten(const struct wire *w)
{
	return w->tcp.write_queue_size;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static void
opened(struct wire *w)
{
	w->open = true;
	uv_timer_stop(&w->deadline);
	w->calls->opened(w->owner);
}

static void
tls_failed(struct wire *w)
{
	long verify = SSL_get_verify_result(w->ssl);

	flush_tls(w);
	fail(w, "TLS", verify == X509_V_OK ? tls_error() : X509_verify_cert_error_string(verify));
	ERR_clear_error();
}

static void
tls_data(struct wire *w)
{
	char plain[CHUNK];
	int n;

	ERR_clear_error();
	if (!w->open) {
		n = SSL_do_handshake(w->ssl);
		if (n != 1 && SSL_get_error(w->ssl, n) != SSL_ERROR_WANT_READ) {
			tls_failed(w);
			return;
		}
		flush_tls(w);
		if (n != 1)
			return;
		opened(w);
	}
	while (!w->closing && (n = SSL_read(w->ssl, plain, sizeof(plain))) > 0)
		w->calls->data(w->owner, plain, (size_t)n);
	if (w->closing)
		return;
	flush_tls(w);
	n = SSL_get_error(w->ssl, n);
	if (n == SSL_ERROR_ZERO_RETURN)
		fail(w, "", "closed by the other side");
	else if (n != SSL_ERROR_WANT_READ)
		tls_failed(w);
}

static void
allocate(uv_handle_t *h, size_t wanted, uv_buf_t *b)
{
	struct wire *w = h->data;

	(void)wanted;
	*b = uv_buf_init(w->chunk, sizeof(w->chunk));
}

static void
arrived(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct wire *w = stream->data;

	(void)b;
	if (n < 0) {
		fail(w, "", n == UV_EOF ? "closed by the other side" : uv_strerror((int)n));
	} else if (n > 0 && w->ssl) {
		BIO_write(SSL_get_rbio(w->ssl), w->chunk, (int)n);
		tls_data(w);
	} else if (n > 0) {
		w->calls->data(w->owner, w->chunk, (size_t)n);
	}
}

/* ---- its beginning --------------------------------------------------------------------------------------- */

static void connect_next(struct wire *w);

static void
closed_for_next(uv_handle_t *h)
{
	struct wire *w = h->data;

	if (w->closing) {
		released(w);
		return;
	}
	uv_tcp_init(h->loop, &w->tcp);
	connect_next(w);
}

/* This address does not do: the next one, or the end. */
static void
not_there(struct wire *w, int status)
{
	if (w->next)
		uv_close((uv_handle_t *)&w->tcp, closed_for_next);
	else
		fail(w, w->host, uv_strerror(status));
}

static void
connected(uv_connect_t *req, int status)
{
	struct wire *w = req->data;

	if (!w->closing && status < 0) {
		not_there(w, status);
	} else if (!w->closing) {
		uv_tcp_nodelay(&w->tcp, 1);
		uv_tcp_keepalive(&w->tcp, 1, 60);
		uv_read_start((uv_stream_t *)&w->tcp, allocate, arrived);
		if (w->ssl)
			tls_data(w);
		else
			opened(w);
	}
	released(w);
}

static void
connect_next(struct wire *w)
{
	const struct addrinfo *to = w->next;
	int status;

	w->next = to->ai_next;
	w->connect.data = w;
	w->handles++;
	status = uv_tcp_connect(&w->connect, &w->tcp, to->ai_addr, connected);
	if (status < 0) {
		w->handles--;
		not_there(w, status);
	}
}

static void
resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct wire *w = req->data;

	w->resolving = false;
	w->found = w->next = found;
	if (!w->closing && status < 0)
		fail(w, w->host, uv_strerror(status));
	else if (!w->closing)
		connect_next(w);
	released(w);
}

static void
too_late(uv_timer_t *t)
{
	struct wire *w = t->data;

	fail(w, w->host, "no connection in time");
}

/* At once impossible: said from the loop, as everything is. */
static void
never(uv_timer_t *t)
{
	struct wire *w = t->data;

	fail(w, w->host, w->why);
}

struct wire *
wire_open(uv_loop_t *loop, const char *host, uint16_t port, const struct wire_trust *trust, unsigned timeout_ms, const struct wire_calls *calls,
	void *owner)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct wire *w = NEW(struct wire);
	char service[8];
	int rc;

	w->calls = calls;
	w->owner = owner;
	snprintf(w->host, sizeof(w->host), "%s", host);
	if (trust)
		w->ssl = tls_new(trust, host);
	uv_tcp_init(loop, &w->tcp);
	uv_timer_init(loop, &w->deadline);
	w->tcp.data = w->deadline.data = w->resolve.data = w;
	w->handles = 2;
	snprintf(service, sizeof(service), "%u", port);
	rc = uv_getaddrinfo(loop, &w->resolve, resolved, host, service, &hints);
	if (rc < 0) {
		snprintf(w->why, sizeof(w->why), "%s", uv_strerror(rc));
		uv_timer_start(&w->deadline, never, 0, 0);
		return w;
	}
	w->resolving = true;
	w->handles++;
	uv_timer_start(&w->deadline, too_late, timeout_ms, 0);
	return w;
}
