/*
 * log_store: the tables of the Merkle log (schema/0030_log.sql): what the keeper writes and where it goes on. Beside log.h, which
 * is for everybody.
 */
#ifndef ARCHIVE_LOG_STORE_H
#define ARCHIVE_LOG_STORE_H

#include "archive/log/log.h"
#include "archive/log/log_tree.h"

/* The tree as far as there are full tiles of level 0, and `tiles` of them at most. */
enum sql_status log_store_edge(struct sql *db, struct log_tree *t, uint64_t tiles, struct err *e);
/* How many records there are: one more than the index of the newest; 0: none. */
enum sql_status log_store_records(struct sql *db, uint64_t *n, struct err *e);
/* The leaves of the records [first, end) in order, for as long as none is missing: *n of them. `out` has room for all. */
enum sql_status log_store_leaves(struct sql *db, uint64_t first, uint64_t end, uint8_t (*out)[MERKLE_HASH], size_t *n, struct err *e);

/* One transaction: tiles, and a checkpoint and the first key unless they are NULL. */
enum sql_status log_store_write(struct sql *db, const struct log_tile *tile, size_t n, const struct log_checkpoint *c, const struct log_key_row *first,
	struct err *e);
enum sql_status log_store_key(struct sql *db, const struct log_key_row *k, struct err *e);
/* The checkpoints above `size`, oldest first, at most `limit`. */
enum sql_status log_store_above(struct sql *db, struct arena *a, uint64_t size, unsigned limit, struct log_checkpoint **c, size_t *n, struct err *e);
/* The time of the newest stamp; 0: none. */
enum sql_status log_store_stamped(struct sql *db, int64_t *at_us, uint64_t *size, struct err *e);
enum sql_status log_store_stamp(struct sql *db, uint64_t size, const char *url, const void *token, size_t n, struct err *e);

#endif
