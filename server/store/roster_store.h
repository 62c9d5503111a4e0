/*
 * roster_store: rosters and subscription requests in PostgreSQL. Runs on workers; core/roster has the rules.
 */
#ifndef STORE_ROSTER_STORE_H
#define STORE_ROSTER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

/* A row as stored. `subscription`: 0 none, 1 to, 2 from, 3 both (bits: 1 I get theirs, 2 they get mine). */
struct roster_row {
	const char *jid;         /* bare */
	const char *name;        /* NULL when none */
	const char *const *groups;
	size_t ngroups;
	unsigned subscription;
	bool ask;                /* pending out: we asked them */
	bool approved;           /* pre-approved (RFC 6121 §3.4) */
	bool listed;             /* false: only state, not shown in the roster ("none + pending in", a bare pre-approval) */
	uint64_t version;        /* roster version in which it last changed */
	const char *request;     /* XML of the pending inbound subscription request; NULL when none */
};

struct roster_rows {
	uint64_t version;        /* of the whole roster */
	uint64_t floor;          /* removals up to this version are forgotten: a client that knows an older one gets everything */
	struct roster_row *rows;
	size_t n;
};

enum sql_status roster_store_load(struct sql *db, struct arena *a, int64_t account, struct roster_rows *out, struct err *e);
/* Inserts or replaces one row and sets the roster's version, in one transaction. The row is stored with
 * row->version (0: `version`). Versions only grow: a put or remove that is older than what is stored changes nothing. */
enum sql_status roster_store_put(struct sql *db, int64_t account, const struct roster_row *row, uint64_t version, struct err *e);
/* Removes a row; a tombstone keeps its version so that roster versioning can tell who has left. */
enum sql_status roster_store_remove(struct sql *db, int64_t account, const char *jid, uint64_t version, struct err *e);
/* JIDs removed after `since`. */
enum sql_status roster_store_removed(struct sql *db, struct arena *a, int64_t account, uint64_t since,
	const char *const **jids, size_t *n, struct err *e);

#endif
