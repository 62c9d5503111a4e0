/*
 * partner_store: the SQL of partners. A row goes in and out as JSON, which PostgreSQL takes apart itself.
 */
#include "store/partner_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/audit.h"

#define AUDIT_MS 4000 /* less than a job has */
#define EPOCH_US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"
#define TIMESTAMP(us) "(timestamptz 'epoch' + " us " * interval '1 microsecond')"
/* What the database gives and nobody proposes. */
#define GIVEN "'{id,created_at,changed_at,changed_by}'::text[]"

enum sql_status
partner_store_all(struct sql *db, PGresult **rows, struct err *e)
{
	return sql_query(db, e, rows,
		"SELECT id, domain, direction, pass, trust, ca_pem, array_to_string(pins, E'\\n'), dialback,"
		" array_to_string(who, E'\\n'), per_minute, user_per_minute, hours, owner, reason, " EPOCH_US("expires_at") ","
		" " EPOCH_US("changed_at") ", changed_by, " EPOCH_US("created_at") " FROM chancery.partner ORDER BY domain", 0);
}

enum sql_status
partner_store_list(struct sql *db, const char *after, unsigned limit, PGresult **rows, struct err *e)
{
	char n[SQL_NUMBER];

	return sql_query(db, e, rows, "SELECT domain, to_jsonb(p) FROM chancery.partner p WHERE domain > $1 ORDER BY domain LIMIT $2::bigint",
		2, after, sql_number(n, limit));
}

enum sql_status
partner_store_lock(struct sql *db, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT pg_advisory_xact_lock(4841263, 4)", 0);

	PQclear(r);
	return st;
}

enum sql_status
partner_store_get(struct sql *db, struct arena *a, const char *domain, const char **json, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT to_jsonb(p) FROM chancery.partner p WHERE domain = $1", 1, domain);

	*json = NULL;
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) > 0)
		*json = arena_strdup(a, sql_text(r, 0, 0));
	PQclear(r);
	return SQL_OK;
}

enum sql_status
partner_store_put(struct sql *db, const char *json, const char *who, int64_t proposal, uint64_t most, bool *full, struct err *e)
{
	char id[SQL_NUMBER], max[SQL_NUMBER];
	bool done = false;
	/* The parts of one statement all see the row as it was before it. */
	enum sql_status st = sql_query_bool(db, e, &done,
		"WITH given AS (SELECT (jsonb_populate_record(NULL::chancery.partner, $1::jsonb)).*),"
		" was AS (SELECT p.* FROM chancery.partner p JOIN given g ON g.domain = p.domain),"
		" put AS (INSERT INTO chancery.partner AS p (domain, direction, pass, trust, ca_pem, pins, dialback, who, per_minute,"
		"   user_per_minute, hours, owner, reason, expires_at, changed_by)"
		"  SELECT domain, direction, pass, trust, ca_pem, pins, dialback, who, per_minute, user_per_minute, hours, owner, reason,"
		"   expires_at, $2 FROM given"
		"   WHERE EXISTS (SELECT FROM was) OR (SELECT count(*) FROM chancery.partner) < $4::bigint"
		"  ON CONFLICT (domain) DO UPDATE SET direction = excluded.direction, pass = excluded.pass, trust = excluded.trust,"
		"   ca_pem = excluded.ca_pem, pins = excluded.pins, dialback = excluded.dialback, who = excluded.who,"
		"   per_minute = excluded.per_minute, user_per_minute = excluded.user_per_minute, hours = excluded.hours,"
		"   owner = excluded.owner, reason = excluded.reason, expires_at = excluded.expires_at, changed_at = now(),"
		"   changed_by = excluded.changed_by"
		"  RETURNING p.*)"
		" INSERT INTO chancery.partner_history (domain, action, who, proposal, old, new, owner, reason)"
		"  SELECT put.domain, CASE WHEN was.id IS NULL THEN 'allow' ELSE 'change' END, $2, nullif($3::bigint, 0),"
		"   to_jsonb(was), to_jsonb(put), put.owner, put.reason FROM put LEFT JOIN was ON true RETURNING true",
		4, json, who, sql_number(id, proposal), sql_number(max, (int64_t)most));

	*full = st == SQL_OK && !done;
	return st;
}

enum sql_status
partner_store_remove(struct sql *db, const char *domain, const char *who, const char *reason, bool *found, struct err *e)
{
	*found = false;
	return sql_query_bool(db, e, found,
		"WITH gone AS (DELETE FROM chancery.partner WHERE domain = $1 RETURNING *)"
		" INSERT INTO chancery.partner_history (domain, action, who, old, owner, reason)"
		"  SELECT domain, 'deny', $2, to_jsonb(gone), owner, $3 FROM gone RETURNING true", 3, domain, who, reason);
}

enum sql_status
partner_store_history(struct sql *db, const char *domain, unsigned limit, PGresult **rows, struct err *e)
{
	char n[SQL_NUMBER];

	return sql_query(db, e, rows,
		"SELECT " EPOCH_US("at") ", action, who, owner, reason, old, new, coalesce(proposal, 0) FROM chancery.partner_history"
		" WHERE domain = $1 ORDER BY id DESC LIMIT $2::bigint", 2, domain, sql_number(n, limit));
}

/* Proposals */

static enum sql_status
is_full(struct sql *db, const char *json, uint64_t most, bool *full, struct err *e)
{
	char n[SQL_NUMBER];

	return sql_query_bool(db, e, full,
		"SELECT count(*) >= $2::bigint FROM chancery.partner_proposal WHERE closed_at IS NULL AND domain <> $1::jsonb->>'domain'",
		2, json, sql_number(n, (int64_t)most));
}

enum sql_status
partner_store_propose(struct sql *db, const char *json, long uid, const char *name, uint64_t most, int64_t *id, struct err *e)
{
	char by[SQL_NUMBER];
	bool full = false;
	PGresult *r;
	enum sql_status st = is_full(db, json, most, &full, e);

	*id = 0;
	if (st != SQL_OK || full)
		return st;
	st = sql_do(db, e, "UPDATE chancery.partner_proposal SET closed_at = now(), closed_by = $2, approved = false"
		" WHERE closed_at IS NULL AND domain = $1::jsonb->>'domain'", 2, json, name);
	if (st != SQL_OK)
		return st;
	st = sql_query(db, e, &r,
		"INSERT INTO chancery.partner_proposal (domain, entry, base, by_uid, by_name, reason)"
		" SELECT $1::jsonb->>'domain', $1::jsonb - " GIVEN ","
		"  (SELECT coalesce(max(id), 0) FROM chancery.partner_history WHERE domain = $1::jsonb->>'domain'),"
		"  nullif($2::int8, -1)::int, $3, $1::jsonb->>'reason' RETURNING id", 3, json, sql_number(by, uid), name);
	if (st != SQL_OK)
		return st;
	*id = sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
partner_store_proposals(struct sql *db, PGresult **rows, struct err *e)
{
	return sql_query(db, e, rows,
		"SELECT p.id, " EPOCH_US("p.at") ", p.domain, p.entry, p.by_name, p.reason,"
		" (SELECT to_jsonb(e) FROM chancery.partner e WHERE e.domain = p.domain)"
		" FROM chancery.partner_proposal p WHERE p.closed_at IS NULL ORDER BY p.id", 0);
}

enum sql_status
partner_store_proposal(struct sql *db, struct arena *a, int64_t id, struct partner_proposal *out, struct err *e)
{
	char n[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT id, domain, entry, reason, by_name, coalesce(by_uid, -1),"
		" base = (SELECT coalesce(max(h.id), 0) FROM chancery.partner_history h WHERE h.domain = p.domain)"
		" FROM chancery.partner_proposal p WHERE id = $1::bigint AND closed_at IS NULL", 1, sql_number(n, id));

	*out = (struct partner_proposal){0};
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) > 0)
		*out = (struct partner_proposal){.id = id, .domain = arena_strdup(a, sql_text(r, 0, 1)),
			.entry = arena_strdup(a, sql_text(r, 0, 2)), .reason = arena_strdup(a, sql_text(r, 0, 3)),
			.by_name = arena_strdup(a, sql_text(r, 0, 4)), .by_uid = (long)sql_i64(r, 0, 5), .current = sql_bool(r, 0, 6)};
	PQclear(r);
	return SQL_OK;
}

enum sql_status
partner_store_close(struct sql *db, int64_t id, const char *who, bool approved, struct err *e)
{
	char n[SQL_NUMBER];

	return sql_do(db, e, "UPDATE chancery.partner_proposal SET closed_at = now(), closed_by = $2, approved = $3::boolean"
		" WHERE id = $1::bigint AND closed_at IS NULL", 3, sql_number(n, id), who, approved ? "true" : "false");
}

enum sql_status
partner_store_close_of(struct sql *db, const char *domain, const char *who, struct err *e)
{
	return sql_do(db, e, "UPDATE chancery.partner_proposal SET closed_at = now(), closed_by = $2, approved = false"
		" WHERE domain = $1 AND closed_at IS NULL", 2, domain, who);
}

/* Refusals */

/* An element of an array as PostgreSQL reads it. */
static void
add_text(struct buf *b, size_t at, const char *s)
{
	buf_adds(b, at ? ",\"" : "{\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
	buf_addc(b, '"');
}

static void
add_number(struct buf *b, size_t at, int64_t n)
{
	buf_addf(b, "%c%" PRId64, at ? ',' : '{', n);
}

/* Of whom was refused for the first time today: one record, and a row for each. */
static enum sql_status
audit_refused(struct sql *db, const char *told, struct err *e)
{
	struct audit_event v = {.person = "chanceryd", .uid = -1, .login = -1, .origin = "refusal", .action = "federation.refused",
				.detail = told, .within_ms = AUDIT_MS};
	char id[SQL_NUMBER];
	uint64_t record;
	enum sql_status st = audit_record(&v, &record, e);

	if (st != SQL_OK)
		return st;
	return sql_do(db, e,
		"INSERT INTO chancery.audit (who_name, origin, action, target, detail, record)"
		" SELECT 'chanceryd', 'refusal', 'federation.refused', t->>'domain', t - 'domain', $2::bigint"
		" FROM jsonb_array_elements($1::jsonb->'refused') AS t", 2, told, sql_number(id, (int64_t)record));
}

static enum sql_status
write_refused(struct sql *db, const char *const v[8], uint64_t *left_out, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query_v(db, e, &r,
		"WITH given AS (SELECT g.*, row_number() OVER (ORDER BY g.known DESC, g.first_us) AS place FROM"
		"  (SELECT u.*, EXISTS (SELECT FROM chancery.partner_refusal p WHERE p.day = current_date AND p.domain = u.domain"
		"    AND p.direction = u.direction AND p.why = u.why) AS known,"
		"   EXISTS (SELECT FROM chancery.partner_refusal p WHERE p.day = current_date AND p.domain = u.domain) AS noted"
		"   FROM unnest($1::text[], $2::smallint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])"
		"    AS u (domain, direction, why, address, count, first_us, last_us)) AS g),"
		" room AS (SELECT greatest($8::bigint - count(*), 0) AS n FROM chancery.partner_refusal WHERE day = current_date),"
		" fit AS (SELECT g.* FROM given g, room WHERE g.known"
		"  OR g.place <= room.n + (SELECT count(*) FROM given WHERE known)),"
		" put AS (INSERT INTO chancery.partner_refusal AS p (day, domain, direction, why, address, count, first_at, last_at)"
		"  SELECT current_date, domain, direction, why, address, count, " TIMESTAMP("first_us") ", " TIMESTAMP("last_us") " FROM fit"
		"  ON CONFLICT (day, domain, direction, why) DO UPDATE SET address = excluded.address, count = p.count + excluded.count,"
		"   last_at = excluded.last_at RETURNING 1),"
		" told AS (SELECT DISTINCT ON (domain) domain, jsonb_build_object('domain', domain,"
		"   'direction', CASE direction WHEN 1 THEN 'in' ELSE 'out' END, 'why', why, 'address', address) AS what"
		"  FROM fit WHERE NOT noted ORDER BY domain, first_us),"
		" old AS (DELETE FROM chancery.partner_refusal WHERE day < current_date - 366 RETURNING 1)"
		" SELECT coalesce(sum(g.count), 0) - (SELECT coalesce(sum(count), 0) FROM fit),"
		" (SELECT jsonb_build_object('refused', jsonb_agg(what ORDER BY domain)) FROM told HAVING count(*) > 0) FROM given g", 8, v);

	if (st != SQL_OK)
		return st;
	*left_out = (uint64_t)sql_i64(r, 0, 0);
	if (!sql_is_null(r, 0, 1))
		st = audit_refused(db, sql_text(r, 0, 1), e);
	PQclear(r);
	return st;
}

enum sql_status
partner_store_refused(struct sql *db, const struct partner_refused *r, size_t n, uint64_t most, uint64_t *left_out, struct err *e)
{
	struct buf b[7] = {0};
	const char *v[8];
	char max[SQL_NUMBER];
	enum sql_status st;

	*left_out = 0;
	if (n == 0)
		return SQL_OK;
	for (size_t i = 0; i < n; i++) {
		add_text(&b[0], i, r[i].domain);
		add_number(&b[1], i, r[i].direction);
		add_text(&b[2], i, r[i].why);
		add_text(&b[3], i, r[i].address);
		add_number(&b[4], i, (int64_t)r[i].count);
		add_number(&b[5], i, r[i].first_us);
		add_number(&b[6], i, r[i].last_us);
	}
	for (size_t k = 0; k < 7; k++) {
		buf_addc(&b[k], '}');
		v[k] = buf_str(&b[k]);
	}
	v[7] = sql_number(max, (int64_t)most);
	st = sql_begin(db, e);
	if (st == SQL_OK)
		st = write_refused(db, v, left_out, e);
	if (st == SQL_OK)
		st = sql_commit(db, e);
	else
		sql_rollback(db);
	for (size_t k = 0; k < 7; k++)
		buf_fini(&b[k]);
	return st;
}

enum sql_status
partner_store_refusals(struct sql *db, const char *domain, int64_t since_us, unsigned limit, PGresult **rows, struct err *e)
{
	char since[SQL_NUMBER], n[SQL_NUMBER];

	return sql_query(db, e, rows,
		"SELECT day, domain, direction, why, address, count, " EPOCH_US("first_at") ", " EPOCH_US("last_at")
		" FROM chancery.partner_refusal WHERE ($1::text IS NULL OR domain = $1)"
		" AND day >= " TIMESTAMP("$2::bigint") "::date AND last_at >= " TIMESTAMP("$2::bigint")
		" ORDER BY last_at DESC, domain LIMIT $3::bigint", 3, domain, sql_number(since, since_us), sql_number(n, limit));
}

enum sql_status
partner_store_volume(struct sql *db, int64_t since_us, unsigned limit, PGresult **rows, struct err *e)
{
	char since[SQL_NUMBER], n[SQL_NUMBER];

	/* Ids are times, so that the partitions before are left out. Of addresses of a domain itself there is nothing behind an @. */
	return sql_query(db, e, rows,
		"SELECT reverse(split_part(reverse(far), '@', 1)) AS domain, near, count(*) FILTER (WHERE direction = 1),"
		" count(*) FILTER (WHERE direction = 2) FROM"
		" (SELECT direction, CASE direction WHEN 1 THEN from_bare ELSE to_bare END AS far,"
		"   CASE direction WHEN 1 THEN to_bare ELSE from_bare END AS near"
		"  FROM archive.record WHERE direction IN (1, 2) AND id >= $1::bigint AND kind BETWEEN 1 AND 6) AS r"
		" GROUP BY 1, 2 ORDER BY 1, 3 DESC, 4 DESC, 2 LIMIT $2::bigint", 2, sql_number(since, since_us), sql_number(n, limit));
}

/* The clock's doing, which nothing holds up: when the record does not take it, only the log has it. */
enum sql_status
partner_store_expired(struct sql *db, const char *domain, int64_t expires_us, struct err *e)
{
	struct audit_event v = {.person = "chanceryd", .uid = -1, .login = -1, .origin = "clock", .action = "federation.expired",
				.target = domain, .within_ms = AUDIT_MS};
	char at[SQL_NUMBER];
	uint64_t record;
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT jsonb_build_object('expired', p.expires_at, 'owner', p.owner)"
		" FROM chancery.partner p WHERE p.domain = $1 AND p.expires_at = " TIMESTAMP("$2::bigint"), 2, domain, sql_number(at, expires_us));

	if (st != SQL_OK)
		return st;
	if (PQntuples(r) > 0) {
		v.detail = sql_text(r, 0, 0);
		st = audit_put(db, &v, &record, e);
	}
	PQclear(r);
	return st;
}
