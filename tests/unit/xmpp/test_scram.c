/*
 * scram: the vectors of RFC 5802 §5, RFC 7677 §3 and XEP-0474 §5.3, a client of the test's own
 * for the rest, and every message that must be refused.
 */
#include "xmpp/scram.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/text.h"

#define NONCE "fyko+d2lbbFgONRv9qkxdawL"
#define OURS "3rfcNHYJY1ZVvWVs7j"

static const struct scram_binding no_binding;

static struct scram_binding
bindings(void)
{
	struct scram_binding b = {
		.plus = true,
		.plus_offered = true,
		.type_names = {"tls-exporter", "tls-server-end-point"},
		.data = {"exported", "certificate"},
		.data_len = {8, 11},
	};

	return b;
}

static struct scram_keys
keys_of(enum scram_hash h, const char *salt64, uint32_t iterations)
{
	struct scram_keys k;
	uint8_t salt[SCRAM_SALT_MAX];
	ssize_t n = text_base64_decode(salt64, strlen(salt64), salt);

	assert_true(n > 0);
	scram_keys_make(&k, h, "pencil", 6, salt, (size_t)n, iterations);
	return k;
}

static enum scram_error
first(struct scram *s, const char *msg)
{
	return scram_client_first(s, msg, strlen(msg));
}

static enum scram_error
final(struct scram *s, const char *msg, const char **out)
{
	return scram_client_final(s, msg, strlen(msg), out);
}

struct vector {
	enum scram_hash hash;
	const char *salt, *nonce, *client_first, *server_first, *client_final, *server_final;
};

static void
check_vector(const struct vector *v, const struct scram_binding *b)
{
	int64_t id;
	struct scram_keys k = keys_of(v->hash, v->salt, 4096);
	struct scram *s = scram_new(v->hash, b);
	const char *out;

	scram_set_nonce(s, v->nonce);
	assert_int_equal(first(s, v->client_first), SCRAM_OK);
	assert_string_equal(scram_user(s), "user");
	assert_null(scram_authzid(s));
	assert_string_equal(scram_server_first(s, &k), v->server_first);
	assert_int_equal(final(s, v->client_final, &out), SCRAM_OK);
	assert_string_equal(out, v->server_final);
	scram_free(s);
	assert_true(scram_keys_match(&k, NULL, 0, "pencil", 6, &id));
	assert_false(scram_keys_match(&k, NULL, 0, "Pencil", 6, &id));
	assert_false(scram_keys_match(&k, NULL, 0, "", 0, &id));
}

static void
rfc5802(void **state)
{
	static const struct vector v = {
		SCRAM_SHA1,
		"QSXCR+Q6sek8bf92",
		OURS,
		"n,,n=user,r=" NONCE,
		"r=" NONCE OURS ",s=QSXCR+Q6sek8bf92,i=4096",
		"c=biws,r=" NONCE OURS ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	};

	(void)state;
	check_vector(&v, &no_binding);
}

static void
rfc7677(void **state)
{
	static const struct vector v = {
		SCRAM_SHA256,
		"W22ZaJ0SNY7soEsUEjb6gQ==",
		"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	};

	(void)state;
	check_vector(&v, &no_binding);
}

/* Its flow as a whole: binding, the "h" attribute, and an extension of the client's that is
 * skipped. */
static void
xep0474_example(void **state)
{
	static const struct vector v = {
		SCRAM_SHA1,
		"QSXCR+Q6sek8bf92",
		"a09117a6-ac50-4f2f-93f1-93799c2bddf6",
		"p=tls-exporter,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6",
		"r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,"
		"s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=",
		"c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,"
		"r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,"
		"x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4=",
		"v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=",
	};
	struct scram_binding b = {
		.plus = true,
		.plus_offered = true,
		.type_names = {"tls-exporter", "tls-server-end-point"},
		.data = {"THIS IS FAKE CB DATA", "x"},
		.data_len = {20, 1},
		.mechanisms = "SCRAM-SHA-1-PLUS,SCRAM-SHA-1",
		.bindings = "tls-server-end-point,tls-exporter",
	};

	(void)state;
	check_vector(&v, &b);
}

/* ---- a client, written against the RFC and OpenSSL's one-shot calls ---- */

static const EVP_MD *
md_of(enum scram_hash h)
{
	return h == SCRAM_SHA1 ? EVP_sha1() : h == SCRAM_SHA256 ? EVP_sha256() : EVP_sha512();
}

static void
client_hmac(enum scram_hash h, const uint8_t *key, const char *text, uint8_t out[SCRAM_MAX])
{
	assert_non_null(HMAC(md_of(h), key, EVP_MD_get_size(md_of(h)), (const uint8_t *)text,
			     strlen(text), out, NULL));
}

/* client-final-message with a proof for `password`; the expected server-final goes to
 * `server_final`. */
static void
client_finish(enum scram_hash h, const struct scram_keys *k, const char *password, const char *bare,
	      const char *server_first, const char *without_proof, char out[1024],
	      char server_final[128])
{
	uint8_t salted[SCRAM_MAX], client_key[SCRAM_MAX], stored[SCRAM_MAX], sig[SCRAM_MAX],
		server_key[SCRAM_MAX];
	char auth[2048], text[100];
	int size = EVP_MD_get_size(md_of(h));

	PKCS5_PBKDF2_HMAC(password, (int)strlen(password), k->salt, k->salt_len, (int)k->iterations,
			  md_of(h), size, salted);
	client_hmac(h, salted, "Client Key", client_key);
	EVP_Digest(client_key, (size_t)size, stored, NULL, md_of(h), NULL);
	snprintf(auth, sizeof(auth), "%s,%s,%s", bare, server_first, without_proof);
	client_hmac(h, stored, auth, sig);
	for (int i = 0; i < size; i++)
		client_key[i] ^= sig[i];
	text_base64_encode(client_key, (size_t)size, text);
	snprintf(out, 1024, "%s,p=%s", without_proof, text);
	client_hmac(h, salted, "Server Key", server_key);
	client_hmac(h, server_key, auth, sig);
	text_base64_encode(sig, (size_t)size, text);
	snprintf(server_final, 128, "v=%s", text);
}

/* A whole login. `gs2` and `cb` are the client's; returns how it ended. */
static enum scram_error
login(enum scram_hash h, const struct scram_binding *b, const char *gs2, const char *cb,
      const char *password)
{
	struct scram_keys k = keys_of(h, "QSXCR+Q6sek8bf92", 100);
	struct scram *s = scram_new(h, b);
	char msg[1024], raw[256], c[512], expected[128], nonce[256];
	const char *bare = "n=us=2Cer=3D,r=" NONCE, *sf, *out;
	enum scram_error e;

	snprintf(msg, sizeof(msg), "%s%s", gs2, bare);
	e = first(s, msg);
	if (e != SCRAM_OK) {
		scram_free(s);
		return e;
	}
	assert_string_equal(scram_user(s), "us,er=");
	sf = scram_server_first(s, &k);
	assert_int_equal(sscanf(sf, "r=%255[^,]", nonce), 1);
	assert_true(strncmp(nonce, NONCE, strlen(NONCE)) == 0 &&
		    strlen(nonce) >= strlen(NONCE) + 24);
	snprintf(raw, sizeof(raw), "%s%s", gs2, cb);
	text_base64_encode(raw, strlen(raw), c);
	snprintf(raw, sizeof(raw), "c=%.150s,r=%.90s", c, nonce);
	client_finish(h, &k, password, bare, sf, raw, msg, expected);
	e = final(s, msg, &out);
	if (e == SCRAM_OK)
		assert_string_equal(out, expected);
	scram_free(s);
	return e;
}

static void
all_hashes(void **state)
{
	(void)state;
	for (int h = 0; h < SCRAM_HASHES; h++) {
		struct scram_binding b = bindings();

		assert_int_equal(login(h, &no_binding, "n,,", "", "pencil"), SCRAM_OK);
		assert_int_equal(login(h, &no_binding, "y,,", "", "pencil"), SCRAM_OK);
		assert_int_equal(login(h, &no_binding, "n,a=x,", "", "pencil"), SCRAM_OK);
		assert_int_equal(login(h, &no_binding, "n,,", "", "Pencil"), SCRAM_NOT_AUTHORIZED);
		assert_int_equal(login(h, &b, "p=tls-exporter,,", "exported", "pencil"), SCRAM_OK);
		assert_int_equal(login(h, &b, "p=tls-server-end-point,,", "certificate", "pencil"),
				 SCRAM_OK);
		b.mechanisms = "SCRAM-SHA-1,SCRAM-SHA-1-PLUS";
		assert_int_equal(login(h, &b, "p=tls-exporter,,", "exported", "pencil"), SCRAM_OK);
	}
}

static void
channel_binding(void **state)
{
	struct scram_binding b = bindings();

	(void)state;
	/* somebody else's channel, the other type's data, no data */
	assert_int_equal(login(SCRAM_SHA256, &b, "p=tls-exporter,,", "exporteD", "pencil"),
			 SCRAM_NOT_AUTHORIZED);
	assert_int_equal(login(SCRAM_SHA256, &b, "p=tls-exporter,,", "certificate", "pencil"),
			 SCRAM_NOT_AUTHORIZED);
	assert_int_equal(login(SCRAM_SHA256, &b, "p=tls-exporter,,", "", "pencil"),
			 SCRAM_NOT_AUTHORIZED);
	/* a type we do not have; one that is unavailable here */
	assert_int_equal(login(SCRAM_SHA256, &b, "p=tls-other,,", "x", "pencil"),
			 SCRAM_MALFORMED);
	b.type_names[0] = NULL;
	assert_int_equal(login(SCRAM_SHA256, &b, "p=tls-exporter,,", "exported", "pencil"),
			 SCRAM_MALFORMED);
	assert_int_equal(login(SCRAM_SHA256, &b, "p=,,", "", "pencil"), SCRAM_MALFORMED);
	assert_int_equal(login(SCRAM_SHA256, &b, "p=a_b,,", "", "pencil"), SCRAM_MALFORMED);
	/* -PLUS without binding */
	assert_int_equal(login(SCRAM_SHA256, &b, "n,,", "", "pencil"), SCRAM_MALFORMED);
	assert_int_equal(login(SCRAM_SHA256, &b, "y,,", "", "pencil"), SCRAM_MALFORMED);
	/* not -PLUS: "y" while we offered it was a downgrade, "n" is honest, "p" contradicts
	 * the name */
	b = bindings();
	b.plus = false;
	assert_int_equal(login(SCRAM_SHA256, &b, "y,,", "", "pencil"), SCRAM_NOT_AUTHORIZED);
	assert_int_equal(login(SCRAM_SHA256, &b, "n,,", "", "pencil"), SCRAM_OK);
	assert_int_equal(login(SCRAM_SHA256, &b, "p=tls-exporter,,", "exported", "pencil"),
			 SCRAM_MALFORMED);
}

/* ---- bad input ---- */

static enum scram_error
first_n(const char *msg, size_t n)
{
	struct scram *s = scram_new(SCRAM_SHA256, &no_binding);
	char *copy = malloc(n ? n : 1); /* no NUL, so that a read past the end is seen */
	enum scram_error e;

	memcpy(copy, msg, n);
	e = scram_client_first(s, copy, n);
	free(copy);
	scram_free(s);
	return e;
}

static void
bad_first(void **state)
{
	static const char *const bad[] = {
		"",
		"n",
		"n,",
		"n,,",
		"n,,n",
		"n,,n=",
		"n,,n=u",
		"n,,n=u,",
		"n,,n=u,r",
		"n,,n=u,r=",
		"n,,n=,r=12345678",
		"n,,n=u,r=12345678,",
		"n,,n=u,r=1234 678",
		"n,,n=u,r=12345678\x7f",
		"n,,n=u,r=1234567\u00fc",
		"n,,r=12345678,n=u",
		"x,,n=u,r=12345678",
		"N,,n=u,r=12345678",
		",,n=u,r=12345678",
		"n,n=u,r=12345678",
		"n,x,n=u,r=12345678",
		"n,a=,n=u,r=12345678",
		"n,a=x=,n=u,r=12345678",
		"n,b=x,n=u,r=12345678",
		"n,,m=x,n=u,r=12345678",
		"n,,n=u,r=12345678,m=x",
		"n,,n=u,r=12345678,x=1,m=x",
		"n,,n=u,r=12345678,x",
		"n,,n=u,r=12345678,x=",
		"n,,n=u,r=12345678,1=x",
		"n,,n=u,r=12345678,,x=1",
		"n,,n=u=,r=12345678",
		"n,,n=u=2,r=12345678",
		"n,,n=u=2c,r=12345678",
		"n,,n=u=3d,r=12345678",
		"n,,n=u=41,r=12345678",
		"n,,n==,r=12345678",
		"n,,n=\xff,r=12345678",
		"n,,n=\xed\xa0\x80,r=12345678",
		"nn,,n=u,r=12345678",
		"p=,n,,n=u,r=12345678",
		"p=x,n,,n=u,r=12345678",
	};
	char big[SCRAM_MESSAGE_MAX + 64], nonce[257];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (first_n(bad[i], strlen(bad[i])) != SCRAM_MALFORMED)
			fail_msg("accepted: %s", bad[i]);
	}
	assert_int_equal(first_n("n,,n=u\0v,r=12345678", 19), SCRAM_MALFORMED);
	assert_int_equal(first_n("n,,n=u,r=12345678\0", 18), SCRAM_MALFORMED);
	assert_int_equal(first_n("n,,n=u,r=1", 10), SCRAM_OK);
	memset(nonce, 'x', 256);
	nonce[256] = '\0';
	snprintf(big, sizeof(big), "n,,n=u,r=%s", nonce);
	assert_int_equal(first_n(big, strlen(big)), SCRAM_OK);
	snprintf(big, sizeof(big), "n,,n=u,r=%sx", nonce);
	assert_int_equal(first_n(big, strlen(big)), SCRAM_MALFORMED);
	memset(big, 'u', sizeof(big));
	memcpy(big, "n,,n=", 5);
	memcpy(big + SCRAM_MESSAGE_MAX - 11, ",r=12345678", 11);
	assert_int_equal(first_n(big, SCRAM_MESSAGE_MAX), SCRAM_OK);
	memcpy(big + SCRAM_MESSAGE_MAX - 11, "uuuuuuuuuuu", 11);
	memcpy(big + SCRAM_MESSAGE_MAX - 10, ",r=12345678", 11);
	assert_int_equal(first_n(big, SCRAM_MESSAGE_MAX + 1), SCRAM_MALFORMED);
	assert_int_equal(first_n("n,,n=u,r=12345678,x=1,Y=a=b", 27), SCRAM_OK);
}

static void
names(void **state)
{
	struct scram *s = scram_new(SCRAM_SHA256, &no_binding);

	(void)state;
	assert_int_equal(first(s, "n,a=o=2Cn=3De@x,n=\u00fc=3D=2C=2C2C,r=12345678"), SCRAM_OK);
	assert_string_equal(scram_user(s), "\u00fc=,,2C");
	assert_string_equal(scram_authzid(s), "o,n=e@x");
	scram_free(s);
}

/* The messages of RFC 5802's example with something wrong in the last. */
static enum scram_error
final_n(const char *msg, size_t n)
{
	struct scram_keys k = keys_of(SCRAM_SHA1, "QSXCR+Q6sek8bf92", 4096);
	struct scram *s = scram_new(SCRAM_SHA1, &no_binding);
	const char *out = NULL;
	char *copy = malloc(n ? n : 1);
	enum scram_error e;

	scram_set_nonce(s, OURS);
	assert_int_equal(first(s, "n,,n=user,r=" NONCE), SCRAM_OK);
	scram_server_first(s, &k);
	memcpy(copy, msg, n);
	e = scram_client_final(s, copy, n, &out);
	free(copy);
	scram_free(s);
	return e;
}

#define PROOF "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="

static void
bad_final(void **state)
{
	static const char *const malformed[] = {
		"",
		"c",
		"c=",
		"c=biws",
		"c=biws,",
		"c=biws,r=" NONCE OURS,
		"c=biws,r=" NONCE OURS ",",
		"c=biws,p=" PROOF,
		"r=" NONCE OURS ",c=biws,p=" PROOF,
		"c=biws,r=" NONCE OURS ",p=",
		"c=biws,r=" NONCE OURS ",p=" PROOF ",",
		"c=biws,r=" NONCE OURS ",p=" PROOF ",x=1",
		"c=biws,r=" NONCE OURS ",p=" PROOF ",p=" PROOF,
		"c=biws,r=" NONCE OURS ",p=v0X8",
		"c=biws,r=" NONCE OURS ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4T==",
		"c=biws,r=" NONCE OURS ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Tt=",
		"c=biws,r=" NONCE OURS ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts",
		"c=biws,r=" NONCE OURS ",p= v0X8v3Bz2T0CJGbJQyF0X+HI4T=",
		"c=biws,r=" NONCE OURS ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4TsA",
		"c=biws,r=" NONCE OURS ",m=x,p=" PROOF,
		"c=biws,m=x,r=" NONCE OURS ",p=" PROOF,
		"c=biws,r=" NONCE OURS ",x=,p=" PROOF,
		"c=biws,r=" NONCE OURS ",x,p=" PROOF,
		"c=biws,r=" NONCE OURS ",\xff=x,p=" PROOF,
		"c=biws,r=,p=" PROOF,
	};
	static const char *const refused[] = {
		"c=biwt,r=" NONCE OURS ",p=" PROOF,
		"c=eSws,r=" NONCE OURS ",p=" PROOF,
		"c=biws=,r=" NONCE OURS ",p=" PROOF,
		"c=biw,r=" NONCE OURS ",p=" PROOF,
		"c=bixhPXgs,r=" NONCE OURS ",p=" PROOF,
		"c=biws,r=" NONCE ",p=" PROOF,
		"c=biws,r=" OURS ",p=" PROOF,
		"c=biws,r=" NONCE OURS "x,p=" PROOF,
		"c=biws,r=x" NONCE OURS ",p=" PROOF,
		"c=biws,r=" NONCE OURS ",x=1,p=" PROOF, /* the proof does not cover x */
		"c=biws,r=" NONCE OURS ",p=w0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		"c=biws,r=" NONCE OURS ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	char big[SCRAM_MESSAGE_MAX + 16];

	(void)state;
	assert_int_equal(final_n("c=biws,r=" NONCE OURS ",p=" PROOF,
				 strlen("c=biws,r=" NONCE OURS ",p=" PROOF)),
			 SCRAM_OK);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		if (final_n(malformed[i], strlen(malformed[i])) != SCRAM_MALFORMED)
			fail_msg("not malformed: %s", malformed[i]);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (final_n(refused[i], strlen(refused[i])) != SCRAM_NOT_AUTHORIZED)
			fail_msg("not refused: %s", refused[i]);
	}
	assert_int_equal(final_n("c=biws,r=\0,p=" PROOF, 13 + strlen(PROOF)), SCRAM_MALFORMED);
	memset(big, 'c', sizeof(big));
	assert_int_equal(final_n(big, sizeof(big)), SCRAM_MALFORMED);
}

static void
fake_keys(void **state)
{
	int64_t id;
	static const uint8_t secret[32] = {1}, other[32] = {2};
	struct scram_keys a, b;

	(void)state;
	for (int h = 0; h < SCRAM_HASHES; h++) {
		scram_keys_fake(&a, h, "nobody", secret, 10000);
		scram_keys_fake(&b, h, "nobody", secret, 10000);
		assert_memory_equal(&a, &b, sizeof(a));
		assert_int_equal(a.salt_len, SCRAM_SALT);
		assert_int_equal(a.iterations, 10000);
		assert_int_equal(a.hash, h);
		scram_keys_fake(&b, h, "nobody2", secret, 10000);
		assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT);
		scram_keys_fake(&b, h, "nobody", other, 10000);
		assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT);
		scram_keys_fake(&b, (h + 1) % SCRAM_HASHES, "nobody", secret, 10000);
		assert_memory_not_equal(a.salt, b.salt, SCRAM_SALT);
		assert_false(scram_keys_match(&a, NULL, 0, "", 0, &id));
		assert_false(scram_keys_match(&a, NULL, 0, "nobody", 6, &id));
	}
}

/* Our nonce differs each time and is as strong as it should be. */
static void
nonces(void **state)
{
	struct scram_keys k = keys_of(SCRAM_SHA256, "QSXCR+Q6sek8bf92", 1);
	struct scram *s = scram_new(SCRAM_SHA256, &no_binding),
		     *t = scram_new(SCRAM_SHA256, &no_binding);

	(void)state;
	assert_int_equal(first(s, "n,,n=u,r=12345678"), SCRAM_OK);
	assert_int_equal(first(t, "n,,n=u,r=12345678"), SCRAM_OK);
	assert_string_not_equal(scram_server_first(s, &k), scram_server_first(t, &k));
	scram_free(s);
	scram_free(t);
	scram_free(NULL);
}

static void *
make_keys(void *arg)
{
	struct scram_keys *k = arg;

	scram_keys_make(k, SCRAM_SHA256, "pencil", 6, (const uint8_t *)"salt", 4, 10);
	return NULL;
}

/* The algorithms are fetched by whichever thread comes first. */
static void
threads(void **state)
{
	struct scram_keys k[4];
	pthread_t id[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&id[i], NULL, make_keys, &k[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(id[i], NULL);
	for (int i = 1; i < 4; i++)
		assert_memory_equal(&k[0], &k[i], sizeof(k[0]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads),    cmocka_unit_test(rfc5802),
		cmocka_unit_test(rfc7677),    cmocka_unit_test(xep0474_example),
		cmocka_unit_test(all_hashes), cmocka_unit_test(channel_binding),
		cmocka_unit_test(bad_first),  cmocka_unit_test(names),
		cmocka_unit_test(bad_final),  cmocka_unit_test(fake_keys),
		cmocka_unit_test(nonces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
