/*
 * log_keeper: what the files of the keeper share (log_keeper.c: thread, tree, checkpoints; log_keeper_key.c: its key, and its
 * settings; log_keeper_sink.c: where checkpoints go). Nobody else includes it.
 *
 * Everything belongs to the keeper's thread, but what is said to be under the lock.
 */
#ifndef ARCHIVE_LOG_KEEPER_H
#define ARCHIVE_LOG_KEEPER_H

#include <pthread.h>

#include "archive/log_ring.h"
#include "archive/log_signer.h"
#include "archive/log_sink.h"
#include "archive/log_store.h"
#include "archive/log_tree.h"
#include "proof/checkpoint.h"

enum keeper_trouble { KEEPER_BROKEN, KEEPER_DATABASE, KEEPER_KEY, KEEPER_FILE, KEEPER_STAMP, KEEPER_FINDINGS, KEEPER_TROUBLES };

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
	int64_t key_ms;              /* not before: looking for it */
	struct log_sink sink;
	int64_t sink_ms;             /* when to try again; 0: all is written */
	int64_t stamp_ms;            /* when to ask for a time stamp; 0: there is nothing to be stamped */
	int64_t stamp_next_ms;       /* not before */
	uint64_t stamped;            /* the size of the last checkpoint that has one */
	bool stamp_known, ending;
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

/* `fmt` NULL: it is over. */
void keeper_trouble(struct keeper *k, enum keeper_trouble what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
const char *keeper_trouble_name(enum keeper_trouble what);
unsigned keeper_troubles(struct keeper *k);

/* log_keeper.c, for log_watch: what its look has found; up to where all is right, when nothing. From any thread. */
void keeper_verified(uint64_t size, uint64_t findings, const char *first);
uint64_t keeper_verify_every(void);
/* log.checkpoint_file; the caller frees it. */
char *keeper_checkpoint_file(void);

/* log_keeper_key.c */
void keeper_take_settings(struct log_settings *out, const struct log_settings *s);
void keeper_free_settings(struct keeper *k);
/* New settings, if there are. */
void keeper_refresh(struct keeper *k);
/* A key that fits to the log, or an alarm. With a database. */
void keeper_check_key(struct keeper *k);
int keeper_rotate(struct keeper *k, bool lost, char *vkey, size_t size, struct err *e);

/* log_keeper_sink.c: what the sinks do not have yet. With a database. */
void keeper_sinks(struct keeper *k);

#endif
