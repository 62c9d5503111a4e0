/* push_store: one statement for each change. */
#include "push_store.h"

enum sql_status
push_store_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e)
{
	struct push_rows *out;
	char id[SQL_NUMBER];
	PGresult *r;
	enum sql_status st;

	(void)bare;
	st = sql_query(db, e, &r, "SELECT jid, node, resource, options FROM chancery.push WHERE account = $1 ORDER BY enabled_at", 1, sql_number(id, account));
	if (st != SQL_OK)
		return st;
	if (PQntuples(r)) {
		*rows = out = arena_zalloc(a, sizeof(*out));
		out->n = (size_t)PQntuples(r);
		out->row = arena_zalloc(a, out->n * sizeof(*out->row));
		for (size_t i = 0; i < out->n; i++)
			out->row[i] = (struct push_row){
				.jid = arena_strdup(a, sql_text(r, (int)i, 0)),
				.node = arena_strdup(a, sql_text(r, (int)i, 1)),
				.resource = arena_strdup(a, sql_text(r, (int)i, 2)),
				.options = sql_is_null(r, (int)i, 3) ? NULL : arena_strdup(a, sql_text(r, (int)i, 3)),
			};
	}
	PQclear(r);
	return SQL_OK;
}

/* The account may have been deleted meanwhile: then there is nothing to add to. */
enum sql_status
push_store_put(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct push_change *c = data;
	char id[SQL_NUMBER], most[SQL_NUMBER];
	enum sql_status st;
	bool fits;

	(void)a;
	st = sql_query_bool(db, e, &fits,
		"WITH room AS (SELECT (SELECT count(*) FROM chancery.push WHERE account = $1 AND (jid, node) <> ($2, $3)) < $6::bigint"
		"  AS ok),"
		" put AS (INSERT INTO chancery.push (account, jid, node, resource, options)"
		"  SELECT a.id, $2, $3, $4, $5 FROM chancery.account a, room WHERE a.id = $1 AND room.ok"
		"  ON CONFLICT (account, jid, node) DO UPDATE SET resource = excluded.resource, options = excluded.options,"
		"   enabled_at = now())"
		" SELECT ok FROM room",
		6, sql_number(id, c->account), c->row.jid, c->row.node, c->row.resource, c->row.options, sql_number(most, (int64_t)c->most));
	c->full = st == SQL_OK && !fits;
	return st;
}

enum sql_status
push_store_remove(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct push_change *c = data;
	char id[SQL_NUMBER];

	(void)a;
	return sql_do(db, e, "DELETE FROM chancery.push WHERE account = $1 AND jid = $2 AND ($3::text IS NULL OR node = $3)", 3,
		sql_number(id, c->account), c->row.jid, c->row.node);
}
