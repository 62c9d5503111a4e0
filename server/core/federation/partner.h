/*
 * partner: the domains that an administrator has allowed, as each reactor sees them: an immutable snapshot, replaced as a whole within a
 * second of each change. Whatever is not in it is refused, in both directions.
 *
 * The truth is in PostgreSQL (store/partner_store.h); expiry and hours are looked at here, by the clock.
 */
#ifndef CORE_PARTNER_H
#define CORE_PARTNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/cert.h"

enum partner_direction { PARTNER_IN = 1, PARTNER_OUT = 2, PARTNER_BOTH = 3 };

/* What may pass: bits. */
enum partner_pass {
	PASS_MESSAGES = 1,   /* between people */
	PASS_PRESENCE = 2,   /* and subscriptions */
	PASS_ROOMS = 4,      /* group chat: occupants here of rooms there, and the other way */
	PASS_FILES = 8,
	PASS_CALLS = 16,     /* Jingle and its messages */
	PASS_PUBSUB = 32,
	PASS_ALL = 63,
};

struct partner {
	int64_t id;
	uint64_t version;            /* another one whenever something in this entry has been changed: streams are looked at again then */
	const char *domain;          /* prepared; without "*." */
	bool below;                  /* entered as *.domain: every domain below it, not itself */
	unsigned direction, pass;
	enum cert_trust trust;
	struct cert_store *store;    /* CERT_BY_CA: a CA of its own; NULL: the public ones (trust_public) */
	const unsigned char (*pins)[CERT_PIN];
	size_t npins;
	bool dialback;               /* XEP-0220 will do, with a certificate that is good */
	const char *const *who;      /* users (bare JIDs) and groups ("group:Sales") of ours who may; none: everybody */
	size_t nwho;
	uint64_t per_minute, user_per_minute; /* messages, each direction; 0: as many as there are */
	const unsigned char *hours;  /* 168 bits, from Monday 0 h in local time; NULL: always */
	const char *owner, *reason;
	int64_t expires_us;          /* 0: never */
};

struct partners; /* a snapshot */

/* At start, from main, before the reactors' doors open; then whenever something has changed (any thread but a reactor):
 * reads the database, gives every home the new snapshot, and when that is done lets streams follow (route_partners_changed). -1: the old one
 * stays. */
int partner_load(struct err *e) MUST_CHECK;
/* The account is no more, which is committed: what was allowed to it by name is nobody's, soon. Any thread. */
void partner_account_removed(const char *bare);
/* From federation_start, before the first partner_load: what each home does after a new snapshot and when an entry expires or its hours begin or
 * end (route_partners_changed). */
void partner_on_change(void (*follow)(void));
void partner_stop(void);
/* On a home: the entry that is in force now for this domain (prepared): the exact one, else the longest *.domain. NULL: refuse. Also when it is
 * outside its hours or has expired: `why` (may be NULL) then says so in words, static. Valid until the end of the turn. `direction`: all of these
 * bits are asked for. */
const struct partner *partner_find(const char *domain, unsigned direction, const char **why);
/* May this account of ours? `groups`: of the organisation, a line each (struct user). Its domain's services may always. */
bool partner_is_for(const struct partner *p, const char *bare, const char *groups);

/* Refused: counted by domain, direction and reason, and written to the database for reports and audit, a bounded number a minute. Any
 * home. `why` static: "not-allowed", "certificate:expired", … */
void partner_refused(const char *domain, enum partner_direction d, const char *why, const char *address);

/* Each reactor */
void partner_home_start(void);
/* Writes the refusals that have been noted: before the database goes. */
void partner_home_flush(void);
void partner_home_stop(void);

#endif
