/*
 * erasure: content that goes for good, behind a record that says so (schema/0036_erasure.sql, server/archive/ERASURE.md).
 *
 * A batch: those of the records that may go (no hold covers them) are named, by their log indexes, in a record of kind RECORD_ERASURE; when that is
 * committed, archive.erase wipes what it names, and nothing else can be wiped. A crash in between leaves a record that was not carried out, which
 * erasure_resume does. A hold that comes in between beats it: what it covers stays, and the row of archive.erasure counts it.
 */
#ifndef STORE_ERASURE_H
#define STORE_ERASURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

#define ERASURE_BATCH 1000 /* records of one; who waits for the rows or the search index meanwhile does not wait long */

/* What the record says besides. It stays for ever: no names of those whose content goes. */
struct erasure_order {
	const char *basis;      /* "request", "retention" */
	const char *why;        /* in words */
	const char *who, *role; /* on whose order: a person, or "chanceryd"; role NULL: none */
	const char *approved_by;/* NULL */
	uint64_t decision;      /* the audit record of the decision; 0 */
	int64_t request;        /* compliance.erasure; 0 */
};

struct erasure_done {
	uint64_t record;        /* of kind RECORD_ERASURE; 0: nothing was to go */
	uint64_t erased, held;  /* held: of those that are there and not erased yet */
};

/* At most ERASURE_BATCH of them. `db` is as chancery_retention, in no transaction. Waits for the archive: on a thread that may. When it fails after
 * the record was committed, erasure_resume does the rest. */
enum sql_status erasure_wipe(struct sql *db, const struct erasure_order *o, const uint64_t *id, size_t n, struct erasure_done *done, struct err *e);
/* How many of them would go, and how many would stay although they could. */
enum sql_status erasure_count(struct sql *db, const uint64_t *id, size_t n, uint64_t *go, uint64_t *stay, struct err *e);
/* How often something was wiped since the start, or may have been: who keeps messages in memory reads them again when it is another number. Any thread. */
uint64_t erasure_rounds(void);
/* Carries out what was recorded and not carried out: *n of them, a hundred at most. */
enum sql_status erasure_resume(struct sql *db, unsigned *n, struct err *e);

#endif
