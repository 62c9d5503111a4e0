/*
 * quarantine_store: the SQL of those who look after files.
 */
#include "store/quarantine_store.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define HEX (2 * SHA256_SIZE)
#define SHORTEST 8 /* hex digits that may stand for a hash */
#define EPOCH_US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* The first and the last hash that begins so. False: it is no beginning of a hash. */
static bool
range_of(const char *hex, char first[FILE_HASH_SIZE], char last[FILE_HASH_SIZE])
{
	size_t n = strlen(hex);

	if (n < SHORTEST || n > HEX)
		return false;
	memset(first, '0', FILE_HASH_SIZE);
	memset(last, 'f', FILE_HASH_SIZE);
	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)hex[i]))
			return false;
		first[i + 2] = last[i + 2] = hex[i];
	}
	memcpy(first, "\\x", 2);
	memcpy(last, "\\x", 2);
	first[FILE_HASH_SIZE - 1] = last[FILE_HASH_SIZE - 1] = '\0';
	return true;
}

enum sql_status
quarantine_store_resolve(struct sql *db, const char *hex, uint8_t sha256[SHA256_SIZE], unsigned *n, struct err *e)
{
	char first[FILE_HASH_SIZE], last[FILE_HASH_SIZE];
	PGresult *r;
	enum sql_status st;

	*n = 0;
	if (!range_of(hex, first, last))
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT encode(sha256, 'hex') FROM chancery.file WHERE sha256 BETWEEN $1::bytea AND $2::bytea LIMIT 2", 2, first, last);
	if (st != SQL_OK)
		return st;
	*n = (unsigned)PQntuples(r);
	if (*n > 0)
		(void)text_unhex(sql_text(r, 0, 0), HEX, sha256);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
quarantine_store_lock(struct sql *db, struct arena *a, const uint8_t sha256[SHA256_SIZE], struct file_row **out, struct err *e)
{
	char hash[FILE_HASH_SIZE];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT 1 FROM chancery.file WHERE sha256 = $1::bytea FOR UPDATE", 1, file_hash(sha256, hash));

	*out = NULL;
	if (st != SQL_OK)
		return st;
	PQclear(r);
	return file_find(db, a, sha256, out, e);
}

enum sql_status
quarantine_store_list(struct sql *db, unsigned limit, PGresult **rows, struct err *e)
{
	char n[SQL_NUMBER];

	return sql_query(db, e, rows,
		"SELECT encode(f.sha256, 'hex'), f.size, f.type, f.state, f.found,"
		" coalesce(v.name, (SELECT e.name FROM chancery.file_event e WHERE e.sha256 = f.sha256 AND e.name IS NOT NULL ORDER BY e.id DESC LIMIT 1)),"
		" v.from_bare, v.to_bare, " EPOCH_US("v.at") ","
		" coalesce(x.id, 0), x.by_name"
		" FROM chancery.file f"
		" LEFT JOIN LATERAL (SELECT * FROM chancery.file_event e WHERE e.sha256 = f.sha256"
		"   AND e.path NOT IN ('link', 'download', 'quarantine', 'rescan') ORDER BY e.id DESC LIMIT 1) v ON true"
		" LEFT JOIN chancery.file_release x ON x.sha256 = f.sha256 AND x.closed_at IS NULL"
		" WHERE f.quarantined ORDER BY v.at DESC NULLS LAST, f.sha256 LIMIT $1::bigint", 1, sql_number(n, limit));
}

#define EVENT "e.id, " EPOCH_US("e.at") ", e.path, e.from_bare, e.to_bare, e.name, e.declared, e.verdict, e.text, coalesce(e.record, 0)"

enum sql_status
quarantine_store_events(struct sql *db, const uint8_t sha256[SHA256_SIZE], unsigned limit, PGresult **rows, struct err *e)
{
	char hash[FILE_HASH_SIZE], n[SQL_NUMBER];

	return sql_query(db, e, rows, "SELECT " EVENT " FROM chancery.file_event e WHERE e.sha256 = $1::bytea ORDER BY e.id DESC LIMIT $2::bigint", 2,
		file_hash(sha256, hash), sql_number(n, limit));
}

/* For LIKE: its own signs stand for themselves, * for anything. */
static void
add_pattern(struct buf *b, const char *what)
{
	for (; *what; what++) {
		if (*what == '%' || *what == '_' || *what == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *what == '*' ? '%' : *what);
	}
}

enum sql_status
quarantine_store_find(struct sql *db, const char *what, unsigned limit, PGresult **rows, struct err *e)
{
	char first[FILE_HASH_SIZE], last[FILE_HASH_SIZE], n[SQL_NUMBER];
	bool is_hash = range_of(what, first, last);
	struct buf pattern = { 0 };
	enum sql_status st;

	add_pattern(&pattern, what);
	st = sql_query(db, e, rows,
		"SELECT " EVENT ", encode(e.sha256, 'hex'), coalesce(f.state, 0), coalesce(f.kept, false), coalesce(f.quarantined, false)"
		" FROM (SELECT id FROM chancery.file_event WHERE lower(left(name, 255)) LIKE lower($1)"
		"  UNION SELECT id FROM chancery.file_event WHERE sha256 BETWEEN $2::bytea AND $3::bytea) AS i"
		" JOIN chancery.file_event e ON e.id = i.id LEFT JOIN chancery.file f ON f.sha256 = e.sha256 ORDER BY e.id DESC LIMIT $4::bigint",
		4, buf_str(&pattern), is_hash ? first : NULL, is_hash ? last : NULL, sql_number(n, limit));
	buf_fini(&pattern);
	return st;
}

enum sql_status
quarantine_store_released(struct sql *db, const uint8_t sha256[SHA256_SIZE], uint64_t keep_ms, struct err *e)
{
	char hash[FILE_HASH_SIZE], keep[SQL_NUMBER];
	enum sql_status st = sql_do(db, e, "UPDATE chancery.file SET state = 5, kept = true, quarantined = false, seen_at = now()"
		" WHERE sha256 = $1::bytea", 1, file_hash(sha256, hash));

	if (st != SQL_OK)
		return st;
	return sql_do(db, e, "UPDATE chancery.upload SET state = 2, kept_at = now(), expires_at = least(expire_before,"
		" CASE WHEN $2::bigint > 0 THEN now() + $2::bigint * interval '1 millisecond' END) WHERE sha256 = $1::bytea AND state = 5", 2,
		hash, sql_number(keep, (int64_t)keep_ms));
}

enum sql_status
quarantine_store_deleted(struct sql *db, const uint8_t sha256[SHA256_SIZE], struct err *e)
{
	char hash[FILE_HASH_SIZE];

	return sql_do(db, e, "UPDATE chancery.file SET quarantined = false WHERE sha256 = $1::bytea", 1, file_hash(sha256, hash));
}

enum sql_status
quarantine_store_held(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool *held, struct err *e)
{
	char hash[FILE_HASH_SIZE];

	return sql_query_bool(db, e, held, "SELECT archive.file_held($1::bytea)", 1, file_hash(sha256, hash));
}

/* Two persons */

enum sql_status
quarantine_store_propose(struct sql *db, const struct file_row *file, long uid, const char *name, const char *reason, int64_t *id,
	struct err *e)
{
	char hash[FILE_HASH_SIZE], by[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"INSERT INTO chancery.file_release (sha256, by_uid, by_name, reason, found) VALUES ($1::bytea, nullif($2::int8, -1)::int, $3, $4, $5)"
		" ON CONFLICT (sha256) WHERE closed_at IS NULL DO NOTHING RETURNING id", 5, file_hash(file->sha256, hash),
		sql_number(by, uid), name, reason, file->found);

	if (st != SQL_OK)
		return st;
	*id = PQntuples(r) > 0 ? sql_i64(r, 0, 0) : 0;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
quarantine_store_proposal(struct sql *db, struct arena *a, int64_t id, struct quarantine_release *out, struct err *e)
{
	char n[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT encode(sha256, 'hex'), by_name, reason, coalesce(by_uid, -1), found FROM chancery.file_release"
		" WHERE id = $1::bigint AND closed_at IS NULL FOR UPDATE", 1, sql_number(n, id));

	*out = (struct quarantine_release){ 0 };
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) > 0) {
		*out = (struct quarantine_release){ .id = id, .by_name = arena_strdup(a, sql_text(r, 0, 1)),
			.reason = arena_strdup(a, sql_text(r, 0, 2)), .by_uid = (long)sql_i64(r, 0, 3), .found = arena_strdup(a, sql_text(r, 0, 4)) };
		(void)text_unhex(sql_text(r, 0, 0), HEX, out->sha256);
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
quarantine_store_close(struct sql *db, int64_t id, const char *who, bool approved, struct err *e)
{
	char n[SQL_NUMBER];

	return sql_do(db, e, "UPDATE chancery.file_release SET closed_at = now(), closed_by = $2, approved = $3::boolean"
		" WHERE id = $1::bigint AND closed_at IS NULL", 3, sql_number(n, id), who, approved ? "true" : "false");
}

enum sql_status
quarantine_store_close_of(struct sql *db, const uint8_t sha256[SHA256_SIZE], const char *who, struct err *e)
{
	char hash[FILE_HASH_SIZE];

	return sql_do(db, e, "UPDATE chancery.file_release SET closed_at = now(), closed_by = $2, approved = false"
		" WHERE sha256 = $1::bytea AND closed_at IS NULL", 2, file_hash(sha256, hash), who);
}

enum sql_status
quarantine_store_people(struct sql *db, const uint8_t sha256[SHA256_SIZE], unsigned limit, PGresult **rows, struct err *e)
{
	char hash[FILE_HASH_SIZE], n[SQL_NUMBER];

	return sql_query(db, e, rows,
		"SELECT who, bool_or(sent), max(name) FROM (SELECT from_bare AS who, path <> 'download' AS sent, name FROM chancery.file_event"
		"  WHERE sha256 = $1::bytea AND path NOT IN ('quarantine', 'rescan')"
		" UNION ALL SELECT to_bare, false, name FROM chancery.file_event WHERE sha256 = $1::bytea AND to_bare IS NOT NULL"
		"  AND path NOT IN ('quarantine', 'rescan')) AS p GROUP BY who ORDER BY who LIMIT $2::bigint", 2, file_hash(sha256, hash),
		sql_number(n, limit));
}
