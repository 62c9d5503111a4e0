/*
 * fast: tokens that a client logs in with instead of a password (XEP-0484), on workers: plain values in and out.
 *
 * A token is HMAC-SHA-256 over its place (account, device, mechanism) and a random seed, under a key of the server; the
 * database keeps the seed. So a token fits one account, one device and one mechanism, and who reads the table has none.
 * A device has two at most: the one in use, and one that has been given out and not been used yet.
 */
#ifndef CORE_FAST_H
#define CORE_FAST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/device.h"
#include "xmpp/sasl.h"

#define FAST_TOKEN_SIZE 45 /* base64 of 32 bytes, with the NUL */

/* 32 bytes that outlive restarts: set once at start. */
void fast_set_key(const uint8_t key[32]);

/* A login of a client that says who it is. */
struct fast_login {
	const char *bare;
	struct device_agent agent;
	const char *address;
	int wanted;              /* mechanism of the token that it asks for; -1: none */
	int64_t now_us, lifetime_us, rotate_us;
	uint64_t most;           /* devices of an account */
	int64_t keep_us;         /* those unused for so long are forgotten */
	/* Out */
	int64_t device;          /* 0: no such account */
	char token[FAST_TOKEN_SIZE]; /* a new one for the client; "" none */
	int64_t expires_us;
};

/* It has proved to know the password: its device is remembered, and it gets a token if it asked for one. */
enum sql_status fast_after_password(struct sql *db, struct fast_login *l, struct err *e);

/* It claims to have a token. */
struct fast_claim {
	struct fast_login login;
	enum sasl_mechanism mechanism;
	struct sasl_proof proof;
	bool counted, invalidate; /* attributes of <fast/> */
	uint64_t count;
	/* Out */
	bool match, news;            /* news: there is something to be written when it is used */
	enum sasl_failure why;       /* not a match */
	char token[FAST_TOKEN_SIZE]; /* the one that matched */
};
/* Has it? Reads only: the login is recorded before anything follows from it. */
enum sql_status fast_check(struct sql *db, struct fast_claim *c, struct err *e);
/* The login is recorded: looks again, uses the token up where the protocol says so, and makes a new one when it is due or asked for. */
enum sql_status fast_use(struct sql *db, struct fast_claim *c, struct err *e);

#endif
