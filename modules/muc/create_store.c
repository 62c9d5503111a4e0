/* create_store: see create_store.h. */
#include "create_store.h"

enum sql_status
create_store_count(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct create_rooms *c = data;
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT count(*), count(*) FILTER (WHERE created_at > now() - interval '1 minute') FROM chancery.room WHERE creator = $1",
		1, c->creator);

	(void)a;
	if (st != SQL_OK)
		return st;
	c->all = (uint64_t)sql_i64(r, 0, 0);
	c->lately = (uint64_t)sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}
