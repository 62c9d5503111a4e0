/*
 * invite_store: what the module asks of invitations (store/invite.h has the SQL, as registration and administrators need it, too).
 * On workers.
 */
#ifndef INVITE_STORE_H
#define INVITE_STORE_H

#include "store/invite.h"

/* A new one. */
struct invite_creation {
	struct invite invite;
	char token[INVITE_TOKEN + 1];
	uint64_t lifetime_ms, most;
	enum invite_added how;
};
enum sql_status invite_store_add(struct sql *db, struct arena *a, void *data, struct err *e);

/* A subscription request that shows a token. */
struct invite_redemption {
	const char *token, *inviter, *contact;
	bool ok;
};
enum sql_status invite_store_redeem(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
