/*
 * source_order: makes the orders that formats ask for from the selection.
 */
#include <errno.h>
#include <string.h>

#include "export/source_priv.h"

#define DAY_US INT64_C(86400000000)

static const char *const names[] = { [EXPORT_BY_LOG] = SOURCE_SELECTION, [EXPORT_BY_CONVERSATION] = "order-conversation",
	[EXPORT_BY_PERSON] = "order-person" };

static uint32_t
day_of(int64_t us)
{
	return us > 0 ? (uint32_t)(us / DAY_US) : 0;
}

struct brief {
	int kind, direction;
	int64_t at_us;
	const char *type, *from, *to; /* NULL: none */
};

static void
read_brief(const PGresult *rows, int i, struct brief *b)
{
	b->at_us = sql_i64(rows, i, BRIEF_AT);
	b->kind = (int)sql_i64(rows, i, BRIEF_KIND);
	b->direction = (int)sql_i64(rows, i, BRIEF_DIRECTION);
	b->type = sql_is_null(rows, i, BRIEF_TYPE) ? NULL : sql_text(rows, i, BRIEF_TYPE);
	b->from = sql_is_null(rows, i, BRIEF_FROM) ? NULL : sql_text(rows, i, BRIEF_FROM);
	b->to = sql_is_null(rows, i, BRIEF_TO) ? NULL : sql_text(rows, i, BRIEF_TO);
}

static int
add_conversation(struct export_source *s, struct order *o, struct order_entry *x, const struct brief *b, struct err *e)
{
	enum export_place place;

	order_set_key(x, source_conversation(s, s->turn, b->kind, b->direction, b->type, b->from, b->to, &place), day_of(b->at_us));
	return order_add(o, x, e);
}

static int
add_persons(struct export_source *s, struct order *o, struct order_entry *x, const struct brief *b, struct err *e)
{
	bool from = source_is_ours(s, b->from), to = source_is_ours(s, b->to) && !(b->from && !strcmp(b->from, b->to));

	if (from) {
		order_set_key(x, b->from, 0);
		if (order_add(o, x, e))
			return -1;
	}
	if (!to)
		return 0;
	order_set_key(x, b->to, 0);
	return order_add(o, x, e);
}

/* Both lists go by id. What is in the selection only is gone: it belongs to nobody any more, but is shown. */
static int
add_page(struct export_source *s, struct order *o, enum export_order order, struct order_entry *entry, size_t n, const PGresult *rows,
	struct err *e)
{
	int at = 0, rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		struct brief b = { .at_us = (int64_t)entry[i].id };

		if (at < PQntuples(rows) && (uint64_t)sql_i64(rows, at, BRIEF_ID) == entry[i].id)
			read_brief(rows, at++, &b);
		rc = order == EXPORT_BY_PERSON ? add_persons(s, o, &entry[i], &b, e) : add_conversation(s, o, &entry[i], &b, e);
		arena_reset(s->turn);
	}
	return rc;
}

static int
fill_order(struct export_source *s, struct order *o, enum export_order order, struct err *e)
{
	struct order_entry entry[SOURCE_PAGE];
	uint64_t ids[SOURCE_PAGE];
	PGresult *rows;
	int rc = 0;
	long n;

	for (uint64_t at = 0; at < s->records && !rc; at += (uint64_t)n) {
		n = order_read(s->selection, at, entry, SOURCE_PAGE, e);
		if (n <= 0)
			return n < 0 ? -1 : err_set(e, 0, "the export's selection has become shorter");
		for (long i = 0; i < n; i++)
			ids[i] = entry[i].id;
		if (export_store_brief(s->set.db, ids, (size_t)n, &rows, e) != SQL_OK)
			return -1;
		rc = add_page(s, o, order, entry, (size_t)n, rows, e);
		PQclear(rows);
	}
	return rc;
}

int
source_order(struct export_source *s, enum export_order order, uint64_t *n, struct err *e)
{
	int fd = order_open(s->set.dir, names[order], n, e);
	struct order *o;

	if (fd >= 0 || e->code != ENOENT)
		return fd;
	o = order_new(s->set.dir, names[order], e);
	if (!o)
		return -1;
	if (fill_order(s, o, order, e)) {
		order_free(o);
		return -1;
	}
	if (order_end(o, true, e))
		return -1;
	return order_open(s->set.dir, names[order], n, e);
}
