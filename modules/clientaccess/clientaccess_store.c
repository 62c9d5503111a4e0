/*
 * clientaccess_store: see clientaccess_store.h.
 */
#include "clientaccess_store.h"

#include <inttypes.h>

#include "base/buf.h"
#include "store/audit.h"

/* Less than a job has for all of it. */
#define AUDIT_MS 4000

/* Ends the transaction: recorded and committed when all is well and there is something to do, else undone. */
static enum sql_status
finish(struct sql *db, enum sql_status st, bool done, const char *bare, const char *action, const char *target, const char *detail, struct err *e)
{
	const struct audit_event v = { .person = bare, .uid = -1, .login = -1, .origin = "owner", .action = action, .target = target, .detail = detail,
		.within_ms = AUDIT_MS };
	uint64_t record;

	if (st == SQL_OK && done)
		st = audit_put(db, &v, &record, e);
	if (st == SQL_OK && done)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

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
	struct buf detail = { 0 };
	enum sql_status st = sql_begin(db, e);

	(void)a;
	if (st == SQL_OK)
		st = device_revoke(db, r->bare, r->id, &r->found, &r->password, e);
	buf_addf(&detail, "{\"device\":%" PRId64 ",\"by\":", r->id);
	audit_add_string(&detail, r->by);
	buf_adds(&detail, "}");
	st = finish(db, st, r->found, r->bare, "device.revoke", r->bare, buf_str(&detail), e);
	buf_fini(&detail);
	return st;
}

enum sql_status
clientaccess_store_close(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct clientaccess_close *c = data;
	struct buf detail = { 0 };
	enum sql_status st = sql_begin(db, e);

	buf_adds(&detail, "{\"by\":");
	audit_add_string(&detail, c->by);
	buf_adds(&detail, "}");
	st = finish(db, st, true, c->bare, "session.close", arena_printf(a, "%s/%s", c->bare, c->resource), buf_str(&detail), e);
	buf_fini(&detail);
	return st;
}

enum sql_status
clientaccess_store_password(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct device_password *p = &((struct clientaccess_password *)data)->password;
	struct buf detail = { 0 };
	enum sql_status st = sql_begin(db, e);

	(void)a;
	if (st == SQL_OK)
		st = device_password_make(db, p, e);
	buf_addf(&detail, "{\"device\":%" PRId64 ",\"name\":", p->id);
	audit_add_string(&detail, p->name);
	buf_adds(&detail, "}");
	st = finish(db, st, p->how == DEVICE_PASSWORD_MADE, p->bare, "device.password", p->bare, buf_str(&detail), e);
	buf_fini(&detail);
	return st;
}

enum sql_status
clientaccess_store_factor(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct second_factor *f = &((struct clientaccess_factor *)data)->factor;
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = second_factor_make(db, a, f, false, e);
	if (st == SQL_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

enum sql_status
clientaccess_store_confirm(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct second_factor *f = &((struct clientaccess_factor *)data)->factor;
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = second_factor_confirm(db, a, f, e);
	/* That a code was wrong is kept. */
	if (st == SQL_OK && f->how != SECOND_FACTOR_DONE)
		return sql_commit(db, e);
	return finish(db, st, true, f->bare, "mfa.make", f->bare, NULL, e);
}
