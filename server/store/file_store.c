/*
 * file_store: the SQL of files. Two judgements of one content at a time meet at its row.
 */
#include "store/file_store.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define EPOCH(column) "extract(epoch FROM " column ")"
#define TIMESTAMP_US(us) "(timestamptz 'epoch' + " us "::bigint * interval '1 microsecond')"
#define TIMESTAMP_S(s) "(timestamptz 'epoch' + " s "::bigint * interval '1 second')"
/* Its content may be read: found clean, or released by people. */
#define PASSES "IN (1, 5)"

static const char *
truth(bool b)
{
	return b ? "true" : "false";
}

const char *
file_hash(const uint8_t sha256[SHA256_SIZE], char out[FILE_HASH_SIZE])
{
	memcpy(out, "\\x", 2);
	text_hex(sha256, SHA256_SIZE, out + 2);
	return out;
}

#define ROW "size, type, state, found, (" EPOCH("scanned_at") " * 1000000)::bigint, " EPOCH("signatures_at") "::bigint, signatures_n, kept, quarantined," \
	" encode(sha256, 'hex'), signatures_set"

/* The first row of ROW, if there is one. Clears r. */
static struct file_row *
read_row(PGresult *r, struct arena *a)
{
	struct file_row *f = NULL;

	if (PQntuples(r) > 0) {
		f = arena_zalloc(a, sizeof(*f));
		f->size = (uint64_t)sql_i64(r, 0, 0);
		f->type = arena_strdup(a, sql_text(r, 0, 1));
		f->state = (enum file_state)sql_i64(r, 0, 2);
		f->found = arena_strdup(a, sql_text(r, 0, 3));
		f->scanned_us = sql_i64(r, 0, 4);
		f->signatures_s = sql_i64(r, 0, 5);
		f->signatures_n = (uint64_t)sql_i64(r, 0, 6);
		f->signatures_set = (uint64_t)sql_i64(r, 0, 10);
		f->kept = sql_bool(r, 0, 7);
		f->quarantined = sql_bool(r, 0, 8);
		(void)text_unhex(sql_text(r, 0, 9), 2 * SHA256_SIZE, f->sha256);
	}
	PQclear(r);
	return f;
}

enum sql_status
file_find(struct sql *db, struct arena *a, const uint8_t sha256[SHA256_SIZE], struct file_row **out, struct err *e)
{
	char hash[FILE_HASH_SIZE];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT " ROW " FROM chancery.file WHERE sha256 = $1::bytea", 1, file_hash(sha256, hash));

	*out = st == SQL_OK ? read_row(r, a) : NULL;
	return st;
}

enum sql_status
file_to_rescan(struct sql *db, struct arena *a, int64_t signatures_s, uint64_t signatures_n, uint64_t signatures_set,
	const struct file_place *after, struct file_row **out, struct err *e)
{
	char made[SQL_NUMBER], n[SQL_NUMBER], set[SQL_NUMBER], at[SQL_NUMBER], hash[FILE_HASH_SIZE];
	PGresult *r;
	/* Microseconds in, microseconds out: the place is exact. */
	enum sql_status st = sql_query(db, e, &r,
		"SELECT " ROW " FROM chancery.file WHERE kept AND state = 1 AND (signatures_at, signatures_n, signatures_set)"
		" <> (" TIMESTAMP_S("$1") ", $2::bigint, $5::bigint)"
		" AND (scanned_at, sha256) > (" TIMESTAMP_US("$3") ", $4::bytea) ORDER BY scanned_at, sha256 LIMIT 1", 5,
		sql_number(made, signatures_s), sql_number(n, (int64_t)signatures_n), sql_number(at, after->scanned_us), file_hash(after->sha256, hash),
		sql_number(set, (int64_t)signatures_set));

	*out = st == SQL_OK ? read_row(r, a) : NULL;
	return st;
}

enum sql_status
file_known(struct sql *db, bool quarantined, const uint8_t (*sha256)[SHA256_SIZE], size_t n, bool *known, struct err *e)
{
	struct buf hashes = { 0 };
	char hash[FILE_HASH_SIZE];
	PGresult *r;
	enum sql_status st;

	/* An element of an array as PostgreSQL reads it: the backslash twice. */
	for (size_t i = 0; i < n; i++)
		buf_addf(&hashes, "%c\"\\%s\"", i ? ',' : '{', file_hash(sha256[i], hash));
	buf_adds(&hashes, n ? "}" : "{}");
	st = sql_query(db, e, &r,
		"SELECT coalesce(CASE WHEN $2::boolean THEN f.quarantined ELSE f.kept END, false)"
		" FROM unnest($1::bytea[]) WITH ORDINALITY AS g (sha256, place) LEFT JOIN chancery.file f ON f.sha256 = g.sha256 ORDER BY g.place",
		2, buf_str(&hashes), truth(quarantined));
	buf_fini(&hashes);
	if (st != SQL_OK)
		return st;
	for (size_t i = 0; i < n && (int)i < PQntuples(r); i++)
		known[i] = sql_bool(r, (int)i, 0);
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
read_state(enum sql_status st, PGresult *r, enum file_state *state)
{
	*state = st == SQL_OK && PQntuples(r) > 0 ? (enum file_state)sql_i64(r, 0, 0) : 0;
	PQclear(r);
	return st;
}

static enum sql_status
put(struct sql *db, const struct file_row *f, enum file_state *state, struct err *e)
{
	char hash[FILE_HASH_SIZE], size[SQL_NUMBER], code[SQL_NUMBER], scanned[SQL_NUMBER], made[SQL_NUMBER], n[SQL_NUMBER], set[SQL_NUMBER];
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r,
		"INSERT INTO chancery.file AS f (sha256, size, type, state, found, scanned_at, signatures_at, signatures_n, kept, quarantined, signatures_set)"
		" VALUES ($1::bytea, $2::bigint, $3, $4::smallint, $5, " TIMESTAMP_US("$6") ", " TIMESTAMP_S("$7") ", $8::bigint,"
		"  $9::boolean AND $4::smallint " PASSES ", $10::boolean, $11::bigint)"
		" ON CONFLICT (sha256) DO UPDATE SET seen_at = now(),"
		"  (type, state, found, scanned_at, signatures_at, signatures_n, signatures_set, kept, quarantined) = (SELECT"
		"   CASE WHEN newer THEN excluded.type ELSE f.type END, s, CASE WHEN newer THEN excluded.found ELSE f.found END,"
		"   greatest(f.scanned_at, excluded.scanned_at),"
		"   CASE WHEN newer THEN excluded.signatures_at ELSE f.signatures_at END,"
		"   CASE WHEN newer THEN excluded.signatures_n ELSE f.signatures_n END,"
		"   CASE WHEN newer THEN excluded.signatures_set ELSE f.signatures_set END,"
		"   (f.kept OR excluded.kept) AND s " PASSES ", f.quarantined OR (excluded.quarantined AND NOT s " PASSES ")"
		"   FROM (SELECT *, CASE WHEN NOT newer THEN f.state WHEN excluded.state IN (2, 3) AND (f.kept OR f.state = 4) THEN 4"
		"     ELSE excluded.state END AS s FROM (SELECT f.state <> 5 AND excluded.scanned_at >= f.scanned_at"
		"     AND NOT (excluded.state = 1 AND f.state IN (2, 4) AND excluded.signatures_at < f.signatures_at)"
		"     AND NOT (excluded.state = 3 AND f.kept) AS newer) AS a) AS b)"
		" RETURNING state", 11, file_hash(f->sha256, hash), sql_number(size, (int64_t)f->size), f->type, sql_number(code, f->state), f->found,
		sql_number(scanned, f->scanned_us), sql_number(made, f->signatures_s), sql_number(n, (int64_t)f->signatures_n), truth(f->kept),
		truth(f->quarantined), sql_number(set, (int64_t)f->signatures_set));

	return read_state(st, r, state);
}

enum sql_status
file_put(struct sql *db, const struct file_row *f, enum file_state *state, bool *was_kept, struct err *e)
{
	char hash[FILE_HASH_SIZE];
	PGresult *r = NULL;
	enum sql_status st;
	bool known;

	*was_kept = false;
	/* What has been found clean takes nothing out of the vault. */
	if (f->state == FILE_CLEAN)
		return put(db, f, state, e);
	st = sql_query(db, e, &r, "SELECT kept FROM chancery.file WHERE sha256 = $1::bytea FOR UPDATE", 1, file_hash(f->sha256, hash));
	known = st == SQL_OK && PQntuples(r) > 0;
	*was_kept = known && sql_bool(r, 0, 0);
	PQclear(r);
	if (st == SQL_OK)
		st = put(db, f, state, e);
	/* Nothing to lock, and then it was there, kept: somebody was quicker. */
	if (st == SQL_OK && !known && *state == FILE_WITHDRAWN)
		*was_kept = true;
	return st;
}

enum sql_status
file_seen(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool keep, enum file_state *state, struct err *e)
{
	char hash[FILE_HASH_SIZE];
	PGresult *r = NULL;
	enum sql_status st = sql_query(db, e, &r,
		"UPDATE chancery.file SET seen_at = now(), kept = (kept OR $2::boolean) AND state " PASSES " WHERE sha256 = $1::bytea RETURNING state",
		2, file_hash(sha256, hash), truth(keep));

	return read_state(st, r, state);
}

enum sql_status
file_event_add(struct sql *db, struct file_event *v, struct err *e)
{
	char hash[FILE_HASH_SIZE], record[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"INSERT INTO chancery.file_event (" FILE_EVENT_COLUMNS ")"
		" VALUES ($1, $2::bytea, $3, $4, $5, $6, $7, $8, nullif($9::bigint, 0)) RETURNING id", 9, v->path, file_hash(v->sha256, hash),
		v->from, v->to, v->name, v->declared, v->verdict, v->text ? v->text : "", sql_number(record, (int64_t)v->record_id));

	if (st != SQL_OK)
		return st;
	v->id = sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}
