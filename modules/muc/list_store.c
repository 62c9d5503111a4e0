/*
 * list_store: see list_store.h; tables in schema/0016_room.sql and schema/0019_room_archive.sql.
 */
#include "list_store.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"

/* $1 domain, $2 run, $3 patterns, $4 to $6 where they are looked for, $7 least number of occupants. Rooms that are there only while
 * somebody is inside may have been left over by an earlier run. */
#define OCCUPANTS "coalesce(c.occupants, 0)"
#define FROM \
	" FROM chancery.room r LEFT JOIN chancery.room_census c ON c.room = r.id AND c.run = $2" \
	" WHERE r.domain = $1 AND r.listed AND NOT r.locked AND (r.persistent OR r.run = $2)" \
	" AND NOT EXISTS (SELECT FROM unnest($3::text[]) AS t(p) WHERE NOT (" \
	"  $4::boolean AND coalesce(r.name, '') ILIKE t.p OR $5::boolean AND coalesce(r.description, '') ILIKE t.p" \
	"  OR $6::boolean AND r.jid ILIKE t.p))" \
	" AND " OCCUPANTS " >= $7::int"
#define VALUES 7

/* $8 and $9: behind and before these addresses; $10 and $11 their occupants; $12 limit. */
#define COLUMNS \
	"SELECT r.jid, r.name, r.description, r.lang, " OCCUPANTS "," \
	" NOT r.members_only AND r.password IS NULL, r.whois_anyone"
#define UNUSED " AND ($10::int IS NULL OR true) AND ($11::int IS NULL OR true)"
#define BY_ADDRESS(order) \
	COLUMNS FROM " AND ($8::text IS NULL OR r.jid > $8) AND ($9::text IS NULL OR r.jid < $9)" UNUSED \
	" ORDER BY r.jid " order " LIMIT $12::bigint"
#define BY_OCCUPANTS(order) \
	COLUMNS FROM \
	" AND ($8::text IS NULL OR (-" OCCUPANTS ", r.jid) > (-$10::int, $8 COLLATE \"C\"))" \
	" AND ($9::text IS NULL OR (-" OCCUPANTS ", r.jid) < (-$11::int, $9 COLLATE \"C\"))" \
	" ORDER BY -" OCCUPANTS " " order ", r.jid " order " LIMIT $12::bigint"

static const char *const pages[2][2] = {
	{ BY_ADDRESS(""), BY_ADDRESS("DESC") },
	{ BY_OCCUPANTS(""), BY_OCCUPANTS("DESC") },
};
/* How many there are, and how many before $8 (of $9 occupants). */
static const char *const counts[2] = {
	"SELECT count(*), count(*) FILTER (WHERE r.jid < $8 AND ($9::int IS NULL OR true))" FROM,
	"SELECT count(*), count(*) FILTER (WHERE (-" OCCUPANTS ", r.jid) < (-$9::int, $8 COLLATE \"C\"))" FROM,
};

static char *
number(struct arena *a, uint64_t v)
{
	return arena_printf(a, "%" PRIu64, v > INT32_MAX ? INT32_MAX : v);
}

/* "%term%" each, with what LIKE and arrays would understand taken for what it is. */
static char *
patterns(struct arena *a, const char *const *term, size_t n)
{
	struct buf b = { 0 };
	char *s;

	buf_addc(&b, '{');
	for (size_t i = 0; i < n; i++) {
		buf_adds(&b, i ? ",\"%" : "\"%");
		for (const char *p = term[i]; *p; p++) {
			if (*p == '%' || *p == '_')
				buf_adds(&b, "\\\\");
			else if (*p == '\\')
				buf_adds(&b, "\\\\\\");
			else if (*p == '"')
				buf_addc(&b, '\\');
			buf_addc(&b, *p);
		}
		buf_adds(&b, "%\"");
	}
	buf_addc(&b, '}');
	s = arena_strndup(a, buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return s;
}

static void
common_values(const struct list_query *q, struct arena *a, const char *v[VALUES])
{
	v[0] = q->domain;
	v[1] = arena_printf(a, "%" PRId64, q->run);
	v[2] = patterns(a, q->term, q->nterms);
	v[3] = q->in_name ? "t" : "f";
	v[4] = q->in_description ? "t" : "f";
	v[5] = q->in_address ? "t" : "f";
	v[6] = number(a, q->min_occupants);
}

static const char *
text(struct arena *a, const PGresult *r, int i, int column)
{
	return sql_is_null(r, i, column) ? NULL : arena_strdup(a, sql_text(r, i, column));
}

static struct list_room
read_room(struct arena *a, const PGresult *r, int i)
{
	return (struct list_room){
		.jid = text(a, r, i, 0), .name = text(a, r, i, 1), .description = text(a, r, i, 2), .lang = text(a, r, i, 3),
		.occupants = (uint64_t)sql_i64(r, i, 4), .open = sql_bool(r, i, 5), .non_anonymous = sql_bool(r, i, 6),
	};
}

static enum sql_status
find(struct sql *db, struct arena *a, struct list_query *q, struct err *e)
{
	const char *v[VALUES + 5];
	PGresult *r;
	enum sql_status st;
	size_t got;

	common_values(q, a, v);
	v[7] = q->after;
	v[8] = q->before;
	v[9] = number(a, q->after_occupants);
	v[10] = number(a, q->before_occupants);
	v[11] = number(a, (uint64_t)q->max + 1);
	st = sql_query_v(db, e, &r, pages[q->order][q->backwards], VALUES + 5, v);
	if (st != SQL_OK)
		return st;
	got = (size_t)PQntuples(r);
	q->complete = got <= q->max;
	q->n = q->complete ? got : q->max;
	q->room = arena_alloc(a, (q->n + 1) * sizeof(*q->room));
	for (size_t i = 0; i < q->n; i++)
		q->room[q->backwards ? q->n - 1 - i : i] = read_room(a, r, (int)i);
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
count(struct sql *db, struct arena *a, struct list_query *q, struct err *e)
{
	const char *v[VALUES + 2];
	PGresult *r;
	enum sql_status st;

	common_values(q, a, v);
	v[7] = q->n ? q->room[0].jid : "";
	v[8] = number(a, q->n ? q->room[0].occupants : 0);
	st = sql_query_v(db, e, &r, counts[q->order], VALUES + 2, v);
	if (st != SQL_OK)
		return st;
	q->total = sql_i64(r, 0, 0);
	q->index = q->n ? sql_i64(r, 0, 1) : -1;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
list_store_find(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct list_query *q = data;
	enum sql_status st = find(db, a, q, e);

	q->total = q->index = -1;
	return st == SQL_OK && q->want_total ? count(db, a, q, e) : st;
}

enum sql_status
list_store_census(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct list_census *c = data;

	return sql_do(db, e,
		"INSERT INTO chancery.room_census (room, run, occupants)"
		" SELECT $1, $2, $3 WHERE EXISTS (SELECT FROM chancery.room WHERE id = $1)"
		" ON CONFLICT (room) DO UPDATE SET run = excluded.run, occupants = excluded.occupants",
		3, arena_printf(a, "%" PRId64, c->room), arena_printf(a, "%" PRId64, c->run), number(a, c->occupants));
}
