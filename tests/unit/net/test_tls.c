/*
 * Tests of net/tls with a real client: versions and ciphers, SNI, ALPN, channel binding, reload, and the
 * files that are refused.
 */
#include "unit/net/serve.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

static struct testca *ca;
static struct testcert one, two, rsa;

static int
make_certs(void **state)
{
	(void)state;
	ca = testca_new();
	one = testca_issue(ca, "one.example", TESTCERT_EC, 365);
	two = testca_issue(ca, "xn--bcher-kva.example", TESTCERT_EC, 365);
	rsa = testca_issue(ca, "one.example", TESTCERT_RSA, 365);
	return 0;
}

static int
drop_certs(void **state)
{
	(void)state;
	testca_free(ca);
	return 0;
}

static void
start_direct(struct testcert cert)
{
	serve.tls = serve_tls(cert, "one.example");
	serve_start(1);
}

static int
try_tls(struct netpeer *p, struct netpeer_tls how)
{
	netpeer_connect(p, serve.port);
	return netpeer_start_tls(p, &how);
}

static void
versions(void **state)
{
	struct netpeer p;
	char words[96];

	(void)state;
	start_direct(one);
	assert_int_equal(try_tls(&p, (struct netpeer_tls){.ca = testca_file(ca), .sni = "one.example"}), 0);
	assert_string_equal(SSL_get_version(p.ssl), "TLSv1.3");
	assert_string_equal(tls_describe(p.ssl, words), "TLSv1.3 TLS_AES_256_GCM_SHA384");
	expect_echo(&p, "thirteen");
	leave(&p);
	assert_int_equal(try_tls(&p, (struct netpeer_tls){.ca = testca_file(ca), .sni = "one.example",
					     .max = TLS1_2_VERSION}), 0);
	assert_string_equal(SSL_get_version(p.ssl), "TLSv1.2");
	assert_string_equal(SSL_get_cipher_name(p.ssl), "ECDHE-ECDSA-AES256-GCM-SHA384");
	assert_int_equal(SSL_get_secure_renegotiation_support(p.ssl), 1);
	expect_echo(&p, "twelve");
	leave(&p);
	assert_int_equal(try_tls(&p, (struct netpeer_tls){.max = TLS1_1_VERSION}), -1);
	leave(&p);
	assert_int_equal(atomic_load(&serve.ended[CONN_ERROR]), 1);
	serve_stop();
}

static void
weak_ciphers(void **state)
{
	static const char *const weak[] = {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384",
		"DHE-RSA-AES256-GCM-SHA384", "AES256-SHA"};
	struct netpeer p;

	(void)state;
	start_direct(rsa);
	for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
		assert_int_equal(try_tls(&p, (struct netpeer_tls){.max = TLS1_2_VERSION, .ciphers = weak[i]}), -1);
		leave(&p);
	}
	assert_int_equal(try_tls(&p, (struct netpeer_tls){.max = TLS1_2_VERSION,
					     .ciphers = "ECDHE-RSA-CHACHA20-POLY1305"}), 0);
	leave(&p);
	serve_stop();
}

static void
no_renegotiation(void **state)
{
	struct netpeer p;
	char c;

	(void)state;
	start_direct(one);
	assert_int_equal(try_tls(&p, (struct netpeer_tls){.max = TLS1_2_VERSION}), 0);
	SSL_renegotiate(p.ssl);
	/* A no_renegotiation alert or the end; in no case a second handshake. */
	assert_true(SSL_do_handshake(p.ssl) <= 0 || netpeer_read(&p, &c, 1) <= 0);
	ERR_clear_error();
	leave(&p);
	serve_stop();
}

/* SNI */

static void
send_sni(struct conn *c, void *owner)
{
	const char *sni = SSL_get_servername(conn_ssl(c), TLSEXT_NAMETYPE_host_name);

	(void)owner;
	conn_write(c, sni ? sni : "(none)", sni ? strlen(sni) : 6);
}

static void
expect_name(const char *sni, const char *found)
{
	struct netpeer p;
	char got[64] = "";

	assert_int_equal(try_tls(&p, (struct netpeer_tls){.sni = sni}), 0);
	assert_int_equal(X509_check_host(SSL_get0_peer_certificate(p.ssl), found, 0, 0, NULL), 1);
	assert_true(netpeer_read(&p, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, sni ? sni : "(none)");
	leave(&p);
}

static void
sni_chooses(void **state)
{
	struct tls_identity ids[] = {
		{"one.example", one.certificate, one.key},
		{"XN--bcher-kva.example", two.certificate, two.key},
	};
	struct conn_ops ops = echo_ops;
	struct err e;

	(void)state;
	ops.secured = send_sni;
	serve.ops = &ops;
	serve.tls = tls_set_new(ids, 2, "xmpp-client", &e);
	assert_non_null(serve.tls);
	serve_start(1);
	expect_name("one.example", "one.example");
	expect_name("xn--bcher-kva.example", "xn--bcher-kva.example");
	expect_name("xn--BCHER-kva.EXAMPLE", "xn--bcher-kva.example");
	expect_name("three.example", "one.example");
	expect_name(NULL, "one.example");
	serve_stop();
}

/* ALPN */

static int
offer(const char *alpn, char chosen[32])
{
	const unsigned char *p;
	struct netpeer peer;
	unsigned n;
	int r;

	r = try_tls(&peer, (struct netpeer_tls){.alpn = alpn});
	chosen[0] = '\0';
	if (!r) {
		SSL_get0_alpn_selected(peer.ssl, &p, &n);
		snprintf(chosen, 32, "%.*s", (int)n, p ? (const char *)p : "");
	}
	leave(&peer);
	return r;
}

static void
alpn(void **state)
{
	char chosen[32];

	(void)state;
	serve.alpn_required = true;
	start_direct(one);
	assert_int_equal(offer("xmpp-client", chosen), 0);
	assert_string_equal(chosen, "xmpp-client");
	assert_int_equal(offer(NULL, chosen), 0);
	assert_string_equal(chosen, "");
	assert_int_equal(offer("http/1.1", chosen), -1);
	assert_int_equal(offer("xmpp-clien", chosen), -1);
	serve_stop();
	start_direct(one);
	assert_int_equal(offer("http/1.1", chosen), 0);
	assert_string_equal(chosen, "");
	assert_int_equal(offer("xmpp-client", chosen), 0);
	assert_string_equal(chosen, "xmpp-client");
	serve_stop();
}

/* Channel binding */

static void
send_bindings(struct conn *c, void *owner)
{
	unsigned char out[64];
	char len;

	(void)owner;
	for (int i = 0; i < TLS_BINDINGS; i++) {
		int n = tls_channel_binding(conn_ssl(c), (enum tls_binding)i, out);

		assert_int_equal(n > 0, tls_can_bind(conn_ssl(c), (enum tls_binding)i));
		len = (char)n;
		conn_write(c, &len, 1);
		if (n > 0)
			conn_write(c, out, (size_t)n);
	}
}

static int
read_binding(struct netpeer *p, unsigned char out[64])
{
	signed char len;

	assert_true(netpeer_read_exactly(p, &len, 1));
	if (len > 0)
		assert_true(netpeer_read_exactly(p, out, (size_t)len));
	return len;
}

static void
bindings_of(struct testcert cert, int version)
{
	unsigned char theirs[64], ours[64];
	struct conn_ops ops = echo_ops;
	struct netpeer p;
	unsigned n;

	ops.secured = send_bindings;
	serve.ops = &ops;
	start_direct(cert);
	assert_int_equal(try_tls(&p, (struct netpeer_tls){.max = version}), 0);
	assert_int_equal(SSL_export_keying_material(p.ssl, ours, 32, "EXPORTER-Channel-Binding", 24,
				 (const unsigned char *)"", 0, 1), 1);
	if (version == TLS1_3_VERSION) {
		assert_int_equal(read_binding(&p, theirs), 32);
		assert_memory_equal(ours, theirs, 32);
	} else {
		assert_int_equal(read_binding(&p, theirs), -1);
	}
	assert_int_equal(read_binding(&p, theirs), 32);
	X509_digest(SSL_get0_peer_certificate(p.ssl), EVP_sha256(), ours, &n);
	assert_memory_equal(ours, theirs, 32);
	n = (unsigned)SSL_get_finished(p.ssl, ours, sizeof(ours));
	assert_int_equal(read_binding(&p, theirs), n);
	assert_memory_equal(ours, theirs, n);
	leave(&p);
	serve_stop();
}

static void
channel_binding(void **state)
{
	(void)state;
	bindings_of(one, TLS1_3_VERSION);
	bindings_of(one, TLS1_2_VERSION);
	bindings_of(rsa, TLS1_3_VERSION);
	/* The authority's signature counts, not the kind of key. */
	bindings_of(testca_issue(ca, "one.example", TESTCERT_ED25519, 365), TLS1_3_VERSION);
}

static void
no_binding_without_tls(void **state)
{
	struct tls_set *s = serve_tls(one, "one.example");
	SSL *ssl = tls_accept_new(s, false);
	unsigned char out[64];

	(void)state;
	assert_int_equal(tls_channel_binding(NULL, TLS_EXPORTER, out), -1);
	assert_int_equal(tls_channel_binding(ssl, TLS_EXPORTER, out), -1);
	assert_int_equal(tls_channel_binding(ssl, TLS_SERVER_END_POINT, out), -1);
	SSL_free(ssl);
	tls_set_unref(s);
}

/* Reload: a connection that has begun goes on with the set it began with. */

static void
drop_set(struct conn *c)
{
	(void)c;
	tls_set_unref(serve.tls);
	serve.tls = NULL;
}

static void
set_dropped_during_the_handshake(void **state)
{
	struct tls_identity ids[] = {
		{"one.example", one.certificate, one.key},
		{"xn--bcher-kva.example", two.certificate, two.key},
	};
	struct netpeer p;
	struct err e;

	(void)state;
	serve.tls = tls_set_new(ids, 2, "xmpp-client", &e);
	serve.born = drop_set;
	serve_start(1);
	assert_int_equal(try_tls(&p, (struct netpeer_tls){.sni = "xn--bcher-kva.example", .alpn = "xmpp-client",
					     .ca = testca_file(ca)}), 0);
	expect_echo(&p, "still here");
	leave(&p);
	serve_stop();
}

static void
references(void **state)
{
	struct tls_set *s = serve_tls(one, "one.example");

	(void)state;
	assert_ptr_equal(tls_set_ref(s), s);
	tls_set_unref(s);
	tls_set_unref(s);
	tls_set_unref(NULL);
}

/* Files */

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
refused(const char *cert, const char *key, const char *file, const char *reason)
{
	struct tls_identity ids[] = {{"one.example", one.certificate, one.key}, {"two.example", cert, key}};
	struct err e = {0};

	assert_null(tls_set_new(ids, 2, "xmpp-client", &e));
	if (!strstr(e.text, file) || !strstr(e.text, reason))
		fail_msg("'%s' does not tell of '%s' and '%s'", e.text, file, reason);
	assert_int_equal(ERR_peek_error(), 0);
}

static void
bad_files(void **state)
{
	struct testcert other = testca_issue(ca, "two.example", TESTCERT_EC, 365);
	char garbage[300], locked[300];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct err e;
	FILE *f;

	(void)state;
	snprintf(garbage, sizeof(garbage), "%s/garbage.pem", testca_dir(ca));
	write_file(garbage, "not a certificate\n");
	snprintf(locked, sizeof(locked), "%s/locked.key", testca_dir(ca));
	f = fopen(locked, "w");
	PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
	fclose(f);
	EVP_PKEY_free(key);
	refused("/nonexistent/c.pem", other.key, "/nonexistent/c.pem", "No such file");
	refused(other.certificate, "/nonexistent/c.key", "/nonexistent/c.key", "No such file");
	refused(garbage, other.key, "garbage.pem", "no start line");
	refused(other.certificate, garbage, "garbage.pem", "");
	refused(other.certificate, one.key, one.key, "mismatch");
	refused(other.certificate, locked, "locked.key", "");
	refused(testca_dir(ca), other.key, testca_dir(ca), "");
	assert_null(tls_set_new(NULL, 0, "xmpp-client", &e));
}

static void
dates_are_told(void **state)
{
	struct testcert soon = testca_issue(ca, "soon.example", TESTCERT_EC, 10);
	struct testcert gone = testca_issue(ca, "gone.example", TESTCERT_EC, -10);
	char text[2048] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	log_set_fd(fds[1]);
	tls_set_unref(serve_tls(one, "one.example"));
	tls_set_unref(serve_tls(soon, "soon.example"));
	tls_set_unref(serve_tls(gone, "gone.example"));
	log_set_fd(2);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	close(fds[1]);
	assert_null(strstr(text, "domain=one.example"));
	assert_non_null(strstr(text, "certificate-expires domain=soon.example"));
	assert_non_null(strstr(text, "days=10 expired=no"));
	assert_non_null(strstr(text, "certificate-expires domain=gone.example"));
	assert_non_null(strstr(text, "expired=yes"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),
		cmocka_unit_test(weak_ciphers),
		cmocka_unit_test(no_renegotiation),
		cmocka_unit_test(sni_chooses),
		cmocka_unit_test(alpn),
		cmocka_unit_test(channel_binding),
		cmocka_unit_test(no_binding_without_tls),
		cmocka_unit_test(set_dropped_during_the_handshake),
		cmocka_unit_test(references),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(dates_are_told),
	};

	return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
