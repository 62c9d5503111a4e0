/*
 * change: see change.h.
 */
#include "admin/request/change.h"

int
change_begin(struct request *r, enum sql_status (*lock)(struct sql *db, struct err *e))
{
	return request_db(r) == 0 && sql_begin(r->db, &r->err) == SQL_OK && lock(r->db, &r->err) == SQL_OK ? 0 : -1;
}

int
change_commit(struct request *r, const char *action, const char *target, json_t *detail)
{
	enum sql_status st = audit_write(r->db, r->who, action, target, detail, &r->err);

	json_decref(detail);
	if (st != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, action, target);
	return 0;
}

int
change_end(struct request *r, int rc)
{
	if (rc != 0 && r->db != NULL && sql_in_transaction(r->db))
		sql_rollback(r->db);
	return rc;
}
