/*
 * serve: a small server for the tests of net/: reactors, a listener on a free port, and conns with the
 * operations of the test at hand. Each conn says when it has been closed, so that a test waits for
 * events and not for time.
 */
#ifndef TESTS_UNIT_NET_SERVE_H
#define TESTS_UNIT_NET_SERVE_H

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/metric.h"
#include "lib/netpeer.h"
#include "lib/testcert.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/reactor.h"

#define UNUSED __attribute__((unused))

struct serve {
	struct listener *listener;
	int port;
	const struct conn_ops *ops;
	struct tls_set *tls; /* direct TLS from the start; NULL: plain */
	bool alpn_required;
	size_t max_output;
	void (*born)(struct conn *c); /* may be NULL */
	sem_t closed;                 /* one for each serve_close */
	atomic_int ended[3];          /* by enum conn_end */
};

static struct serve serve;

static UNUSED void
wait_for(sem_t *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 30;
	if (sem_timedwait(s, &ts))
		fail_msg("waited in vain");
}

static UNUSED void
serve_close(struct conn *c)
{
	conn_close(c);
	sem_post(&serve.closed);
}

static UNUSED void
serve_ended(struct conn *c, void *owner, enum conn_end how, const char *why)
{
	(void)owner;
	assert_non_null(why);
	atomic_fetch_add(&serve.ended[how], 1);
	serve_close(c);
}

static UNUSED void
serve_secured(struct conn *c, void *owner)
{
	(void)owner;
	assert_true(conn_is_secure(c));
}

static UNUSED void
serve_echo(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	assert_true(n > 0 && n <= 16384);
	conn_write(c, p, n);
}

static const struct conn_ops echo_ops UNUSED = {
	.data = serve_echo,
	.secured = serve_secured,
	.ended = serve_ended,
};

static void
serve_accepted(int fd, const struct sockaddr *peer, void *arg)
{
	struct conn *c = conn_new(fd, peer, serve.ops, NULL, serve.max_output);

	(void)arg;
	if (serve.tls)
		assert_int_equal(conn_start_tls(c, serve.tls, serve.alpn_required, 0), 0);
	if (serve.born)
		serve.born(c);
}

/* Fill in `serve` before. */
static UNUSED void
serve_start_at(const char *address, unsigned reactors)
{
	struct err e;

	sem_init(&serve.closed, 0, 0);
	for (int i = 0; i < 3; i++)
		atomic_store(&serve.ended[i], 0);
	if (!serve.ops)
		serve.ops = &echo_ops;
	if (!serve.max_output)
		serve.max_output = 1 << 20;
	assert_int_equal(reactor_start_all(reactors), 0);
	serve.listener = listener_new(address, serve_accepted, NULL, &e);
	if (!serve.listener)
		fail_msg("%s", e.text);
	serve.port = listener_port(serve.listener);
	listener_run(serve.listener);
}

static UNUSED void
serve_start(unsigned reactors)
{
	serve_start_at("127.0.0.1:0", reactors);
}

/* Once every conn has been closed. */
static UNUSED void
serve_stop(void)
{
	listener_stop(serve.listener);
	reactor_stop_all();
	tls_set_unref(serve.tls);
	sem_destroy(&serve.closed);
	assert_int_equal(metric_get(METRIC_CONNECTIONS), 0);
	memset(&serve, 0, sizeof(serve));
}

static UNUSED struct tls_set *
serve_tls(struct testcert cert, const char *name)
{
	struct tls_identity id = {name, cert.certificate, cert.key};
	struct err e;
	struct tls_set *s = tls_set_new(&id, 1, "xmpp-client", &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

/* Sends and expects the same back. */
static UNUSED void
expect_echo(struct netpeer *p, const char *text)
{
	char back[256] = "";

	assert_int_equal(netpeer_write(p, text, strlen(text)), 0);
	assert_true(netpeer_read_exactly(p, back, strlen(text)));
	assert_string_equal(back, text);
}

/* Closes and waits until the server has noticed. */
static UNUSED void
leave(struct netpeer *p)
{
	netpeer_close(p);
	wait_for(&serve.closed);
}

#endif
