/*
 * outgoing: which records for other servers, and for components that messages are kept for, are still on their way: recorded (direction 2,
 * deliverable), and neither taken by the other side nor returned to their sender. After a crash exactly these are sent again, and what came behind the last writing back.
 *
 * The archive writer adds a record when it has committed, before its sender's lane hears of it: so there is no moment at which one is
 * committed and unknown here. Written back to chancery.outbox: a mark, and the ids up to it that are open; everything above counts as open.
 */
#ifndef STORE_OUTGOING_H
#define STORE_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

/* By the archive writer: this one has been committed; all up to this id have been said. Ids grow. */
void outgoing_open(uint64_t id);
void outgoing_upto(uint64_t id);
/* Any thread: taken by the other server, or a RETURNED record says that it was not. Unknown ids are ignored. */
void outgoing_settle(uint64_t id);
/* How many are open. */
size_t outgoing_count(void);

/* What is to be written back, taken at once; NULL when nothing has changed since the last time. Texts as the statement takes them. */
struct outgoing_state {
	char *mark, *open;
};
struct outgoing_state *outgoing_take(void);
/* What was taken was not written: it is to be taken again. */
void outgoing_not_written(void);
void outgoing_state_free(struct outgoing_state *s);
enum sql_status outgoing_write(struct sql *db, const struct outgoing_state *s, struct err *e);

/* At start, while the writer's lock is held and before anybody may send: the state as it was written back… */
enum sql_status outgoing_read_state(struct sql *db, struct outgoing_state *s, struct err *e);
/* …and by it a page of what is open: above `after`, up to `upto`, in order. */
struct outgoing_row {
	uint64_t id;
	int64_t at_us;
	uint64_t peer;           /* the RECORD_PEER that it refers to; 0: none */
	const char *stanza;
	size_t stanza_len;
};
enum sql_status outgoing_page(struct sql *db, struct arena *a, const struct outgoing_state *s, uint64_t after, uint64_t upto, unsigned limit,
	struct outgoing_row **rows, size_t *n, struct err *e);

#endif
