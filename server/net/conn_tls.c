/*
 * conn_tls: how a connection comes under TLS.
 *
 * The way of the state, forward only:
 *
 *     CONN_PLAIN ── conn_start_tls, conn_connect_tls ──▶ CONN_TLS_WAITS ── <proceed/> is out ──▶ CONN_HANDSHAKE ──▶ CONN_SECURE
 *
 * Plain bytes are read in CONN_PLAIN only. Once TLS has been asked for, whatever is in the kernel's buffer
 * goes to the handshake, so that bytes injected behind <starttls/> can at most make it fail.
 *
 * A handshake between servers, with a certificate from both ends and a chain to read, costs up to two milliseconds in one piece. So its steps are taken on a
 * thread beside the reactor (net/work), which meanwhile leaves socket and SSL object alone (`shaking`).
 */
#include <errno.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/conn_priv.h"

/* On the socket's BIO during the handshake. */
static long
watch_hello(BIO *bio, int oper, const char *p, size_t len, int argi, long argl, int ret, size_t *n)
{
	struct conn *c = (struct conn *)BIO_get_callback_arg(bio);

	(void)len;
	(void)argi;
	(void)argl;
	if (oper != (BIO_CB_READ | BIO_CB_RETURN) || ret <= 0)
		return ret;
	if (hello_passes(&c->hello, (const unsigned char *)p, *n))
		return ret;
	errno = EMSGSIZE;
	return -1;
}

static void
watch(struct conn *c)
{
	BIO_set_callback_ex(SSL_get_rbio(c->ssl), watch_hello);
	BIO_set_callback_arg(SSL_get_rbio(c->ssl), (char *)c);
}

/* A step has been taken. */
static void
take_step(struct conn *c, enum wire got, const char *why)
{
	char words[96];

	c->in_waits_write = got == WIRE_WAIT_WRITE;
	if (got == WIRE_WAIT_READ || got == WIRE_WAIT_WRITE)
		return;
	if (got == WIRE_MORE) {
		c->state = CONN_SECURE;
		BIO_set_callback_ex(SSL_get_rbio(c->ssl), NULL);
		log_debug(&c->log, "tls", "with=%s", tls_describe(c->ssl, words));
		c->ops->secured(c, c->owner);
		if (!c->closed)
			reactor_defer(c->home, &c->turn);
		return;
	}
	metric_add(METRIC_TLS_FAILED, 1);
	log_info(&c->log, "tls-failed", "reason=%s", why);
	conn_take_end(c, got, why);
}

static void
shake(struct work *w)
{
	struct conn_shaking *k = LIST_ENTRY(w, struct conn_shaking, work);

	k->got = wire_handshake(k->c->ssl, k->why);
}

static void
shaken(struct work *w)
{
	struct conn_shaking *k = LIST_ENTRY(w, struct conn_shaking, work);
	struct conn *c = k->c;

	c->shaking = NULL;
	if (c->closed)
		conn_give_up(c);
	else if (!c->discard && !c->end)
		take_step(c, k->got, k->why);
	/* OpenSSL may have read on behind the handshake. */
	if (c->state == CONN_SECURE && !c->closed)
		conn_input(c);
	conn_arm(c);
	free(k);
}

void
conn_shake_hands(struct conn *c)
{
	char why[WIRE_WHY];
	enum wire got;

	if (c->apart) {
		c->shaking = NEW(struct conn_shaking);
		c->shaking->c = c;
		c->shaking->work.run = shake;
		c->shaking->work.done = shaken;
		/* What our people wait for goes before whoever knocks. */
		work_begin(&c->shaking->work, !SSL_is_server(c->ssl));
		return;
	}
	got = wire_handshake(c->ssl, why);
	take_step(c, got, why);
}

static bool
may_start_tls(const struct conn *c, size_t unread)
{
	return !unread && !c->keep && !c->kept && c->state == CONN_PLAIN && !c->end && !c->shutting && !c->closed;
}

/* `ssl` from here on; what is in the output goes before it. */
static void
begin_tls(struct conn *c, SSL *ssl)
{
	c->ssl = ssl;
	if (SSL_set_fd(ssl, c->fd) != 1)
		mem_exhausted(0);
	c->hello.chains = !SSL_is_server(ssl);
	c->apart = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE; /* of a mutual set */
	watch(c);
	c->plain_left = buf_len(&c->out);
	c->state = CONN_TLS_WAITS;
	conn_flush(c);
	reactor_defer(c->home, &c->turn);
}

int
conn_start_tls(struct conn *c, struct tls_set *tls, bool alpn_required, size_t unread)
{
	if (!may_start_tls(c, unread))
		return -1;
	begin_tls(c, tls_accept_new(tls, alpn_required));
	return 0;
}

int
conn_connect_tls(struct conn *c, SSL *ssl, size_t unread)
{
	if (!may_start_tls(c, unread)) {
		SSL_free(ssl);
		return -1;
	}
	begin_tls(c, ssl);
	return 0;
}
