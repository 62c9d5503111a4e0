/*
 * source_ahead: reads pages of records, and of the log's tiles, on a thread with a connection of its own, one page ahead of who uses them (source.c):
 * PostgreSQL and the disk work while formats write and the proof is computed.
 *
 * All but the thread itself is called by one thread, the source's.
 */
#ifndef EXPORT_SOURCE_AHEAD_H
#define EXPORT_SOURCE_AHEAD_H

#include "export/order.h"
#include "export/source.h"

#define SOURCE_TILES_AT_ONCE 64 /* half a MiB, as text one */

/* Records that lie one behind the other in an order, or (SOURCE_TILES) tiles of the log, by export_store_tiles, at which they lie. */
struct source_page {
	uint64_t from;         /* the first entry's number */
	size_t n;              /* of tiles: so many entries lie at these, and their numbers only count */
	struct order_entry entry[SOURCE_PAGE];
	PGresult *rows, *files;
};

/* Which page: entries of the order at `fd`, which has `end` of them, from `from` on. */
struct source_wish {
	int fd;
	uint64_t from, end;
	enum source_want want;
	uint64_t tiles;        /* SOURCE_TILES: so many are full */
};

struct source_ahead;

/* `db` is connected, and the thread's until source_ahead_free. */
struct source_ahead *source_ahead_new(struct sql *db);
void source_ahead_free(struct source_ahead *a);
/* The page that is wished for, into `p`, which is empty and gets what has to be cleared; the one behind it is asked for. */
int source_ahead_take(struct source_ahead *a, const struct source_wish *w, struct source_page *p, struct err *e) MUST_CHECK;
/* Nothing is asked for any more: descriptors may be closed. */
void source_ahead_rest(struct source_ahead *a);
/* Has the connection been lost? */
bool source_ahead_is_lost(struct source_ahead *a);

void source_page_clear(struct source_page *p);

#endif
