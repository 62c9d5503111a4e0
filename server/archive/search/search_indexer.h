/*
 * search_indexer: fills the index for searches behind the archive writer: a thread with a connection of its own, as the server's role.
 *
 * It reads the record in order, a batch at a time, and adds each batch in a transaction that also moves its progress, so after a crash it
 * goes on where it was. Nothing waits for it; while the database is away it tries again. Started after record_start.
 */
#ifndef ARCHIVE_SEARCH_INDEXER_H
#define ARCHIVE_SEARCH_INDEXER_H

#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

int search_indexer_start(const char *conninfo, struct err *e) MUST_CHECK;
void search_indexer_stop(void);
/* How many seconds the index is behind the record; 0: it has all. From any thread. */
uint64_t search_indexer_lag(void);

/* One batch over a connection: for the thread, and for tests and benches without a server. How many records it has added; 0: all up to
 * `upto` (an id) are in the index. `*at_us` is when the last of them was said. */
struct search_words;
enum sql_status search_index_batch(struct sql *db, struct search_words *w, uint64_t upto, unsigned *added, int64_t *at_us, struct err *e);

#endif
