/*
 * page: see page.h.
 */
#include "store/page.h"

#include <inttypes.h>

#include "base/buf.h"

enum { COLUMN_ID, COLUMN_STANZA, COLUMN_THERE, COLUMN_RETURNED };

char *
page_number(struct arena *a, int64_t v)
{
	return arena_printf(a, "%" PRId64, v);
}

/* PostgreSQL's bigint; what is beyond is no id of ours. */
char *
page_id(struct arena *a, uint64_t id)
{
	return page_number(a, id > INT64_MAX ? INT64_MAX : (int64_t)id);
}

char *
page_ids(struct arena *a, const uint64_t *id, size_t n)
{
	struct buf b = { 0 };
	char *s;

	buf_addc(&b, '{');
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%" PRIu64, i ? "," : "", id[i]);
	buf_addc(&b, '}');
	s = arena_strndup(a, buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return s;
}

void
page_extremes(const uint64_t *id, size_t n, uint64_t *least, uint64_t *most)
{
	*least = *most = id[0];
	for (size_t i = 1; i < n; i++) {
		*least = id[i] < *least ? id[i] : *least;
		*most = id[i] > *most ? id[i] : *most;
	}
}

void
page_clip(uint64_t *first, uint64_t *last, uint64_t low, uint64_t high)
{
	if (*first < low)
		*first = low;
	if (*last > high)
		*last = high;
}

/* One read of a page: what is left of it, and from where on. */
struct reading {
	uint64_t first, last; /* not looked at yet, inclusive */
	uint64_t months;      /* of the next window */
	size_t room;          /* rows wanted still, with the one that tells whether there are more */
	uint64_t bytes;
	bool cut;             /* the bytes did not allow more */
};

/* Takes the rows of a window. How many there were decides how far it has been looked through. */
static void
take(struct arena *a, const PGresult *r, struct page *p, const struct page_source *s, struct reading *g, uint64_t low, uint64_t high)
{
	int got = PQntuples(r);
	int64_t there = got ? sql_i64(r, 0, COLUMN_THERE) : 0;

	for (int i = 0; i < got; i++) {
		uint64_t bytes = (uint64_t)PQgetlength(r, i, COLUMN_STANZA);

		if (sql_bool(r, i, COLUMN_RETURNED))
			continue;
		p->row[p->n++] = s->row(a, r, i);
		g->bytes -= bytes < g->bytes ? bytes : g->bytes;
	}
	g->cut = there > got || !g->bytes;
	if (there == (int64_t)g->room) { /* there may be more of this window */
		uint64_t end = (uint64_t)sql_i64(r, got - 1, COLUMN_ID);

		low = p->backwards ? end : low;
		high = p->backwards ? high : end;
	}
	if (p->backwards)
		g->last = low - 1;
	else
		g->first = high + 1;
	g->room = p->max + 1 - p->n;
}

static enum sql_status
read_window(struct sql *db, struct arena *a, struct page *p, const struct page_source *s, const void *arg, struct reading *g,
	struct err *e)
{
	struct page_window w = { .first = g->first, .last = g->last };
	uint64_t width = g->months * PAGE_MONTH_US;
	PGresult *r;
	enum sql_status st;

	if (p->backwards && w.last - w.first > width)
		w.first = w.last - width;
	else if (!p->backwards && w.last - w.first > width)
		w.last = w.first + width;
	w.value[0] = page_id(a, w.first);
	w.value[1] = page_id(a, w.last);
	w.value[2] = page_number(a, (int64_t)g->room);
	w.value[3] = page_id(a, g->bytes);
	st = s->read(db, a, arg, &w, &r, e);
	if (st != SQL_OK)
		return st;
	take(a, r, p, s, g, w.first, w.last);
	PQclear(r);
	g->months *= PAGE_WIDER;
	return SQL_OK;
}

static void
reverse(void **row, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		void *t = row[i];

		row[i] = row[n - 1 - i];
		row[n - 1 - i] = t;
	}
}

enum sql_status
page_read(struct sql *db, struct arena *a, struct page *p, const struct page_source *s, const void *arg, struct err *e)
{
	struct reading g = { .first = p->first, .last = p->last, .months = p->months ? p->months : PAGE_FIRST_MONTHS, .room = p->max + 1, .bytes = p->max_bytes };
	enum sql_status st = SQL_OK;

	p->n = 0;
	p->row = arena_alloc(a, g.room * sizeof(*p->row));
	while (st == SQL_OK && g.room && !g.cut && g.first <= g.last)
		st = read_window(db, a, p, s, arg, &g, e);
	p->complete = p->n <= p->max && !g.cut;
	/* The last byte may have been the last row's. */
	if (p->n > p->max)
		p->n = p->max;
	if (p->backwards)
		reverse(p->row, p->n);
	return st;
}
