/*
 * sasl: one stream's authentication, without I/O (RFC 6120 §6). core/c2s feeds it <auth/> and
 * <response/> and does what the returned step says.
 *
 *     IDLE ── auth ──► WANT_FIRST ── response ─┐        (no initial response: RFC 6120 §6.4.2)
 *       └──── auth with initial response ──────┤
 *                  SCRAM: WANT_KEYS ── sasl_keys ──► WANT_FINAL ── response ──► CLOSED
 *                  PLAIN: WANT_CHECK ── sasl_checked ─────────────────────────► CLOSED
 *                  HT:    WANT_TOKEN ── sasl_token ───────────────────────────► CLOSED
 *
 * From any state a mistake leads to OVER with the reason; there the next sasl_auth starts
 * anew. Not so after success, and not when the peer speaks while keys are being looked up: a
 * new try could then be given the keys of the old one's user. Both lead to CLOSED, where
 * everything fails.
 *
 * An account that does not exist takes the same way as one that does, with keys nothing
 * matches, and fails where a wrong password fails. So does a name that no account can have: it
 * is replaced by a stand-in, and the exchange is `doomed`.
 */
#include "xmpp/sasl.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "xmpp/digest.h"
#include "xmpp/jid.h"

enum state { IDLE, WANT_FIRST, WANT_KEYS, WANT_CHECK, WANT_TOKEN, WANT_FINAL, OVER, CLOSED };

struct sasl {
	sasl_set offered;
	struct scram_binding binding; /* its strings are ours */
	char *domain;
	enum state state;
	enum sasl_mechanism chosen;
	enum sasl_failure why;
	bool doomed; /* fails in the end */
	struct scram *scram;
	char *user;
	char *password;
	size_t password_len, password_size;
	int64_t other; /* PLAIN: whose password it was */
	struct sasl_proof proof; /* HT */
	struct buf out;
};

static const struct mechanism {
	const char *name;
	enum scram_hash hash;
	bool plus;
} mechanisms[SASL_MECHANISMS] = {
	[SASL_SCRAM_SHA512_PLUS] = {"SCRAM-SHA-512-PLUS", SCRAM_SHA512, true},
	[SASL_SCRAM_SHA256_PLUS] = {"SCRAM-SHA-256-PLUS", SCRAM_SHA256, true},
	[SASL_SCRAM_SHA1_PLUS] = {"SCRAM-SHA-1-PLUS", SCRAM_SHA1, true},
	[SASL_SCRAM_SHA512] = {"SCRAM-SHA-512", SCRAM_SHA512, false},
	[SASL_SCRAM_SHA256] = {"SCRAM-SHA-256", SCRAM_SHA256, false},
	[SASL_SCRAM_SHA1] = {"SCRAM-SHA-1", SCRAM_SHA1, false},
	[SASL_PLAIN] = {"PLAIN", 0, false},
	[SASL_HT_SHA256_EXPR] = {"HT-SHA-256-EXPR", SCRAM_SHA256, false},
	[SASL_HT_SHA256_ENDP] = {"HT-SHA-256-ENDP", SCRAM_SHA256, false},
	[SASL_HT_SHA256_NONE] = {"HT-SHA-256-NONE", SCRAM_SHA256, false},
};

/* RFC 6120 §6.5 */
static const char *const failures[] = {
	[SASL_ABORTED] = "aborted",
	[SASL_ACCOUNT_DISABLED] = "account-disabled",
	[SASL_CREDENTIALS_EXPIRED] = "credentials-expired",
	[SASL_INCORRECT_ENCODING] = "incorrect-encoding",
	[SASL_INVALID_AUTHZID] = "invalid-authzid",
	[SASL_INVALID_MECHANISM] = "invalid-mechanism",
	[SASL_MALFORMED_REQUEST] = "malformed-request",
	[SASL_MECHANISM_TOO_WEAK] = "mechanism-too-weak",
	[SASL_NOT_AUTHORIZED] = "not-authorized",
	[SASL_TEMPORARY_AUTH_FAILURE] = "temporary-auth-failure",
};

const char *
sasl_failure_name(enum sasl_failure f)
{
	assert((size_t)f < sizeof(failures) / sizeof(failures[0]));
	return failures[f];
}

const char *
sasl_mechanism_name(enum sasl_mechanism m)
{
	assert((unsigned)m < SASL_MECHANISMS);
	return mechanisms[m].name;
}

int
sasl_mechanism_parse(const char *name)
{
	for (int i = 0; i < SASL_MECHANISMS; i++) {
		if (strcmp(name, mechanisms[i].name) == 0)
			return i;
	}
	return -1;
}

bool
sasl_is_plus(enum sasl_mechanism m)
{
	assert((unsigned)m < SASL_MECHANISMS);
	return mechanisms[m].plus;
}

bool
sasl_is_token(enum sasl_mechanism m)
{
	return m > SASL_PLAIN;
}

enum scram_hash
sasl_hash(enum sasl_mechanism m)
{
	assert((unsigned)m < SASL_PLAIN);
	return mechanisms[m].hash;
}

const char *
sasl_set_names(sasl_set set, char out[SASL_NAMES_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < SASL_MECHANISMS; i++) {
		size_t len = strlen(mechanisms[i].name);

		if (!(set & 1u << i))
			continue;
		assert(n + len + 2 <= SASL_NAMES_MAX);
		if (n > 0)
			out[n++] = ',';
		memcpy(out + n, mechanisms[i].name, len + 1);
		n += len;
	}
	return out;
}

/* ---- life ---- */

static bool
has_plus(sasl_set set)
{
	for (int i = 0; i < SASL_MECHANISMS; i++) {
		if ((set & 1u << i) && mechanisms[i].plus)
			return true;
	}
	return false;
}

static const char *
copy_or_null(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

struct sasl *
sasl_new(sasl_set offered, const struct scram_binding *b, const char *domain)
{
	struct sasl *s = NEW(struct sasl);

	s->offered = offered;
	s->domain = mem_strdup(domain);
	if (b) {
		s->binding = *b;
		for (int i = 0; i < SCRAM_BINDINGS; i++)
			s->binding.type_names[i] = copy_or_null(b->type_names[i]);
		s->binding.mechanisms = copy_or_null(b->mechanisms);
		s->binding.bindings = copy_or_null(b->bindings);
	}
	s->binding.plus_offered = has_plus(offered);
	return s;
}

static void
forget_password(struct sasl *s)
{
	if (s->password)
		crypt_wipe(s->password, s->password_size);
	free(s->password);
	s->password = NULL;
	s->password_len = 0;
}

/* Makes it ready for another try. */
static void
reset(struct sasl *s)
{
	scram_free(s->scram);
	s->scram = NULL;
	free(s->user);
	s->user = NULL;
	s->other = 0;
	forget_password(s);
	crypt_wipe(&s->proof, sizeof(s->proof));
	s->doomed = false;
}

void
sasl_free(struct sasl *s)
{
	if (!s)
		return;
	reset(s);
	for (int i = 0; i < SCRAM_BINDINGS; i++)
		free((char *)s->binding.type_names[i]);
	free((char *)s->binding.mechanisms);
	free((char *)s->binding.bindings);
	free(s->domain);
	buf_fini(&s->out);
	crypt_wipe(s, sizeof(*s));
	free(s);
}

const char *
sasl_user(const struct sasl *s)
{
	return s->user;
}

enum sasl_mechanism
sasl_chosen(const struct sasl *s)
{
	return s->chosen;
}

const char *
sasl_password(const struct sasl *s, size_t *n)
{
	*n = s->password_len;
	return s->password;
}

enum sasl_failure
sasl_why(const struct sasl *s)
{
	return s->why;
}

/* ---- steps ---- */

static enum sasl_step
fail(struct sasl *s, enum sasl_failure why)
{
	s->why = why;
	if (s->state != CLOSED)
		s->state = OVER;
	forget_password(s);
	return SASL_FAIL;
}

/* Something came that this state does not wait for. */
static enum sasl_step
fail_order(struct sasl *s)
{
	if (s->state == WANT_KEYS || s->state == WANT_CHECK || s->state == WANT_TOKEN)
		s->state = CLOSED;
	return fail(s, SASL_MALFORMED_REQUEST);
}

static enum sasl_step
fail_scram(struct sasl *s, enum scram_error e)
{
	switch (e) {
	case SCRAM_OK:
		break;
	case SCRAM_MALFORMED:
		return fail(s, SASL_MALFORMED_REQUEST);
	case SCRAM_BAD_AUTHZID:
		return fail(s, SASL_INVALID_AUTHZID);
	case SCRAM_NOT_AUTHORIZED:
		return fail(s, SASL_NOT_AUTHORIZED);
	}
	abort();
}

static const char *
encode_bytes(struct sasl *s, const void *p, size_t n)
{
	buf_clear(&s->out);
	buf_added(&s->out, text_base64_encode(p, n, buf_reserve(&s->out, text_base64_size(n))));
	return buf_str(&s->out);
}

static const char *
encode(struct sasl *s, const char *text)
{
	return encode_bytes(s, text, strlen(text));
}

/* Takes the name the client gave. One that cannot be prepared gets a stand-in, always the same
 * for the name, so that its fake salt is stable too. */
static void
set_user(struct sasl *s, const char *name)
{
	static const char prefix[] = "unpreparable-";
	uint8_t hash[SHA256_SIZE];
	char local[1024];

	if (jid_prepare_local(name, strlen(name), local)) {
		s->doomed = true;
		crypt_sha256(name, strlen(name), hash);
		memcpy(local, prefix, sizeof(prefix) - 1);
		text_hex(hash, 16, local + sizeof(prefix) - 1);
	}
	s->user = mem_strdup(local);
}

/* Nobody acts as another: an authzid is the user's own bare JID or absent (RFC 6120 §6.3.8). */
static bool
is_own_authzid(const struct sasl *s, const char *authzid)
{
	struct jid *own = jid_new(s->user, s->domain, NULL);
	struct jid *given = jid_parse_z(authzid);
	bool ok = own && given && !s->doomed && jid_equal(own, given);

	jid_unref(own);
	jid_unref(given);
	return ok;
}

static enum sasl_step
scram_first(struct sasl *s, const char *msg, size_t n)
{
	enum scram_error e = scram_client_first(s->scram, msg, n);

	if (e != SCRAM_OK)
		return fail_scram(s, e);
	set_user(s, scram_user(s->scram));
	if (scram_authzid(s->scram) && !is_own_authzid(s, scram_authzid(s->scram)))
		return fail(s, SASL_INVALID_AUTHZID);
	s->state = WANT_KEYS;
	return SASL_NEED_KEYS;
}

static enum sasl_step
scram_final(struct sasl *s, const char *msg, size_t n, const char **out)
{
	const char *text;
	enum scram_error e = scram_client_final(s->scram, msg, n, &text);

	if (e != SCRAM_OK)
		return fail_scram(s, e);
	if (s->doomed)
		return fail(s, SASL_NOT_AUTHORIZED);
	*out = encode(s, text);
	s->state = CLOSED;
	return SASL_SUCCESS;
}

/* A password that cannot be prepared belongs to nobody; the check is made all the same, with
 * an empty one. */
static void
set_password(struct sasl *s, const char *password, size_t n)
{
	s->password_size = 4 * n + 1;
	s->password = mem_zalloc(s->password_size);
	if (jid_prepare_password(password, n, s->password, s->password_size)) {
		s->doomed = true;
		s->password[0] = '\0';
	}
	s->password_len = strlen(s->password);
}

/* [authzid] NUL authcid NUL passwd (RFC 4616 §2) */
static enum sasl_step
plain(struct sasl *s, const char *msg, size_t n)
{
	const char *end = msg + n, *user, *password;

	user = memchr(msg, '\0', n);
	password = user ? memchr(user + 1, '\0', (size_t)(end - user - 1)) : NULL;
	if (!password || memchr(password + 1, '\0', (size_t)(end - password - 1)))
		return fail(s, SASL_MALFORMED_REQUEST);
	user++;
	password++;
	if (!*user || password == end || !text_is_utf8(msg, strlen(msg)) ||
	    !text_is_utf8(user, strlen(user)) || !text_is_utf8(password, (size_t)(end - password)))
		return fail(s, SASL_MALFORMED_REQUEST);
	set_user(s, user);
	if (*msg && !is_own_authzid(s, msg))
		return fail(s, SASL_INVALID_AUTHZID);
	set_password(s, password, (size_t)(end - password));
	s->state = WANT_CHECK;
	return SASL_NEED_CHECK;
}

/* Which of the connection's bindings the mechanism asks for (their places in struct scram_binding); -1 none. */
static int
token_binding(enum sasl_mechanism m)
{
	return m == SASL_HT_SHA256_EXPR ? 0 : m == SASL_HT_SHA256_ENDP ? 1 : -1;
}

/* authcid NUL HMAC(token, "Initiator" || channel binding data) */
static enum sasl_step
token_first(struct sasl *s, const char *msg, size_t n)
{
	const char *nul = memchr(msg, '\0', n);
	size_t user = nul ? (size_t)(nul - msg) : 0;
	int b = token_binding(s->chosen);

	if (user == 0 || n - user - 1 != sizeof(s->proof.hash) || !text_is_utf8(msg, user))
		return fail(s, SASL_MALFORMED_REQUEST);
	/* Offered, but not there: never taken for a token without binding. */
	if (b >= 0 && s->binding.data_len[b] == 0)
		return fail(s, SASL_INVALID_MECHANISM);
	set_user(s, msg);
	memcpy(s->proof.hash, nul + 1, sizeof(s->proof.hash));
	s->proof.binding_len = b >= 0 ? s->binding.data_len[b] : 0;
	if (b >= 0)
		memcpy(s->proof.binding, s->binding.data[b], s->proof.binding_len);
	s->state = WANT_TOKEN;
	return SASL_NEED_TOKEN;
}

static void
token_hash(const struct sasl_proof *p, const char *who, const char *token, size_t n, uint8_t out[SCRAM_MAX])
{
	const struct digest_part parts[] = {{who, strlen(who)}, {p->binding, p->binding_len}};

	digest_hmac(SCRAM_SHA256, token, n, parts, 2, out);
}

bool
sasl_proof_matches(const struct sasl_proof *p, const char *token, size_t n)
{
	uint8_t hash[SCRAM_MAX];
	bool match;

	token_hash(p, "Initiator", token, n, hash);
	match = crypt_equal(hash, p->hash, sizeof(p->hash));
	crypt_wipe(hash, sizeof(hash));
	return match;
}

const struct sasl_proof *
sasl_proof(const struct sasl *s)
{
	return &s->proof;
}

enum sasl_step
sasl_token(struct sasl *s, const char *token, size_t n, enum sasl_failure why, const char **out)
{
	uint8_t hash[SCRAM_MAX];

	*out = "";
	if (s->state != WANT_TOKEN)
		return fail_order(s);
	if (!token)
		return fail(s, why);
	if (s->doomed || !sasl_proof_matches(&s->proof, token, n))
		return fail(s, SASL_NOT_AUTHORIZED);
	token_hash(&s->proof, "Responder", token, n, hash);
	*out = encode_bytes(s, hash, sizeof(s->proof.hash));
	s->state = CLOSED;
	return SASL_SUCCESS;
}

/* A decoded message in a state that waits for one. */
static enum sasl_step
message(struct sasl *s, const char *msg, size_t n, const char **out)
{
	if (s->chosen == SASL_PLAIN)
		return plain(s, msg, n);
	if (sasl_is_token(s->chosen))
		return token_first(s, msg, n);
	return s->state == WANT_FINAL ? scram_final(s, msg, n, out) : scram_first(s, msg, n);
}

/* "=" is an empty message (RFC 6120 §6.4.2). What is too long is not even decoded. */
static enum sasl_step
decode(struct sasl *s, const char *text, const char **out)
{
	char msg[SCRAM_MESSAGE_MAX + 3];
	size_t len = strlen(text);
	enum sasl_step step;
	ssize_t n;

	if (len > text_base64_size(SCRAM_MESSAGE_MAX) - 1)
		return fail(s, SASL_MALFORMED_REQUEST);
	n = strcmp(text, "=") == 0 ? 0 : text_base64_decode(text, len, msg);
	if (n < 0)
		return fail(s, SASL_INCORRECT_ENCODING);
	step = n == 0 || n > SCRAM_MESSAGE_MAX ? fail(s, SASL_MALFORMED_REQUEST) :
						 message(s, msg, (size_t)n, out);
	crypt_wipe(msg, sizeof(msg));
	return step;
}

enum sasl_step
sasl_auth(struct sasl *s, const char *mechanism, const char *initial, const char **out)
{
	int m = sasl_mechanism_parse(mechanism);

	*out = "";
	if (s->state != IDLE && s->state != OVER)
		return fail_order(s);
	reset(s);
	if (m < 0 || !(s->offered & 1u << m))
		return fail(s, SASL_INVALID_MECHANISM);
	s->chosen = (enum sasl_mechanism)m;
	s->state = WANT_FIRST;
	if (s->chosen < SASL_PLAIN) {
		s->binding.plus = mechanisms[m].plus;
		s->scram = scram_new(mechanisms[m].hash, &s->binding);
	}
	return initial && *initial ? decode(s, initial, out) : SASL_SEND;
}

enum sasl_step
sasl_response(struct sasl *s, const char *text, const char **out)
{
	*out = "";
	if (s->state != WANT_FIRST && s->state != WANT_FINAL)
		return fail_order(s);
	return decode(s, text ? text : "", out);
}

enum sasl_step
sasl_keys(struct sasl *s, const struct scram_keys *k, bool real, const char **out)
{
	*out = "";
	if (s->state != WANT_KEYS)
		return fail_order(s);
	s->doomed |= !real;
	*out = encode(s, scram_server_first(s->scram, k));
	s->state = WANT_FINAL;
	return SASL_SEND;
}

void
sasl_set_others(struct sasl *s, const struct scram_other *others, unsigned n)
{
	if (s->scram)
		scram_set_others(s->scram, others, n);
}

int64_t
sasl_other(const struct sasl *s)
{
	return s->scram ? scram_matched(s->scram) : s->other;
}

enum sasl_step
sasl_checked(struct sasl *s, bool match, int64_t other, const char **out)
{
	*out = "";
	if (s->state != WANT_CHECK)
		return fail_order(s);
	if (!match || s->doomed)
		return fail(s, SASL_NOT_AUTHORIZED);
	s->other = other;
	forget_password(s);
	s->state = CLOSED;
	return SASL_SUCCESS;
}
