/*
 * component_store: each function is one statement, or a few in the caller's transaction.
 */
#include "store/component_store.h"

#include <string.h>

#define EPOCH_US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* NULL: it stays. */
static const char *
number_or_null(char out[SQL_NUMBER], int64_t n)
{
	return n < 0 ? NULL : sql_number(out, n);
}

enum sql_status
component_store_read(struct sql *db, const char *name, PGresult **rows, struct err *e)
{
	return sql_query(db, e, rows,
		"SELECT c.name, c.secret, c.enabled, c.kinds, c.per_second, c.keep,"
		" (SELECT string_agg(d.domain, E'\\n' ORDER BY d.domain) FROM chancery.component_domain d WHERE d.component = c.name),"
		" (SELECT string_agg(concat_ws(' ', g.privilege, g.access, nullif(g.namespace, '')), E'\\n' ORDER BY g.privilege, g.namespace)"
		"  FROM chancery.component_grant g WHERE g.component = c.name),"
		" " EPOCH_US("c.created_at") ", " EPOCH_US("c.changed_at") ", c.changed_by"
		" FROM chancery.component c WHERE $1::text IS NULL OR c.name = $1 ORDER BY c.name",
		1, name);
}

enum sql_status
component_store_lock(struct sql *db, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT pg_advisory_xact_lock(4841263, 46)", 0);

	PQclear(r);
	return st;
}

/* What stands against adding it; NULL: nothing. */
static enum sql_status
find_obstacle(struct sql *db, const struct component_row *r, uint64_t most, const char **why, struct err *e)
{
	bool there = false, taken = false, full = false;
	char n[SQL_NUMBER];
	enum sql_status st = sql_query_bool(db, e, &there, "SELECT true FROM chancery.component WHERE name = $1", 1, r->name);

	if (st == SQL_OK)
		st = sql_query_bool(db, e, &taken,
			"SELECT true FROM chancery.component_domain WHERE domain = ANY (string_to_array($1, E'\\n')) LIMIT 1", 1, r->domains);
	if (st == SQL_OK)
		st = sql_query_bool(db, e, &full,
			"SELECT (SELECT count(*) FROM chancery.component_domain) + cardinality(string_to_array($1, E'\\n')) > $2::bigint", 2,
			r->domains, sql_number(n, (int64_t)most));
	*why = there ? "there is a component of this name" : taken ? "one of these domains is another component's" :
		full ? "there are as many domains of components as may be (limits.components)" : NULL;
	return st;
}

enum sql_status
component_store_add(struct sql *db, const struct component_row *r, uint64_t most, const char **why, struct err *e)
{
	char kinds[SQL_NUMBER], rate[SQL_NUMBER];
	enum sql_status st = find_obstacle(db, r, most, why, e);

	if (st != SQL_OK || *why)
		return st;
	st = sql_do(db, e, "INSERT INTO chancery.component (name, secret, kinds, per_second, keep, changed_by) VALUES ($1, $2, $3, $4, $5, $6)", 6,
		r->name, r->secret, sql_number(kinds, r->kinds), sql_number(rate, r->per_second), r->keep ? "t" : "f", r->who);
	if (st == SQL_OK)
		st = sql_do(db, e,
			"INSERT INTO chancery.component_domain (domain, component) SELECT DISTINCT d, $2 FROM unnest(string_to_array($1, E'\\n')) AS d", 2,
			r->domains, r->name);
	if (st == SQL_OK)
		st = sql_do(db, e,
			"INSERT INTO chancery.gateway_name (name, domain) SELECT DISTINCT $2, d FROM unnest(string_to_array($1, E'\\n')) AS d"
			" ON CONFLICT DO NOTHING", 2, r->domains, r->name);
	return st;
}

static const char *
flag_or_null(int on)
{
	return on < 0 ? NULL : on ? "t" : "f";
}

enum sql_status
component_store_change(struct sql *db, const char *name, const struct component_change *c, const char *who, bool *found, struct err *e)
{
	char kinds[SQL_NUMBER], rate[SQL_NUMBER];

	return sql_query_bool(db, e, found,
		"UPDATE chancery.component SET secret = coalesce($2, secret), kinds = coalesce($3::smallint, kinds),"
		" per_second = coalesce($4::int, per_second), keep = coalesce($5::boolean, keep), enabled = coalesce($6::boolean, enabled),"
		" changed_at = now(), changed_by = $7 WHERE name = $1 RETURNING true",
		7, name, c->secret, number_or_null(kinds, c->kinds), number_or_null(rate, c->per_second), flag_or_null(c->keep),
		flag_or_null(c->enabled), who);
}

enum sql_status
component_store_grant(struct sql *db, const struct component_grant *g, uint64_t most, const char **why, struct err *e)
{
	bool there = false, full = false;
	char n[SQL_NUMBER];
	enum sql_status st = sql_query_bool(db, e, &there, "SELECT true FROM chancery.component WHERE name = $1", 1, g->name);

	if (st == SQL_OK)
		st = sql_query_bool(db, e, &full,
			"SELECT count(*) >= $4::bigint FROM chancery.component_grant"
			" WHERE component = $1 AND NOT (privilege = $2 AND namespace = $3)",
			4, g->name, g->privilege, g->ns, sql_number(n, (int64_t)most));
	*why = !there ? "there is no such component; see chancery component list" :
		full ? "it has as many privileges as may be (limits.component_privileges)" : NULL;
	if (st != SQL_OK || *why)
		return st;
	return sql_do(db, e,
		"INSERT INTO chancery.component_grant (component, privilege, namespace, access, granted_by) VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (component, privilege, namespace) DO UPDATE"
		" SET access = excluded.access, granted_at = now(), granted_by = excluded.granted_by",
		5, g->name, g->privilege, g->ns, g->access, g->who);
}

enum sql_status
component_store_revoke(struct sql *db, const struct component_grant *g, bool *found, struct err *e)
{
	return sql_query_bool(db, e, found,
		"DELETE FROM chancery.component_grant WHERE component = $1 AND privilege = $2 AND namespace = $3 RETURNING true", 3, g->name,
		g->privilege, g->ns);
}

enum sql_status
component_store_remove(struct sql *db, const char *name, bool *found, struct err *e)
{
	return sql_query_bool(db, e, found, "DELETE FROM chancery.component WHERE name = $1 RETURNING true", 1, name);
}
