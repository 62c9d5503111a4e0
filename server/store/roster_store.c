/*
 * roster_store: the SQL of rosters (see roster_store.h; tables in schema/0003_roster.sql). Each change
 * is one statement. Versions only grow: a statement that arrives late (its connection was given up
 * while PostgreSQL hung) finds a newer version in its way and changes nothing.
 */
#include "store/roster_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

/* Removals remembered per roster. Who missed more gets the whole roster (floor). */
#define TOMBSTONES "500"

/* A PostgreSQL array literal; every element quoted. */
static void
add_array(struct buf *b, const char *const *item, size_t n)
{
	buf_addc(b, '{');
	for (size_t i = 0; i < n; i++) {
		buf_adds(b, i ? ",\"" : "\"");
		for (const char *p = item[i]; *p; p++) {
			if (*p == '"' || *p == '\\')
				buf_addc(b, '\\');
			buf_addc(b, *p);
		}
		buf_addc(b, '"');
	}
	buf_addc(b, '}');
}

/* One element of an array literal at *p into `out`, which gets no more than the text it came from with
 * the sign behind it; moves *p behind the element. Returns the end of what it wrote. */
static char *
read_element(const char **p, char *out)
{
	const char *s = *p;
	bool quoted = *s == '"';

	if (quoted)
		s++;
	while (*s && (quoted ? *s != '"' : *s != ',' && *s != '}')) {
		if (*s == '\\' && s[1])
			s++;
		*out++ = *s++;
	}
	*out++ = '\0';
	if (quoted && *s == '"')
		s++;
	*p = s;
	return out;
}

/* A one-dimensional array literal as PostgreSQL prints it: {a,"b c",…}. */
static const char *const *
read_array(struct arena *a, const char *s, size_t *n)
{
	size_t commas = 0;
	const char **item;
	char *text;

	*n = 0;
	if (s[0] != '{' || s[1] == '}')
		return NULL;
	for (const char *p = s; *p; p++)
		commas += *p == ',';
	item = arena_alloc(a, (commas + 1) * sizeof(*item));
	text = arena_alloc(a, strlen(s) + 1);
	for (s++; *s && *s != '}'; s += *s == ',') {
		item[(*n)++] = text;
		text = read_element(&s, text);
	}
	return item;
}

static const char *
text_or_null(struct arena *a, const PGresult *r, int row, int col)
{
	return sql_is_null(r, row, col) ? NULL : arena_strdup(a, sql_text(r, row, col));
}

static void
read_row(struct arena *a, const PGresult *r, int i, struct roster_row *row)
{
	row->jid = arena_strdup(a, sql_text(r, i, 0));
	row->name = text_or_null(a, r, i, 1);
	row->groups = read_array(a, sql_text(r, i, 2), &row->ngroups);
	row->subscription = (unsigned)sql_i64(r, i, 3);
	row->ask = sql_bool(r, i, 4);
	row->approved = sql_bool(r, i, 5);
	row->listed = sql_bool(r, i, 6);
	row->version = (uint64_t)sql_i64(r, i, 7);
	row->request = text_or_null(a, r, i, 8);
}

/* One statement, so one snapshot: version and items belong together. The version comes in each row, and
 * alone when the roster has none. */
enum sql_status
roster_store_load(struct sql *db, struct arena *a, int64_t account, struct roster_rows *out,
		  struct err *e)
{
	char id[24];
	PGresult *r;
	enum sql_status st;
	int n;

	*out = (struct roster_rows){0};
	snprintf(id, sizeof(id), "%" PRId64, account);
	st = sql_query(
		db, e, &r,
		"SELECT i.jid, i.name, i.groups, i.subscription, i.ask, i.approved, i.listed, i.version, i.request,"
		" v.version, v.floor FROM chancery.roster_version v"
		" LEFT JOIN chancery.roster_item i ON i.account = v.account WHERE v.account = $1 ORDER BY i.jid",
		1, id);
	if (st != SQL_OK)
		return st;
	n = PQntuples(r);
	if (n > 0) {
		out->version = (uint64_t)sql_i64(r, 0, 9);
		out->floor = (uint64_t)sql_i64(r, 0, 10);
		out->rows = arena_zalloc(a, (size_t)n * sizeof(*out->rows));
	}
	for (int i = 0; i < n; i++)
		if (!sql_is_null(r, i, 0))
			read_row(a, r, i, &out->rows[out->n++]);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
roster_store_put(struct sql *db, int64_t account, const struct roster_row *row, uint64_t version,
		 struct err *e)
{
	struct buf groups = {0};
	char id[24], v[24], row_v[24], sub[12];
	enum sql_status st;

	snprintf(id, sizeof(id), "%" PRId64, account);
	snprintf(v, sizeof(v), "%" PRIu64, version);
	snprintf(row_v, sizeof(row_v), "%" PRIu64, row->version ? row->version : version);
	snprintf(sub, sizeof(sub), "%u", row->subscription);
	add_array(&groups, row->groups, row->ngroups);
	st = sql_do(
		db, e,
		"WITH v AS (INSERT INTO chancery.roster_version AS o (account, version) VALUES ($1, $2)"
		"  ON CONFLICT (account) DO UPDATE SET version = excluded.version WHERE o.version < excluded.version),"
		" t AS (DELETE FROM chancery.roster_tombstone WHERE account = $1 AND jid = $3 AND version <= $2)"
		" INSERT INTO chancery.roster_item AS o"
		"  (account, jid, name, groups, subscription, ask, approved, listed, version, request)"
		" SELECT $1, $3, $4, $5::text[], $6::smallint, $7::boolean, $8::boolean, $9::boolean, $10::bigint, $11"
		" WHERE NOT EXISTS"
		"  (SELECT FROM chancery.roster_tombstone WHERE account = $1 AND jid = $3 AND version > $2)"
		" ON CONFLICT (account, jid) DO UPDATE SET name = excluded.name, groups = excluded.groups,"
		"  subscription = excluded.subscription, ask = excluded.ask, approved = excluded.approved,"
		"  listed = excluded.listed, version = excluded.version, request = excluded.request"
		" WHERE o.version <= excluded.version",
		11, id, v, row->jid, row->name, buf_str(&groups), sub, row->ask ? "t" : "f",
		row->approved ? "t" : "f", row->listed ? "t" : "f", row_v, row->request);
	buf_fini(&groups);
	return st;
}

/* A tombstone is left for a row that clients could see. When there are too many the oldest go and the
 * floor rises to the newest of those. */
enum sql_status
roster_store_remove(struct sql *db, int64_t account, const char *jid, uint64_t version,
		    struct err *e)
{
	char id[24], v[24];

	snprintf(id, sizeof(id), "%" PRId64, account);
	snprintf(v, sizeof(v), "%" PRIu64, version);
	return sql_do(
		db, e,
		"WITH d AS (DELETE FROM chancery.roster_item WHERE account = $1 AND jid = $3 AND version <= $2),"
		" old AS (SELECT version FROM chancery.roster_tombstone WHERE account = $1"
		"  ORDER BY version DESC OFFSET " TOMBSTONES " LIMIT 1),"
		" gone AS (DELETE FROM chancery.roster_tombstone WHERE account = $1"
		"  AND version <= (SELECT version FROM old) AND jid <> $3),"
		" v AS (INSERT INTO chancery.roster_version AS o (account, version) VALUES ($1, $2)"
		"  ON CONFLICT (account) DO UPDATE SET version = greatest(o.version, excluded.version),"
		"  floor = greatest(o.floor, (SELECT version FROM old)))"
		" INSERT INTO chancery.roster_tombstone AS o (account, jid, version) VALUES ($1, $3, $2)"
		" ON CONFLICT (account, jid) DO UPDATE SET version = excluded.version"
		"  WHERE o.version < excluded.version",
		3, id, v, jid);
}

enum sql_status
roster_store_removed(struct sql *db, struct arena *a, int64_t account, uint64_t since,
		     const char *const **jids, size_t *n, struct err *e)
{
	char id[24], v[24];
	PGresult *r;
	const char **item;
	enum sql_status st;

	*jids = NULL;
	*n = 0;
	snprintf(id, sizeof(id), "%" PRId64, account);
	snprintf(v, sizeof(v), "%" PRIu64, since);
	st = sql_query(
		db, e, &r,
		"SELECT jid FROM chancery.roster_tombstone WHERE account = $1 AND version > $2 ORDER BY version",
		2, id, v);
	if (st != SQL_OK)
		return st;
	item = arena_alloc(a, ((size_t)PQntuples(r) + 1) * sizeof(*item));
	for (int i = 0; i < PQntuples(r); i++)
		item[(*n)++] = arena_strdup(a, sql_text(r, i, 0));
	*jids = item;
	PQclear(r);
	return SQL_OK;
}
