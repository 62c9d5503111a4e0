/*
 * erasures: carries out what was decided about requests to be forgotten (compliance.erasure), and what a crash has left of any erasure.
 *
 * One thread. A request that was granted is fixed to the records before the one of its decision, waits until the search index knows them, and is carried
 * out in batches (store/erasure.h), each behind its record; begun again after a crash, it finds what is left. What is held stays, and is counted. At the
 * end the audit trail says what became of it. Then contents of files go that nobody else's record needs.
 */
#ifndef ADMIN_ERASURES_H
#define ADMIN_ERASURES_H

#include <jansson.h>
#include <stdint.h>

#include "archive/search/search.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

/* compliance.erasure.state: kept in the database, numbers do not change. */
enum erasure_state { ERASURE_ASKED = 1, ERASURE_GRANTED, ERASURE_DONE, ERASURE_PARTLY /* the rest is held */, ERASURE_REFUSED };

const char *erasure_state_name(int64_t state);

int erasures_start(const char *conninfo, struct err *e) MUST_CHECK;
/* A batch is ended first. */
void erasures_stop(void);
/* Something was granted: look at once. Any thread. */
void erasures_wake(void);

/* What a request is about: a query (archive/query.h) by people, rooms, conversations, domains, kinds and times, or numbers of records. */
#define ERASURE_RECORDS_MAX 10000
struct erasure_scope {
	struct search_query query;
	uint64_t *record;       /* NULL: the query */
	size_t n;
};
/* One of the two is given (JSON), the other NULL. What is in it lives in the arena. -1: what is wrong with it. */
int erasure_scope_read(const json_t *query, const json_t *records, struct arena *a, struct erasure_scope *s, struct err *e) MUST_CHECK;
/* In words; the caller frees it. */
char *erasure_scope_text(const json_t *query, const json_t *records);

/* Goes through all of it in batches, oldest first, over `find` (as chancery_server: only numbers of records leave it). `batch` 0: go on. */
typedef int (*erasure_batch_fn)(void *arg, const uint64_t *id, size_t n, struct err *e);
int erasure_scope_walk(struct sql *find, const struct erasure_scope *s, bool (*gone)(void *), erasure_batch_fn batch, void *arg, struct err *e) MUST_CHECK;

#endif
