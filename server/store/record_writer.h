/*
 * record_writer: what the files of the archive writer share (record.c: queue and thread; record_link.c:
 * connection, lock, head of the log; record_batch.c: one batch and its outcome; record_write.c: how it is sent).
 * Nobody else includes it.
 *
 * Everything here belongs to the writer's thread, but what record.c keeps behind its mutex.
 */
#ifndef STORE_RECORD_WRITER_H
#define STORE_RECORD_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/leaf.h"
#include "store/record.h"
#include "store/sql.h"

#define TICK_MS 200          /* entries come back this much after their patience, at most */
#define BATCH_ROWS_MAX 10000 /* whatever the setting says */
#define BATCH_BYTES (4 * 1024 * 1024)
#define INSERTED_ROWS 8      /* of so many at most a batch is one INSERT (record_write.c) */

/* What is left of an entry that was refused while its batch was in flight: enough to write the record
 * of kind RETURNED, should the batch turn out to have been committed. */
struct late {
	struct late *next;
	uint64_t id; /* of the record that was returned */
	enum record_direction direction;
	char *text[CANONICAL_TEXTS];
};

struct batch_row {
	struct record_entry *entry; /* NULL: refused meanwhile, or a RETURNED record */
	struct late *late;
	bool returned; /* this row is the RETURNED record for `late` */
	uint64_t id;
};

struct batch {
	struct batch_row *row;
	uint8_t (*leaf)[SHA256_SIZE]; /* the hash of each row; the first one speaks for the transaction */
	size_t n, cap;
	uint64_t first_index;
	int64_t at_us;
	struct buf copy;
	int64_t sent_us;
	bool unknown; /* written, outcome not known */
};

struct writer {
	struct sql *db;
	char *conninfo;
	struct leaf_hasher *hasher;
	struct record_entry *first, **last; /* waiting, in order */
	struct late *late_first, **late_last;
	struct batch batch;
	size_t suspects;  /* rows to be tried in smaller batches: one of them is bad */
	size_t row_limit; /* how many at once then; 0: batch_max */

	bool locked, head_known;
	uint64_t next_index;   /* of the log */
	uint64_t last_id;      /* highest given out or seen */
	uint64_t covered;      /* first id without a partition */
	int64_t partitions_ms; /* when to make more */
	int64_t link_ms;       /* not before: connecting */
	int64_t write_ms;      /* not before: writing */
	int64_t probe_ms;      /* not before: asking about a silent backend */
	int64_t scan_ms;       /* last look at what has waited too long */
	int64_t denied_ms;     /* since when the lock is held elsewhere; 0: it is not */
	int64_t down_ms;
	unsigned silence_ms;             /* beyond patience */
	record_leaves_fn leaves;
	char *insert[INSERTED_ROWS];     /* statements for batches of 1, 2… rows; NULL: they are copied */
	unsigned conflicts;              /* in a row: batches refused for what is in the table */
	char old_pid[16], old_start[40]; /* the backend that may still hold the lock */
	char pid[16], start[40];         /* ours */
	bool may_insert;                 /* PostgreSQL's log never shows what is in parameters */

	atomic_uint patience_ms, batch_max;
	atomic_bool up, stopping;
	atomic_int_fast64_t stop_ms; /* while stopping: the end of all patience */
	atomic_uint_fast64_t committed_id;
	atomic_uint_fast64_t settled_id; /* see record_settled_id */
};

/* record.c */
void writer_went_down(struct writer *w, const char *why);
void writer_came_up(struct writer *w);
/* Refuses what has waited too long. Called often; looks every TICK_MS. */
void writer_expire(struct writer *w);
/* Sends an entry home. The entry is gone then. */
void writer_complete(struct record_entry *e, enum record_outcome outcome, const char *why);
bool writer_has_live(const struct writer *w);
/* All up to the newest commit is settled, unless something returned is still to be said so. */
void writer_settle(struct writer *w);

/* record_link.c */
/* One attempt at connection, lock, unknown outcome, head and partitions. SQL_OK: ready to write.
 * SQL_FAILED: PostgreSQL or we refuse; `e` says why. */
enum sql_status link_attempt(struct writer *w, struct err *e);
void link_lost(struct writer *w);
bool link_is_ready(const struct writer *w);
/* Makes partitions when it is time, so that ids up to `id` have one. */
enum sql_status link_partitions(struct writer *w, uint64_t id, struct err *e);
/* Ends a backend of ours that gives no answer, by way of another connection. */
void link_probe(struct writer *w);

/* record_batch.c */
void batch_build(struct writer *w);
/* Writes the batch and deals with the outcome. */
void batch_run(struct writer *w);
/* After a lost connection, with the lock held: was it committed? */
enum sql_status batch_resolve(struct writer *w, struct err *e);
/* Refuses the rows in flight that have waited since before `limit_ms`. */
void batch_expire(struct writer *w, int64_t limit_ms);
void late_free(struct late *l);

/* record_write.c */
/* Sends the batch and waits for its outcome, however long it takes. SQL_OK: it is committed. SQL_FAILED: PostgreSQL refuses.
 * SQL_UNAVAILABLE: unknown. */
enum sql_status batch_write(struct writer *w, struct err *e);
/* On a new connection: what small batches are written with. */
enum sql_status write_prepare(struct writer *w, struct err *e);

#endif
