/* blocking_store: one statement for each change: one transaction, one round trip. */
#include "blocking_store.h"

enum sql_status
blocking_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e)
{
	struct blocking_rows *out;
	char id[SQL_NUMBER];
	PGresult *r;
	enum sql_status st;

	(void)bare;
	st = sql_query(db, e, &r, "SELECT jid FROM chancery.blocked WHERE account = $1 ORDER BY at, jid", 1, sql_number(id, account));
	if (st != SQL_OK)
		return st;
	if (PQntuples(r)) {
		*rows = out = arena_zalloc(a, sizeof(*out));
		out->n = (size_t)PQntuples(r);
		out->jid = arena_alloc(a, out->n * sizeof(*out->jid));
		for (size_t i = 0; i < out->n; i++)
			out->jid[i] = arena_strdup(a, sql_text(r, (int)i, 0));
	}
	PQclear(r);
	return SQL_OK;
}

/* The account may have been deleted meanwhile: then there is nothing to add to. */
enum sql_status
blocking_add(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct blocking_change *c = data;
	char id[SQL_NUMBER], most[SQL_NUMBER];
	enum sql_status st;
	bool fits;

	(void)a;
	st = sql_query_bool(db, e, &fits,
		"WITH room AS (SELECT (SELECT count(*) FROM chancery.blocked WHERE account = $1) +"
		"  cardinality(string_to_array($2, E'\\n')) <= $3::bigint AS ok),"
		" added AS (INSERT INTO chancery.blocked (account, jid) SELECT a.id, u.jid FROM chancery.account a, room,"
		"  unnest(string_to_array($2, E'\\n')) AS u (jid) WHERE a.id = $1 AND room.ok ON CONFLICT DO NOTHING)"
		" SELECT ok FROM room",
		3, sql_number(id, c->account), c->jids, sql_number(most, (int64_t)c->most));
	c->full = st == SQL_OK && !fits;
	return st;
}

enum sql_status
blocking_remove(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct blocking_change *c = data;
	char id[SQL_NUMBER];

	(void)a;
	return sql_do(db, e,
		"DELETE FROM chancery.blocked WHERE account = $1 AND ($2::text IS NULL OR jid = ANY (string_to_array($2, E'\\n')))",
		2, sql_number(id, c->account), c->jids);
}
