/*
 * gateway_store: each function is one statement, or a few in the caller's transaction.
 */
#include "store/gateway_store.h"

#define EPOCH_US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

enum sql_status
gateway_store_read(struct sql *db, const char *name, PGresult **rows, struct err *e)
{
	return sql_query(db, e, rows,
		"SELECT g.name, g.kind, g.settings, (SELECT min(d.domain) FROM chancery.component_domain d WHERE d.component = g.name), c.enabled,"
		" c.secret, c.per_second,"
		" (SELECT string_agg(concat_ws(' ', CASE WHEN r.allowed THEN 't' ELSE 'f' END, r.rights, r.per_minute, r.grp), E'\\n' ORDER BY r.grp)"
		"  FROM chancery.gateway_rule r WHERE r.gateway = g.name),"
		" (SELECT count(*) FROM chancery.gateway_user u WHERE u.gateway = g.name),"
		" " EPOCH_US("greatest(g.changed_at, c.changed_at)") ","
		" CASE WHEN c.changed_at > g.changed_at THEN c.changed_by ELSE g.changed_by END"
		" FROM chancery.gateway g JOIN chancery.component c ON c.name = g.name WHERE $1::text IS NULL OR g.name = $1 ORDER BY g.name",
		1, name);
}

enum sql_status
gateway_store_is(struct sql *db, const char *name, bool *is, struct err *e)
{
	return sql_query_bool(db, e, is, "SELECT true FROM chancery.gateway WHERE name = $1", 1, name);
}

enum sql_status
gateway_store_add(struct sql *db, const char *name, const char *kind, const char *settings, const char *who, struct err *e)
{
	return sql_do(db, e, "INSERT INTO chancery.gateway (name, kind, settings, changed_by) VALUES ($1, $2, $3, $4)", 4, name, kind, settings, who);
}

enum sql_status
gateway_store_set(struct sql *db, const char *name, const char *settings, const char *who, bool *found, struct err *e)
{
	return sql_query_bool(db, e, found,
		"UPDATE chancery.gateway SET settings = $2, changed_at = now(), changed_by = $3 WHERE name = $1 RETURNING true", 3, name, settings, who);
}

enum sql_status
gateway_store_rule(struct sql *db, const struct gateway_rule_row *r, uint64_t most, const char **why, struct err *e)
{
	char limit[SQL_NUMBER], rights[SQL_NUMBER], per_minute[SQL_NUMBER];
	bool there = false, full = false;
	enum sql_status st = gateway_store_is(db, r->gateway, &there, e);

	if (st == SQL_OK)
		st = sql_query_bool(db, e, &full,
			"SELECT count(*) >= $3::bigint FROM chancery.gateway_rule WHERE gateway = $1 AND grp <> $2", 3, r->gateway, r->group,
			sql_number(limit, (int64_t)most));
	*why = !there ? "there is no such gateway; see chancery gateway list" :
		full ? "it has as many rules as may be (limits.gateway_rules)" : NULL;
	if (st != SQL_OK || *why)
		return st;
	return sql_do(db, e,
		"INSERT INTO chancery.gateway_rule (gateway, grp, allowed, rights, per_minute, changed_by) VALUES ($1, $2, $3, $4, $5, $6)"
		" ON CONFLICT (gateway, grp) DO UPDATE SET allowed = excluded.allowed, rights = excluded.rights, per_minute = excluded.per_minute,"
		" changed_at = now(), changed_by = excluded.changed_by",
		6, r->gateway, r->group, r->allowed ? "t" : "f", sql_number(rights, r->rights), sql_number(per_minute, r->per_minute), r->who);
}

enum sql_status
gateway_store_forget(struct sql *db, const char *name, const char *group, bool *found, struct err *e)
{
	return sql_query_bool(db, e, found, "DELETE FROM chancery.gateway_rule WHERE gateway = $1 AND grp = $2 RETURNING true", 2, name, group);
}

enum sql_status
gateway_store_users(struct sql *db, const char *name, const char *after, unsigned most, PGresult **rows, struct err *e)
{
	char limit[SQL_NUMBER];

	return sql_query(db, e, rows,
		"SELECT u.jid, u.mode, " EPOCH_US("u.since") ","
		" EXISTS (SELECT FROM chancery.gateway_credential c WHERE c.gateway = u.gateway AND c.jid = u.jid)"
		" FROM chancery.gateway_user u WHERE u.gateway = $1 AND u.jid > $2 ORDER BY u.jid LIMIT $3::bigint",
		3, name, after, sql_number(limit, most));
}

enum sql_status
gateway_store_domains(struct sql *db, const char *name, PGresult **rows, struct err *e)
{
	return sql_query(db, e, rows, "SELECT domain FROM chancery.gateway_name WHERE name = $1 ORDER BY domain", 1, name);
}

/* Whoever writes one holds the same lock, shared, from before it is sealed (modules/networks/networks_store.c). */
enum sql_status
gateway_store_lock_credentials(struct sql *db, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT pg_advisory_xact_lock(4841263, 48)", 0);

	PQclear(r);
	return st;
}

enum sql_status
gateway_store_stale_credentials(struct sql *db, unsigned key_id, unsigned most, PGresult **rows, struct err *e)
{
	char id[SQL_NUMBER], limit[SQL_NUMBER];

	return sql_query(db, e, rows,
		"SELECT gateway, jid, key_id, encode(nonce, 'hex'), encode(sealed, 'hex') FROM chancery.gateway_credential WHERE key_id <> $1::int"
		" UNION ALL SELECT '', a.bare, f.key_id, encode(f.nonce, 'hex'), encode(f.sealed, 'hex') FROM chancery.second_factor f"
		"  JOIN chancery.account a ON a.id = f.account WHERE f.key_id <> $1::int"
		" ORDER BY gateway, jid LIMIT $2::bigint",
		2, sql_number(id, key_id), sql_number(limit, most));
}

enum sql_status
gateway_store_key_ids(struct sql *db, PGresult **rows, struct err *e)
{
	return sql_query(db, e, rows, "SELECT key_id FROM chancery.gateway_credential UNION SELECT key_id FROM chancery.second_factor ORDER BY key_id DESC", 0);
}

enum sql_status
gateway_store_reseal(struct sql *db, const char *gateway, const char *jid, unsigned key_id, const char *nonce, const char *sealed, struct err *e)
{
	char id[SQL_NUMBER];

	if (!*gateway)
		return sql_do(db, e,
			"UPDATE chancery.second_factor f SET key_id = $2::int, nonce = decode($3, 'hex'), sealed = decode($4, 'hex')"
			" FROM chancery.account a WHERE a.bare = $1 AND f.account = a.id", 4, jid, sql_number(id, key_id), nonce, sealed);
	return sql_do(db, e,
		"UPDATE chancery.gateway_credential SET key_id = $3::int, nonce = decode($4, 'hex'), sealed = decode($5, 'hex')"
		" WHERE gateway = $1 AND jid = $2", 5, gateway, jid, sql_number(id, key_id), nonce, sealed);
}
