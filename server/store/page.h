/*
 * page: a page of an archive (XEP-0313 §4.3): so many records in the order of their ids, from one end of what is asked for. For
 * the archives of accounts and of rooms; which records are theirs their statements say.
 *
 * A page is read through windows of time: a month next to where it begins, then wider ones, until it is full. The record is
 * partitioned by month, and a statement costs as much as the partitions that its bounds leave over; in each it reads an index in
 * the order that is asked for and stops at the limit. On workers.
 */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

/* Of a statement that reads a page $4 and $5 are the ids of the window (inclusive), $6 is the limit of rows, $7 that of bytes. */

/* A record that its sender was told did not arrive is not part of what was said. What says so (`id` lies between $4 and $5) follows
 * within the time that a database was away. The bounds that are known at the start leave partitions out of the statement, those of the row out
 * of what is looked at for it. */
#define PAGE_RETURNED(id) \
	"EXISTS (SELECT FROM archive.record x WHERE x.refers_record = " id " AND x.kind = 7" \
	" AND x.id > $4 AND x.id < $5 + 2678400000000 AND x.id > " id " AND x.id < " id " + 2678400000000)"
/* As many of `rows` (which have an id and a stanza) as fit into the bytes; how many there were; and `more` columns (", p.x …") of them
 * or of what `joins` adds. The first four columns are for page_read. */
#define PAGE_SELECT(rows, order, more, joins) \
	"SELECT p.id, p.stanza, p.n, " PAGE_RETURNED("p.id") more " FROM" \
	" (SELECT q.*, count(*) OVER () AS n, sum(octet_length(q.stanza)) OVER (ORDER BY q.id " order ") AS upto FROM" \
	"  (SELECT * FROM (" rows ") u ORDER BY u.id " order " LIMIT $6::bigint) q) p" joins \
	" WHERE p.upto - octet_length(p.stanza) < $7::bigint ORDER BY p.id " order
#define PAGE_COLUMNS 4

#define PAGE_MONTH_US UINT64_C(2678400000000)
#define PAGE_FIRST_MONTHS 1 /* a full page is within them for who writes and reads every day */
#define PAGE_WIDER 6        /* for who does not: three statements reach back three years */

struct page {
	/* In */
	uint64_t first, last; /* ids, inclusive */
	bool backwards;       /* the last of them, not the first */
	unsigned max;
	uint64_t max_bytes;   /* of stanzas; one row always fits */
	unsigned months;      /* in the first window; 0: PAGE_FIRST_MONTHS */
	/* Out */
	void **row;           /* n of them, in chronological order */
	size_t n;
	bool complete;        /* there is nothing more between first and last */
};

struct page_window {
	uint64_t first, last;
	const char *value[4]; /* for $4 to $7 */
};

struct page_source {
	/* The rows of a window. */
	enum sql_status (*read)(struct sql *db, struct arena *a, const void *arg, const struct page_window *w, PGresult **out,
		struct err *e);
	/* What is kept of a row, in `a`. */
	void *(*row)(struct arena *a, const PGresult *r, int i);
};
enum sql_status page_read(struct sql *db, struct arena *a, struct page *p, const struct page_source *s, const void *arg,
	struct err *e);

/* Values of statements. */
char *page_number(struct arena *a, int64_t v);
char *page_id(struct arena *a, uint64_t id);
char *page_ids(struct arena *a, const uint64_t *id, size_t n);
/* The least and the greatest of n > 0 ids. */
void page_extremes(const uint64_t *id, size_t n, uint64_t *least, uint64_t *most);
/* What of `first` to `last` lies between low and high, all inclusive; none where then last < first. */
void page_clip(uint64_t *first, uint64_t *last, uint64_t low, uint64_t high);

#endif
