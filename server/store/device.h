/*
 * device: client installations of accounts, and the tokens they may log in with (schema/0005_device.sql). Runs on
 * workers and in control threads.
 *
 * A device is known by the id that its client made for itself (XEP-0388 user-agent). Its row says when it was used;
 * `device_touch` moves that for many at once, as nobody needs it at the moment.
 */
#ifndef STORE_DEVICE_H
#define STORE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

#define DEVICE_SEED 16
#define DEVICE_TOKENS 2

/* What a client says of itself; texts may be NULL. */
struct device_agent {
	const char *id;
	const char *software, *device;
};

enum device_slot { DEVICE_CURRENT, DEVICE_NEW };

struct device_token {
	enum device_slot slot;
	int mechanism;
	uint8_t seed[DEVICE_SEED];
	int64_t issued_us, expires_us;
	uint64_t count;
};

/* What there is of it when it logs in. Tokens from before the last change of the password are not among them. */
struct device_state {
	int64_t account;  /* 0: no such account */
	bool disabled;
	int64_t id;       /* 0: never seen */
	bool unchanged;   /* the texts are those the client says now */
	bool password;    /* has proved to know the present password */
	struct device_token tokens[DEVICE_TOKENS];
	unsigned ntokens;
};
enum sql_status device_find(struct sql *db, const char *bare, const struct device_agent *agent, struct device_state *out,
	struct err *e);

/* Remembers the device: texts, address, that it was used now, and (`password`) that it has proved to know the password.
 * When it is new, the account's devices beyond `most` go, and those not used since `keep_us` that have no access.
 * *id 0: no such account. `address` may be NULL. */
struct device_note {
	const char *bare;
	struct device_agent agent;
	const char *address;
	bool password;
	uint64_t most;
	int64_t keep_us; /* wall clock */
};
enum sql_status device_note(struct sql *db, const struct device_note *n, int64_t *id, struct err *e);

/* The unused token becomes the one in use; the old one is gone. */
enum sql_status device_token_promote(struct sql *db, int64_t device, struct err *e);
/* *done false: the count is not higher than the last one, or the token is gone. */
enum sql_status device_token_count(struct sql *db, int64_t device, enum device_slot slot, uint64_t count, bool *done,
	struct err *e);
/* Into the slot of new ones; an unused one there is gone. */
enum sql_status device_token_put(struct sql *db, int64_t device, const struct device_token *t, struct err *e);
/* All of the device's have expired. They stay, for who shows one to be told so, until others take their places. */
enum sql_status device_tokens_expire(struct sql *db, int64_t device, struct err *e);

/* They were used at these times, from these addresses (NULL: unchanged). An older time changes nothing. */
enum sql_status device_touch(struct sql *db, const int64_t *ids, const int64_t *at_us, const char *const *addresses, size_t n,
	struct err *e);

/* A row of device_list. */
struct device_row {
	int64_t id;
	const char *agent, *software, *device, *address; /* all but agent may be NULL */
	int64_t first_us, last_us;
	bool password; /* has access by the password until that is changed */
	bool token;    /* has one that is valid */
	bool own;      /* is a password of its own (store/device_password.h) */
};
/* Those of an account that have access, or have been used after `since_us`; last used first. In `a`. */
enum sql_status device_list(struct sql *db, struct arena *a, const char *bare, int64_t since_us, struct device_row **rows,
	size_t *n, struct err *e);
/* Its tokens go; the device itself, and a password of its own, too, unless it knows the password (*password). *found false: not one of the account's. */
enum sql_status device_revoke(struct sql *db, const char *bare, int64_t id, bool *found, bool *password, struct err *e);

#endif
