/*
 * record: the archive writer. One thread, one connection, owns the order of the record.
 *
 * record_submit puts an entry into the writer's queue; the writer takes all that waits, gives each a 64-bit
 * id (microseconds since 1970, made strictly increasing) and the next dense log_index, computes salt and leaf
 * hash, writes the batch in one transaction (record_write.c) and, when it has committed, posts every entry back to
 * its home with its id. While one batch commits the next one fills.
 *
 * Outcome: an entry comes back exactly once, as COMMITTED or as REFUSED.
 *  - PostgreSQL away: the writer reconnects (every 200 ms to 1 s); entries wait.
 *  - An entry older than `patience` comes back REFUSED, whatever the state of the connection.
 *  - Unknown outcome (connection lost between COMMIT and its answer): the batch is kept with its ids; after
 *    reconnecting, and once the writer's advisory lock shows that the old backend is gone, it is looked up:
 *    found → committed; not found → written again, without what was refused meanwhile.
 *  - A refused entry whose batch turns out to have been committed is followed by a record of kind RETURNED
 *    that refers to it, so that it is never delivered (record_backlog leaves it out).
 *  - A row that PostgreSQL rejects (SQLSTATE class 22) is found by halving the batch and REFUSED alone.
 *
 * The advisory lock also means: one writer per database. A second server waits at start, then refuses.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/crypt.h"
#include "base/err.h"
#include "net/reactor.h"
#include "store/record_kind.h"
#include "store/sql.h"

enum record_direction { RECORD_LOCAL = 0, RECORD_IN = 1, RECORD_OUT = 2 };
enum record_outcome { RECORD_WAITING, RECORD_COMMITTED, RECORD_REFUSED };

struct record_entry {
	struct mail mail;            /* run at home when the outcome is known */
	struct record_entry *next;   /* the writer's */
	struct reactor *home;        /* NULL: mail.run is called on the writer's (or the submitter's) own thread */

	/* In; all borrowed, unchanged until the mail has come back. Text is UTF-8, NUL-terminated. */
	enum record_kind kind;
	enum record_direction direction;
	const char *from_bare, *from_resource; /* resource may be NULL */
	const char *to_bare, *to_resource;
	uint64_t from_key, to_key;   /* crypt_hash of the bare addresses, which who has a jid has; 0: the writer computes it */
	const char *type;            /* chat, normal, groupchat, headline, error */
	const char *client_id;       /* the stanza's id attribute; NULL when none */
	const char *body;            /* NULL when none */
	const char *refers_to;       /* client-visible id this one corrects, retracts…; NULL */
	const char *stanza;          /* the full XML as delivered, without our stanza-id */
	size_t stanza_len;
	uint64_t about;              /* the record this one is about: RECORD_PASSED, and messages of a stream with another server: its RECORD_PEER */
	bool deliverable;            /* belongs to the recipient's backlog until the delivery mark passes it */
	bool shown;                  /* its sender and its recipient see it in their histories (XEP-0313) */
	bool recipient_only;         /* its sender does not (a room's messages are in the room's history) */
	int64_t accepted_ms;         /* monotonic; patience counts from here */
	unsigned may_wait_ms;        /* so long for others that are written anyway, as it need not cost a commit (an fsync) of its own; 0: at once */

	/* Out. */
	enum record_outcome outcome;
	uint64_t id;
	uint64_t log_index;
	int64_t at_us;               /* the record's time */
	const char *why;             /* REFUSED: static text */
};

/* `n` leaf hashes of committed records, from this log index on. On the writer's thread, before anybody hears of the records: it may copy
 * them and nothing more. */
typedef void (*record_leaves_fn)(uint64_t first_index, const uint8_t (*leaf)[SHA256_SIZE], size_t n);

struct record_settings {
	const char *conninfo;
	unsigned patience_ms, batch_max;
	uint64_t waiting_max, waiting_bytes_max;
	unsigned silence_ms;         /* beyond patience, before a backend that gives no answer is ended; 0: 60 s */
	bool allow_unsafe;           /* take a database whose durability is off (sql_allow_unsafe) */
	bool copies;                 /* batches of a few rows, too (record_write.c); for tests, which try both ways */
	record_leaves_fn leaves;     /* the Merkle log's keeper (archive/log/log.h); NULL: nobody keeps it */
};

/* Connects, takes the writer's lock, reads the head of the log, makes partitions ahead. Fails when the database cannot be
 * reached, the lock is held by another server for more than 10 s, or durability is off. */
int record_start(const struct record_settings *s, struct err *e) MUST_CHECK;
/* Writes what waits (up to patience), returns the rest as REFUSED, joins the thread. Reactors must still run. */
void record_stop(void);
/* New limits after a reload. From any thread. */
void record_set_limits(unsigned patience_ms, unsigned batch_max);
/* How long an entry waits at most, as it is set now. */
unsigned record_patience_ms(void);
/* From any thread. Over waiting_max the entry comes back REFUSED. */
void record_submit(struct record_entry *e);
/* False while the last attempt to reach or write the archive failed or gets no answer. Entries are taken all
 * the same, and are what brings it up again. */
bool record_is_up(void);
/* The newest id known to be committed. */
uint64_t record_last_id(void);

/* Up to here the record is settled: what is in it was committed, as far as we know, and what of it was returned to its
 * sender is followed by a RETURNED record. What the database shows beyond (a commit without an answer yet) may still be
 * returned, and must not be delivered from there. Known before the entries of a batch come home. */
uint64_t record_settled_id(void);

/* The records r of a backlog: $1 the bare address and $5 its number (store/address), above $2, up to $3. Without those that their owner
 * has taken out (XEP-0013): they stay in the record and in the history. */
#define RECORD_BACKLOG_ROWS \
	"r.to_hash = $5 AND r.to_bare = $1 AND r.deliverable AND r.id > $2 AND r.id <= $3 AND r.stanza IS NOT NULL AND NOT EXISTS" \
	" (SELECT FROM archive.record x WHERE x.refers_record = r.id AND x.kind = 7 AND x.id > r.id)" \
	" AND NOT EXISTS (SELECT FROM chancery.offline_removed o WHERE o.record = r.id)"

/* Backlog: deliverable records for `to_bare` with after < id <= upto, not RETURNED, in order, at most `limit`. `upto` is at
 * most record_settled_id. On a worker. */
struct record_row {
	uint64_t id;
	int64_t at_us;
	const char *stanza;
	size_t stanza_len;
};
enum sql_status record_backlog(struct sql *db, struct arena *a, const char *to_bare, uint64_t after, uint64_t upto, unsigned limit,
	struct record_row **rows, size_t *n, struct err *e);

#endif
