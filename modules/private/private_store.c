/*
 * private_store: one row for each element. Bounds are looked at in the transaction that writes, and once before the record
 * is written, so that nothing is recorded that is then refused.
 */
#include "private_store.h"

#include <string.h>

enum sql_status
private_store_get(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct private_job *j = data;
	char account[SQL_NUMBER];
	enum sql_status st = SQL_OK;

	sql_number(account, j->account);
	for (size_t i = 0; i < j->n && st == SQL_OK; i++) {
		struct private_element *el = &j->element[i];
		PGresult *r;

		st = sql_query(db, e, &r, "SELECT xml FROM chancery.private_xml WHERE account = $1 AND ns = $2 AND name = $3", 3,
			account, el->ns, el->name);
		if (st != SQL_OK)
			break;
		el->xml = PQntuples(r) ? arena_strdup(a, sql_text(r, 0, 0)) : NULL;
		PQclear(r);
	}
	return st;
}

/* One change of an account at a time, or two that are small enough alone would be too much together. */
static enum sql_status
lock(struct sql *db, const char *account, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT FROM chancery.account WHERE id = $1 FOR NO KEY UPDATE", 1, account);

	if (st == SQL_OK)
		PQclear(r);
	return st;
}

static enum sql_status
write_all(struct sql *db, const struct private_job *j, const char *account, struct err *e)
{
	enum sql_status st = SQL_OK;

	for (size_t i = 0; i < j->n && st == SQL_OK; i++)
		st = sql_do(db, e,
			"INSERT INTO chancery.private_xml (account, ns, name, xml) VALUES ($1, $2, $3, $4)"
			" ON CONFLICT (account, ns, name) DO UPDATE SET xml = excluded.xml, changed_at = now()",
			4, account, j->element[i].ns, j->element[i].name, j->element[i].xml);
	return st;
}

/* What there would be, with the rows of the elements replaced. */
static enum sql_status
measure(struct sql *db, struct private_job *j, const char *account, struct err *e)
{
	PGresult *r;
	uint64_t bytes, elements;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT coalesce(sum(octet_length(xml)), 0), count(*) FROM chancery.private_xml WHERE account = $1", 1, account);
	if (st != SQL_OK)
		return st;
	bytes = (uint64_t)sql_i64(r, 0, 0);
	elements = (uint64_t)sql_i64(r, 0, 1);
	PQclear(r);
	for (size_t i = 0; i < j->n; i++) {
		st = sql_query(db, e, &r,
			"SELECT octet_length(xml) FROM chancery.private_xml WHERE account = $1 AND ns = $2 AND name = $3", 3, account,
			j->element[i].ns, j->element[i].name);
		if (st != SQL_OK)
			return st;
		bytes -= PQntuples(r) ? (uint64_t)sql_i64(r, 0, 0) : 0;
		elements += !PQntuples(r);
		bytes += strlen(j->element[i].xml);
		PQclear(r);
	}
	j->too_much = bytes > j->most_bytes || elements > j->most_elements;
	return SQL_OK;
}

enum sql_status
private_store_check(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct private_job *j = data;
	char account[SQL_NUMBER];

	(void)a;
	sql_number(account, j->account);
	return measure(db, j, account, e);
}

enum sql_status
private_store_put(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct private_job *j = data;
	char account[SQL_NUMBER];
	enum sql_status st = sql_begin(db, e);

	(void)a;
	sql_number(account, j->account);
	if (st == SQL_OK)
		st = lock(db, account, e);
	if (st == SQL_OK)
		st = measure(db, j, account, e);
	if (st == SQL_OK && !j->too_much)
		st = write_all(db, j, account, e);
	if (st == SQL_OK && !j->too_much)
		st = sql_commit(db, e);
	if (st != SQL_OK || j->too_much)
		sql_rollback(db);
	return st;
}
