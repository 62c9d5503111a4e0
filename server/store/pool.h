/*
 * pool: workers with a PostgreSQL connection each, and jobs for them.
 *
 * Jobs with the same key (the hash of a bare JID) run one after the other in the order submitted; the answer
 * comes back through the mailbox of the reactor that asked. Workers reconnect by themselves; while the
 * database is away jobs wait up to their deadline, then end JOB_UNAVAILABLE. A job never blocks a reactor.
 */
#ifndef STORE_POOL_H
#define STORE_POOL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/reactor.h"
#include "store/sql.h"

enum job_status { JOB_OK, JOB_FAILED, JOB_UNAVAILABLE };

struct job {
	struct mail mail;
	struct job *next;
	struct reactor *home;   /* where `done` runs: the reactor that submitted; NULL (submitted elsewhere): the worker's thread */
	struct arena *arena;    /* the job's memory; freed after done */
	/* On a worker. Plain values in, plain values out, memory from job->arena; sees no user, no
	 * session. Returns what sql_* returned. */
	enum sql_status (*work)(struct job *j, struct sql *db);
	/* At home. Status first. May be NULL. */
	void (*done)(struct job *j);
	void *owner;            /* for `done`; the owner must outlive the job or be found by id */
	void *data;             /* in and out, in the arena */
	int64_t deadline_ms;    /* monotonic; set by pool_submit from database.patience when 0 */
	enum job_status status;
	struct err err;
};

/* `workers` threads. 0 or -1. */
int pool_start(const char *conninfo, unsigned workers, unsigned patience_ms, unsigned max_waiting, struct err *e) MUST_CHECK;
/* Runs what is waiting, up to 5 s, then joins the workers. */
void pool_stop(void);
/* A job with its own arena; `data` of `size` cleared bytes. */
struct job *job_new(size_t size);
/* From a reactor. When too many wait, `done` is called with JOB_UNAVAILABLE in a later turn. */
void pool_submit(struct job *j, uint64_t key);
/* It is not to be run: `done` is called with JOB_UNAVAILABLE in a later turn. */
void pool_refuse(struct job *j, uint64_t key);
/* CPU work without database (PBKDF2) on a thread of its own kind; `db` is NULL in work. */
void pool_submit_cpu(struct job *j);
/* The same for work that waits for disks: a few threads of their own, so that logins do not wait for files. */
void pool_submit_disk(struct job *j);
/* True while at least one worker is connected. */
int pool_is_up(void);

#endif
