/*
 * account: accounts, their SCRAM keys, and delivery marks. Runs on workers (and in the control thread).
 *
 * An account has an id that is never used again: rights and history belong to the id, not to the name.
 * Its backlog begins with its creation (mark), so a name created anew inherits nothing.
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"
#include "xmpp/scram.h"

struct account {
	int64_t id;          /* 0: no such account */
	bool disabled;
	uint64_t mark;       /* delivery mark: records up to here have reached a client */
	int64_t created_us, last_seen_us;
	const char *last_status; /* text of the last unavailable presence, for XEP-0012; NULL */
	bool admin;          /* may administer the service */
	const char *groups;  /* of the organisation, a line each, sorted; "" when none */
};

/* SCRAM keys of one mechanism. `have` false when the account has none for it. The others: of passwords of devices (store/device_password.h). */
struct account_keys {
	struct account account;
	bool have;
	struct scram_keys keys;
	struct scram_other other[SCRAM_OTHERS];
	unsigned nothers;
	bool second_factor; /* is asked for beside the account's own password (store/second_factor.h) */
};

enum sql_status account_find(struct sql *db, struct arena *a, const char *bare, struct account *out, struct err *e);
enum sql_status account_keys(struct sql *db, struct arena *a, const char *bare, enum scram_hash h,
	struct account_keys *out, struct err *e);

/* Keys for all three hashes, computed by the caller (scram_keys_make). */
struct account_secret {
	struct scram_keys keys[SCRAM_HASHES];
};
/* *created false when the name is taken. */
enum sql_status account_add(struct sql *db, const char *bare, const struct account_secret *s, bool *created, struct err *e);
enum sql_status account_set_secret(struct sql *db, const char *bare, const struct account_secret *s, bool *found, struct err *e);
enum sql_status account_set_disabled(struct sql *db, const char *bare, bool disabled, bool *found, struct err *e);
/* Makes it an administrator's or not, and puts it into groups or takes it out; NULL: as it is. Groups are lines ("\n"). What it is
 * then comes back in `admin`, `groups` and `ngroups`; the caller may still roll back. */
struct account_rights {
	const bool *set_admin;
	const char *add, *remove;
	bool admin;
	const char *groups;
	unsigned ngroups;
};
enum sql_status account_set_rights(struct sql *db, struct arena *a, const char *bare, struct account_rights *r, bool *found,
	struct err *e);
/* Roster, requests, keys, marks go; the record stays. */
enum sql_status account_delete(struct sql *db, const char *bare, bool *found, struct err *e);
/* Rows: bare, id, disabled, created, last seen (µs since 1970; NULL: never). `like` is an SQL LIKE pattern. Sorted by name, from `after` (NULL: first), `like` filters (NULL: all). */
enum sql_status account_list(struct sql *db, const char *after, const char *like, unsigned limit, PGresult **out, struct err *e);

/* How many there are, and how many of these are disabled. */
enum sql_status account_count(struct sql *db, int64_t *all, int64_t *disabled, struct err *e);

/* How many rounds of PBKDF2 keys were made with, and how many accounts have such: fewest rounds first; the most common when there are too many. */
struct account_rounds {
	uint32_t rounds;
	uint64_t accounts;
};
#define ACCOUNT_ROUNDS 32
enum sql_status account_rounds(struct sql *db, struct account_rounds out[ACCOUNT_ROUNDS], size_t *n, struct err *e);

/* Moves delivery marks forward, many at once (arrays of the same length). Never backwards. */
enum sql_status account_set_marks(struct sql *db, const int64_t *ids, const uint64_t *marks, size_t n, struct err *e);
/* Later calls win: an older time than the one stored changes nothing. */
enum sql_status account_set_last_seen(struct sql *db, int64_t id, int64_t at_us, const char *status, struct err *e);

/* The secret behind the stable fake salts of unknown users (scram_keys_fake): made once per database. */
enum sql_status account_server_secret(struct sql *db, uint8_t out[32], struct err *e);
/* Another one of the kind, behind tokens (core/stream/fast). */
enum sql_status account_token_secret(struct sql *db, uint8_t out[32], struct err *e);

/* SQL: nobody has got the address since the record was made who was not its owner then. An address that is not ours has one owner. */
#define ACCOUNT_SAME_OWNER(bare, record) \
	"NOT EXISTS (SELECT FROM chancery.account n WHERE n.bare = " bare " AND extract(epoch FROM n.created_at) * 1000000 > " record ")"

#endif
