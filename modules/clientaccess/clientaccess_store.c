/*
 * clientaccess_store: see clientaccess_store.h.
 */
#include "clientaccess_store.h"

enum sql_status
clientaccess_store_list(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct clientaccess_list *l = data;

	/* Whoever is connected is shown, access or not: the module sees who is. */
	return device_list(db, a, l->bare, 0, &l->rows, &l->n, e);
}

enum sql_status
clientaccess_store_revoke(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct clientaccess_revoke *r = data;

	(void)a;
	return device_revoke(db, r->bare, r->id, &r->found, &r->password, e);
}
