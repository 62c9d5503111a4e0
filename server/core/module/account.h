/*
 * account: what the owner of an account does to it, and registration (hook_account): the password is hashed on a thread of its
 * own, the database changed on a worker, then what is live follows.
 */
#ifndef CORE_MODULE_ACCOUNT_H
#define CORE_MODULE_ACCOUNT_H

#include "hook.h"

struct user;

struct account_order {
	struct hook_account *ask;
	struct arena *arena;   /* of the one who asks, untouched until `done` */
	struct user *user;     /* pinned; NULL: nobody's account yet */
	/* The session that stays when the password changes, asked for when it has. NULL: none. */
	struct session *(*bound)(struct account_order *o, void *arg);
	bool ok;               /* the database answered */
	void (*done)(struct account_order *o, void *arg);
	void *arg;
};

/* From a reactor, for an account that is at home here, or (ACCOUNT_ADD) from any. `done` runs in a later turn. */
void account_submit(struct account_order *o);

#endif
