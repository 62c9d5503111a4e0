/*
 * change: how a verb changes what a table holds: one transaction, in which such changes follow each other, with its audit row. Whatever goes wrong
 * before its end undoes all of it:
 *
 *     rc = change_begin(r, component_store_lock) == 0 && … ? change_commit(r, "component.set", name, detail) : -1;
 *     return change_end(r, rc);
 */
#ifndef ADMIN_CHANGE_H
#define ADMIN_CHANGE_H

#include <jansson.h>

#include "admin/request/request.h"
#include "base/err.h"
#include "store/sql.h"

/* `lock` makes changes of the same kind wait for each other. -1 with err: change_end follows all the same. */
int change_begin(struct request *r, enum sql_status (*lock)(struct sql *db, struct err *e)) MUST_CHECK;
/* Writes the audit row and commits. Takes `detail`. -1 with err: nothing was changed, or nobody knows. */
int change_commit(struct request *r, const char *action, const char *target, json_t *detail) MUST_CHECK;
/* Gives `rc` back; when that is not 0, what has not been committed is undone. */
int change_end(struct request *r, int rc) MUST_CHECK;

#endif
