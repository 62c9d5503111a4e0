/*
 * second_factor: one-time codes by time (RFC 6238: SHA-1, six digits, 30 seconds) that an account is asked for beside its own password. On workers and in
 * control threads.
 *
 * The secret is sealed (store/sealed), and opened to check a code, which the record of a login or of its refusal tells of. A code is good once, at its
 * step or as many before and behind it as limits.second_factor_steps, and after too many wrong ones within an hour none is for its rest: whoever tries
 * them has the password, from however many addresses.
 *
 * Tokens that were given for the password alone go when an account gets a second factor.
 */
#ifndef STORE_SECOND_FACTOR_H
#define STORE_SECOND_FACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

#define SECOND_FACTOR_DIGITS 6

struct second_factor {
	const char *bare;
	int64_t by;            /* made by a session of this device; 0: none that is known */
	uint64_t steps, most_wrong; /* the limits */
	int64_t now_us;
	const char *code;
	/* Out */
	enum second_factor_how {
		SECOND_FACTOR_DONE,
		SECOND_FACTOR_NONE,    /* no such account; or it has none, or none that waits to be confirmed */
		SECOND_FACTOR_ALREADY, /* has one */
		SECOND_FACTOR_BY_DEVICE, /* who asks came in by a device's password */
		SECOND_FACTOR_WRONG,   /* the code is not good, or not any more */
		SECOND_FACTOR_LOCKED,  /* too many were wrong */
		SECOND_FACTOR_LOST,    /* the key that the secret is sealed under is not there */
	} how;
	const char *uri;           /* of a new one, for an authenticator: in the arena, to be wiped */
};
/* A new secret. `confirmed`: it is asked for from now on, in place of any other; else second_factor_confirm is waited for, and there must be no other.
 * In a transaction of the caller, who records it before the commit. */
enum sql_status second_factor_make(struct sql *db, struct arena *a, struct second_factor *f, bool confirmed, struct err *e);
/* The code shows that the secret has arrived. In a transaction of the caller, to be committed also when the code is wrong; recorded before when it is not. */
enum sql_status second_factor_confirm(struct sql *db, struct arena *a, struct second_factor *f, struct err *e);
/* A login: uses the code up. A transaction of its own. */
enum sql_status second_factor_check(struct sql *db, struct arena *a, struct second_factor *f, struct err *e);
/* Takes it away. */
enum sql_status second_factor_drop(struct sql *db, const char *bare, bool *had, struct err *e);
/* *since_us 0: none that is asked for. *found false: no such account. */
enum sql_status second_factor_look(struct sql *db, const char *bare, bool *found, int64_t *since_us, struct err *e);

/* The step that this code is good for, `steps` before and behind now; 0: none. In constant time. */
uint64_t second_factor_step(const uint8_t *secret, size_t n, const char *code, int64_t now_us, uint64_t steps);

#endif
