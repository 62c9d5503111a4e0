/*
 * note_key: Ed25519 keys in the text forms of signed notes (see note.h).
 */
#include "proof/note_key.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"

#define ALGORITHM 0x01 /* Ed25519 */
#define SEED 32
#define PRIVATE "PRIVATE+KEY+"

struct note_signer {
	struct note_key key;
	uint8_t seed[SEED];
	EVP_PKEY *pkey;
};

/* White space as Unicode has it, beyond ASCII: in UTF-8 that is known to be well-formed. */
static bool
is_wide_space(const unsigned char *p)
{
	if (p[0] == 0xc2)
		return p[1] == 0x85 || p[1] == 0xa0;
	if (p[0] == 0xe1)
		return p[1] == 0x9a && p[2] == 0x80;
	if (p[0] == 0xe2 && p[1] == 0x80)
		return p[2] <= 0x8a || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf;
	if (p[0] == 0xe2)
		return p[1] == 0x81 && p[2] == 0x9f;
	return p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80;
}

bool
note_is_name(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	if (!n || n > NOTE_NAME_MAX || !text_is_utf8(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] == 0x7f || p[i] == '+' || (p[i] >= 0xc2 && is_wide_space(p + i)))
			return false;
	return true;
}

/* SHA-256(name || 0x0a || algorithm || public key), its first bytes. */
static void
set_id(struct note_key *k)
{
	struct crypt_hasher *h = crypt_hasher_new();
	uint8_t sum[SHA256_SIZE];

	crypt_hasher_add(h, k->name, strlen(k->name));
	crypt_hasher_add(h, "\n\x01", 2);
	crypt_hasher_add(h, k->public, NOTE_PUBLIC);
	crypt_hasher_end(h, sum);
	memcpy(k->id, sum, NOTE_ID);
}

/* NAME+ID+BASE64(algorithm || 32 bytes): the last two have no '+' before their own, but base64 may have some. */
static int
parse_form(const char *s, size_t n, struct note_key *k, uint8_t id[NOTE_ID], uint8_t secret_or_key[32], struct err *e)
{
	const char *name_end = memchr(s, '+', n), *id_end;
	uint8_t raw[48];
	size_t left;

	if (!name_end || !note_is_name(s, (size_t)(name_end - s)))
		return err_set(e, 0, "no key: a name without spaces comes first, then +");
	left = n - (size_t)(name_end + 1 - s);
	id_end = left > 8 ? name_end + 9 : NULL;
	if (!id_end || *id_end != '+' || text_unhex(name_end + 1, 8, id) != NOTE_ID)
		return err_set(e, 0, "no key: behind the name come eight hexadecimal digits between +");
	left -= 9;
	if (left != 44 || text_base64_decode(id_end + 1, left, raw) != 33)
		return err_set(e, 0, "no key: its last part is not 33 bytes in base64");
	if (raw[0] != ALGORITHM) {
		crypt_wipe(raw, sizeof(raw));
		return err_set(e, 0, "a key of another kind than Ed25519");
	}
	memcpy(k->name, s, (size_t)(name_end - s));
	k->name[name_end - s] = '\0';
	memcpy(secret_or_key, raw + 1, 32);
	crypt_wipe(raw, sizeof(raw));
	return 0;
}

int
note_key_parse(const char *vkey, struct note_key *k, struct err *e)
{
	uint8_t id[NOTE_ID];

	if (parse_form(vkey, strlen(vkey), k, id, k->public, e) != 0)
		return -1;
	set_id(k);
	if (memcmp(id, k->id, NOTE_ID) != 0)
		return err_set(e, 0, "the key is not the one that its number names: a letter of it may be wrong");
	return 0;
}

/* NAME+ID+, and the rest. */
static void
write_form(const struct note_key *k, const uint8_t secret_or_key[32], struct buf *out)
{
	char id[2 * NOTE_ID + 1], base64[text_base64_size(33)];
	uint8_t raw[33];

	raw[0] = ALGORITHM;
	memcpy(raw + 1, secret_or_key, 32);
	text_hex(k->id, NOTE_ID, id);
	text_base64_encode(raw, sizeof(raw), base64);
	buf_reserve(out, NOTE_VKEY_MAX + sizeof(PRIVATE)); /* at once: no copy of a secret is left behind by growing */
	buf_addf(out, "%s+%s+%s", k->name, id, base64);
	crypt_wipe(raw, sizeof(raw));
	crypt_wipe(base64, sizeof(base64));
}

void
note_key_text(const struct note_key *k, char out[NOTE_VKEY_MAX])
{
	struct buf b = { 0 };

	write_form(k, k->public, &b);
	snprintf(out, NOTE_VKEY_MAX, "%s", buf_str(&b));
	buf_fini(&b);
}

bool
note_key_equal(const struct note_key *a, const struct note_key *b)
{
	return !strcmp(a->name, b->name) && crypt_equal(a->public, b->public, NOTE_PUBLIC);
}

/* The signer of a name and seed; its id follows from them. */
static struct note_signer *
signer_make(const char *name, const uint8_t seed[SEED])
{
	struct note_signer *s = NEW(struct note_signer);
	size_t n = NOTE_PUBLIC;

	snprintf(s->key.name, sizeof(s->key.name), "%s", name);
	memcpy(s->seed, seed, SEED);
	s->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED);
	if (!s->pkey || EVP_PKEY_get_raw_public_key(s->pkey, s->key.public, &n) != 1 || n != NOTE_PUBLIC)
		abort(); /* every seed is a key: OpenSSL lacks the algorithm, or memory */
	set_id(&s->key);
	return s;
}

struct note_signer *
note_signer_new(const char *name, struct err *e)
{
	struct note_signer *s;
	uint8_t seed[SEED];

	if (!note_is_name(name, strlen(name))) {
		err_set(e, 0, "a key's name has no spaces, no + and at most %d bytes", NOTE_NAME_MAX);
		return NULL;
	}
	crypt_random(seed, sizeof(seed));
	s = signer_make(name, seed);
	crypt_wipe(seed, sizeof(seed));
	return s;
}

struct note_signer *
note_signer_parse(const char *skey, size_t n, struct err *e)
{
	struct note_signer *s = NULL;
	uint8_t id[NOTE_ID], seed[SEED];
	struct note_key k;

	if (n && skey[n - 1] == '\n')
		n--;
	if (n < strlen(PRIVATE) || memcmp(skey, PRIVATE, strlen(PRIVATE)) != 0) {
		err_set(e, 0, "no private key: it begins with " PRIVATE);
		return NULL;
	}
	if (parse_form(skey + strlen(PRIVATE), n - strlen(PRIVATE), &k, id, seed, e) != 0)
		return NULL;
	s = signer_make(k.name, seed);
	crypt_wipe(seed, sizeof(seed));
	if (memcmp(id, s->key.id, NOTE_ID) != 0) {
		err_set(e, 0, "the private key is not the one that its number names");
		note_signer_free(s);
		return NULL;
	}
	return s;
}

void
note_signer_text(const struct note_signer *s, struct buf *out)
{
	buf_reserve(out, NOTE_VKEY_MAX + 2 * sizeof(PRIVATE));
	buf_adds(out, PRIVATE);
	write_form(&s->key, s->seed, out);
	buf_addc(out, '\n');
}

const struct note_key *
note_signer_key(const struct note_signer *s)
{
	return &s->key;
}

void
note_signer_free(struct note_signer *s)
{
	if (!s)
		return;
	EVP_PKEY_free(s->pkey);
	crypt_wipe(s, sizeof(*s));
	free(s);
}

void
note_signer_sign(const struct note_signer *s, const char *text, size_t n, uint8_t out[NOTE_ED25519])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = NOTE_ED25519;

	if (!ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->pkey) != 1 ||
	    EVP_DigestSign(ctx, out, &len, (const unsigned char *)text, n) != 1 || len != NOTE_ED25519)
		abort();
	EVP_MD_CTX_free(ctx);
}

bool
note_key_verifies(const struct note_key *k, const char *text, size_t n, const uint8_t signature[NOTE_ED25519])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k->public, NOTE_PUBLIC);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool right = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		EVP_DigestVerify(ctx, signature, NOTE_ED25519, (const unsigned char *)text, n) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return right;
}
