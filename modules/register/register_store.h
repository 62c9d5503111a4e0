/*
 * register_store: what registration asks of invitations (store/invite.h has the SQL, as modules/invite and administrators need it,
 * too). On workers.
 */
#ifndef REGISTER_STORE_H
#define REGISTER_STORE_H

#include "store/invite.h"

/* What a token allows. */
struct register_invitation {
	const char *token;
	struct invite found;
};
enum sql_status register_store_find(struct sql *db, struct arena *a, void *data, struct err *e);

/* May this name be registered, and by this token? Part of making the account: SQL_FAILED, so that there is none, with `refused`. */
struct register_admission {
	const char *token; /* NULL: the name only must not be reserved */
	const char *domain, *local;
	bool refused;
	const char *inviter; /* who becomes a contact; NULL: nobody */
};
enum sql_status register_store_admit(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
