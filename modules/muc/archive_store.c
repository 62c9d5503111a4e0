/*
 * archive_store: see archive_store.h. Pages are read as store/page.h says; the index on the recipient is the room's.
 */
#include "archive_store.h"

#include <string.h>

#include "store/account.h"
#include "store/address.h"
#include "store/page.h"

/* $1 room, $2 its number, or the ids; $3 who said it, $4 to $7 as page.h says, $8 with which resource, $9 what its tag has. What else is
 * sent to a room (invitations, requests, private messages) is not part of what was said in it. */
#define SAID " AND r.to_bare = $1 AND r.to_resource IS NULL AND r.type = 'groupchat' AND r.shown AND r.stanza IS NOT NULL"
#define ROOM " WHERE r.to_hash = $2 AND r.id >= $4 AND r.id <= $5" SAID
#define IDS " WHERE r.id = ANY($2::bigint[]) AND r.id >= $4 AND r.id <= $5" SAID
#define WITH \
	" AND ($3::text IS NULL OR r.from_bare = $3) AND ($8::text IS NULL OR r.from_resource = $8)" \
	" AND ($9::text IS NULL OR strpos(substring(r.stanza FROM '^<message(?:[^>\"'']|\"[^\"]*\"|''[^'']*'')*>'), $9) > 0)"
#define ROWS(where, order) \
	"(SELECT r.id, r.stanza, r.from_bare, r.from_resource FROM archive.record r" where WITH \
	" ORDER BY r.id " order " LIMIT $6::bigint)"
#define PAGE(where, order) \
	PAGE_SELECT(ROWS(where, order), order, ", p.from_bare, p.from_resource, t.by_record," \
		" (SELECT y.stanza FROM archive.record y WHERE y.id = t.by_record)", \
		" LEFT JOIN chancery.history_retracted t ON t.record = p.id")

static const char *const pages[2] = { PAGE(ROOM, ""), PAGE(ROOM, "DESC") };
static const char page_by_ids[] = PAGE(IDS, "");

#define NOT_RETURNED " AND NOT " PAGE_RETURNED("r.id")
/* Every parameter needs a type, those of a page too. */
#define COUNT(where) \
	"SELECT count(*) FROM archive.record r" where WITH NOT_RETURNED " AND $6::bigint IS NOT NULL AND $7::bigint IS NOT NULL"
static const char count_all[] = COUNT(ROOM);
static const char count_by_ids[] = COUNT(IDS);

#define VALUES 9

static void
values(const struct archive_query *q, struct arena *a, const struct page_window *w, const char *v[VALUES])
{
	v[0] = q->room;
	v[1] = q->by_ids ? page_ids(a, q->must_exist, q->nmust_exist) : page_number(a, address_hash(q->room));
	v[2] = q->with_bare;
	memcpy(&v[3], w->value, sizeof(w->value));
	v[7] = q->with_resource;
	v[8] = q->with_tag;
}

/* Behind those of page_read. */
enum { COLUMN_BARE = PAGE_COLUMNS, COLUMN_RESOURCE, COLUMN_BY_RECORD, COLUMN_RETRACTION };

static const char *
text(struct arena *a, const PGresult *r, int i, int column)
{
	return sql_is_null(r, i, column) ? NULL : arena_strdup(a, sql_text(r, i, column));
}

static void *
read_row(struct arena *a, const PGresult *r, int i)
{
	struct archive_row *row = arena_alloc(a, sizeof(*row));

	row->id = (uint64_t)sql_i64(r, i, 0);
	row->len = (size_t)PQgetlength(r, i, 1);
	row->stanza = arena_strndup(a, sql_text(r, i, 1), row->len);
	row->from_bare = text(a, r, i, COLUMN_BARE);
	row->from_resource = text(a, r, i, COLUMN_RESOURCE);
	row->retracted_by = (uint64_t)sql_i64(r, i, COLUMN_BY_RECORD);
	row->retraction = text(a, r, i, COLUMN_RETRACTION);
	return row;
}

static enum sql_status
read_window(struct sql *db, struct arena *a, const void *arg, const struct page_window *w, PGresult **r, struct err *e)
{
	const struct archive_query *q = arg;
	const char *v[VALUES];

	values(q, a, w, v);
	return sql_query_v(db, e, r, q->by_ids ? page_by_ids : pages[q->backwards], VALUES, v);
}

static enum sql_status
read_page(struct sql *db, struct arena *a, struct archive_query *q, struct err *e)
{
	static const struct page_source source = { .read = read_window, .row = read_row };
	struct page p = { .first = q->first, .last = q->last, .backwards = q->backwards, .max = q->max, .max_bytes = q->max_bytes };
	enum sql_status st = page_read(db, a, &p, &source, q, e);

	q->row = p.row;
	q->n = p.n;
	q->complete = p.complete;
	return st;
}

static enum sql_status
count(struct sql *db, struct arena *a, struct archive_query *q, struct err *e)
{
	struct page_window w = { .value = { page_id(a, q->first), page_id(a, q->last), "0", "0" } };
	const char *v[VALUES];
	PGresult *r;
	enum sql_status st;

	values(q, a, &w, v);
	st = sql_query_v(db, e, &r, q->by_ids ? count_by_ids : count_all, VALUES, v);
	if (st != SQL_OK)
		return st;
	q->total = sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

/* Are they all in the archive? */
static enum sql_status
check_exist(struct sql *db, struct arena *a, struct archive_query *q, struct err *e)
{
	uint64_t least, most;
	PGresult *r;
	enum sql_status st;

	page_extremes(q->must_exist, q->nmust_exist, &least, &most);
	q->missing = least < q->floor || most > q->upto;
	if (q->missing)
		return SQL_OK;
	st = sql_query(db, e, &r,
		"SELECT count(*) FROM archive.record r" IDS NOT_RETURNED " AND $3::text IS NULL",
		5, q->room, page_ids(a, q->must_exist, q->nmust_exist), (const char *)NULL, page_id(a, least), page_id(a, most));
	if (st != SQL_OK)
		return st;
	q->missing = (uint64_t)sql_i64(r, 0, 0) < q->nmust_exist;
	PQclear(r);
	return SQL_OK;
}

/* The archive's bounds are the query's. */
static void
bound(struct archive_query *q)
{
	uint64_t least, most;

	page_clip(&q->first, &q->last, q->floor, q->upto);
	if (!q->by_ids)
		return;
	page_extremes(q->must_exist, q->nmust_exist, &least, &most);
	page_clip(&q->first, &q->last, least, most);
	q->backwards = false;
}

enum sql_status
archive_store_page(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct archive_query *q = data;
	enum sql_status st = SQL_OK;

	if (q->nmust_exist)
		st = check_exist(db, a, q, e);
	if (st != SQL_OK || q->missing)
		return st;
	bound(q);
	return q->count ? count(db, a, q, e) : read_page(db, a, q, e);
}

#define END(order) \
	"(SELECT r.id FROM archive.record r" ROOM NOT_RETURNED " AND $3::text IS NULL ORDER BY r.id " order " LIMIT 1)"

enum sql_status
archive_store_extent(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct archive_extent *x = data;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r, "SELECT " END("") ", " END("DESC"),
		5, x->room, page_number(a, address_hash(x->room)), (const char *)NULL, page_id(a, x->floor), page_id(a, x->upto));
	if (st != SQL_OK)
		return st;
	x->first = (uint64_t)sql_i64(r, 0, 0);
	x->last = (uint64_t)sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}

/* Taking back */

/* $1 room, $2 id, $3 floor, $4 who must have said it; what takes back, or has been taken back by a moderator, is no message to take back. */
#define MESSAGE \
	" FROM archive.record r WHERE r.id = $2 AND r.id >= $3 AND ($4::text IS NULL OR r.from_bare = $4 AND " \
	ACCOUNT_SAME_OWNER("$4", "r.id") ")" SAID \
	" AND r.kind NOT IN (3, 18)"

enum sql_status
archive_store_find(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct archive_retract *t = data;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT EXISTS (SELECT FROM chancery.history_retracted x WHERE x.record = r.id)" MESSAGE,
		4, t->room, page_id(a, t->id), page_id(a, t->floor), t->by_bare);
	if (st != SQL_OK)
		return st;
	t->found = PQntuples(r) > 0;
	t->already = t->found && sql_bool(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
archive_store_retract(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct archive_retract *t = data;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"INSERT INTO chancery.history_retracted (record, by_record, by_id)"
		" SELECT r.id, $5, $6" MESSAGE " ON CONFLICT DO NOTHING RETURNING true",
		6, t->room, page_id(a, t->id), page_id(a, t->floor), t->by_bare, page_id(a, t->by_record), t->by_id);
	if (st != SQL_OK)
		return st;
	t->found = PQntuples(r) > 0;
	PQclear(r);
	return SQL_OK;
}
