/*
 * history_store: see history_store.h; tables and indexes are in schema/0004_history.sql.
 * Addresses are looked up by number and compared as text.
 */
#include "history_store.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "store/account.h"
#include "store/address.h"
#include "store/page.h"

#define NOT_HIDDEN " AND NOT EXISTS (SELECT FROM chancery.history_hidden h WHERE h.account = $3 AND h.record = r.id)"
#define VISIBLE " AND r.shown AND r.stanza IS NOT NULL" NOT_HIDDEN

/* $1 owner, $2 its number, or that of the pair, or the ids; $3 account, $4 and $5 the ids between (inclusive), $6 limit, $7
 * bytes, $8 contact, $9 its resource, $10 the owner's number where $2 is something else; of spans $2 their ids, $11 where they end, $12 how many
 * others they have. */
#define COLUMNS "r.id, r.stanza, r.deliverable AND r.to_bare = $1 AS to_me"
#define SENT " WHERE r.from_hash = $2 AND r.from_bare = $1 AND r.id >= $4 AND r.id <= $5" VISIBLE
#define RECEIVED " WHERE r.to_hash = $2 AND r.to_bare = $1 AND r.from_bare <> $1 AND r.id >= $4 AND r.id <= $5" VISIBLE
#define MINE "(r.from_bare = $1 AND r.from_hash IS NOT NULL OR r.to_bare = $1)" /* without the number: not in its sender's */
#define BY_IDS \
	" WHERE r.id = ANY($2::bigint[]) AND " MINE " AND r.id >= $4 AND r.id <= $5" \
	" AND ($8::text IS NULL" \
	" OR r.from_bare = $1 AND r.to_bare = $8 AND ($9::text IS NULL OR r.to_resource = $9)" \
	" OR r.from_bare = $8 AND r.to_bare = $1 AND ($9::text IS NULL OR r.from_resource = $9))" VISIBLE

/* What is said with one contact is found by the spans of the conversation (address.h), from the one that $4 may be in. A span ends
 * where the next begins, which says how many others it has. `next` is the function that looks at the next one when they come in
 * this order. */
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define OPENS(m, last) m ".pair_hash = $2 AND " m ".shown AND " m ".id >= $4 - " TEXT(ADDRESS_SPAN_US) " AND " m ".id <= " last
#define SPANS(order, next) \
	"(SELECT m.*, least(m.id + " TEXT(ADDRESS_SPAN_US) ", " next "(m.id) OVER o) - 1 AS until, " next "(m.span_before) OVER o AS others" \
	" FROM archive.record m WHERE " OPENS("m", "$5") " AND m.id >= coalesce((SELECT o.id FROM archive.record o" \
	"  WHERE " OPENS("o", "$4") " ORDER BY o.id DESC LIMIT 1), $4) WINDOW o AS (ORDER BY m.id " order ") ORDER BY m.id " order ")"
/* To oneself is to, not from. What is its recipient's alone (no number of its sender) is in no conversation, and in no count of a span. */
#define TO_CONTACT "r.to_bare = $8 AND ($9::text IS NULL OR r.to_resource = $9 OR $8 = $1 AND r.from_resource = $9)"
#define FROM_CONTACT "r.from_bare = $8 AND r.from_bare <> $1 AND r.from_hash IS NOT NULL AND ($9::text IS NULL OR r.from_resource = $9)"
/* The owner's next ones behind the record that opened the span; not all are with that contact. */
#define NEXT(mine, with) \
	"SELECT " COLUMNS " FROM (SELECT * FROM archive.record s WHERE " mine " AND s.id > w.id AND s.id <= w.until" \
	" AND s.id >= $4 AND s.id <= $5 ORDER BY s.id LIMIT " TEXT(ADDRESS_SPAN_RECORDS) ") r WHERE " with VISIBLE
/* The record w.id itself, of `rows`. */
#define OPENER(rows) \
	"SELECT " COLUMNS " FROM " rows " r WHERE r.id = w.id AND r.id >= $4 AND r.id <= $5" \
	" AND (r.from_bare = $1 AND " TO_CONTACT " OR r.to_bare = $1 AND " FROM_CONTACT ")" VISIBLE
#define OTHERS(more) \
	"SELECT * FROM (SELECT * FROM (" NEXT("s.from_hash = $10 AND s.from_bare = $1 AND s.shown", TO_CONTACT) more \
	" UNION ALL " NEXT("s.to_hash = $10 AND s.to_bare = $1", FROM_CONTACT) more ") y ORDER BY y.id LIMIT w.others) x"
/* The others, span after span, in the order in which they are given: PostgreSQL reads no further than the limit. */
#define WITH_OTHERS(order) \
	"(SELECT c.* FROM unnest($2::bigint[], $11::bigint[], $12::int[]) w(id, until, others) CROSS JOIN LATERAL" \
	" (SELECT * FROM (" OTHERS("") ") z ORDER BY z.id " order ") c LIMIT $6::bigint)"
/* The records that opened them. */
#define WITH_OPENERS \
	"(SELECT c.* FROM unnest($2::bigint[]) w(id) CROSS JOIN LATERAL (" OPENER("archive.record") ") c" \
	" WHERE $10::bigint IS NOT NULL LIMIT $6::bigint)"

#define BRANCH(where, order) "(SELECT " COLUMNS " FROM archive.record r" where " ORDER BY r.id " order " LIMIT $6::bigint)"
#define ALL(order) BRANCH(SENT, order) " UNION ALL " BRANCH(RECEIVED, order)
#define PAGE(rows, order) \
	PAGE_SELECT(rows, order, ", p.to_me, t.record IS NOT NULL, t.by_record, t.by_id", \
		" LEFT JOIN chancery.history_retracted t ON t.record = p.id")

enum part { PART_ALL, PART_OPENERS, PART_OTHERS };

static const char *const pages[3][2] = {
	[PART_ALL] = { PAGE(ALL(""), ""), PAGE(ALL("DESC"), "DESC") },
	[PART_OPENERS] = { PAGE(WITH_OPENERS, ""), PAGE(WITH_OPENERS, "DESC") },
	[PART_OTHERS] = { PAGE(WITH_OTHERS(""), ""), PAGE(WITH_OTHERS("DESC"), "DESC") },
};
static const char page_by_ids[] = PAGE(BRANCH(BY_IDS, ""), "");
#define NOT_RETURNED " AND NOT " PAGE_RETURNED("r.id")
#define COUNT(where) "(SELECT count(*) FROM archive.record r" where NOT_RETURNED ")"
/* Every parameter needs a type, those of a page too. */
#define UNUSED " WHERE $6::bigint IS NOT NULL AND $7::bigint IS NOT NULL"
static const char count_all[] = "SELECT " COUNT(SENT) " + " COUNT(RECEIVED) UNUSED;
static const char count_with[] =
	"SELECT (SELECT count(*) FROM " SPANS("", "lead") " w CROSS JOIN LATERAL ("
	OPENER("(SELECT w.*)") NOT_RETURNED " UNION ALL " OTHERS(NOT_RETURNED) ") c)" UNUSED;
static const char count_by_ids[] = "SELECT " COUNT(BY_IDS) UNUSED;

/* Are they all in the archive? */
static enum sql_status
check_exist(struct sql *db, struct arena *a, struct history_query *q, struct err *e)
{
	uint64_t least, most;
	PGresult *r;
	enum sql_status st;

	page_extremes(q->must_exist, q->nmust_exist, &least, &most);
	q->missing = least < q->floor || most > q->upto;
	if (q->missing)
		return SQL_OK;
	st = sql_query(db, e, &r,
		"SELECT count(*) FROM archive.record r WHERE r.id = ANY($2::bigint[]) AND " MINE
		" AND r.id >= $4 AND r.id <= $5" VISIBLE NOT_RETURNED,
		5, q->owner, page_ids(a, q->must_exist, q->nmust_exist), page_number(a, q->account), page_id(a, least), page_id(a, most));
	if (st != SQL_OK)
		return st;
	q->missing = (uint64_t)sql_i64(r, 0, 0) < q->nmust_exist;
	PQclear(r);
	return SQL_OK;
}

#define VALUES 12

/* Returns how many there are. */
static int
values(const struct history_query *q, struct arena *a, const struct page_window *w, const char *v[VALUES])
{
	int64_t me = address_hash(q->owner);

	v[0] = q->owner;
	v[1] = page_number(a, me);
	v[2] = page_number(a, q->account);
	memcpy(&v[3], w->value, sizeof(w->value));
	v[7] = q->with_bare;
	v[8] = q->with_resource;
	if (q->by_ids)
		v[1] = page_ids(a, q->must_exist, q->nmust_exist);
	else if (q->with_bare)
		v[1] = page_number(a, address_pair(me, address_hash(q->with_bare)));
	v[9] = page_number(a, me);
	return q->by_ids ? 9 : q->with_bare ? 10 : 7;
}

static enum sql_status
count(struct sql *db, struct arena *a, struct history_query *q, struct err *e)
{
	const char *v[VALUES], *text = q->by_ids ? count_by_ids : q->with_bare ? count_with : count_all;
	struct page_window w = { .value = { page_id(a, q->first), page_id(a, q->last), "0", "0" } };
	int n = values(q, a, &w, v);
	PGresult *r;
	enum sql_status st = sql_query_v(db, e, &r, text, n, v);

	if (st != SQL_OK)
		return st;
	q->total = sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

/* Behind those of page_read. */
enum { COLUMN_TO_ME = PAGE_COLUMNS, COLUMN_RETRACTED, COLUMN_BY_RECORD, COLUMN_BY_ID };

static void *
read_row(struct arena *a, const PGresult *r, int i)
{
	struct history_row *row = arena_alloc(a, sizeof(*row));

	row->id = (uint64_t)sql_i64(r, i, 0);
	row->len = (size_t)PQgetlength(r, i, 1);
	row->stanza = arena_strndup(a, sql_text(r, i, 1), row->len);
	row->mine_to_get = sql_bool(r, i, COLUMN_TO_ME);
	row->retracted = sql_bool(r, i, COLUMN_RETRACTED);
	row->retracted_by = (uint64_t)sql_i64(r, i, COLUMN_BY_RECORD);
	row->retracted_id = sql_is_null(r, i, COLUMN_BY_ID) ? NULL : arena_strdup(a, sql_text(r, i, COLUMN_BY_ID));
	return row;
}

/* What is read: all of an archive, or (a page of it) what is said with a contact: `n` spans, in the order of the page. */
struct reading {
	const struct history_query *q;
	struct span {
		uint64_t id, until;
		int others, before; /* in it and in the one before; -1: not known */
	} *span;
	size_t n;
	enum part part;
	int above;                          /* backwards: others of the next one, as the last one read says */
};

static const char *
list(struct arena *a, const struct reading *g, char what)
{
	struct buf b = { 0 };
	const char *text;

	for (size_t i = 0; i < g->n; i++) {
		const struct span *s = &g->span[i];

		buf_addc(&b, i ? ',' : '{');
		if (what == 'n' && s->others < 0)
			buf_adds(&b, "NULL");
		else
			buf_addu(&b, what == 'i' ? s->id : what == 'u' ? s->until : (uint64_t)s->others);
	}
	buf_adds(&b, g->n ? "}" : "{}");
	text = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return text;
}

static enum sql_status
read_spans(struct sql *db, struct arena *a, const struct reading *g, const char *v[VALUES], PGresult **r, struct err *e)
{
	v[1] = list(a, g, 'i');
	if (g->part == PART_OTHERS) {
		v[10] = list(a, g, 'u');
		v[11] = list(a, g, 'n');
	}
	return sql_query_v(db, e, r, pages[g->part][g->q->backwards], g->part == PART_OTHERS ? 12 : 10, v);
}

static enum sql_status
read_window(struct sql *db, struct arena *a, const void *arg, const struct page_window *w, PGresult **r, struct err *e)
{
	const struct reading *g = arg;
	const struct history_query *q = g->q;
	const char *v[VALUES];
	int n = values(q, a, w, v);

	if (q->by_ids)
		return sql_query_v(db, e, r, page_by_ids, n, v);
	return q->with_bare ? read_spans(db, a, g, v, r, e) : sql_query_v(db, e, r, pages[PART_ALL][q->backwards], n, v);
}

static enum sql_status
read_page(struct sql *db, struct arena *a, struct history_query *q, struct err *e)
{
	static const struct page_source source = { .read = read_window, .row = read_row };
	struct page p = { .first = q->first, .last = q->last, .backwards = q->backwards, .max = q->max, .max_bytes = q->max_bytes };
	const struct reading g = { .q = q };
	enum sql_status st = page_read(db, a, &p, &source, &g, e);

	q->row = p.row;
	q->n = p.n;
	q->complete = p.complete;
	return st;
}

/* A conversation: its spans are looked up by the number of the pair, as many as the page may need, then what is in them is read. */

#define FIND(from, order) \
	"SELECT id, span_before FROM archive.record WHERE pair_hash = $1 AND shown AND id " from " $2 AND id <= $3" \
	" ORDER BY id " order " LIMIT $4::bigint"
static const char *const find[2] = {
	"(SELECT id, span_before FROM archive.record WHERE pair_hash = $1 AND shown AND id >= $2 - " TEXT(ADDRESS_SPAN_US)
	" AND id <= $2 ORDER BY id DESC LIMIT 1) UNION ALL (" FIND(">", "") ")",
	FIND(">=", "DESC"),
};

static int
others(const PGresult *r, int i)
{
	return sql_is_null(r, i, 1) ? -1 : (int)sql_i64(r, i, 1);
}

/* Backwards: down to the one that `low` may be in. */
static void
spans_down(const PGresult *r, struct reading *g, uint64_t low, uint64_t high)
{
	uint64_t until = high;

	for (int i = 0; i < PQntuples(r) && (!g->n || g->span[g->n - 1].id > low); i++) {
		struct span *s = &g->span[g->n++];

		s->id = (uint64_t)sql_i64(r, i, 0);
		s->until = until < s->id + ADDRESS_SPAN_US ? until : s->id + ADDRESS_SPAN_US - 1;
		s->others = i ? s[-1].before : g->above;
		s->before = others(r, i);
		until = s->id - 1;
	}
}

static void
spans_up(const PGresult *r, struct reading *g)
{
	for (int i = 0; i < PQntuples(r); i++) {
		struct span *s = &g->span[g->n++];

		s->id = (uint64_t)sql_i64(r, i, 0);
		s->until = s->id + ADDRESS_SPAN_US - 1;
		s->others = -1;
		if (i && s[-1].until >= s->id)
			s[-1].until = s->id - 1;
		if (i)
			s[-1].others = others(r, i);
	}
}

/* As many of the spans as fill a page if all that is in them is to be seen. */
static size_t
enough(const struct reading *g, size_t rows)
{
	size_t sum = 0, i = 0;

	while (i < g->n && sum < rows)
		sum += 1 + (size_t)(g->span[i].others > 0 ? g->span[i].others : 0), i++;
	return i;
}

/* The next spans from *low up, or from *high down, for so many rows. Moves the far one of the two to where it is known what spans
 * there are. */
static enum sql_status
find_spans(struct sql *db, struct arena *a, struct reading *g, size_t rows, uint64_t *low, uint64_t *high, struct err *e)
{
	const struct history_query *q = g->q;
	int64_t pair = address_pair(address_hash(q->owner), address_hash(q->with_bare));
	uint64_t from = !q->backwards ? *low : *low > ADDRESS_SPAN_US ? *low - ADDRESS_SPAN_US : 0;
	size_t found;
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, find[q->backwards], 4, page_number(a, pair), page_id(a, from), page_id(a, *high),
		page_number(a, (int64_t)rows + 1));

	if (st != SQL_OK)
		return st;
	g->n = 0;
	g->span = arena_alloc(a, ((size_t)PQntuples(r) + 1) * sizeof(*g->span));
	if (q->backwards)
		spans_down(r, g, *low, *high);
	else
		spans_up(r, g);
	PQclear(r);
	found = g->n;
	/* One more than was asked for shows only that there are more. */
	g->n = found > rows ? rows : found;
	g->n = enough(g, rows);
	if (!q->backwards && g->n < found)
		*high = g->span[g->n].id - 1;
	if (!q->backwards || !g->n)
		return SQL_OK;
	g->above = g->span[g->n - 1].before;
	if (g->n < found || g->span[g->n - 1].id < *low)
		*low = g->span[g->n - 1].id > q->first ? g->span[g->n - 1].id : q->first;
	return SQL_OK;
}

#define WHOLE 1000 /* months: in one window */

/* Rows in the order of the page, as far as they have been read. */
struct rows {
	struct history_row **row;
	size_t n, max;
	uint64_t bytes; /* that may still be added */
	bool complete;
};

static struct rows
rows_new(struct arena *a, const struct history_query *q)
{
	struct rows w = { .max = q->max - q->n, .bytes = q->max_bytes, .complete = true };

	w.row = arena_alloc(a, (w.max + 1) * sizeof(*w.row));
	return w;
}

/* Adds one part of some spans, which are in the order of the page. */
static enum sql_status
read_part(struct sql *db, struct arena *a, const struct reading *g, struct rows *w, struct err *e)
{
	static const struct page_source source = { .read = read_window, .row = read_row };
	const struct history_query *q = g->q;
	const struct span *low = &g->span[q->backwards ? g->n - 1 : 0], *high = &g->span[q->backwards ? 0 : g->n - 1];
	struct page p = { .backwards = q->backwards, .months = WHOLE, .max = (unsigned)(w->max - w->n), .max_bytes = w->bytes };
	enum sql_status st;

	p.first = low->id > q->first ? low->id : q->first;
	p.last = high->until < q->last ? high->until : q->last;
	if (p.first > p.last)
		return SQL_OK;
	st = page_read(db, a, &p, &source, g, e);
	for (size_t i = 0; st == SQL_OK && i < p.n; i++) {
		struct history_row *row = p.row[q->backwards ? p.n - 1 - i : i];

		w->row[w->n++] = row;
		w->bytes -= row->len < w->bytes ? row->len : w->bytes;
	}
	w->complete = p.complete && (w->bytes || !w->n);
	return st;
}

/* The others of these spans. One statement reads those that lie in few partitions, as looking for others costs more for each. */
static enum sql_status
read_others(struct sql *db, struct arena *a, const struct reading *all, struct rows *w, struct err *e)
{
	struct reading g = *all;
	enum sql_status st = SQL_OK;
	size_t n = 0, i, k;

	g.part = PART_OTHERS;
	g.span = arena_alloc(a, all->n * sizeof(*g.span));
	for (i = 0; i < all->n; i++)
		if (all->span[i].others)
			g.span[n++] = all->span[i];
	for (i = 0; st == SQL_OK && w->complete && i < n; i += k) {
		for (k = 1; i + k < n; k++)
			if ((g.span[k].id > g.span->id ? g.span[k].id - g.span->id : g.span->id - g.span[k].id) > PAGE_MONTH_US)
				break;
		g.n = k;
		st = read_part(db, a, &g, w, e);
		g.span += k;
	}
	return st;
}

/* Each of the two is complete, or has by itself as much as the page may still have: what is behind its end is not reached. Backwards the
 * page is filled from its end. */
static void
merge(struct history_query *q, const struct rows *x, const struct rows *y)
{
	size_t i = 0, k = 0;

	q->complete = x->complete && y->complete;
	while (i < x->n || k < y->n) {
		bool first = k == y->n || (i < x->n && (x->row[i]->id < y->row[k]->id) != q->backwards);
		struct history_row *row = first ? x->row[i++] : y->row[k++];

		if (q->n == q->max || !q->max_bytes) {
			q->complete = false;
			return;
		}
		q->row[q->backwards ? q->max - 1 - q->n : q->n] = row;
		q->n++;
		q->max_bytes -= row->len < q->max_bytes ? row->len : q->max_bytes;
	}
}

static enum sql_status
read_found(struct sql *db, struct arena *a, struct history_query *q, struct reading *g, struct err *e)
{
	struct rows openers = rows_new(a, q), rest = rows_new(a, q);
	enum sql_status st;

	if (!g->n)
		return SQL_OK;
	g->part = PART_OPENERS;
	st = read_part(db, a, g, &openers, e);
	if (st == SQL_OK)
		st = read_others(db, a, g, &rest, e);
	if (st == SQL_OK)
		merge(q, &openers, &rest);
	return st;
}

static enum sql_status
read_with(struct sql *db, struct arena *a, struct history_query *q, struct err *e)
{
	struct reading g = { .q = q, .above = -1 };
	uint64_t low, high;
	enum sql_status st = SQL_OK;

	q->n = 0;
	q->complete = true;
	q->row = arena_alloc(a, ((size_t)q->max + 1) * sizeof(*q->row));
	while (st == SQL_OK && q->first <= q->last && q->complete) {
		low = q->first;
		high = q->last;
		st = find_spans(db, a, &g, q->max - q->n + 1, &low, &high, e);
		if (st == SQL_OK)
			st = read_found(db, a, q, &g, e);
		if (q->backwards)
			q->last = low - 1;
		else
			q->first = high + 1;
	}
	if (q->backwards)
		q->row += q->max - q->n;
	return st;
}

/* The archive's bounds are the query's. */
static void
bound(struct history_query *q)
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
history_store_page(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct history_query *q = data;
	enum sql_status st = SQL_OK;

	if (q->nmust_exist)
		st = check_exist(db, a, q, e);
	if (st != SQL_OK || q->missing)
		return st;
	bound(q);
	if (q->count)
		return count(db, a, q, e);
	return q->with_bare && !q->by_ids ? read_with(db, a, q, e) : read_page(db, a, q, e);
}

#define END(where, order) "(SELECT r.id FROM archive.record r" where NOT_RETURNED " ORDER BY r.id " order " LIMIT 1)"

enum sql_status
history_store_extent(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct history_extent *x = data;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT least(" END(SENT, "") ", " END(RECEIVED, "") "),"
		" greatest(" END(SENT, "DESC") ", " END(RECEIVED, "DESC") ")",
		5, x->owner, page_number(a, address_hash(x->owner)), page_number(a, x->account), page_id(a, x->floor), page_id(a, x->upto));
	if (st != SQL_OK)
		return st;
	x->first = (uint64_t)sql_i64(r, 0, 0);
	x->last = (uint64_t)sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}

/* Preferences. Lists travel as one text with a line for each: a prepared address has no line breaks. */

static const char **
read_list(struct arena *a, const char *text, size_t *n)
{
	const char **list;
	size_t lines = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		lines++;
	list = arena_alloc(a, (lines + 1) * sizeof(*list));
	*n = 0;
	for (const char *p = text; *p; p += *p == '\n') {
		size_t len = strcspn(p, "\n");

		list[(*n)++] = arena_strndup(a, p, len);
		p += len;
	}
	return list;
}

static char *
list_text(struct arena *a, const char *const *list, size_t n)
{
	struct buf b = { 0 };
	char *s;

	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i ? "\n" : "", list[i]);
	s = arena_strndup(a, buf_len(&b) ? buf_data(&b) : "", buf_len(&b));
	buf_fini(&b);
	return s;
}

enum sql_status
history_store_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e)
{
	struct history_prefs *p;
	PGresult *r;
	enum sql_status st;

	(void)bare;
	*rows = NULL;
	st = sql_query(db, e, &r,
		"SELECT preset, array_to_string(always, E'\\n'), array_to_string(never, E'\\n')"
		" FROM chancery.history_prefs WHERE account = $1",
		1, page_number(a, account));
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1) {
		p = arena_zalloc(a, sizeof(*p));
		p->preset = arena_strdup(a, sql_text(r, 0, 0));
		p->always = read_list(a, sql_text(r, 0, 1), &p->nalways);
		p->never = read_list(a, sql_text(r, 0, 2), &p->nnever);
		*rows = p;
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
history_store_set(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct history_set *s = data;

	return sql_do(db, e,
		"INSERT INTO chancery.history_prefs (account, preset, always, never)"
		" SELECT $1, $2, string_to_array($3, E'\\n'), string_to_array($4, E'\\n')"
		" WHERE EXISTS (SELECT FROM chancery.account WHERE id = $1)"
		" ON CONFLICT (account) DO UPDATE SET preset = excluded.preset, always = excluded.always, never = excluded.never",
		4, page_number(a, s->account), s->prefs.preset, list_text(a, s->prefs.always, s->prefs.nalways),
		list_text(a, s->prefs.never, s->prefs.nnever));
}

static enum sql_status
hide(struct sql *db, struct arena *a, const struct history_passed *p, struct err *e)
{
	return sql_do(db, e,
		"INSERT INTO chancery.history_hidden (account, record)"
		" SELECT $1, $2 WHERE EXISTS (SELECT FROM chancery.account WHERE id = $1) ON CONFLICT DO NOTHING",
		2, page_number(a, p->account), page_id(a, p->record));
}

#define ORIGIN_BYTES 64 /* "<origin-id" and its namespace, whichever attribute comes first */

/* By the id attribute, or by the origin-id (XEP-0359 §3) where the client uses another. A retraction cannot be retracted. */
static enum sql_status
retract(struct sql *db, struct arena *a, const struct history_retract *t, struct err *e)
{
	return sql_do(db, e,
		"INSERT INTO chancery.history_retracted (record, by_record, by_id)"
		" SELECT r.id, $5, $6 FROM (SELECT id, kind, from_bare, to_bare, client_id, stanza FROM archive.record"
		"  WHERE from_hash = $1 AND shown AND id < $5 ORDER BY id DESC LIMIT $7::bigint) r"
		" WHERE r.from_bare = $2 AND r.to_bare = $3 AND " ACCOUNT_SAME_OWNER("$2", "r.id") " AND r.kind <> 3 AND (r.client_id = $4 OR"
		"  strpos(r.stanza, '<origin-id ') > 0 AND"
		"  strpos(substr(r.stanza, strpos(r.stanza, '<origin-id '), $9::int), $8) > 0)"
		" ORDER BY r.id DESC LIMIT 1 ON CONFLICT DO NOTHING",
		9, page_number(a, address_hash(t->from)), t->from, t->to, t->id, page_id(a, t->by), t->by_id,
		page_number(a, (int64_t)t->depth), t->origin, page_number(a, ORIGIN_BYTES + (int64_t)strlen(t->origin)));
}

enum sql_status
history_store_passed(struct sql *db, struct arena *a, void *data, struct err *e)
{
	const struct history_passed *p = data;
	enum sql_status st = SQL_OK;

	if (p->hide)
		st = hide(db, a, p, e);
	if (st == SQL_OK && p->retract)
		st = retract(db, a, p->retract, e);
	return st;
}
