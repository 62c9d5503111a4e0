/*
 * scram: SCRAM-SHA-256 for clients (see scram.h).
 */
#include "scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

/* What is derived from the password and a salt. */
struct keys {
	unsigned char salt[64], client[32], stored[32], server[32];
	int salt_len, rounds;
};

static void
mac(const unsigned char key[32], const char *text, unsigned char out[32])
{
	if (!HMAC(EVP_sha256(), key, 32, (const unsigned char *)text, strlen(text), out, NULL))
		die("HMAC failed");
}

/* Derived once for each salt: a storm of logins shall measure the server, not PBKDF2 here. */
static const struct keys *
keys_of(const char *password, const unsigned char *salt, int len, int rounds)
{
	static struct keys cache[4096];
	struct keys *k = &cache[(salt[0] << 8 | salt[len - 1]) % 4096];
	unsigned char salted[32];

	if (k->rounds == rounds && k->salt_len == len && !memcmp(k->salt, salt, (size_t)len))
		return k;
	PKCS5_PBKDF2_HMAC(password, -1, salt, len, rounds, EVP_sha256(), 32, salted);
	mac(salted, "Client Key", k->client);
	mac(salted, "Server Key", k->server);
	EVP_Digest(k->client, 32, k->stored, NULL, EVP_sha256(), NULL);
	memcpy(k->salt, salt, (size_t)len);
	k->salt_len = len;
	k->rounds = rounds;
	return k;
}

static void
encode(const void *p, size_t n, char *out, size_t size)
{
	if (4 * ((n + 2) / 3) + 1 > size)
		die("a SASL message is too long");
	EVP_EncodeBlock((unsigned char *)out, p, (int)n);
}

/* The number of bytes, and a NUL behind them; -1 when it is not base64 or too long. */
static int
decode(const char *text, void *out, size_t size)
{
	size_t n = strlen(text);
	int len = n && n / 4 * 3 < size ?
			  EVP_DecodeBlock(out, (const unsigned char *)text, (int)n) :
			  -1;

	if (len < 0)
		return -1;
	len -= (text[n - 1] == '=') + (n > 1 && text[n - 2] == '=');
	((char *)out)[len] = '\0';
	return len;
}

void
scram_begin(struct scram *s, char *out, size_t size)
{
	unsigned char random[18];
	char text[128];
	int n;

	RAND_bytes(random, sizeof(random));
	encode(random, sizeof(random), s->nonce, sizeof(s->nonce));
	n = snprintf(text, sizeof(text), "n,,n=%s,r=%s", s->user, s->nonce);
	encode(text, (size_t)n, out, size);
}

bool
scram_answer(struct scram *s, const char *password, const char *challenge, char *out, size_t size)
{
	char first[512], nonce[160], salt_text[96], text[1024], proof_text[64];
	unsigned char salt[96], proof[32];
	int rounds, len, n;
	const struct keys *k;

	if (decode(challenge, first, sizeof(first)) < 0 ||
	    sscanf(first, "r=%159[^,],s=%84[^,],i=%d", nonce, salt_text, &rounds) != 3 ||
	    strncmp(nonce, s->nonce, strlen(s->nonce)) != 0 || rounds < 1)
		return false;
	len = decode(salt_text, salt, sizeof(salt));
	if (len < 1 || len > (int)sizeof(k->salt))
		return false;
	k = keys_of(password, salt, len, rounds);
	snprintf(text, sizeof(text), "n=%s,r=%s,%s,c=biws,r=%s", s->user, s->nonce, first, nonce);
	mac(k->stored, text, proof);
	for (int i = 0; i < 32; i++)
		proof[i] ^= k->client[i];
	mac(k->server, text, s->signature);
	encode(proof, sizeof(proof), proof_text, sizeof(proof_text));
	n = snprintf(text, sizeof(text), "c=biws,r=%s,p=%s", nonce, proof_text);
	encode(text, (size_t)n, out, size);
	return true;
}

bool
scram_proven(const struct scram *s, const char *last)
{
	char text[512], want[64];

	encode(s->signature, sizeof(s->signature), want, sizeof(want));
	return decode(last, text, sizeof(text)) > 2 && !strncmp(text, "v=", 2) &&
	       !strcmp(text + 2, want);
}
