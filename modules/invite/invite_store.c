/* invite_store: see invite_store.h. */
#include "invite_store.h"

enum sql_status
invite_store_add(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct invite_creation *c = data;

	(void)a;
	return invite_add(db, c->token, c->lifetime_ms, c->most, &c->invite, &c->how, e);
}

enum sql_status
invite_store_redeem(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct invite_redemption *r = data;

	(void)a;
	return invite_redeem(db, r->token, r->inviter, r->contact, &r->ok, e);
}
