/* register_store: see register_store.h. */
#include "register_store.h"

enum sql_status
register_store_find(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct register_invitation *i = data;

	return invite_find(db, a, i->token, &i->found, e);
}

enum sql_status
register_store_admit(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct register_admission *m = data;
	bool ok;
	enum sql_status st = invite_register(db, a, m->token, m->domain, m->local, &ok, &m->inviter, e);

	if (st != SQL_OK || ok)
		return st;
	m->refused = true;
	err_set(e, 0, "%s", m->token ? "the invitation is used up, or for another name" : "the name is reserved for an invited one");
	return SQL_FAILED;
}
