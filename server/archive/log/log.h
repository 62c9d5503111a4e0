/*
 * log: the Merkle log over the record, for those who read it and those who run it.
 *
 * The leaf hashes of archive.record, in the order of log_index, are the leaves of a tree (RFC 9162 §2.1). The keeper (log_keeper.c, one
 * thread) stores its full tiles and signs its head: checkpoints (C2SP tlog-checkpoint), each in one transaction with all tiles that
 * are full below it, so whoever knows a checkpoint of size n can read every node of the tree of size n. It hears of committed leaves
 * from the archive writer, in memory, and reads from the record what it missed; the writer never waits for it.
 *
 * A checkpoint never covers what is not committed. Two keepers of one database (a server that takes over) cannot both write
 * the same size, and would sign the same roots.
 */
#ifndef ARCHIVE_LOG_H
#define ARCHIVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "proof/merkle.h"
#include "store/sql.h"

/* ---- reading: any thread, over a connection of the caller's that may read archive.record and archive.tile ---- */

struct log_checkpoint {
	uint64_t size;  /* 0: there is none */
	int64_t at_us;
	uint8_t root[MERKLE_HASH];
	const char *note; /* signed, as it is handed out; in the arena */
};

/* The newest checkpoint, or the first of at least `size`; c->size is 0 when there is none. */
enum sql_status log_newest(struct sql *db, struct arena *a, struct log_checkpoint *c, struct err *e);
enum sql_status log_first_over(struct sql *db, struct arena *a, uint64_t size, struct log_checkpoint *c, struct err *e);

/* The keys of the log, oldest first. */
struct log_key_row {
	unsigned number;
	uint64_t since;   /* signs trees larger than this */
	int64_t at_us;
	const char *vkey; /* C2SP signed-note */
	const char *handover; /* the signed note by which it got the log; NULL: the first */
	bool lost;        /* the one before was gone */
};
enum sql_status log_keys(struct sql *db, struct arena *a, struct log_key_row **keys, size_t *n, struct err *e);

/* Nodes of the tree of `size` leaves, which has to be that of a checkpoint or smaller. Borrows `db`. A node costs a query, or none when its
 * tile (or a neighbour of it) was asked for lately: ask in order. */
struct log_reader;
struct log_reader *log_reader_new(struct sql *db, uint64_t size);
void log_reader_free(struct log_reader *r);
/* A merkle_node_fn; `arg` is the reader. -1: log_reader_err tells why. */
int log_reader_node(void *arg, int level, uint64_t index, uint8_t out[MERKLE_HASH]);
/* A full tile of the lowest level that the caller has read beside it, and will ask for nodes of soon: no query is needed for them. `hex`: its hashes; what are
 * none is passed over. */
void log_reader_give(struct log_reader *r, uint64_t index, const char *hex);
const struct err *log_reader_err(const struct log_reader *r);
struct hasher *log_reader_hasher(struct log_reader *r);

/* The proofs of RFC 9162 in the tree of `size` leaves, in O(log size). -1 and `e`. */
int log_inclusion(struct sql *db, uint64_t index, uint64_t size, struct merkle_proof *p, struct err *e) MUST_CHECK;
int log_consistency(struct sql *db, uint64_t old, uint64_t size, struct merkle_proof *p, struct err *e) MUST_CHECK;
int log_root(struct sql *db, uint64_t size, uint8_t out[MERKLE_HASH], struct err *e) MUST_CHECK;

/* ---- keeping: chanceryd ---- */

struct log_settings {
	const char *conninfo;        /* at start only */
	const char *name;            /* whom a new key is for: the first domain */
	const char *key_file;        /* log.key_file */
	uint64_t every_ms;           /* log.checkpoint_every */
	const char *checkpoint_file; /* log.checkpoint_file; "": none */
	const char *timestamp_url;   /* log.timestamp_url; "": none */
	uint64_t timestamp_every_ms; /* log.timestamp_every */
	uint64_t verify_every_ms;    /* log.verify_every; 0: never */
};

/* Before the archive writer starts, which gets log_committed. Never fails for want of a key or a database: that is alarmed. */
int log_start(const struct log_settings *s, struct err *e) MUST_CHECK;
/* After the archive writer has ended: what it has committed is covered by a last checkpoint, if that goes quickly. */
void log_stop(void);
/* New settings after a reload. From any thread; copied. */
void log_configure(const struct log_settings *s);
/* A record_leaves_fn: from the writer's thread. Copies into a bounded ring, and waits for nobody. */
void log_committed(uint64_t first_index, const uint8_t (*leaf)[MERKLE_HASH], size_t n);

/* A checkpoint that covers `size` leaves at least, made now when there is none. Waits up to `wait_ms`. Not on a reactor. */
int log_cover(uint64_t size, unsigned wait_ms, struct err *e) MUST_CHECK;

/* A new key, handed over by the old one, or with `lost` without it. On success its public form. Not on a reactor. */
int log_rotate(bool lost, char *vkey, size_t size, struct err *e) MUST_CHECK;

/* Told of each checkpoint when it is committed, on the keeper's thread: must not wait. One listener for each use, before log_start. */
typedef void (*log_listener_fn)(void *arg, uint64_t size, const char *note);
void log_listen(log_listener_fn fn, void *arg);

/* For status. */
struct log_state {
	uint64_t records;      /* committed, as far as the keeper knows */
	uint64_t size;         /* of the newest checkpoint; 0: none */
	int64_t at_us;         /* its time */
	bool has_key;
	char vkey[320];        /* "" without key */
	char trouble[400];     /* "": all is well; else what is wrong, in words, for an administrator */
	uint64_t verified;     /* up to here the server's own look has found everything right */
	int64_t verified_us;   /* when; 0: not since the start */
	uint64_t findings;     /* of the last look */
};
void log_state(struct log_state *out);

#endif
