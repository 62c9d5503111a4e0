/*
 * pbkdf2: vectors of RFC 6070 and RFC 7914 §11, and OpenSSL's own function for every length around a block.
 */
#include "xmpp/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>

static void
expect(enum scram_hash h, const char *password, const char *salt, uint32_t iterations, const char *hex)
{
	uint8_t out[SCRAM_MAX];
	char text[2 * SCRAM_MAX + 1];

	digest_pbkdf2(h, password, strlen(password), (const uint8_t *)salt, strlen(salt), iterations, out);
	for (size_t i = 0; i < scram_hash_size(h); i++)
		snprintf(text + 2 * i, 3, "%02x", out[i]);
	assert_string_equal(text, hex);
}

static void
rfc6070(void **state)
{
	(void)state;
	expect(SCRAM_SHA1, "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6");
	expect(SCRAM_SHA1, "password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
	expect(SCRAM_SHA1, "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1");
}

/* The first half of a 64 byte output is its first block. */
static void
rfc7914(void **state)
{
	(void)state;
	expect(SCRAM_SHA256, "passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
	expect(SCRAM_SHA256, "Password", "NaCl", 80000, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

static void
as_openssl(void **state)
{
	static const size_t lengths[] = {0, 1, 19, 20, 32, 63, 64, 65, 127, 128, 129, 1000};
	const EVP_MD *md[SCRAM_HASHES] = {EVP_sha1(), EVP_sha256(), EVP_sha512()};
	uint8_t ours[SCRAM_MAX], theirs[SCRAM_MAX];
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int h = 0; h < SCRAM_HASHES; h++)
			for (uint32_t rounds = 1; rounds < 200; rounds += 66) {
				size_t salt = i % (SCRAM_SALT_MAX - 1) + 1;

				digest_pbkdf2(h, text, lengths[i], (uint8_t *)text, salt, rounds, ours);
				assert_int_equal(PKCS5_PBKDF2_HMAC(text, (int)lengths[i], (unsigned char *)text, (int)salt,
								   (int)rounds, md[h], (int)scram_hash_size(h), theirs), 1);
				assert_memory_equal(ours, theirs, scram_hash_size(h));
			}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc6070),
		cmocka_unit_test(rfc7914),
		cmocka_unit_test(as_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
