/*
 * sasl: the mechanisms, their order and their negotiation (RFC 6120 §6), without I/O.
 *
 * The owner (core/c2s) feeds <auth/> and <response/>, looks up keys when asked, and is told
 * what to send.
 */
#ifndef XMPP_SASL_H
#define XMPP_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "xmpp/scram.h"

enum sasl_mechanism {
	SASL_SCRAM_SHA512_PLUS,
	SASL_SCRAM_SHA256_PLUS,
	SASL_SCRAM_SHA1_PLUS,
	SASL_SCRAM_SHA512,
	SASL_SCRAM_SHA256,
	SASL_SCRAM_SHA1,
	SASL_PLAIN,
	/* With a token instead of a password, in SASL2 only (XEP-0484, draft-schmaus-kitten-sasl-ht). Stored with
	 * tokens by number: these stay. */
	SASL_HT_SHA256_EXPR,
	SASL_HT_SHA256_ENDP,
	SASL_HT_SHA256_NONE,
	SASL_MECHANISMS
};

enum sasl_failure {
	SASL_ABORTED,
	SASL_ACCOUNT_DISABLED,
	SASL_CREDENTIALS_EXPIRED,
	SASL_INCORRECT_ENCODING,
	SASL_INVALID_AUTHZID,
	SASL_INVALID_MECHANISM,
	SASL_MALFORMED_REQUEST,
	SASL_MECHANISM_TOO_WEAK,
	SASL_NOT_AUTHORIZED,
	SASL_TEMPORARY_AUTH_FAILURE,
};
const char *sasl_failure_name(enum sasl_failure f);
const char *sasl_mechanism_name(enum sasl_mechanism m);
/* -1 when unknown. */
int sasl_mechanism_parse(const char *name);
bool sasl_is_plus(enum sasl_mechanism m);
bool sasl_is_token(enum sasl_mechanism m); /* HT-… */
enum scram_hash sasl_hash(enum sasl_mechanism m); /* SCRAM only */

/* What is offered on this stream: bit i = mechanism i. */
typedef unsigned sasl_set;
/* The names in `set`, strongest first, separated by commas: for scram_binding.mechanisms. */
#define SASL_NAMES_MAX 192
const char *sasl_set_names(sasl_set set, char out[SASL_NAMES_MAX]);

enum sasl_step {
	SASL_SEND,       /* send *out in <challenge/> and wait for <response/> */
	SASL_NEED_KEYS,  /* look up sasl_user(), then call sasl_keys() */
	SASL_NEED_CHECK, /* PLAIN: on a worker, compare sasl_password(); then sasl_checked() */
	SASL_NEED_TOKEN, /* HT: find the token that sasl_proof() matches, then sasl_token() */
	SASL_SUCCESS,    /* send *out in <success/> (may be empty) */
	SASL_FAIL,       /* send sasl_why() in <failure/> */
};

struct sasl;
/* What this connection can bind to and announced (`b` is copied, NULL: nothing; `plus` and
 * `plus_offered` are set here from `offered`). `domain`: the stream's host; an authzid must
 * equal user@domain after preparation. */
struct sasl *sasl_new(sasl_set offered, const struct scram_binding *b, const char *domain);
void sasl_free(struct sasl *s);
/* *out is text for the element, already base64, valid until the next call; "" when there is
 * none. `initial`: the text of <auth/> (base64; NULL or "" none, "=" empty); `text` likewise
 * of <response/>. After SASL_FAIL another sasl_auth may follow: a new try. Whatever else comes
 * out of order fails as malformed-request; when it comes between SASL_NEED_… and its answer,
 * so does everything after it. */
enum sasl_step sasl_auth(struct sasl *s, const char *mechanism, const char *initial,
			 const char **out);
enum sasl_step sasl_response(struct sasl *s, const char *text, const char **out);
/* Prepared localpart (UsernameCaseMapped), from SASL_NEED_… on; else NULL. For a name that
 * cannot be prepared it is a well-formed stand-in: look that up like any other, the exchange
 * will fail whatever is found. */
const char *sasl_user(const struct sasl *s);
enum sasl_mechanism sasl_chosen(const struct sasl *s);
/* Prepared; wiped by sasl_checked and sasl_free. */
const char *sasl_password(const struct sasl *s, size_t *n);
/* `k` are the account's keys, or fake ones; `real` false fails in the end whatever the proof.
 * */
enum sasl_step sasl_keys(struct sasl *s, const struct scram_keys *k, bool real, const char **out);
/* Before sasl_keys' answer comes: other passwords of the account that would do (scram_set_others). SCRAM only. */
void sasl_set_others(struct sasl *s, const struct scram_other *others, unsigned n);
/* `other`: whose password matched (scram_keys_match). */
enum sasl_step sasl_checked(struct sasl *s, bool match, int64_t other, const char **out);
/* After success with a password: whose it was; 0: the account's own. */
int64_t sasl_other(const struct sasl *s);

/* What a client has said about its token: the HMAC of it and the channel. Plain values, for a worker. */
struct sasl_proof {
	uint8_t hash[32];
	uint8_t binding[64];
	size_t binding_len;
};
/* From SASL_NEED_TOKEN until sasl_token. */
const struct sasl_proof *sasl_proof(const struct sasl *s);
/* Was it made with this token? In constant time. */
bool sasl_proof_matches(const struct sasl_proof *p, const char *token, size_t n);
/* `token` NULL: none matches, and `why` goes back. Else it is compared once more, and *out proves that we know it. */
enum sasl_step sasl_token(struct sasl *s, const char *token, size_t n, enum sasl_failure why, const char **out);
enum sasl_failure sasl_why(const struct sasl *s);

#endif
