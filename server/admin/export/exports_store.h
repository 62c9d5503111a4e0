/*
 * exports_store: statements on compliance.export for the thread that runs the jobs (exports.c), as the server's role.
 */
#ifndef ADMIN_EXPORTS_STORE_H
#define ADMIN_EXPORTS_STORE_H

#include <jansson.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

/* Texts are in the arena. */
struct exports_job {
	int64_t id, asked_us, started_us; /* started_us 0: it has not run yet */
	const char *asked_by, *approved_by, *reason, *query, *query_text, *formats; /* query, formats: JSON */
	const char *checkpoint;           /* NULL: not yet */
	uint64_t size;
	int attempts, crashes;            /* crashes: of the attempts, those that ended without a word */
	bool csv_bom;
};

/* What ran when the server stopped, waits again. */
enum sql_status exports_store_recover(struct sql *db, struct err *e);
/* The one that has waited longest, if its turn has come; j->id 0: there is none. */
enum sql_status exports_store_next(struct sql *db, struct arena *a, struct exports_job *j, struct err *e);
enum sql_status exports_store_pin(struct sql *db, int64_t id, uint64_t size, const char *checkpoint, int64_t *started_us, struct err *e);
/* EXPORT_RUNNING, if it still waits; j->id 0 when not. */
enum sql_status exports_store_run(struct sql *db, struct exports_job *j, struct err *e);
enum sql_status exports_store_progress(struct sql *db, int64_t id, const char *stage, uint64_t done, uint64_t records, uint64_t bytes,
	struct err *e);
enum sql_status exports_store_altered(struct sql *db, int64_t id, uint64_t altered, struct err *e);
enum sql_status exports_store_missing(struct sql *db, int64_t id, uint64_t missing, struct err *e);
enum sql_status exports_store_manifest(struct sql *db, int64_t id, const char *hex, struct err *e);
enum sql_status exports_store_done(struct sql *db, int64_t id, uint64_t bytes, uint64_t records, uint64_t keep_ms, struct err *e);
/* It fails, or with `again` waits for another attempt. */
enum sql_status exports_store_failed(struct sql *db, int64_t id, int crashes, bool again, const char *why, struct err *e);
/* Is it (still) to run? */
enum sql_status exports_store_is_wanted(struct sql *db, int64_t id, bool *wanted, struct err *e);
/* One whose bundle is to go, which is noted; 0: none. */
enum sql_status exports_store_expired(struct sql *db, int64_t *id, struct err *e);
/* Does anybody know of this folder, or is it to go? */
enum sql_status exports_store_keeps(struct sql *db, int64_t id, bool *keeps, struct err *e);

#endif
