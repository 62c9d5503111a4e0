/*
 * scram: SCRAM-SHA-1, -256, -512 and their -PLUS forms, server side (RFC 5802, 7677; channel
 * binding RFC 5929 and 9266; downgrade protection XEP-0474). No I/O, no time, no database:
 * messages in, messages out.
 */
#ifndef XMPP_SCRAM_H
#define XMPP_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRAM_MAX 64      /* largest hash */
#define SCRAM_SALT 16     /* bytes of salt we make */
#define SCRAM_SALT_MAX 64 /* that we accept from an import */
#define SCRAM_MAX_ITERATIONS 10000000
#define SCRAM_MESSAGE_MAX 4096

enum scram_hash { SCRAM_SHA1, SCRAM_SHA256, SCRAM_SHA512, SCRAM_HASHES };

struct scram_keys {
	enum scram_hash hash;
	uint32_t iterations;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t salt_len;
	uint8_t stored_key[SCRAM_MAX], server_key[SCRAM_MAX]; /* scram_hash_size bytes are used */
};

/* Another password of the same account, with the same salt and rounds: a device's. */
#define SCRAM_OTHERS 16
struct scram_other {
	int64_t id; /* not 0 */
	uint8_t stored_key[SCRAM_MAX], server_key[SCRAM_MAX];
};

size_t scram_hash_size(enum scram_hash h);
/* From a prepared password (jid_prepare_password). CPU-heavy: not on a reactor. */
void scram_keys_make(struct scram_keys *out, enum scram_hash h, const char *password, size_t n,
		     const uint8_t *salt, size_t salt_len, uint32_t iterations);
/* Does this password belong to the keys, or to one of the others? *id: that one's; 0: the keys. For PLAIN. CPU-heavy: not on a reactor. */
bool scram_keys_match(const struct scram_keys *k, const struct scram_other *others, unsigned nothers, const char *password, size_t n,
		      int64_t *id);
/* For an unknown user: keys that nothing matches, with a salt that is always the same for this
 * name (HMAC of the name under `secret`, 32 bytes kept in the database). Same cost as real
 * ones. */
void scram_keys_fake(struct scram_keys *out, enum scram_hash h, const char *name,
		     const uint8_t secret[32], uint32_t iterations);

enum scram_error {
	SCRAM_OK,
	SCRAM_MALFORMED,      /* malformed-request */
	SCRAM_BAD_AUTHZID,    /* invalid-authzid: another identity than the authenticated one */
	SCRAM_NOT_AUTHORIZED, /* wrong proof, channel binding mismatch, downgrade: not-authorized */
};

/* What the server offered and what this connection can bind to. */
#define SCRAM_BINDINGS 3
struct scram_binding {
	bool plus;                 /* the mechanism chosen is a -PLUS */
	bool plus_offered;         /* -PLUS was offered: a "y" flag is then a downgrade */
	/* "tls-exporter", "tls-server-end-point", "tls-unique"; NULL: unavailable */
	const char *type_names[SCRAM_BINDINGS];
	uint8_t data[SCRAM_BINDINGS][64];
	size_t data_len[SCRAM_BINDINGS];
	/* XEP-0474: what we announced on this stream, names separated by commas, in any order
	 * (they are sorted and joined here as the XEP asks); NULL: leave out. sasl_set_names()
	 * makes the first. */
	const char *mechanisms; /* "SCRAM-SHA-1,SCRAM-SHA-256-PLUS,…" */
	const char *bindings;   /* "tls-exporter,…"; NULL when XEP-0440 announced none */
};

/* One exchange. `b` is copied. Wiped and freed by scram_free. */
struct scram *scram_new(enum scram_hash h, const struct scram_binding *b);
void scram_free(struct scram *s);
/* client-first-message. On SCRAM_OK scram_user() and scram_authzid() are known (decoded =2C
 * =3D; not prepared). */
enum scram_error scram_client_first(struct scram *s, const char *msg, size_t n);
const char *scram_user(const struct scram *s);
const char *scram_authzid(const struct scram *s); /* NULL when none */
/* server-first-message, for these keys (copied). Lives as long as s. */
const char *scram_server_first(struct scram *s, const struct scram_keys *k);
/* Before client-final-message: passwords that would do as well (copied), SCRAM_OTHERS at most. However many there are, checking takes the same time. */
void scram_set_others(struct scram *s, const struct scram_other *others, unsigned n);
/* After SCRAM_OK for that message: whose password it was; 0: that of the keys. */
int64_t scram_matched(const struct scram *s);
/* client-final-message; on SCRAM_OK *out is the server-final-message ("v=…"). */
enum scram_error scram_client_final(struct scram *s, const char *msg, size_t n, const char **out);
/* Tests only: the server's part of the nonce, instead of random. */
void scram_set_nonce(struct scram *s, const char *server_nonce);

#endif
