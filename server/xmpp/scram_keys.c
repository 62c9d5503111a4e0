/*
 * scram_keys: what the server keeps of a password (RFC 5802 §3): StoredKey and ServerKey.
 * Called when accounts are made and for PLAIN, on workers, as all but the fake ones cost
 * PBKDF2.
 */
#include <assert.h>
#include <string.h>

#include "base/crypt.h"
#include "xmpp/digest.h"
#include "xmpp/scram.h"

static void
hmac_text(enum scram_hash h, const uint8_t *key, size_t key_len, const char *text,
	  uint8_t out[SCRAM_MAX])
{
	struct digest_part part = {text, strlen(text)};

	digest_hmac(h, key, key_len, &part, 1, out);
}

void
scram_keys_make(struct scram_keys *out, enum scram_hash h, const char *password, size_t n,
		const uint8_t *salt, size_t salt_len, uint32_t iterations)
{
	size_t size = scram_hash_size(h);
	uint8_t salted[SCRAM_MAX], client_key[SCRAM_MAX];

	assert(salt_len > 0 && salt_len <= SCRAM_SALT_MAX && iterations > 0 &&
	       iterations <= SCRAM_MAX_ITERATIONS);
	memset(out, 0, sizeof(*out));
	out->hash = h;
	out->iterations = iterations;
	out->salt_len = (uint8_t)salt_len;
	memcpy(out->salt, salt, salt_len);
	digest_pbkdf2(h, password, n, salt, salt_len, iterations, salted);
	hmac_text(h, salted, size, "Client Key", client_key);
	digest_hash(h, client_key, size, out->stored_key);
	hmac_text(h, salted, size, "Server Key", out->server_key);
	crypt_wipe(salted, sizeof(salted));
	crypt_wipe(client_key, sizeof(client_key));
}

bool
scram_keys_match(const struct scram_keys *k, const struct scram_other *others, unsigned nothers, const char *password, size_t n,
		 int64_t *id)
{
	size_t size = scram_hash_size(k->hash);
	struct scram_keys mine;
	bool match;

	scram_keys_make(&mine, k->hash, password, n, k->salt, k->salt_len, k->iterations);
	match = crypt_equal(mine.stored_key, k->stored_key, size);
	*id = 0;
	for (unsigned i = 0; i < nothers; i++)
		if (crypt_equal(mine.stored_key, others[i].stored_key, size) && !match) {
			match = true;
			*id = others[i].id;
		}
	crypt_wipe(&mine, sizeof(mine));
	return match;
}

/* The keys come from the same secret under other labels: to pass for them one would have to
 * invert the hash. The salt depends on the mechanism, as an account has its own salt for each.
 * */
void
scram_keys_fake(struct scram_keys *out, enum scram_hash h, const char *name,
		const uint8_t secret[32], uint32_t iterations)
{
	static const char *const labels[] = {"salt", "stored", "server"};
	uint8_t which = (uint8_t)h, digest[3][SCRAM_MAX];

	for (int i = 0; i < 3; i++) {
		/* The label's NUL keeps it apart from the name. */
		struct digest_part parts[] = {
			{labels[i], strlen(labels[i]) + 1},
			{&which, 1},
			{name, strlen(name)},
		};

		digest_hmac(SCRAM_SHA512, secret, 32, parts, 3, digest[i]);
	}
	memset(out, 0, sizeof(*out));
	out->hash = h;
	out->iterations = iterations;
	out->salt_len = SCRAM_SALT;
	memcpy(out->salt, digest[0], SCRAM_SALT);
	memcpy(out->stored_key, digest[1], scram_hash_size(h));
	memcpy(out->server_key, digest[2], scram_hash_size(h));
	crypt_wipe(digest, sizeof(digest));
}
