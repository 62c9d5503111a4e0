/*
 * sasl: the steps of RFC 6120 §6.4 for SCRAM and PLAIN, and each failure of §6.5 that starts
 * here.
 */
#include "xmpp/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/text.h"

#define ALL ((1u << SASL_MECHANISMS) - 1)
#define NO_PLUS \
	(1u << SASL_SCRAM_SHA512 | 1u << SASL_SCRAM_SHA256 | 1u << SASL_SCRAM_SHA1 | \
	 1u << SASL_PLAIN)
#define NONCE "fyko+d2lbbFgONRv9qkxdawL"

static const uint8_t salt[SCRAM_SALT] = "0123456789abcde";
static char scratch[16384];

static const char *
b64(const void *p, size_t n)
{
	text_base64_encode(p, n, scratch);
	return scratch;
}

static const char *
b64_z(const char *s)
{
	return b64(s, strlen(s));
}

/* One <auth/> on a new object; asserts the step and, for a failure, why. */
static void
check_auth(sasl_set offered, const char *mechanism, const char *initial, enum sasl_step step,
	   enum sasl_failure why)
{
	struct sasl *s = sasl_new(offered, NULL, "example.com");
	const char *out = NULL;
	enum sasl_step got = sasl_auth(s, mechanism, initial, &out);

	if (got != step || (step == SASL_FAIL && sasl_why(s) != why))
		fail_msg("%s %s: step %d, %s", mechanism, initial ? initial : "-", (int)got,
			 sasl_failure_name(sasl_why(s)));
	assert_non_null(out);
	sasl_free(s);
}

static void
names(void **state)
{
	char list[SASL_NAMES_MAX];

	(void)state;
	for (int i = 0; i < SASL_MECHANISMS; i++) {
		assert_int_equal(sasl_mechanism_parse(sasl_mechanism_name(i)), i);
		assert_true(sasl_is_plus(i) == (strstr(sasl_mechanism_name(i), "-PLUS") != NULL));
	}
	assert_int_equal(sasl_hash(SASL_SCRAM_SHA256_PLUS), SCRAM_SHA256);
	assert_int_equal(sasl_mechanism_parse("scram-sha-1"), -1);
	assert_int_equal(sasl_mechanism_parse(""), -1);
	assert_string_equal(sasl_set_names(0, list), "");
	assert_string_equal(sasl_set_names(1u << SASL_PLAIN | 1u << SASL_SCRAM_SHA1, list),
			    "SCRAM-SHA-1,PLAIN");
	assert_true(strlen(sasl_set_names(ALL, list)) < SASL_NAMES_MAX);
	assert_string_equal(sasl_failure_name(SASL_NOT_AUTHORIZED), "not-authorized");
}

static void
mechanism_choice(void **state)
{
	const char *first = "n,,n=user,r=" NONCE;

	(void)state;
	check_auth(ALL, "ANONYMOUS", "=", SASL_FAIL, SASL_INVALID_MECHANISM);
	check_auth(ALL, "", NULL, SASL_FAIL, SASL_INVALID_MECHANISM);
	check_auth(NO_PLUS, "SCRAM-SHA-1-PLUS", b64_z(first), SASL_FAIL, SASL_INVALID_MECHANISM);
	check_auth(1u << SASL_SCRAM_SHA256, "PLAIN", b64("\0user\0pencil", 12), SASL_FAIL,
		   SASL_INVALID_MECHANISM);
	check_auth(NO_PLUS, "SCRAM-SHA-1", b64_z(first), SASL_NEED_KEYS, 0);
	check_auth(NO_PLUS, "SCRAM-SHA-512", b64_z(first), SASL_NEED_KEYS, 0);
	check_auth(NO_PLUS, "SCRAM-SHA-1", NULL, SASL_SEND, 0);
	check_auth(NO_PLUS, "SCRAM-SHA-1", "", SASL_SEND, 0);
	check_auth(NO_PLUS, "PLAIN", "", SASL_SEND, 0);
	/* "y" with -PLUS on offer is a downgrade; without it is not */
	check_auth(NO_PLUS, "SCRAM-SHA-1", b64_z("y,,n=user,r=" NONCE), SASL_NEED_KEYS, 0);
	check_auth(ALL, "SCRAM-SHA-1", b64_z("y,,n=user,r=" NONCE), SASL_FAIL, SASL_NOT_AUTHORIZED);
}

static void
encoding(void **state)
{
	char *big = malloc(70000);

	(void)state;
	check_auth(ALL, "SCRAM-SHA-1", "=", SASL_FAIL, SASL_MALFORMED_REQUEST);
	check_auth(ALL, "PLAIN", "=", SASL_FAIL, SASL_MALFORMED_REQUEST);
	check_auth(ALL, "SCRAM-SHA-1", "==", SASL_FAIL, SASL_INCORRECT_ENCODING);
	check_auth(ALL, "SCRAM-SHA-1", "biw", SASL_FAIL, SASL_INCORRECT_ENCODING);
	check_auth(ALL, "SCRAM-SHA-1", "bi ws", SASL_FAIL, SASL_INCORRECT_ENCODING);
	check_auth(ALL, "SCRAM-SHA-1", " biws", SASL_FAIL, SASL_INCORRECT_ENCODING);
	check_auth(ALL, "SCRAM-SHA-1", "biws\n", SASL_FAIL, SASL_INCORRECT_ENCODING);
	check_auth(ALL, "SCRAM-SHA-1", "biw_", SASL_FAIL, SASL_INCORRECT_ENCODING);
	check_auth(ALL, "SCRAM-SHA-1", "biws", SASL_FAIL, SASL_MALFORMED_REQUEST);
	check_auth(ALL, "SCRAM-SHA-1", "\xc3\xbc\xc3\xbc", SASL_FAIL, SASL_INCORRECT_ENCODING);
	memset(big, 'A', 69999);
	big[69999] = '\0';
	check_auth(ALL, "SCRAM-SHA-1", big, SASL_FAIL, SASL_MALFORMED_REQUEST);
	check_auth(ALL, "PLAIN", big, SASL_FAIL, SASL_MALFORMED_REQUEST);
	big[5464] = '\0'; /* the longest that is looked at */
	check_auth(ALL, "PLAIN", big, SASL_FAIL, SASL_MALFORMED_REQUEST);
	free(big);
}

static void
authzid(void **state)
{
	static const struct {
		const char *first;
		bool ok;
	} rows[] = {
		{"n,a=user@example.com,n=user,r=" NONCE, true},
		{"n,a=USER@Example.COM.,n=User,r=" NONCE, true},
		{"n,a=other@example.com,n=user,r=" NONCE, false},
		{"n,a=user@example.net,n=user,r=" NONCE, false},
		{"n,a=user@example.com/r,n=user,r=" NONCE, false},
		{"n,a=user,n=user,r=" NONCE, false},
		{"n,a=example.com,n=user,r=" NONCE, false},
		{"n,a=@,n=user,r=" NONCE, false},
		{"n,a=us er@example.com,n=us er,r=" NONCE, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_auth(ALL, "SCRAM-SHA-256", b64_z(rows[i].first),
			   rows[i].ok ? SASL_NEED_KEYS : SASL_FAIL, SASL_INVALID_AUTHZID);
	check_auth(ALL, "PLAIN", b64("user@example.com\0user\0p", 23), SASL_NEED_CHECK, 0);
	check_auth(ALL, "PLAIN", b64("root@example.com\0user\0p", 23), SASL_FAIL,
		   SASL_INVALID_AUTHZID);
	check_auth(ALL, "PLAIN", b64("user\0user\0p", 11), SASL_FAIL, SASL_INVALID_AUTHZID);
}

static void
plain_syntax(void **state)
{
	static const struct {
		const char *msg;
		size_t n;
	} bad[] = {
		{"user", 4},
		{"\0user", 5},
		{"\0user\0", 6},
		{"\0\0pencil", 8},
		{"\0\0", 2},
		{"\0", 1},
		{"\0user\0pencil\0", 13},
		{"\0user\0pen\0cil", 13},
		{"\0us\xff\0p", 6},
		{"\0user\0\xff", 7},
		{"\xff\0user\0p", 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_auth(ALL, "PLAIN", b64(bad[i].msg, bad[i].n), SASL_FAIL,
			   SASL_MALFORMED_REQUEST);
}

static void
plain_login(void **state)
{
	struct sasl *s = sasl_new(ALL, NULL, "example.com");
	const char *out;
	size_t n;

	(void)state;
	assert_int_equal(sasl_auth(s, "PLAIN", NULL, &out), SASL_SEND);
	assert_string_equal(out, "");
	assert_null(sasl_user(s));
	assert_int_equal(sasl_response(s,
				       b64("\0J\xc3\x9crgen\0p\xc2\xa0"
					   "e\xcc\x81",
					   15),
				       &out),
			 SASL_NEED_CHECK);
	assert_string_equal(sasl_user(s), "j\u00fcrgen");
	assert_string_equal(sasl_password(s, &n), "p \u00e9");
	assert_int_equal(n, 4);
	assert_int_equal(sasl_chosen(s), SASL_PLAIN);
	assert_int_equal(sasl_checked(s, false, 0, &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_NOT_AUTHORIZED);
	assert_null(sasl_password(s, &n));
	/* a second try on the same object */
	assert_int_equal(sasl_auth(s, "PLAIN", b64("\0user\0pencil", 12), &out), SASL_NEED_CHECK);
	assert_string_equal(sasl_user(s), "user");
	assert_int_equal(sasl_checked(s, true, 0, &out), SASL_SUCCESS);
	assert_string_equal(out, "");
	/* success is the end */
	assert_int_equal(sasl_auth(s, "PLAIN", b64("\0user\0pencil", 12), &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_MALFORMED_REQUEST);
	assert_int_equal(sasl_auth(s, "PLAIN", b64("\0user\0pencil", 12), &out), SASL_FAIL);
	sasl_free(s);
	sasl_free(NULL);
}

/* Names and passwords that no account has: no difference to be seen before the end. */
static void
plain_unpreparable(void **state)
{
	static const char *const messages[] = {"?us er?p", "?user@example.com?p", "?\u265a?p",
					       "?user?p\tq", "?us\u200ber?\u00ad"};
	struct sasl *s = sasl_new(ALL, NULL, "example.com");
	const char *out;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		char msg[64];
		size_t len = strlen(messages[i]);

		for (size_t k = 0; k < len; k++)
			msg[k] = messages[i][k] == '?' ? '\0' : messages[i][k];
		assert_int_equal(sasl_auth(s, "PLAIN", b64(msg, len), &out), SASL_NEED_CHECK);
		assert_non_null(sasl_password(s, &n));
		assert_non_null(sasl_user(s));
		assert_int_equal(sasl_checked(s, true, 0, &out), SASL_FAIL);
		assert_int_equal(sasl_why(s), SASL_NOT_AUTHORIZED);
	}
	sasl_free(s);
}

/* ---- SCRAM ---- */

/* client-final-message, base64, for the server-first in `challenge` (base64), SHA-256,
 * password "pencil". */
static const char *
answer(const char *challenge, const char *bare, const char *gs2)
{
	char sf[512], nonce[256], c[256], auth[1024], proof[64];
	uint8_t salted[32], key[32], stored[32], sig[32];
	unsigned iterations = 0;
	static char text[1024];
	ssize_t n = text_base64_decode(challenge, strlen(challenge), sf);

	assert_true(n > 0);
	sf[n] = '\0';
	assert_int_equal(sscanf(sf, "r=%255[^,],s=%*[^,],i=%u", nonce, &iterations), 2);
	text_base64_encode(gs2, strlen(gs2), c);
	snprintf(text, sizeof(text), "c=%s,r=%s", c, nonce);
	snprintf(auth, sizeof(auth), "%s,%s,%.400s", bare, sf, text);
	PKCS5_PBKDF2_HMAC("pencil", 6, salt, sizeof(salt), (int)iterations, EVP_sha256(), 32,
			  salted);
	HMAC(EVP_sha256(), salted, 32, (const uint8_t *)"Client Key", 10, key, NULL);
	EVP_Digest(key, 32, stored, NULL, EVP_sha256(), NULL);
	HMAC(EVP_sha256(), stored, 32, (const uint8_t *)auth, strlen(auth), sig, NULL);
	for (int i = 0; i < 32; i++)
		key[i] ^= sig[i];
	text_base64_encode(key, 32, proof);
	strcat(strcat(text, ",p="), proof);
	return b64_z(text);
}

static struct scram_keys
keys(void)
{
	struct scram_keys k;

	scram_keys_make(&k, SCRAM_SHA256, "pencil", 6, salt, sizeof(salt), 100);
	return k;
}

#define BARE "n=User,r=" NONCE

/* A login up to the last step. */
static enum sasl_step
scram_login(struct sasl *s, const struct scram_keys *k, bool real, const char **out)
{
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,," BARE), out), SASL_NEED_KEYS);
	assert_string_equal(sasl_user(s), "user");
	assert_int_equal(sasl_keys(s, k, real, out), SASL_SEND);
	return sasl_response(s, answer(*out, BARE, "n,,"), out);
}

static void
scram_works(void **state)
{
	struct sasl *s = sasl_new(ALL, NULL, "example.com");
	struct scram_keys k = keys();
	const char *out;
	char v[64];

	(void)state;
	assert_int_equal(scram_login(s, &k, true, &out), SASL_SUCCESS);
	assert_true(text_base64_decode(out, strlen(out), v) == 46 && memcmp(v, "v=", 2) == 0);
	assert_int_equal(sasl_response(s, "", &out), SASL_FAIL);
	sasl_free(s);
	/* without initial response */
	s = sasl_new(ALL, NULL, "example.com");
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", NULL, &out), SASL_SEND);
	assert_string_equal(out, "");
	assert_int_equal(sasl_response(s, b64_z("n,," BARE), &out), SASL_NEED_KEYS);
	assert_int_equal(sasl_keys(s, &k, true, &out), SASL_SEND);
	assert_int_equal(sasl_response(s, answer(out, BARE, "n,,"), &out), SASL_SUCCESS);
	sasl_free(s);
}

static void
scram_fails(void **state)
{
	static const uint8_t secret[32] = {7};
	struct sasl *s = sasl_new(ALL, NULL, "example.com");
	struct scram_keys k = keys(), fake;
	const char *out;

	(void)state;
	/* keys that fit but are not real */
	assert_int_equal(scram_login(s, &k, false, &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_NOT_AUTHORIZED);
	assert_string_equal(out, "");
	/* then a good one: what failed before does not stick */
	scram_keys_fake(&fake, SCRAM_SHA256, "user", secret, 100);
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,," BARE), &out), SASL_NEED_KEYS);
	assert_int_equal(sasl_keys(s, &fake, true, &out), SASL_SEND);
	assert_int_equal(sasl_response(s, answer(out, BARE, "n,,"), &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_NOT_AUTHORIZED);
	assert_int_equal(scram_login(s, &k, true, &out), SASL_SUCCESS);
	sasl_free(s);
	/* the binding is read by its header */
	s = sasl_new(ALL, NULL, "example.com");
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,," BARE), &out), SASL_NEED_KEYS);
	assert_int_equal(sasl_keys(s, &k, true, &out), SASL_SEND);
	assert_int_equal(sasl_response(s, answer(out, BARE, "y,,"), &out), SASL_FAIL);
	sasl_free(s);
}

/* Another password of the account does as well, is told apart, and the server proves that it knows that one. */
static void
scram_of_a_device(void **state)
{
	struct scram_keys own = keys(), foreign;
	struct scram_other others[SCRAM_OTHERS];
	struct sasl *s;
	const char *out, *right;

	(void)state;
	scram_keys_make(&foreign, SCRAM_SHA256, "something else", 14, own.salt, own.salt_len, own.iterations);
	for (unsigned i = 0; i < SCRAM_OTHERS; i++) {
		others[i].id = 100 + i;
		memcpy(others[i].stored_key, foreign.stored_key, sizeof(others[i].stored_key));
		memcpy(others[i].server_key, foreign.server_key, sizeof(others[i].server_key));
	}
	memcpy(others[SCRAM_OTHERS - 1].stored_key, own.stored_key, sizeof(own.stored_key));
	memcpy(others[SCRAM_OTHERS - 1].server_key, own.server_key, sizeof(own.server_key));
	s = sasl_new(ALL, NULL, "example.com");
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,," BARE), &out), SASL_NEED_KEYS);
	sasl_set_others(s, others, SCRAM_OTHERS);
	memcpy(foreign.salt, own.salt, sizeof(own.salt));
	assert_int_equal(sasl_keys(s, &foreign, true, &out), SASL_SEND);
	right = answer(out, BARE, "n,,");
	assert_int_equal(sasl_response(s, right, &out), SASL_SUCCESS);
	assert_int_equal(sasl_other(s), 100 + SCRAM_OTHERS - 1);
	sasl_free(s);
	/* One fewer: its password is none of them. */
	s = sasl_new(ALL, NULL, "example.com");
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,," BARE), &out), SASL_NEED_KEYS);
	sasl_set_others(s, others, SCRAM_OTHERS - 1);
	assert_int_equal(sasl_keys(s, &foreign, true, &out), SASL_SEND);
	assert_int_equal(sasl_response(s, answer(out, BARE, "n,,"), &out), SASL_FAIL);
	assert_int_equal(sasl_other(s), 0);
	sasl_free(s);
	/* An account that may not log in: not by these either. */
	s = sasl_new(ALL, NULL, "example.com");
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,," BARE), &out), SASL_NEED_KEYS);
	sasl_set_others(s, others, SCRAM_OTHERS);
	assert_int_equal(sasl_keys(s, &foreign, false, &out), SASL_SEND);
	assert_int_equal(sasl_response(s, answer(out, BARE, "n,,"), &out), SASL_FAIL);
	sasl_free(s);
}

static void
scram_unpreparable(void **state)
{
	struct sasl *s = sasl_new(ALL, NULL, "example.com");
	struct scram_keys k = keys();
	const char *out;
	char first_name[64];

	(void)state;
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,,n=us er,r=" NONCE), &out),
			 SASL_NEED_KEYS);
	snprintf(first_name, sizeof(first_name), "%s", sasl_user(s));
	assert_int_equal(sasl_keys(s, &k, true, &out), SASL_SEND);
	assert_int_equal(sasl_response(s, answer(out, "n=us er,r=" NONCE, "n,,"), &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_NOT_AUTHORIZED);
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-1", b64_z("n,,n=us er,r=" NONCE), &out),
			 SASL_NEED_KEYS);
	assert_string_equal(sasl_user(s), first_name);
	sasl_free(s);
}

static void
plus(void **state)
{
	struct scram_binding b = {
		.type_names = {"tls-exporter"},
		.data = {"data"},
		.data_len = {4},
		.mechanisms = "PLAIN,SCRAM-SHA-256-PLUS",
		.bindings = "tls-exporter",
	};
	struct sasl *s = sasl_new(ALL, &b, "example.com");
	struct scram_keys k = keys();
	const char *out;
	char text[256];

	(void)state;
	memset(&b, 0, sizeof(b));
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256-PLUS", b64_z("p=tls-exporter,," BARE), &out),
			 SASL_NEED_KEYS);
	assert_int_equal(sasl_keys(s, &k, true, &out), SASL_SEND);
	text[text_base64_decode(out, strlen(out), text)] = '\0';
	assert_non_null(strstr(text, ",h="));
	assert_int_equal(sasl_response(s, answer(out, BARE, "p=tls-exporter,,data"), &out),
			 SASL_SUCCESS);
	sasl_free(s);
}

/* What comes at the wrong time. */
static void
order(void **state)
{
	struct sasl *s = sasl_new(ALL, NULL, "example.com");
	struct scram_keys k = keys();
	const char *out;

	(void)state;
	assert_int_equal(sasl_response(s, "biws", &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_MALFORMED_REQUEST);
	assert_int_equal(sasl_response(s, NULL, &out), SASL_FAIL);
	/* <auth/> instead of <response/> */
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", NULL, &out), SASL_SEND);
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", NULL, &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_MALFORMED_REQUEST);
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", NULL, &out), SASL_SEND);
	assert_int_equal(sasl_response(s, NULL, &out), SASL_FAIL);
	/* while keys are looked up; then they must not reach another try */
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,," BARE), &out), SASL_NEED_KEYS);
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,,n=admin,r=" NONCE), &out),
			 SASL_FAIL);
	assert_int_equal(sasl_auth(s, "SCRAM-SHA-256", b64_z("n,,n=admin,r=" NONCE), &out),
			 SASL_FAIL);
	assert_int_equal(sasl_keys(s, &k, true, &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_MALFORMED_REQUEST);
	sasl_free(s);
	s = sasl_new(ALL, NULL, "example.com");
	assert_int_equal(sasl_auth(s, "PLAIN", b64("\0user\0pencil", 12), &out), SASL_NEED_CHECK);
	assert_int_equal(sasl_response(s, "biws", &out), SASL_FAIL);
	assert_int_equal(sasl_checked(s, true, 0, &out), SASL_FAIL);
	sasl_free(s);
}

/* draft-schmaus-kitten-sasl-ht: the client's HMAC over "Initiator" and the channel, ours over "Responder" and the same. */
static void
token_hmac(const char *token, const char *who, const char *channel, uint8_t out[32])
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s%s", who, channel);

	assert_non_null(HMAC(EVP_sha256(), token, (int)strlen(token), (const uint8_t *)text, (size_t)n, out, NULL));
}

static const char *
token_message(const char *user, const char *token, const char *channel)
{
	char msg[64];
	size_t n = strlen(user) + 1;

	memcpy(msg, user, n);
	token_hmac(token, "Initiator", channel, (uint8_t *)msg + n);
	return b64(msg, n + 32);
}

static struct sasl *
token_sasl(void)
{
	struct scram_binding b = {.type_names = {"tls-exporter", "tls-server-end-point"},
				  .data = {"exported", "certificate"},
				  .data_len = {8, 11}};

	return sasl_new(ALL, &b, "example.com");
}

static void
token_login(void **state)
{
	static const struct {
		const char *mechanism, *channel;
	} rows[] = {{"HT-SHA-256-EXPR", "exported"}, {"HT-SHA-256-ENDP", "certificate"}, {"HT-SHA-256-NONE", ""}};
	struct sasl *s = token_sasl();
	const char *out;
	char proof[36];
	uint8_t mine[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sasl_free(s);
		s = token_sasl();
		assert_int_equal(sasl_auth(s, rows[i].mechanism, token_message("User", "secret", rows[i].channel), &out),
				 SASL_NEED_TOKEN);
		assert_string_equal(sasl_user(s), "user");
		assert_true(sasl_proof_matches(sasl_proof(s), "secret", 6));
		assert_false(sasl_proof_matches(sasl_proof(s), "Secret", 6));
		assert_int_equal(sasl_token(s, "secret", 6, SASL_NOT_AUTHORIZED, &out), SASL_SUCCESS);
		token_hmac("secret", "Responder", rows[i].channel, mine);
		assert_int_equal(text_base64_decode(out, strlen(out), proof), 32);
		assert_memory_equal(proof, mine, 32);
		assert_int_equal(sasl_token(s, "secret", 6, SASL_NOT_AUTHORIZED, &out), SASL_FAIL);
	}
	sasl_free(s);
}

static void
token_fails(void **state)
{
	struct sasl *s = token_sasl();
	const char *out;

	(void)state;
	/* Made for another channel; another token than the one that was found; none found. */
	assert_int_equal(sasl_auth(s, "HT-SHA-256-EXPR", token_message("user", "secret", "elsewhere"), &out), SASL_NEED_TOKEN);
	assert_int_equal(sasl_token(s, "secret", 6, SASL_NOT_AUTHORIZED, &out), SASL_FAIL);
	assert_int_equal(sasl_auth(s, "HT-SHA-256-NONE", token_message("user", "secret", ""), &out), SASL_NEED_TOKEN);
	assert_int_equal(sasl_token(s, "other", 5, SASL_NOT_AUTHORIZED, &out), SASL_FAIL);
	assert_int_equal(sasl_auth(s, "HT-SHA-256-NONE", token_message("user", "secret", ""), &out), SASL_NEED_TOKEN);
	assert_int_equal(sasl_token(s, NULL, 0, SASL_CREDENTIALS_EXPIRED, &out), SASL_FAIL);
	assert_int_equal(sasl_why(s), SASL_CREDENTIALS_EXPIRED);
	/* A name that no account can have goes the same way, and fails whatever the token. */
	assert_int_equal(sasl_auth(s, "HT-SHA-256-NONE", token_message("us er", "secret", ""), &out), SASL_NEED_TOKEN);
	assert_int_equal(sasl_token(s, "secret", 6, SASL_NOT_AUTHORIZED, &out), SASL_FAIL);
	/* Out of order. */
	assert_int_equal(sasl_auth(s, "HT-SHA-256-NONE", token_message("user", "secret", ""), &out), SASL_NEED_TOKEN);
	assert_int_equal(sasl_response(s, "", &out), SASL_FAIL);
	assert_int_equal(sasl_token(s, "secret", 6, SASL_NOT_AUTHORIZED, &out), SASL_FAIL);
	sasl_free(s);
	/* Without a channel to bind to, a mechanism that binds is of no use, offered or not. */
	check_auth(ALL, "HT-SHA-256-ENDP", token_message("user", "secret", ""), SASL_FAIL, SASL_INVALID_MECHANISM);
	check_auth(ALL & ~(1u << SASL_HT_SHA256_NONE), "HT-SHA-256-NONE", token_message("user", "secret", ""), SASL_FAIL,
		   SASL_INVALID_MECHANISM);
	check_auth(ALL, "HT-SHA-256-NONE", b64("user\0short", 10), SASL_FAIL, SASL_MALFORMED_REQUEST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(mechanism_choice),
		cmocka_unit_test(encoding),
		cmocka_unit_test(authzid),
		cmocka_unit_test(plain_syntax),
		cmocka_unit_test(plain_login),
		cmocka_unit_test(plain_unpreparable),
		cmocka_unit_test(scram_works),
		cmocka_unit_test(scram_fails),
		cmocka_unit_test(scram_of_a_device), cmocka_unit_test(scram_unpreparable),
		cmocka_unit_test(plus),
		cmocka_unit_test(token_login),
		cmocka_unit_test(token_fails),
		cmocka_unit_test(order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
