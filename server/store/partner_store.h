/*
 * partner_store: partners, their history, proposals and refusals (schema/0023_partner.sql). Runs on workers and in control threads.
 *
 * What is read and changed by administrators is the row as a JSON object with the names of its columns: one form for the row, for what is proposed,
 * and for history. Changes are made within a transaction that partner_store_lock has begun to serialise; the caller adds its audit row.
 */
#ifndef STORE_PARTNER_STORE_H
#define STORE_PARTNER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

/* For the snapshot: all, by domain. Columns: id, domain, direction, pass, trust, ca_pem, pins (a line each), dialback, who (a line each),
 * per_minute, user_per_minute, hours, owner, reason, expires (µs), changed (µs), changed_by, created (µs). */
enum sql_status partner_store_all(struct sql *db, PGresult **rows, struct err *e);

/* For people: by domain, behind `after` ("" at first): domain, the entry as JSON. */
enum sql_status partner_store_list(struct sql *db, const char *after, unsigned limit, PGresult **rows, struct err *e);

/* First in a transaction: changes of partners follow each other. */
enum sql_status partner_store_lock(struct sql *db, struct err *e);
/* The entry as JSON, in `a`; NULL: there is none. */
enum sql_status partner_store_get(struct sql *db, struct arena *a, const char *domain, const char **json, struct err *e);
/* Sets the entry, and adds to its history. `proposal`: 0, or which one it was. *full: there are `most` of them; nothing was done. */
enum sql_status partner_store_put(struct sql *db, const char *json, const char *who, int64_t proposal, uint64_t most, bool *full, struct err *e);
/* Takes it out, and adds to its history. *found false: there was none. */
enum sql_status partner_store_remove(struct sql *db, const char *domain, const char *who, const char *reason, bool *found, struct err *e);
/* Newest first: at (µs), action, who, owner, reason, old, new, proposal (0: none). */
enum sql_status partner_store_history(struct sql *db, const char *domain, unsigned limit, PGresult **rows, struct err *e);

struct partner_proposal {
	int64_t id;
	const char *domain, *entry, *reason, *by_name;
	long by_uid;  /* who it was (admin/audit/audit.h, audit_person); -1: an administrator's client */
	bool current; /* nothing has changed the entry since */
};

/* Takes the place of an open one for the same domain. *id 0: there are `most` open ones. */
enum sql_status partner_store_propose(struct sql *db, const char *json, long uid, const char *name, uint64_t most, int64_t *id, struct err *e);
/* Open ones, oldest first: id, at (µs), domain, entry, by_name, reason, the entry as it is (NULL: there is none). */
enum sql_status partner_store_proposals(struct sql *db, PGresult **rows, struct err *e);
/* An open one, in `a`; id 0: there is none. */
enum sql_status partner_store_proposal(struct sql *db, struct arena *a, int64_t id, struct partner_proposal *out, struct err *e);
enum sql_status partner_store_close(struct sql *db, int64_t id, const char *who, bool approved, struct err *e);
/* Withdraws what is proposed for that domain, if anything is. */
enum sql_status partner_store_close_of(struct sql *db, const char *domain, const char *who, struct err *e);

struct partner_refused {
	const char *domain, *why, *address;
	unsigned direction;
	uint64_t count;
	int64_t first_us, last_us;
};

/* Adds these to today's, as long as today's rows are fewer than `most`; writes an audit row for each domain's first of the day; forgets
 * those of more than a year ago. *left_out counts what had no room. */
enum sql_status partner_store_refused(struct sql *db, const struct partner_refused *r, size_t n, uint64_t most, uint64_t *left_out, struct err *e);
/* Newest first: day, domain, direction, why, address, count, first (µs), last (µs). `domain` NULL: all. */
enum sql_status partner_store_refusals(struct sql *db, const char *domain, int64_t since_us, unsigned limit, PGresult **rows, struct err *e);
/* From the record: domain, address of ours, messages in, messages out; by domain. */
enum sql_status partner_store_volume(struct sql *db, int64_t since_us, unsigned limit, PGresult **rows, struct err *e);
/* An entry has expired: an audit row, once for each time that it does. */
enum sql_status partner_store_expired(struct sql *db, const char *domain, int64_t expires_us, struct err *e);

#endif
