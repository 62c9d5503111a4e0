/*
 * invite: invitations (XEP-0401): what a token allows, until when, how often, and who used it. Runs on workers and in control threads.
 *
 * A token is 24 random letters and digits (over 140 bits); only its SHA-256 is stored.
 */
#ifndef STORE_INVITE_H
#define STORE_INVITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "store/sql.h"

#define INVITE_TOKEN 24
#define INVITE_HASH 65 /* hex and the NUL */

struct invite {
	int64_t id;               /* 0: none */
	const char *inviter;      /* bare JID; NULL: the administration */
	const char *domain;       /* where an account may be registered */
	const char *local;        /* its name; NULL: whatever is free */
	bool registers;           /* an account may be registered */
	bool befriends;           /* a subscription request with it is approved (XEP-0379) */
	bool mutual;              /* who registers and the inviter are contacts from the beginning */
	unsigned uses;
	int64_t expires_us;
};

/* A new token. */
void invite_token(char out[INVITE_TOKEN + 1]);
/* Could this be a token at all? Then it may be written anywhere. */
bool invite_is_token(const char *s);
/* What the invited one gets (XEP-0401 §5.1, §5.4), and the same behind the address of a page that explains it. */
void invite_uri(const struct invite *i, const char *token, struct buf *out);
void invite_landing(const char *page, const char *uri, struct buf *out);

enum invite_added { INVITE_ADDED, INVITE_FULL, INVITE_NAME_TAKEN };
/* Adds one that is good for lifetime_ms; sets i->id and i->expires_us. INVITE_FULL: the inviter has `most` open ones already, or there
 * is no such account. INVITE_NAME_TAKEN: by an account, or by another open invitation. */
enum sql_status invite_add(struct sql *db, const char *token, uint64_t lifetime_ms, uint64_t most, struct invite *i,
	enum invite_added *how, struct err *e);
/* The open invitation of that token; id 0: none, or its inviter is gone or disabled. */
enum sql_status invite_find(struct sql *db, struct arena *a, const char *token, struct invite *out, struct err *e);
/* An account `local`@`domain` is being registered, in the same transaction. With a token: *ok false when it is used up or for another
 * name; its time is not looked at (XEP-0445 §4). An account that is to be the inviter's contact gets its half of the roster,
 * and *inviter is set. Without one (NULL): *ok false when the name is reserved for an invited one. */
enum sql_status invite_register(struct sql *db, struct arena *a, const char *token, const char *domain, const char *local,
	bool *ok, const char **inviter, struct err *e);
/* `contact` asks `inviter` for a subscription with the token. *ok false: it does not approve that. */
enum sql_status invite_redeem(struct sql *db, const char *token, const char *inviter, const char *contact, bool *ok, struct err *e);
/* Rows: id, inviter, address or domain, registers, uses, used, created, expires (µs), by whom. Newest first. */
enum sql_status invite_list(struct sql *db, unsigned limit, PGresult **out, struct err *e);
/* *address is set to whose it was, in `a`; NULL: there is no open one with that id. */
enum sql_status invite_revoke(struct sql *db, struct arena *a, int64_t id, const char **address, struct err *e);

#endif
