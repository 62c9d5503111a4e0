/*
 * user: the home's record of a bare JID: account, sessions, roster, delivery mark; or a place at a service of ours.
 *
 * Lives on home(jid) only and is touched there only. Loaded from the database on first need by one job;
 * until then what is for the user waits in its inbox (bounded). Kept in memory while it has sessions or
 * something waits, then in a bounded list of idle users.
 */
#ifndef CORE_USER_H
#define CORE_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "core/route/delivery.h"
#include "core/route/packet.h"
#include "net/reactor.h"

struct elsewhere;
struct roster;
struct service;
struct session;

enum user_state {
	USER_LOADING,
	USER_READY,
	USER_ABSENT, /* no such account, or disabled: kept for some seconds so that questions are cheap */
};

struct user {
	UT_hash_handle hh;
	struct jid *jid;         /* bare */
	struct reactor *home;
	enum user_state state;
	int64_t account;         /* account id; 0 when absent, or when it is a place */
	const struct service *service; /* it is a place: READY without account, roster and sessions. NULL: an account */
	void *place;             /* the module's */
	bool disabled;
	bool stale;              /* the account has changed: forgotten as soon as nothing needs it; nobody may bind */
	struct roster *roster;   /* READY only */
	struct list sessions;    /* struct session.of_user, oldest first */
	unsigned nsessions, ndetached;
	struct elsewhere *elsewhere; /* core/module/elsewhere's: clients of contacts at other servers */
	struct delivery delivery;
	bool admin;              /* may administer the service */
	char *groups;            /* of the organisation, a line each; NULL: none */
	int64_t created_us;
	void **kept;             /* what modules keep, by their number (core/module/keep) */
	int64_t last_seen_us;    /* last became unavailable (XEP-0012) */
	char *last_status;
	/* inbox: things that wait for loading or for a release */
	struct list inbox;       /* struct user_wait.link */
	unsigned inbox_n, holds, pins;
	size_t inbox_bytes;
	bool draining;
	struct timer reload;     /* the roster could not be read: asks again */
	struct list idle;        /* in the home's list of idle users */
	int64_t idle_since_ms;
};

/* Something to do when the user is ready and everything before it is done. Embedded in its owner. */
struct user_wait {
	struct list link;
	size_t bytes; /* what it keeps in memory, about */
	/* `u` is READY or ABSENT; NULL: the database could not be asked. Owns the wait from here. */
	void (*run)(struct user_wait *w, struct user *u);
};

struct reactor *home_of(const struct jid *j);

/* In memory here and READY; else NULL. On the home of `bare`. */
struct user *user_find(const struct jid *j);
/* In memory here in whatever state; NULL when not. */
struct user *user_in_memory(const struct jid *j);
/* READY, and nothing before a newcomer. */
static inline bool
user_is_free(const struct user *u)
{
	return u->state == USER_READY && !u->holds && !u->draining && list_is_empty(&u->inbox);
}
/* A recorded message could not even be queued: the record keeps it. */
void user_missed(const struct jid *j, uint64_t id);
/* Runs w in order: now, when ready and nothing waits, else later. False (w untouched): the inbox is full. */
bool user_with(const struct jid *j, struct user_wait *w) MUST_CHECK;
/* Nothing leaves the inbox while held: for a change that waits for the database. Each hold keeps the user
 * in memory until its release. */
void user_hold(struct user *u);
void user_release(struct user *u);
/* It stays in memory until unpinned; nothing waits for that. */
void user_pin(struct user *u);
void user_unpin(struct user *u);
/* What is in memory no longer matches the database (a write with unknown outcome): read again before the next use. */
void user_reload_roster(struct user *u);
/* The account has changed: it is read anew at the next need (nothing may refer to it any more, or it is marked
 * disabled until then). */
void user_forget(struct user *u);
/* Is the account in this group of the organisation? */
bool user_in_group(const struct user *u, const char *group);
/* Somebody has just logged in to it: that there was no such account some seconds ago is not believed any more. */
void user_is_known(const struct jid *j);
/* What it may do has changed. */
void user_set_rights(struct user *u, bool admin, const char *groups);
/* Looks whether it can be forgotten; call after removing a session. */
void user_idle(struct user *u);
struct session *user_session(const struct user *u, const char *resource); /* bound, detached included */
/* Highest priority among available sessions; -129 when none is available. */
int user_priority(const struct user *u);

/* Start and stop of the tables, one per reactor; called on each reactor. */
void user_home_start(void);
void user_home_stop(void);
/* Every user in memory on this home. */
void user_each(void (*fn)(struct user *u, void *arg), void *arg);

#endif
