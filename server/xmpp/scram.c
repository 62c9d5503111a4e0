/*
 * scram: one SCRAM exchange, server side (RFC 5802 §3, §5, §7). sasl.c feeds it decoded
 * messages.
 *
 *     NEW ── client_first ──► FIRST ── server_first ──► SENT ── client_final ──► OVER
 *
 * Messages are parsed in place by a cursor over `attribute = value` pairs. What the peer sizes
 * is bounded by SCRAM_MESSAGE_MAX, and nonces by NONCE_MAX. Unknown extensions
 * are skipped, the reserved "m" (mandatory extension) is refused: RFC 5802 §5.1.
 */
#include "xmpp/scram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "xmpp/digest.h"

#define NONCE_MAX 256
#define NONCE_OURS 24    /* random bytes of ours, 32 characters */
#define ANNOUNCED_MAX 32 /* names in a list of XEP-0474 */

enum state { NEW, FIRST, SENT, OVER };

struct scram {
	enum scram_hash hash;
	enum state state;
	bool plus, plus_offered;
	struct {
		char *name; /* NULL: unavailable */
		uint8_t data[64];
		size_t len;
	} binding[SCRAM_BINDINGS];
	int bound;       /* the binding the client chose, or -1 */
	char *announced; /* base64 of the XEP-0474 hash, or NULL */
	char *user, *authzid;
	char *first;    /* client-first-message, with a NUL */
	size_t gs2_len; /* of its GS2 header, with the last comma */
	struct buf nonce, server_first;
	char *nonce_ours; /* when a test has set it */
	struct scram_keys keys;
	struct scram_other *others;
	unsigned nothers;
	int64_t matched;
	char final[2 + text_base64_size(SCRAM_MAX)];
};

/* ---- XEP-0474: a hash over what we announced ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds the names of a comma-separated list in "i;octet" order, joined by U+001E (XEP-0474
 * §5.1). */
static void
add_sorted(struct buf *out, const char *list)
{
	char *copy = mem_strdup(list), *save = NULL;
	const char *names[ANNOUNCED_MAX];
	size_t n = 0;

	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		assert(n < ANNOUNCED_MAX);
		names[n++] = p;
	}
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(out, '\x1e');
		buf_adds(out, names[i]);
	}
	free(copy);
}

static char *
hash_announced(enum scram_hash h, const char *mechanisms, const char *bindings)
{
	char *out = mem_alloc(text_base64_size(SCRAM_MAX));
	uint8_t hash[SCRAM_MAX];
	struct buf b = {0};

	add_sorted(&b, mechanisms);
	if (bindings) {
		buf_addc(&b, '\x1f');
		add_sorted(&b, bindings);
	}
	digest_hash(h, buf_str(&b), buf_len(&b), hash);
	text_base64_encode(hash, scram_hash_size(h), out);
	buf_fini(&b);
	return out;
}

/* ---- life ---- */

struct scram *
scram_new(enum scram_hash h, const struct scram_binding *b)
{
	struct scram *s = NEW(struct scram);

	s->hash = h;
	s->plus = b->plus;
	s->plus_offered = b->plus_offered;
	s->bound = -1;
	for (int i = 0; i < SCRAM_BINDINGS; i++) {
		if (!b->type_names[i] || b->data_len[i] == 0 ||
		    b->data_len[i] > sizeof(s->binding[i].data))
			continue;
		s->binding[i].name = mem_strdup(b->type_names[i]);
		s->binding[i].len = b->data_len[i];
		memcpy(s->binding[i].data, b->data[i], b->data_len[i]);
	}
	if (b->mechanisms)
		s->announced = hash_announced(h, b->mechanisms, b->bindings);
	return s;
}

void
scram_free(struct scram *s)
{
	if (!s)
		return;
	for (int i = 0; i < SCRAM_BINDINGS; i++)
		free(s->binding[i].name);
	free(s->announced);
	free(s->user);
	free(s->authzid);
	free(s->first);
	free(s->nonce_ours);
	if (s->others)
		crypt_wipe(s->others, s->nothers * sizeof(*s->others));
	free(s->others);
	buf_fini(&s->nonce);
	buf_fini(&s->server_first);
	crypt_wipe(s, sizeof(*s));
	free(s);
}

void
scram_set_nonce(struct scram *s, const char *server_nonce)
{
	free(s->nonce_ours);
	s->nonce_ours = mem_strdup(server_nonce);
}

const char *
scram_user(const struct scram *s)
{
	return s->user;
}

const char *
scram_authzid(const struct scram *s)
{
	return s->authzid;
}

/* ---- reading messages ---- */

struct cursor {
	const char *p, *end;
};

struct value {
	const char *p;
	size_t n;
};

static bool
is_at_end(const struct cursor *c)
{
	return c->p == c->end;
}

/* Takes `name=value` and the comma behind it. False, and nothing is taken, when something else
 * is there, when the value is empty, or when nothing follows a comma. */
static bool
take(struct cursor *c, char name, struct value *v)
{
	const char *comma;

	if (c->end - c->p < 3 || c->p[0] != name || c->p[1] != '=')
		return false;
	v->p = c->p + 2;
	comma = memchr(v->p, ',', (size_t)(c->end - v->p));
	v->n = (size_t)((comma ? comma : c->end) - v->p);
	if (v->n == 0 || (comma && comma + 1 == c->end))
		return false;
	c->p = comma ? comma + 1 : c->end;
	return true;
}

/* Skips extensions up to the attribute `last`, or up to the end when that is NUL. */
static bool
skip_extensions(struct cursor *c, char last)
{
	struct value v;

	while (!is_at_end(c) && *c->p != last) {
		char name = *c->p;

		if (!((name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z')) || name == 'm')
			return false;
		if (!take(c, name, &v))
			return false;
	}
	return true;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, no other use of "=" (RFC 5802 §5.1). NULL
 * when wrong. */
static char *
decode_name(const struct value *v)
{
	char *out = mem_alloc(v->n + 1), *to = out;

	for (size_t i = 0; i < v->n; i++) {
		if (v->p[i] != '=') {
			*to++ = v->p[i];
			continue;
		}
		if (v->n - i < 3 ||
		    (memcmp(v->p + i, "=2C", 3) != 0 && memcmp(v->p + i, "=3D", 3) != 0)) {
			free(out);
			return NULL;
		}
		*to++ = v->p[i + 1] == '2' ? ',' : '=';
		i += 2;
	}
	*to = '\0';
	return out;
}

/* RFC 5802 §7 sets no least length: ours is what keeps an exchange from being played again. */
static bool
is_nonce(const struct value *v)
{
	if (v->n > NONCE_MAX)
		return false;
	for (size_t i = 0; i < v->n; i++) {
		if (v->p[i] < 0x21 || v->p[i] > 0x7e)
			return false;
	}
	return true;
}

static bool
is_binding_name(const struct value *v)
{
	for (size_t i = 0; i < v->n; i++) {
		char c = v->p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '-'))
			return false;
	}
	return v->n > 0;
}

static int
find_binding(const struct scram *s, const struct value *v)
{
	for (int i = 0; i < SCRAM_BINDINGS; i++) {
		const char *name = s->binding[i].name;

		if (name && strlen(name) == v->n && memcmp(name, v->p, v->n) == 0)
			return i;
	}
	return -1;
}

/* gs2-cbind-flag (RFC 5802 §6). "y" tells that the client could bind but saw no -PLUS: when we
 * had offered one, somebody took it out. A flag that does not fit the mechanism's name is the
 * client's mistake. */
static enum scram_error
read_flag(struct scram *s, struct cursor *c)
{
	struct value v;

	if (take(c, 'p', &v)) {
		if (!s->plus || !is_binding_name(&v))
			return SCRAM_MALFORMED;
		/* An unknown type is a mistake, not a guess at a password: clients that know only tls-unique
		 * go on to other mechanisms, and must not be throttled for it. */
		s->bound = find_binding(s, &v);
		return s->bound < 0 ? SCRAM_MALFORMED : SCRAM_OK;
	}
	if (c->end - c->p < 2 || c->p[1] != ',' || (c->p[0] != 'n' && c->p[0] != 'y') || s->plus)
		return SCRAM_MALFORMED;
	if (c->p[0] == 'y' && s->plus_offered)
		return SCRAM_NOT_AUTHORIZED;
	c->p += 2;
	return SCRAM_OK;
}

static enum scram_error
read_gs2_header(struct scram *s, struct cursor *c)
{
	enum scram_error e = read_flag(s, c);
	struct value v;

	if (e != SCRAM_OK)
		return e;
	if (take(c, 'a', &v))
		return (s->authzid = decode_name(&v)) ? SCRAM_OK : SCRAM_MALFORMED;
	if (is_at_end(c) || *c->p != ',')
		return SCRAM_MALFORMED;
	c->p++;
	return SCRAM_OK;
}

enum scram_error
scram_client_first(struct scram *s, const char *msg, size_t n)
{
	struct cursor c;
	struct value user, nonce;
	enum scram_error e;

	assert(s->state == NEW);
	s->state = OVER;
	if (n > SCRAM_MESSAGE_MAX || !text_is_utf8(msg, n))
		return SCRAM_MALFORMED;
	s->first = mem_strndup(msg, n);
	c = (struct cursor){s->first, s->first + n};
	if ((e = read_gs2_header(s, &c)) != SCRAM_OK)
		return e;
	s->gs2_len = (size_t)(c.p - s->first);
	if (!take(&c, 'n', &user) || !take(&c, 'r', &nonce) || !is_nonce(&nonce) ||
	    !skip_extensions(&c, '\0'))
		return SCRAM_MALFORMED;
	if (!(s->user = decode_name(&user)))
		return SCRAM_MALFORMED;
	buf_add(&s->nonce, nonce.p, nonce.n);
	s->state = FIRST;
	return SCRAM_OK;
}

const char *
scram_server_first(struct scram *s, const struct scram_keys *k)
{
	char text[text_base64_size(SCRAM_SALT_MAX)];
	uint8_t random[NONCE_OURS];

	assert(s->state == FIRST && k->hash == s->hash && k->salt_len <= SCRAM_SALT_MAX);
	s->keys = *k;
	if (!s->nonce_ours) {
		crypt_random(random, sizeof(random));
		text_base64_encode(random, sizeof(random), text);
	}
	buf_adds(&s->nonce, s->nonce_ours ? s->nonce_ours : text);
	text_base64_encode(k->salt, k->salt_len, text);
	buf_addf(&s->server_first, "r=%s,s=%s,i=%lu", buf_str(&s->nonce), text,
		 (unsigned long)k->iterations);
	if (s->announced)
		buf_addf(&s->server_first, ",h=%s", s->announced);
	s->state = SENT;
	return buf_str(&s->server_first);
}

/* c= must be the base64 of the GS2 header as it came and of the binding's data (RFC 5802 §5.1,
 * "c"). */
static bool
is_our_binding(const struct scram *s, const struct value *v)
{
	struct buf b = {0};
	char *expected;
	size_t n;
	bool equal;

	buf_add(&b, s->first, s->gs2_len);
	if (s->bound >= 0)
		buf_add(&b, s->binding[s->bound].data, s->binding[s->bound].len);
	expected = mem_alloc(text_base64_size(buf_len(&b)));
	n = text_base64_encode(buf_data(&b), buf_len(&b), expected);
	equal = v->n == n && crypt_equal(v->p, expected, n);
	free(expected);
	buf_fini(&b);
	return equal;
}

void
scram_set_others(struct scram *s, const struct scram_other *others, unsigned n)
{
	assert(!s->others && n <= SCRAM_OTHERS);
	if (!n)
		return;
	s->others = mem_alloc(n * sizeof(*others));
	memcpy(s->others, others, n * sizeof(*others));
	s->nothers = n;
}

int64_t
scram_matched(const struct scram *s)
{
	return s->matched;
}

/* Is it the proof of who has the password of this StoredKey? */
static bool
is_proof(const struct scram *s, const uint8_t *stored_key, const uint8_t *proof, const struct digest_part auth[5])
{
	size_t size = scram_hash_size(s->hash);
	uint8_t key[SCRAM_MAX], hash[SCRAM_MAX];
	bool match;

	digest_hmac(s->hash, stored_key, size, auth, 5, key); /* ClientSignature */
	for (size_t i = 0; i < size; i++)
		key[i] ^= proof[i]; /* ClientKey */
	digest_hash(s->hash, key, size, hash);
	match = crypt_equal(hash, stored_key, size);
	crypt_wipe(key, sizeof(key));
	crypt_wipe(hash, sizeof(hash));
	return match;
}

/* RFC 5802 §3: checks the proof and makes the server's signature over the same AuthMessage. As much is computed whatever passwords there are, and
 * whichever it is. */
static bool
verify(struct scram *s, const uint8_t proof[SCRAM_MAX], const char *without_proof, size_t n)
{
	size_t size = scram_hash_size(s->hash);
	struct digest_part auth[] = {
		{s->first + s->gs2_len, strlen(s->first) - s->gs2_len},
		{",", 1},
		{buf_data(&s->server_first), buf_len(&s->server_first)},
		{",", 1},
		{without_proof, n},
	};
	const uint8_t *server_key = s->keys.server_key;
	uint8_t hash[SCRAM_MAX];
	bool match = is_proof(s, s->keys.stored_key, proof, auth);

	for (unsigned i = 0; i < SCRAM_OTHERS; i++) {
		const struct scram_other *o = i < s->nothers ? &s->others[i] : NULL;

		if (!is_proof(s, o ? o->stored_key : s->keys.stored_key, proof, auth) || !o || match)
			continue;
		match = true;
		s->matched = o->id;
		server_key = o->server_key;
	}
	digest_hmac(s->hash, server_key, size, auth, 5, hash);
	if (match) {
		memcpy(s->final, "v=", 2);
		text_base64_encode(hash, size, s->final + 2);
	}
	crypt_wipe(hash, sizeof(hash));
	return match;
}

/* The proof is the last attribute; its base64 has no comma. */
static bool
read_proof(const struct scram *s, const struct value *v, uint8_t out[SCRAM_MAX])
{
	uint8_t decoded[SCRAM_MAX + 3];
	size_t size = scram_hash_size(s->hash);
	bool ok = v->n == text_base64_size(size) - 1 &&
		  text_base64_decode(v->p, v->n, decoded) == (ssize_t)size;

	if (ok)
		memcpy(out, decoded, size);
	return ok;
}

enum scram_error
scram_client_final(struct scram *s, const char *msg, size_t n, const char **out)
{
	struct cursor c = {msg, msg + n};
	struct value binding, nonce, text;
	uint8_t proof[SCRAM_MAX];
	size_t without_proof;

	assert(s->state == SENT);
	s->state = OVER;
	if (n > SCRAM_MESSAGE_MAX || !text_is_utf8(msg, n))
		return SCRAM_MALFORMED;
	if (!take(&c, 'c', &binding) || !take(&c, 'r', &nonce) || !skip_extensions(&c, 'p') ||
	    is_at_end(&c))
		return SCRAM_MALFORMED;
	without_proof = (size_t)(c.p - msg) - 1;
	if (!take(&c, 'p', &text) || !is_at_end(&c) || !read_proof(s, &text, proof))
		return SCRAM_MALFORMED;
	if (!is_our_binding(s, &binding) || nonce.n != buf_len(&s->nonce) ||
	    !crypt_equal(nonce.p, buf_data(&s->nonce), nonce.n))
		return SCRAM_NOT_AUTHORIZED;
	if (!verify(s, proof, msg, without_proof))
		return SCRAM_NOT_AUTHORIZED;
	*out = s->final;
	return SCRAM_OK;
}
