/*
 * hold: see hold.h. Called by the thread of retention, before it asks what is held.
 */
#include "archive/hold.h"

#include <stdio.h>

#include "archive/query.h"
#include "base/log.h"

/* One whose query cannot be read any more stays as it is: it holds all of its time. */
static enum sql_status
renew(struct sql *db, const struct search_limits *l, const char *id, const char *text, struct err *e)
{
	struct arena *a = arena_new(0);
	json_t *query = json_loads(text, 0, NULL);
	struct search_query q;
	struct search_question k;
	enum sql_status st = SQL_OK;
	char form[16];

	snprintf(form, sizeof(form), "%d", SEARCH_FORM);
	if (query_read(query, a, &q, e) || search_question(&q, l, a, &k, e))
		log_error(NULL, "hold-not-renewed", "hold=%s why=%s", id, e->text);
	else
		st = sql_do(db, e, "UPDATE compliance.hold SET form = $2::int, marks = $3::text::tsquery, words = $4::text::tsquery, has = $5::text[],"
			" lacks = $6::text[] WHERE id = $1::bigint AND released_at IS NULL", 6, id, form, k.marks, k.words, k.has, k.lacks);
	json_decref(query);
	arena_free(a);
	return st;
}

enum sql_status
hold_renew(struct sql *db, const struct search_limits *l, struct err *e)
{
	char form[16];
	PGresult *r;
	enum sql_status st;

	snprintf(form, sizeof(form), "%d", SEARCH_FORM);
	st = sql_query(db, e, &r, "SELECT id, query::text FROM compliance.hold WHERE released_at IS NULL AND form <> $1::int ORDER BY id", 1, form);
	if (st != SQL_OK)
		return st;
	for (int i = 0; i < PQntuples(r) && st == SQL_OK; i++)
		st = renew(db, l, sql_text(r, i, 0), sql_text(r, i, 1), e);
	PQclear(r);
	return st;
}
