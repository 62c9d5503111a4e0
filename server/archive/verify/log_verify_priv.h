/*
 * log_verify_priv: what the files of log_verify share (log_verify.c: the order of things; log_verify_threads.c: who reads; log_verify_chunk.c: one
 * range of the record; log_verify_tree.c: tree and checkpoints; log_verify_swap.c: what is in another's place; log_verify_keys.c: keys, and
 * checkpoints of a file; log_verify_resume.c: the note of how far it is). Else only log_keeper_load.c includes it, which judges keys and its
 * newest checkpoint by the same rules.
 */
#ifndef ARCHIVE_LOG_VERIFY_PRIV_H
#define ARCHIVE_LOG_VERIFY_PRIV_H

#include <pthread.h>

#include "archive/log/log.h"
#include "archive/log/log_tree.h"
#include "archive/verify/log_verify.h"
#include "proof/checkpoint.h"

#define CHUNK 65536 /* leaves looked at together: 256 tiles, of which level 1 makes one */
#define CHUNK_TILES (CHUNK / MERKLE_TILE_WIDTH)
#define SUSPECTS 256 /* rows of a chunk that are not what they should be, and may be in each other's places */
#define SUSPECT_BYTES (4 * 1024 * 1024)

/* The keys of the log: number i signs trees larger than since[i]. */
struct keyring {
	struct note_key *key;
	uint64_t *since;
	bool *trusted;
	size_t n;
};

/* A signed tree head that the tree is compared with. */
struct point {
	uint64_t size;
	uint8_t root[MERKLE_HASH];
	bool outside;  /* of the file */
	bool forged;   /* not signed by the key that it should be */
	bool foreign;  /* by that one, which nobody vouches for */
};

struct points {
	struct point *p;
	size_t n, cap;
};

/* A row whose content is not what its leaf says. */
struct suspect {
	uint64_t index, id;
	uint8_t leaf[MERKLE_HASH], salt[16];
	char *form;    /* the canonical form of what it says now; NULL: not kept */
	size_t n;
	bool told;
};

struct findings {
	struct log_finding *f;
	size_t n, cap;
	uint64_t total;
};

enum leaf_state { LEAF_HAVE = 1, LEAF_ALTERED = 2, LEAF_ERASED = 4, LEAF_KNOWN = 8, LEAF_DROPPED = 16,
	LEAF_NAMED = 32 /* erased, or without a row, and the record of an erasure says so */, LEAF_LEFT = 64 /* and another one that rows go */ };

struct chunk {
	uint64_t first, end;            /* of the log: at most CHUNK, from a multiple of it */
	uint64_t covered;               /* what is full below this has its tile */
	uint8_t leaf[CHUNK][MERKLE_HASH];
	uint8_t tile[CHUNK_TILES][MERKLE_TILE_WIDTH][MERKLE_HASH]; /* as stored */
	uint8_t tile_root[CHUNK_TILES][MERKLE_HASH];               /* as stored */
	uint8_t root[CHUNK_TILES][MERKLE_HASH];                    /* computed, of what is believed */
	bool has_tile[CHUNK_TILES];
	uint8_t parent[CHUNK_TILES][MERKLE_HASH]; /* the tile above, as stored */
	bool has_parent;
	uint8_t state[CHUNK];
	uint64_t id[CHUNK];
	uint64_t first_id, last_id;     /* of its rows; 0: none */
	uint64_t expected;              /* the next index */
	struct points points;           /* in (first, end], by size */
	struct suspect suspect[SUSPECTS];
	size_t nsuspects, suspect_bytes;
	struct findings findings;
	uint64_t records, erased, dropped;
	struct hasher *h;
};

/* The whole of it. */
struct verify {
	struct log_verify *v;
	struct keyring keys;
	struct points outside;          /* of the file, by size */
	atomic_bool stop;
	uint64_t covered;               /* the size of the newest checkpoint in the table */
};

void finding_add(struct findings *l, const char *kind, uint64_t index, uint64_t record, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void point_add(struct points *l, const struct point *p);

/* log_verify_chunk.c: reads and judges [c->first, c->end). On any thread, over a connection of its own. */
enum sql_status chunk_read(const struct verify *y, struct sql *db, struct chunk *c, struct err *e);
/* log_verify_erased.c: of its rows without content and of those that are missing, which the records of erasures name. */
enum sql_status erased_read(const struct verify *y, struct sql *db, struct chunk *c, struct err *e);
/* Makes it ready for another range. */
void chunk_begin(struct chunk *c, uint64_t first, uint64_t end, uint64_t covered);
void chunk_fini(struct chunk *c);

/* log_verify_keys.c */
enum sql_status keyring_load(struct sql *db, const struct log_verify *v, struct keyring *k, struct findings *l, struct err *e);
void keyring_fini(struct keyring *k);
/* The signature of a checkpoint: fills the point. */
void keyring_judge(const struct keyring *k, const char *note, size_t n, uint64_t size, struct point *p);
int outside_read(const struct keyring *k, const char *file, struct points *out, struct findings *l, struct err *e) MUST_CHECK;

/* log_verify_resume.c: so many leaves are done, and this is the root over them. */
struct resume {
	uint64_t since, done;
	uint8_t root[MERKLE_HASH];
	uint64_t records, erased, dropped, checkpoints, last_id;
	struct findings findings;
};
/* 1: there is one, for the same log and the same `since`; 0: there is none. */
int resume_load(const char *file, struct resume *r, struct err *e) MUST_CHECK;
int resume_save(const char *file, const struct resume *r, struct err *e) MUST_CHECK;

#define VERIFY_THREADS_MAX 8
#define VERIFY_TRIES 10          /* of a range, when the connection breaks or a standby cancels the statement */
#define VERIFY_AGAIN_MS 1000
#define VERIFY_SUSPECTS_ALL 1024 /* looked at for swaps: each with each */

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_DONE };

struct run {
	struct verify y;
	struct sql *db;
	uint64_t first_chunk, chunks;
	struct findings early;          /* of what is looked at before the record is read */
	uint64_t told;

	/* The tree, in order. */
	struct log_tree tree;
	struct hasher *h;
	bool unknown;                   /* a leaf that nobody knows: no tree from here on */
	uint64_t last_id;
	uint64_t good;                  /* the last checkpoint that the tree has */
	uint64_t signed_to;             /* the size of the largest that is signed */
	bool bad;                       /* and the one behind it is not in it */
	uint64_t uncompared, untrusted;
	size_t outside_at;              /* the next of the file */
	struct suspect *suspect;
	size_t nsuspects;
	struct resume note;
	int64_t noted_ms;

	/* Threads. */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t thread[VERIFY_THREADS_MAX];
	unsigned nthreads, nslots;
	struct chunk **slot;
	enum slot_state *state;
	uint64_t next, consumed;        /* chunks: to be taken, to be looked at here */
	bool failed, over;
	struct err err;
};

/* log_verify.c: to who listens, in order. */
void verify_tell(struct run *r, const struct findings *l);

/* log_verify_threads.c */
bool verify_is_stopped(const struct run *r);
/* It cannot be done, and this is why; the first reason is kept. From any thread. */
void verify_fail(struct run *r, const struct err *e);
struct sql *verify_connection(const struct log_verify *v);
/* Connected, and set up: the log's own index gives the order. */
enum sql_status verify_ready(struct sql *db, struct err *e);
int verify_start_threads(struct run *r, struct err *e) MUST_CHECK;
void verify_stop_threads(struct run *r);
/* The next chunk in order, until it is given back; NULL: it failed, or was stopped. */
struct chunk *verify_await(struct run *r);
void verify_give_back(struct run *r);

/* log_verify_tree.c */
void verify_grow_tree(struct run *r, struct chunk *c, struct findings *l);

/* log_verify_swap.c */
void verify_take_suspects(struct run *r, struct chunk *c, struct findings *l);
/* The last word on rows whose content does not match their leaf. */
void verify_judge_suspects(struct run *r);

#endif
