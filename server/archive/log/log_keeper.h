/*
 * log_keeper: what the files of the keeper share (log_keeper.c: thread, tree, checkpoints; log_keeper_load.c: what it goes on from;
 * log_keeper_key.c: its key, and its settings; log_keeper_sink.c: where checkpoints go; log_keeper_order.c: what others ask; log_keeper_state.c: what
 * it says of itself; log_watch.c: the server's own looks). Nobody else includes it.
 *
 * Everything belongs to the keeper's thread, but what is said to be under the lock.
 */
#ifndef ARCHIVE_LOG_KEEPER_H
#define ARCHIVE_LOG_KEEPER_H

#include <pthread.h>

#include "archive/log/log_ring.h"
#include "archive/log/log_signer.h"
#include "archive/log/log_sink.h"
#include "archive/log/log_store.h"
#include "archive/log/log_tree.h"
#include "proof/checkpoint.h"

enum keeper_trouble { KEEPER_BROKEN, KEEPER_DATABASE, KEEPER_KEY, KEEPER_FILE, KEEPER_STAMP, KEEPER_FINDINGS, KEEPER_NOTE, KEEPER_OUTSIDE,
	KEEPER_TROUBLES };

/* Somebody waits for it. */
struct keeper_order {
	struct keeper_order *next;
	bool rotate, lost; /* else: a checkpoint that covers everything */
	char *vkey;
	size_t vkey_size;
	bool done;
	int rc;
	struct err err;
};

struct keeper {
	struct sql *db;
	struct hasher *h;
	struct log_tree *tree;       /* as far as `loaded` */
	struct log_tile *tile;       /* full and not written yet */
	size_t ntiles, tiles_cap;
	uint8_t (*leaf)[MERKLE_HASH];
	bool loaded;                 /* the tree goes on from the last checkpoint */
	uint64_t records;            /* committed, at least */
	uint64_t covered;            /* the size of the newest checkpoint */
	int64_t covered_us;          /* its time */
	int64_t covered_ms;          /* when it was made, if we made it */
	int64_t uncovered_ms;        /* since when the tree has more */
	int64_t retry_ms, broken_ms; /* not before: loading */
	struct note_signer *signer;  /* NULL: no checkpoints */
	bool key_checked;            /* it is the one that the log has now */
	bool unregistered;           /* and the log has none yet */
	int64_t key_ms;              /* not before: looking for it */
	struct log_sink sink;
	int64_t sink_ms;             /* when to try again; 0: all is written */
	struct log_settings s;       /* in force; its texts are ours */

	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake, told;
	bool called, stopping, running, configured;
	struct log_settings next;    /* to come into force */
	struct keeper_order *orders;
	struct log_state state;
	char trouble[KEEPER_TROUBLES][320];
};

extern struct keeper log_keeper; /* there is one */

#define KEEPER_DEADLINE_MS 10000 /* of a statement */

/* log_keeper.c */

/* It has loaded what it goes on from, or loads it now. False: not now. */
bool keeper_ready(struct keeper *k);
/* Everything that is committed goes into the tree; full tiles are written. True: there is more. */
bool keeper_absorb(struct keeper *k);
/* Tiles that are full, and with `cover` a checkpoint behind them. */
int keeper_write_out(struct keeper *k, bool cover, struct err *e);

/* log_keeper_load.c */

/* What is stored becomes what is gone on from. SQL_OK and not loaded: it does not fit, and that has been said. */
enum sql_status keeper_load(struct keeper *k, struct err *e);
/* Nothing is signed until what is stored has been looked at again. */
void keeper_broken(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Do table and record go on from what `where`, outside the database, has? 1; 0: no, and it is broken; -1: the database failed. */
int keeper_fits(struct keeper *k, uint64_t size, const uint8_t root[MERKLE_HASH], const char *where, struct err *e);

/* log_keeper_state.c */

/* `fmt` NULL: it is over. */
void keeper_trouble(struct keeper *k, enum keeper_trouble what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A checkpoint is committed. */
void keeper_tell(struct keeper *k, const struct log_checkpoint *c);
void keeper_publish(struct keeper *k);
/* For log_watch: what a look has found; up to where all is right, when nothing. From any thread. */
void keeper_verified(uint64_t size, uint64_t findings, const char *first);
uint64_t keeper_verify_every(void);
/* log.checkpoint_file, log.timestamp_url; the caller frees them. */
char *keeper_checkpoint_file(void);
char *keeper_timestamp(uint64_t *every_ms);

/* log_keeper_order.c: all that waits. */
void keeper_obey(struct keeper *k);
/* What a checkpoint that covers everything needs, done now. -1: why it cannot be had. */
int keeper_cover_all(struct keeper *k, struct err *e);

/* log_keeper_key.c */
void keeper_take_settings(struct log_settings *out, const struct log_settings *s);
void keeper_free_settings(struct keeper *k);
/* New settings, if there are. */
void keeper_refresh(struct keeper *k);
/* A key that fits to the log, or an alarm. With a database. */
void keeper_check_key(struct keeper *k);
int keeper_rotate(struct keeper *k, bool lost, char *vkey, size_t size, struct err *e);

/* log_keeper_sink.c */

/* The file, when it is not open, and whether it fits. 1: so far it does, or it cannot be had, which is alarmed; 0: it is broken; -1: the database failed. */
int keeper_open_file(struct keeper *k, struct err *e);
/* What it does not have yet. With a database. */
void keeper_fill_file(struct keeper *k);

#endif
