/* Connections whose host has several addresses, which are the test's: they are ports here. And that all is read of what comes, of which the kernel speaks once only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "gateway_irc/conn.h"

static struct sockaddr_in addresses[3];
static struct addrinfo infos[3];
static unsigned naddresses;
static uv_getaddrinfo_t *asked;
static uv_getaddrinfo_cb answer;
static uv_loop_t loop;
static struct ready *ready;
static struct irc_tls plain;
static const char *lost_why;
static bool is_open;

static void
found(uv_timer_t *t)
{
	uv_close((uv_handle_t *)t, NULL);
	for (unsigned i = 0; i < naddresses; i++)
		infos[i] = (struct addrinfo){ .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&addresses[i], .ai_addrlen = sizeof(addresses[i]),
					      .ai_next = i + 1 < naddresses ? &infos[i + 1] : NULL };
	answer(asked, 0, infos);
}

/* In libuv's place. */
int
uv_getaddrinfo(uv_loop_t *l, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node, const char *service, const struct addrinfo *hints)
{
	static uv_timer_t timer;

	(void)node;
	(void)service;
	(void)hints;
	asked = req;
	answer = cb;
	uv_timer_init(l, &timer);
	uv_timer_start(&timer, found, 0, 0);
	return 0;
}

void
uv_freeaddrinfo(struct addrinfo *info)
{
	(void)info;
}

static void
on_open(void *arg)
{
	(void)arg;
	is_open = true;
	uv_stop(&loop);
}

static void
on_data(void *arg, char *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
}

static void
on_lost(void *arg, const char *why)
{
	(void)arg;
	lost_why = strdup(why);
	uv_stop(&loop);
}

static int
listener(int backlog)
{
	struct sockaddr_in *a = &addresses[naddresses++];
	socklen_t n = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)a, n), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)a, &n), 0);
	return fd;
}

/* One that answers nothing: its queue of connections is full. `fds` keep it so. */
static void
nowhere(int fds[4])
{
	fds[0] = listener(0);
	for (int i = 1; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (struct sockaddr *)&addresses[naddresses - 1], sizeof(addresses[0]));
	}
}

static void
run(unsigned address_ms)
{
	static const struct irc_conn_events events = { on_open, on_data, on_lost };
	struct irc_conn *c;

	uv_loop_init(&loop);
	is_open = false;
	ready = ready_new(&loop);
	c = irc_conn_new(&loop, ready, "irc.example.org", 6667, address_ms, &plain, NULL, &events, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	irc_conn_close(c);
	ready_free(ready);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	naddresses = 0;
}

static void
test_one_refuses(void **state)
{
	int gone = listener(1), good;

	(void)state;
	close(gone);
	good = listener(1);
	run(60000);
	assert_true(is_open);
	close(good);
}

static void
test_one_leads_nowhere(void **state)
{
	int fds[4], good;

	(void)state;
	nowhere(fds);
	good = listener(1);
	run(50);
	assert_true(is_open);
	close(good);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* The last one is waited for as long as whoever asked likes; what became of those before is told when it refuses. */
static void
test_all_fail(void **state)
{
	int fds[4], gone;

	(void)state;
	nowhere(fds);
	gone = listener(1);
	close(gone);
	run(50);
	assert_false(is_open);
	assert_string_equal(lost_why, strerror(ECONNREFUSED));
	free((char *)lost_why);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* ---- What comes ---- */

struct heard {
	struct irc_conn *conn;
	size_t n, want;    /* bytes; the loop ends when there are so many */
	bool open, rests;  /* rests: reads no more at each read, until the next turn */
	bool lost;
	uv_timer_t resume;
	struct heard *closes; /* with the first that is heard */
};

static void
heard_open(void *arg)
{
	struct heard *h = arg;

	h->open = true;
	uv_stop(&loop);
}

static void
heard_resume(uv_timer_t *t)
{
	struct heard *h = t->data;

	irc_conn_pause(h->conn, false);
}

static void
heard_data(void *arg, char *p, size_t n)
{
	struct heard *h = arg;

	(void)p;
	h->n += n;
	if (h->rests) {
		irc_conn_pause(h->conn, true);
		uv_timer_start(&h->resume, heard_resume, 0, 0);
	}
	if (h->closes) {
		irc_conn_close(h->closes->conn);
		h->closes->conn = NULL;
	}
	if (h->n >= h->want)
		uv_stop(&loop);
}

static void
heard_lost(void *arg, const char *why)
{
	struct heard *h = arg;

	(void)why;
	h->lost = true;
	uv_stop(&loop);
}

static const struct irc_conn_events heard_events = { heard_open, heard_data, heard_lost };

/* The first fd is the server's end. */
static int
hear(struct heard *h, int at)
{
	uv_timer_init(&loop, &h->resume);
	h->resume.data = h;
	h->conn = irc_conn_new(&loop, ready, "irc.example.org", 6667, 60000, &plain, NULL, &heard_events, h);
	while (!h->open)
		uv_run(&loop, UV_RUN_DEFAULT);
	return accept(at, NULL, NULL);
}

static void
hear_no_more(struct heard *h)
{
	irc_conn_close(h->conn);
	uv_close((uv_handle_t *)&h->resume, NULL);
}

static void
begin(void)
{
	uv_loop_init(&loop);
	ready = ready_new(&loop);
}

static void
end(void)
{
	ready_free(ready);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	naddresses = 0;
}

/* More than is read in a turn, and an end right behind it. */
static void
much(bool rests)
{
	struct heard h = { .want = SIZE_MAX, .rests = rests };
	char *bytes = mem_zalloc(1000000);
	int at = listener(1), fd;
	ssize_t n;

	begin();
	fd = hear(&h, at);
	/* As much as there is room for. */
	n = send(fd, bytes, 1000000, MSG_DONTWAIT);
	assert_true(n > 100000);
	close(fd);
	while (!h.lost)
		uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(h.n, n);
	hear_no_more(&h);
	end();
	close(at);
	free(bytes);
}

static void
test_much_and_the_end(void **state)
{
	(void)state;
	much(false);
}

static void
test_rests(void **state)
{
	(void)state;
	much(true);
}

/* What is said while nothing is read, and what had been said before that, is not missed. */
static void
test_paused(void **state)
{
	struct heard h = { .want = 4 };
	int at = listener(1), fd;

	(void)state;
	begin();
	fd = hear(&h, at);
	assert_int_equal(send(fd, "one\n", 4, 0), 4);
	irc_conn_pause(h.conn, true);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(send(fd, "two\n", 4, 0), 4);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(h.n, 0);
	irc_conn_pause(h.conn, false);
	for (h.want = 8; h.n < h.want;)
		uv_run(&loop, UV_RUN_DEFAULT);
	hear_no_more(&h);
	end();
	close(fd);
	close(at);
}

/* Of two that have something to be read the first ends the other one, whichever it is. */
static void
test_one_ends_the_other(void **state)
{
	struct heard a = { .want = 1 }, b = { .want = 1, .closes = &a };
	int at = listener(2), fds[2];

	(void)state;
	a.closes = &b;
	begin();
	fds[0] = hear(&a, at);
	fds[1] = hear(&b, at);
	for (int i = 0; i < 2; i++)
		assert_int_equal(send(fds[i], "one\n", 4, 0), 4);
	while (!a.n && !b.n)
		uv_run(&loop, UV_RUN_DEFAULT);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(a.n + b.n, 4);
	hear_no_more(&a);
	hear_no_more(&b);
	end();
	close(fds[0]);
	close(fds[1]);
	close(at);
}

/* A server that says something in the same breath as the end of its handshake. What it has to say goes by memory, to be sent as one. */
static void *
greet(void *arg)
{
	struct irc_certificate *own;
	struct buf cert = { 0 }, key = { 0 };
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int fd = accept(*(int *)arg, NULL, NULL);
	char bytes[16384], *p;
	bool said = false;
	struct err e;
	ssize_t n;

	/* In TLS 1.3 the client's word is the last one. */
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	ssl = SSL_new(ctx);
	irc_certificate_make("irc.example.org", &cert, &key);
	assert_non_null(own = irc_certificate_parse(buf_str(&cert), buf_str(&key), &e));
	irc_certificate_use(own, ssl);
	SSL_set_bio(ssl, in, out);
	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		BIO_write(in, bytes, (int)n);
		if (SSL_accept(ssl) == 1 && !said)
			said = SSL_write(ssl, "hello\r\n", 7) == 7;
		n = BIO_get_mem_data(out, &p);
		assert_int_equal(send(fd, p, (size_t)n, 0), n);
		(void)BIO_reset(out);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	irc_certificate_free(own);
	buf_fini(&cert);
	buf_fini(&key);
	close(fd);
	return NULL;
}

static void
test_right_behind_the_handshake(void **state)
{
	static const struct irc_tls_files files = { .verify = false };
	struct heard h = { .want = 7 };
	int at = listener(1);
	struct irc_tls tls;
	pthread_t server;
	struct err e;

	(void)state;
	begin();
	assert_int_equal(irc_tls_init(&tls, &files, &e), 0);
	assert_int_equal(pthread_create(&server, NULL, greet, &at), 0);
	uv_timer_init(&loop, &h.resume);
	h.conn = irc_conn_new(&loop, ready, "irc.example.org", 6697, 60000, &tls, NULL, &heard_events, &h);
	while (!h.lost && h.n < h.want)
		uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(h.n, 7);
	hear_no_more(&h);
	end();
	pthread_join(server, NULL);
	irc_tls_fini(&tls);
	close(at);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_refuses), cmocka_unit_test(test_one_leads_nowhere), cmocka_unit_test(test_all_fail),
		cmocka_unit_test(test_much_and_the_end), cmocka_unit_test(test_rests), cmocka_unit_test(test_paused),
		cmocka_unit_test(test_one_ends_the_other), cmocka_unit_test(test_right_behind_the_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
