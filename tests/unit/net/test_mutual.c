/*
 * Tests of TLS between servers: mutual sets (net/tls) and the client's side of net/conn: who shows which certificate, that nothing is
 * judged in the handshake, SNI, ALPN, STARTTLS, stapled OCSP responses, and servers that misbehave.
 */
#include "unit/net/serve.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <pthread.h>
#include <sys/socket.h>

#define SAID 512

static struct testca *ca, *other_ca;
static struct testcert a, b, bare_b, expired;

/* The client: one conn on the last reactor, with what it was told. */
static struct client {
	struct conn *conn;
	int port;
	SSL *ssl;
	const struct conn_ops *ops;
	struct tls_set *tls;   /* for STARTTLS */
	char heard[SAID];
	size_t len;
	char expect;           /* the last byte that is waited for */
	int refused;           /* what conn_connect_tls said */
	enum conn_end how;
	char why[200];
	char ocsp[32];
	sem_t heard_all, ended;
} client;

static int
make_certs(void **state)
{
	(void)state;
	ca = testca_new();
	other_ca = testca_new();
	a = testca_issue(ca, "a.test", TESTCERT_EC, 365);
	b = testca_issue(ca, "b.test", TESTCERT_EC, 365);
	bare_b = testca_issue(other_ca, "bare.b.test", TESTCERT_RSA, 365);
	expired = testca_issue(ca, "expired.test", TESTCERT_EC, -10);
	return 0;
}

static int
drop_certs(void **state)
{
	(void)state;
	testca_free(ca);
	testca_free(other_ca);
	return 0;
}

static struct tls_set *
mutual(struct testcert first, const char *first_name, struct testcert second, const char *second_name)
{
	struct tls_identity ids[] = {
		{first_name, first.certificate, first.key},
		{second_name, second.certificate, second.key},
	};
	struct err e;
	struct tls_set *s = tls_set_new_mutual(ids, 2, "xmpp-server", &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

/* "CN=b.test", of what the other side has shown. */
static void
peer_name(SSL *ssl, char out[64])
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);

	snprintf(out, 64, "nobody");
	if (leaf)
		X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, out, 64);
}

/* The server says whom it has seen, as which name it was asked for, and by which protocol. */
static void
say_whom(struct conn *c, void *owner)
{
	const char *sni = SSL_get_servername(conn_ssl(c), TLSEXT_NAMETYPE_host_name);
	const unsigned char *alpn;
	char name[64], text[300];
	unsigned n;

	(void)owner;
	peer_name(conn_ssl(c), name);
	SSL_get0_alpn_selected(conn_ssl(c), &alpn, &n);
	n = (unsigned)snprintf(text, sizeof(text), "%s %s %.*s\n", name, sni ? sni : "-", alpn ? (int)n : 1,
		alpn ? (const char *)alpn : "-");
	conn_write(c, text, n);
}

static const struct conn_ops server_ops = {.data = serve_echo, .secured = say_whom, .ended = serve_ended};

static void
client_data(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	(void)c;
	assert_true(client.len + n < SAID);
	memcpy(client.heard + client.len, p, n);
	client.len += n;
	if (p[n - 1] == client.expect)
		sem_post(&client.heard_all);
}

static void
client_secured(struct conn *c, void *owner)
{
	const unsigned char *resp;
	long n = SSL_get_tlsext_status_ocsp_resp(conn_ssl(c), &resp);

	(void)owner;
	assert_true(conn_is_secure(c));
	snprintf(client.ocsp, sizeof(client.ocsp), "%.*s", n > 0 ? (int)n : 0, (const char *)resp);
}

static void
client_ended(struct conn *c, void *owner, enum conn_end how, const char *why)
{
	(void)owner;
	(void)c;
	client.how = how;
	snprintf(client.why, sizeof(client.why), "%s", why);
	sem_post(&client.ended);
}

static const struct conn_ops client_ops = {.data = client_data, .secured = client_secured, .ended = client_ended};

static void
open_client(void *arg)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)client.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	client.conn = conn_new(fd, (struct sockaddr *)&to, client.ops ? client.ops : &client_ops, NULL, 1 << 20);
	if (arg)
		assert_int_equal(conn_connect_tls(client.conn, arg, 0), 0);
}

static void
close_client(void *arg)
{
	conn_close(client.conn);
	sem_post(arg);
}

/* `ssl` NULL: plain. */
static void
client_open(int port, SSL *ssl)
{
	const struct conn_ops *ops = client.ops;
	struct tls_set *tls = client.tls;

	memset(&client, 0, sizeof(client));
	client.ops = ops;
	client.tls = tls;
	client.expect = '\n';
	client.port = port;
	sem_init(&client.heard_all, 0, 0);
	sem_init(&client.ended, 0, 0);
	reactor_call(reactor_at(reactor_count() - 1), open_client, ssl);
}

static void
client_close(void)
{
	sem_t done;

	sem_init(&done, 0, 0);
	reactor_call(reactor_at(reactor_count() - 1), close_client, &done);
	wait_for(&done);
}

static void
start_server(struct tls_set *s)
{
	serve.tls = s;
	serve.ops = &server_ops;
	serve_start(1);
}

static void
expect_said(struct tls_set *mine, const char *own, const char *server, bool direct, const char *said, const char *shown)
{
	char name[64];

	client_open(serve.port, tls_connect_new(mine, own, server, direct));
	wait_for(&client.heard_all);
	assert_string_equal(client.heard, said);
	peer_name(conn_ssl(client.conn), name);
	assert_string_equal(name, shown);
	assert_false(SSL_session_reused(conn_ssl(client.conn)));
	client_close();
	wait_for(&serve.closed);
}

static void
both_show_themselves(void **state)
{
	struct tls_set *mine = mutual(b, "b.test", bare_b, "bare.b.test");

	(void)state;
	start_server(mutual(a, "a.test", expired, "expired.test"));
	expect_said(mine, "b.test", "a.test", true, "b.test a.test xmpp-server\n", "a.test");
	expect_said(mine, "B.TEST", "a.test", false, "b.test a.test -\n", "a.test");
	/* The nearest name above; the first for a stranger. */
	expect_said(mine, "rooms.bare.b.test", "a.test", false, "bare.b.test a.test -\n", "a.test");
	expect_said(mine, "rooms.b.test", "a.test", false, "b.test a.test -\n", "a.test");
	expect_said(mine, "c.example", "a.test", false, "b.test a.test -\n", "a.test");
	/* Whatever they are: expired, of an unknown authority, for another name. */
	expect_said(mine, "bare.b.test", "expired.test", true, "bare.b.test expired.test xmpp-server\n", "expired.test");
	expect_said(mine, "b.test", "unknown.test", true, "b.test unknown.test xmpp-server\n", "a.test");
	/* An address is no name. */
	expect_said(mine, "b.test", "127.0.0.1", false, "b.test - -\n", "a.test");
	expect_said(mine, "b.test", "[::1]", false, "b.test - -\n", "a.test");
	serve_stop();
	tls_set_unref(mine);
}

static atomic_int steps_here, steps_elsewhere;

static void
where_is_it(const SSL *ssl, int what, int value)
{
	(void)ssl;
	(void)value;
	if (what & SSL_CB_LOOP)
		atomic_fetch_add(reactor_current() ? &steps_here : &steps_elsewhere, 1);
}

/* The reactor has other things to do. */
static void
beside_the_reactor(void **state)
{
	struct tls_set *mine = mutual(b, "b.test", a, "a.test");
	SSL *ssl = tls_connect_new(mine, "b.test", "a.test", true);

	(void)state;
	start_server(mutual(a, "a.test", b, "b.test"));
	SSL_set_info_callback(ssl, where_is_it);
	client_open(serve.port, ssl);
	wait_for(&client.heard_all);
	assert_true(atomic_load(&steps_elsewhere) > 0);
	assert_int_equal(atomic_load(&steps_here), 0);
	client_close();
	wait_for(&serve.closed);
	serve_stop();
	tls_set_unref(mine);
}

/* Whatever is under way elsewhere by then. */
static void
closed_in_between(void **state)
{
	struct tls_set *mine = mutual(b, "b.test", a, "a.test");

	(void)state;
	start_server(mutual(a, "a.test", b, "b.test"));
	for (int i = 0; i < 60; i++) {
		client_open(serve.port, tls_connect_new(mine, "b.test", "a.test", true));
		usleep((unsigned)(i % 6) * 500);
		client_close();
		wait_for(&serve.closed);
	}
	serve_stop();
	tls_set_unref(mine);
}

static void
nobody_shown(void **state)
{
	struct netpeer p;
	char got[64] = "";

	(void)state;
	start_server(mutual(a, "a.test", b, "b.test"));
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		netpeer_connect(&p, serve.port);
		assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){.ca = testca_file(ca), .sni = "b.test",
						 .max = version}), 0);
		assert_true(netpeer_read(&p, got, sizeof(got) - 1) > 0);
		assert_string_equal(got, "nobody b.test -\n");
		memset(got, 0, sizeof(got));
		leave(&p);
	}
	serve_stop();
}

static void
wrong_port(void **state)
{
	struct tls_set *mine = mutual(b, "b.test", a, "a.test");

	(void)state;
	serve.alpn_required = true;
	serve.tls = serve_tls(a, "a.test"); /* for clients */
	serve_start(1);
	client_open(serve.port, tls_connect_new(mine, "b.test", "a.test", true));
	wait_for(&client.ended);
	assert_int_equal(client.how, CONN_ERROR);
	assert_non_null(strstr(client.why, "no application protocol"));
	client_close();
	wait_for(&serve.closed);
	serve_stop();
	tls_set_unref(mine);
}

/* A chain of 20 KiB is too much from whoever comes, and fine from a server that we have chosen. */
static struct testcert
long_chain(void)
{
	struct testcert c = a;
	char command[2048];

	snprintf(c.certificate, sizeof(c.certificate), "%s/long.pem", testca_dir(ca));
	snprintf(command, sizeof(command), "cat %s > %s && while [ $(wc -c < %s) -lt 28000 ]; do cat %s >> %s; done", a.certificate,
		c.certificate, c.certificate, testca_file(ca), c.certificate);
	assert_int_equal(system(command), 0);
	return c;
}

static void
long_chains(void **state)
{
	struct testcert c = long_chain();
	struct tls_set *longer = mutual(c, "a.test", b, "b.test"), *mine = mutual(b, "b.test", a, "a.test");

	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL *ssl;

		start_server(tls_set_ref(longer));
		ssl = tls_connect_new(mine, "b.test", "a.test", false);
		SSL_set_max_proto_version(ssl, version);
		client_open(serve.port, ssl);
		wait_for(&client.heard_all);
		assert_true(sk_X509_num(SSL_get_peer_cert_chain(conn_ssl(client.conn))) > 20);
		client_close();
		wait_for(&serve.closed);
		serve_stop();
		start_server(tls_set_ref(mine));
		ssl = tls_connect_new(longer, "a.test", "b.test", false);
		SSL_set_max_proto_version(ssl, version);
		client_open(serve.port, ssl);
		wait_for(&client.ended);
		assert_int_equal(client.len, 0);
		client_close();
		wait_for(&serve.closed);
		assert_int_equal(atomic_load(&serve.ended[CONN_ERROR]), 1);
		serve_stop();
	}
	tls_set_unref(longer);
	tls_set_unref(mine);
}

/* STARTTLS */

static void
proceed(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	if (conn_is_secure(c)) {
		conn_write(c, p, n);
		return;
	}
	assert_int_equal(n, 8);
	conn_write(c, "proceed", 7);
	assert_int_equal(conn_start_tls(c, client.tls, false, 0), 0);
}

static void
on_proceed(struct conn *c, void *owner, const char *p, size_t n)
{
	if (conn_is_secure(c)) {
		client_data(c, owner, p, n);
		return;
	}
	assert_memory_equal(p, "proceed", 7);
	/* A server that says more before the handshake is not listened to; here there is none. */
	client.refused = conn_connect_tls(c, tls_connect_new(client.tls, "b.test", "a.test", false), 1);
	assert_int_equal(conn_connect_tls(c, tls_connect_new(client.tls, "b.test", "a.test", false), n - 7), 0);
	assert_int_equal(conn_connect_tls(c, tls_connect_new(client.tls, "b.test", "a.test", false), 0), -1);
	conn_write(c, "hello?\n", 7);
}

static void
ask_for_tls(void *arg)
{
	(void)arg;
	conn_write(client.conn, "starttls", 8);
}

static void
starttls(void **state)
{
	struct conn_ops server = {.data = proceed, .secured = serve_secured, .ended = serve_ended};
	struct conn_ops mine = {.data = on_proceed, .secured = client_secured, .ended = client_ended};

	(void)state;
	client.tls = mutual(b, "b.test", a, "a.test");
	client.ops = &mine;
	serve.ops = &server;
	serve_start(2);
	client_open(serve.port, NULL);
	reactor_call(reactor_at(1), ask_for_tls, NULL);
	wait_for(&client.heard_all);
	assert_int_equal(client.refused, -1);
	assert_string_equal(client.heard, "hello?\n");
	client_close();
	wait_for(&serve.closed);
	serve_stop();
	tls_set_unref(client.tls);
	memset(&client, 0, sizeof(client));
}

/* Servers of another kind, on a thread: one connection. */

struct stranger {
	int fd, port, max;
	bool again; /* asks for a second handshake */
	int agreed;
	const char *raw; /* instead of TLS */
	size_t raw_len;
	pthread_t thread;
};

static int
staple(SSL *ssl, void *arg)
{
	(void)arg;
	SSL_set_tlsext_status_ocsp_resp(ssl, OPENSSL_strdup("stapled"), 7);
	return SSL_TLSEXT_ERR_OK;
}

static void
serve_strange_tls(struct stranger *s, int fd)
{
	char c;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_max_proto_version(ctx, s->max);
	SSL_CTX_set_tlsext_status_cb(ctx, staple);
	SSL_CTX_use_certificate_chain_file(ctx, a.certificate);
	SSL_CTX_use_PrivateKey_file(ctx, a.key, SSL_FILETYPE_PEM);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		SSL_write(ssl, "hello\n", 6);
	if (s->again) {
		SSL_renegotiate(ssl);
		s->agreed = SSL_do_handshake(ssl) == 1 && SSL_read(ssl, &c, 1) >= 0 && SSL_num_renegotiations(ssl) > 0;
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

static void *
stranger_main(void *arg)
{
	struct stranger *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	char drain[256];

	if (!s->raw)
		serve_strange_tls(s, fd);
	else
		(void)!send(fd, s->raw, s->raw_len, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (recv(fd, drain, sizeof(drain), 0) > 0)
		;
	close(fd);
	return NULL;
}

static void
meet(struct stranger *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct tls_set *mine = mutual(b, "b.test", a, "a.test");
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	getsockname(s->fd, (struct sockaddr *)&at, &len);
	pthread_create(&s->thread, NULL, stranger_main, s);
	assert_int_equal(reactor_start_all(1), 0);
	client_open(ntohs(at.sin_port), tls_connect_new(mine, "b.test", "a.test", true));
	/* The connection holds what it needs. */
	tls_set_unref(mine);
	wait_for(&client.ended);
	client_close();
	pthread_join(s->thread, NULL);
	close(s->fd);
	reactor_stop_all();
}

static void
stapled(void **state)
{
	struct stranger thirteen = {.max = TLS1_3_VERSION}, twelve = {.max = TLS1_2_VERSION};

	(void)state;
	meet(&thirteen);
	assert_string_equal(client.heard, "hello\n");
	assert_string_equal(client.ocsp, "stapled");
	meet(&twelve);
	assert_string_equal(client.heard, "hello\n");
	assert_string_equal(client.ocsp, "stapled");
}

static void
no_second_handshake(void **state)
{
	struct stranger s = {.max = TLS1_2_VERSION, .again = true, .agreed = -1};

	(void)state;
	meet(&s);
	assert_string_equal(client.heard, "hello\n");
	assert_int_equal(s.agreed, 0);
}

static void
misbehaving(void **state)
{
	/* A Certificate of 65,537 bytes, and an alert. */
	static const char longer[] = "\x16\x03\x03\x00\x04\x0b\x01\x00\x01";
	static const char alert[] = "\x15\x03\x03\x00\x02\x02\x28";
	struct stranger old = {.max = TLS1_1_VERSION};
	struct stranger large = {.raw = longer, .raw_len = sizeof(longer) - 1};
	struct stranger cross = {.raw = alert, .raw_len = sizeof(alert) - 1};
	struct stranger rude = {.raw = "HTTP/1.1 400 Bad Request\r\n\r\n", .raw_len = 28};

	(void)state;
	meet(&old);
	assert_int_equal(client.how, CONN_ERROR);
	assert_non_null(strstr(client.why, "protocol"));
	meet(&large);
	assert_int_equal(client.how, CONN_ERROR);
	assert_string_equal(client.why, "Message too long");
	meet(&cross);
	assert_int_equal(client.how, CONN_ERROR);
	assert_non_null(strstr(client.why, "handshake failure"));
	meet(&rude);
	assert_int_equal(client.how, CONN_ERROR);
	assert_int_equal(client.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_show_themselves),
		cmocka_unit_test(nobody_shown),
		cmocka_unit_test(beside_the_reactor),
		cmocka_unit_test(closed_in_between),
		cmocka_unit_test(wrong_port),
		cmocka_unit_test(long_chains),
		cmocka_unit_test(starttls),
		cmocka_unit_test(stapled),
		cmocka_unit_test(no_second_handshake),
		cmocka_unit_test(misbehaving),
	};

	return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
