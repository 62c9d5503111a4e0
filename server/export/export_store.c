/*
 * export_store: statements. Ids go as an array; their least and greatest beside it, so that only their partitions are looked into.
 */
#include "export/export_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define AT "(extract(epoch FROM r.at) * 1000000)::bigint"
#define THESE "r.id = ANY ($1::bigint[]) AND r.id BETWEEN $2::bigint AND $3::bigint"

struct ids {
	struct buf array;
	char first[24], last[24];
};

static void
ids_make(struct ids *a, const uint64_t *ids, size_t n)
{
	uint64_t first = n ? ids[0] : 1, last = n ? ids[0] : 0;

	a->array = (struct buf){0};
	buf_addc(&a->array, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&a->array, ',');
		buf_addu(&a->array, ids[i]);
		first = ids[i] < first ? ids[i] : first;
		last = ids[i] > last ? ids[i] : last;
	}
	buf_addc(&a->array, '}');
	snprintf(a->first, sizeof(a->first), "%" PRIu64, first);
	snprintf(a->last, sizeof(a->last), "%" PRIu64, last);
}

static enum sql_status
ask_ids(struct sql *db, const char *text, const uint64_t *ids, size_t n, PGresult **rows, struct err *e)
{
	struct ids a;
	enum sql_status st;

	ids_make(&a, ids, n);
	st = sql_query(db, e, rows, text, 3, buf_str(&a.array), a.first, a.last);
	buf_fini(&a.array);
	return st;
}

enum sql_status
export_store_is_allowed(struct sql *db, int64_t id, const char *query, const char *formats, bool *allowed, struct err *e)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRId64, id);
	return sql_query_bool(db, e, allowed,
			      "SELECT EXISTS (SELECT FROM compliance.export_job($1::bigint) j WHERE j.query = $2::jsonb AND to_jsonb(j.formats) = $3::jsonb)", 3,
			      number, query, formats);
}

enum sql_status
export_store_records(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e)
{
	return ask_ids(db,
		       "SELECT r.id, r.log_index, " AT ", r.refers_record, r.kind, r.direction, r.deliverable, r.from_bare, r.from_resource,"
		       " r.to_bare, r.to_resource, r.type, r.client_id, r.refers_to, r.body, r.stanza, encode(r.salt, 'hex'),"
		       " encode(r.leaf_hash, 'hex') FROM archive.record r WHERE " THESE " ORDER BY r.id",
		       ids, n, rows, e);
}

enum sql_status
export_store_there(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e)
{
	return ask_ids(db, "SELECT r.id FROM archive.record r WHERE " THESE " ORDER BY r.id", ids, n, rows, e);
}

enum sql_status
export_store_presence(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e)
{
	return ask_ids(db, "SELECT r.id, r.salt IS NOT NULL FROM archive.record r WHERE " THESE " ORDER BY r.id", ids, n, rows, e);
}

enum sql_status
export_store_brief(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e)
{
	return ask_ids(db,
		       "SELECT r.id, " AT ", r.kind, r.direction, r.from_bare, r.to_bare, r.type FROM archive.record r"
		       " WHERE " THESE " ORDER BY r.id",
		       ids, n, rows, e);
}

enum sql_status
export_store_tiles(struct sql *db, const uint64_t *indexes, size_t n, PGresult **rows, struct err *e)
{
	return ask_ids(db,
		       "SELECT t.index, encode(t.hashes, 'hex') FROM archive.tile t WHERE t.level = 0 AND t.index = ANY ($1::bigint[])"
		       " AND t.index BETWEEN $2::bigint AND $3::bigint ORDER BY t.index",
		       indexes, n, rows, e);
}

enum sql_status
export_store_files(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e)
{
	/* $2 and $3 only say once more what the array says. */
	return ask_ids(db,
		       "SELECT v.record, encode(v.sha256, 'hex'), v.name, f.size, f.type, f.state, f.kept, f.quarantined"
		       " FROM chancery.file_event v LEFT JOIN chancery.file f ON f.sha256 = v.sha256"
		       " WHERE v.record = ANY ($1::bigint[]) AND v.record BETWEEN $2::bigint AND $3::bigint ORDER BY v.record, v.id",
		       ids, n, rows, e);
}

/* As an element of an array's text. */
static void
add_element(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
	buf_addc(b, '"');
}

enum sql_status
export_store_names(struct sql *db, const char *const *bare, size_t n, PGresult **rows, struct err *e)
{
	struct buf array = {0};
	enum sql_status st;

	buf_addc(&array, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&array, ',');
		add_element(&array, bare[i]);
	}
	buf_addc(&array, '}');
	st = sql_query(db, e, rows,
		       "SELECT a.bare, v.vcard FROM chancery.account a JOIN chancery.vcard v ON v.account = a.id"
		       " WHERE a.bare = ANY ($1::text[]) AND v.vcard IS NOT NULL",
		       1, buf_str(&array));
	buf_fini(&array);
	return st;
}

#define TARGET "r.id, r.log_index, " AT ", r.body, r.salt IS NULL"
#define LOOK_BACK_US "5184000000000" /* sixty days */

/* Is it what this is about? Of a room anybody may have said it. */
#define FITS(of) \
	"r.client_id = " of ".name AND r.kind IN (1, 2, 12) AND ((r.from_bare = " of ".a AND r.to_bare = " of ".b) OR (r.from_bare = " of ".b AND" \
	" r.to_bare = " of ".a) OR (r.type = 'groupchat' AND r.to_bare = " of ".b))"

/* Most refer to what was said just before; whoever refers to what is older than the newest few thousand finds it in the record by hand. */
#define SAID_NEAR "64"
#define SAID_FAR "2000"
#define BEFORE(of) "x.id < " of ".id AND x.id > " of ".id - " LOOK_BACK_US " ORDER BY x.id DESC LIMIT "

/* An array for each of what aims have. */
struct aim_arrays {
	struct buf id, target, from, to, name, hash;
};

static void
add_comma(struct buf *b, size_t i)
{
	buf_addc(b, i ? ',' : '{');
}

static void
aims_make(struct aim_arrays *v, const struct export_aim *const *aims, size_t n, int round)
{
	*v = (struct aim_arrays){0};
	for (size_t i = 0; i < n; i++) {
		const struct export_aim *a = aims[i];
		/* What was said to somebody is found with those who were told: an own word with the other, another's word with oneself. */
		bool other = a->own == (round == 1);

		for (struct buf *b = &v->id; b <= &v->hash; b++)
			add_comma(b, i);
		buf_addu(&v->id, a->id);
		buf_addu(&v->target, a->target);
		add_element(&v->from, a->from);
		add_element(&v->to, a->to);
		add_element(&v->name, a->client_id);
		buf_addf(&v->hash, "%" PRId64, other ? a->to_hash : a->from_hash);
	}
	for (struct buf *b = &v->id; b <= &v->hash; b++)
		buf_addc(b, '}');
}

static void
aims_free(struct aim_arrays *v)
{
	for (struct buf *b = &v->id; b <= &v->hash; b++)
		buf_fini(b);
}

enum sql_status
export_store_said_ids(struct sql *db, const struct export_aim *const *aims, size_t n, PGresult **rows, struct err *e)
{
	struct aim_arrays v;
	enum sql_status st;

	aims_make(&v, aims, n, 1);
	st = sql_query(db, e, rows,
		       "SELECT w.id, " TARGET " FROM unnest($1::bigint[], $2::bigint[], $3::text[]) w (id, target, b),"
		       " LATERAL (SELECT x.* FROM archive.record x WHERE x.id = w.target AND x.id < w.id AND w.b IN (x.to_bare, x.from_bare)) r ORDER BY w.id",
		       3, buf_str(&v.id), buf_str(&v.target), buf_str(&v.to));
	aims_free(&v);
	return st;
}

/* The records to that end are read one by one, newest first, and no further than to the first that fits. */
enum sql_status
export_store_said_near(struct sql *db, const struct export_aim *const *aims, size_t n, int round, PGresult **rows, struct err *e)
{
	struct aim_arrays v;
	enum sql_status st;

	aims_make(&v, aims, n, round);
	st = sql_query(db, e, rows,
		       "SELECT w.id, " TARGET " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) w (id, a, b, name, number),"
		       " LATERAL (SELECT r.* FROM (SELECT x.* FROM archive.record x WHERE x.to_hash = w.number AND " BEFORE("w") SAID_NEAR ") r"
		       " WHERE " FITS("w") " LIMIT 1) r ORDER BY w.id",
		       5, buf_str(&v.id), buf_str(&v.from), buf_str(&v.to), buf_str(&v.name), buf_str(&v.hash));
	aims_free(&v);
	return st;
}

/* Each end's newest records by its own index, one after the other: with both in one condition all of the time in question would be sorted. */
enum sql_status
export_store_said_far(struct sql *db, const struct export_aim *a, PGresult **rows, struct err *e)
{
	char number[24], of_from[24], of_to[24];

	snprintf(number, sizeof(number), "%" PRIu64, a->id);
	snprintf(of_from, sizeof(of_from), "%" PRId64, a->from_hash);
	snprintf(of_to, sizeof(of_to), "%" PRId64, a->to_hash);
	return sql_query(db, e, rows,
			 "SELECT w.id, " TARGET " FROM (SELECT $1::bigint, $2::text, $3::text, $4::text) w (id, a, b, name),"
			 " unnest(ARRAY[$5::bigint, $6::bigint]) h (number), LATERAL (SELECT x.* FROM archive.record x"
			 " WHERE x.to_hash = h.number AND " BEFORE("w") SAID_FAR ") r WHERE " FITS("w") " ORDER BY r.id DESC LIMIT 1",
			 6, number, a->from, a->to, a->client_id, of_from, of_to);
}

enum sql_status
export_store_erased(struct sql *db, const uint64_t *ids, size_t n, uint64_t *erased, struct err *e)
{
	PGresult *rows;
	enum sql_status st = ask_ids(db, "SELECT count(*) FROM archive.record r WHERE " THESE " AND r.salt IS NOT NULL", ids, n, &rows, e);

	if (st != SQL_OK)
		return st;
	*erased = n - (uint64_t)sql_i64(rows, 0, 0);
	PQclear(rows);
	return SQL_OK;
}

static enum sql_status
one_number(struct sql *db, const char *text, int n, const char *const *v, uint64_t *out, struct err *e)
{
	PGresult *rows;
	enum sql_status st = sql_query_v(db, e, &rows, text, n, v);

	if (st != SQL_OK)
		return st;
	if (PQntuples(rows) == 1)
		*out = (uint64_t)sql_i64(rows, 0, 0);
	PQclear(rows);
	return SQL_OK;
}

enum sql_status
export_store_index_before(struct sql *db, int64_t us, uint64_t *index, struct err *e)
{
	char id[24];

	snprintf(id, sizeof(id), "%" PRId64, us);
	return one_number(db, "SELECT log_index + 1 FROM archive.record WHERE id < $1::bigint ORDER BY id DESC LIMIT 1", 1,
		(const char *const[]){ id }, index, e);
}

enum sql_status
export_store_index_from(struct sql *db, int64_t us, uint64_t *index, struct err *e)
{
	char id[24];

	snprintf(id, sizeof(id), "%" PRId64, us);
	return one_number(db, "SELECT log_index FROM archive.record WHERE id >= $1::bigint ORDER BY id LIMIT 1", 1, (const char *const[]){ id }, index, e);
}

enum sql_status
export_store_count(struct sql *db, uint64_t from, uint64_t end, uint64_t *n, struct err *e)
{
	char first[24], last[24];

	snprintf(first, sizeof(first), "%" PRIu64, from);
	snprintf(last, sizeof(last), "%" PRIu64, end);
	return one_number(db, "SELECT count(*) FROM archive.record WHERE log_index >= $1::bigint AND log_index < $2::bigint", 2,
		(const char *const[]){ first, last }, n, e);
}

enum sql_status
export_store_holes(struct sql *db, uint64_t from, uint64_t end, PGresult **rows, struct err *e)
{
	char first[24], last[24];

	snprintf(first, sizeof(first), "%" PRIu64, from);
	snprintf(last, sizeof(last), "%" PRIu64, end);
	/* What is erased, and whose rows have gone as the record says, is not missing. */
	return sql_query(db, e, rows, "SELECT lower(h), upper(h) FROM (SELECT range_agg(int8range(a, b)) AS all_of_them FROM"
		" (SELECT at + 1 AS a, lead(at, 1, $2::bigint) OVER (ORDER BY at) AS b FROM"
		" (SELECT $1::bigint - 1 AS at UNION ALL SELECT log_index FROM archive.record WHERE log_index >= $1::bigint AND log_index < $2::bigint) x) y"
		" WHERE a < b) z, unnest(z.all_of_them - archive.dropped_among($1::bigint, $2::bigint)) h ORDER BY 1", 2, first, last);
}
