/*
 * quarantine_store: files as administrators look at them, and what they do with those in the quarantine (schema/0028_files.sql). In control
 * threads. Changes are made in a transaction of the caller's, which adds its audit row.
 */
#ifndef STORE_QUARANTINE_STORE_H
#define STORE_QUARANTINE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/file_store.h"

/* A content by its hash or the beginning of it (hex digits, eight at least). *n: how many begin so, 2 for more. */
enum sql_status quarantine_store_resolve(struct sql *db, const char *hex, uint8_t sha256[SHA256_SIZE], unsigned *n, struct err *e);
/* The row, locked until the end of the transaction; NULL: there is none. */
enum sql_status quarantine_store_lock(struct sql *db, struct arena *a, const uint8_t sha256[SHA256_SIZE], struct file_row **out, struct err *e);
/* What is there, newest first: hex, size, type, state, found, name, from, to, when (µs), release that waits (0: none), by whom. */
enum sql_status quarantine_store_list(struct sql *db, unsigned limit, PGresult **rows, struct err *e);
/* What happened to it, newest first: id, when (µs), path, from, to, name, declared, verdict, text, record. */
enum sql_status quarantine_store_events(struct sql *db, const uint8_t sha256[SHA256_SIZE], unsigned limit, PGresult **rows, struct err *e);
/* Events by name (* stands for anything; no case) or hash (as above), newest first: the same and hex, state, kept, quarantined. */
enum sql_status quarantine_store_find(struct sql *db, const char *what, unsigned limit, PGresult **rows, struct err *e);

/* It is among those that are kept, in spite of what was found, and uploads of it that were held back are kept, for so long (0: for ever); or
 * nowhere any more. */
enum sql_status quarantine_store_released(struct sql *db, const uint8_t sha256[SHA256_SIZE], uint64_t keep_ms, struct err *e);
enum sql_status quarantine_store_deleted(struct sql *db, const uint8_t sha256[SHA256_SIZE], struct err *e);
/* Does a legal hold cover what is recorded of it? It stays so until the end of the transaction. */
enum sql_status quarantine_store_held(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool *held, struct err *e);

struct quarantine_release {
	int64_t id;
	uint8_t sha256[SHA256_SIZE];
	const char *by_name, *reason, *found; /* found: in it, then */
	long by_uid; /* of the person: who logged in, else of the process; -1: an administrator's client */
};

/* *id 0: one waits already. */
enum sql_status quarantine_store_propose(struct sql *db, const struct file_row *file, long uid, const char *name, const char *reason, int64_t *id,
	struct err *e);
/* One that waits, in `a`; id 0: there is none. */
enum sql_status quarantine_store_proposal(struct sql *db, struct arena *a, int64_t id, struct quarantine_release *out, struct err *e);
enum sql_status quarantine_store_close(struct sql *db, int64_t id, const char *who, bool approved, struct err *e);
/* Whatever waits for this content is dropped. */
enum sql_status quarantine_store_close_of(struct sql *db, const uint8_t sha256[SHA256_SIZE], const char *who, struct err *e);

/* Who has to do with a content: bare address, did they send it (else it was to them, or they have fetched it), its name for them. */
enum sql_status quarantine_store_people(struct sql *db, const uint8_t sha256[SHA256_SIZE], unsigned limit, PGresult **rows, struct err *e);

#endif
