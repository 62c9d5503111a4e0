/*
 * audit_read: the audit records (store/audit.h), in the order of the log, as JSON: for `chancery audit list`, and for the stream to a SIEM.
 *
 * One object a record: record, index, at, who, role, uid, login, origin, action, target, detail, about; of what a member says nothing it is not there.
 * An erasure is the action "erasure". A record that was taken back (kind RETURNED: it was committed too late, and nothing was done) is followed by the
 * action "returned" about it.
 */
#ifndef ARCHIVE_AUDIT_READ_H
#define ARCHIVE_AUDIT_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

struct audit_query {
	uint64_t after;            /* records behind this one; with `newest` before it; 0: from the end */
	uint64_t since, until;     /* ids, which are times: from, and below; until 0: no end */
	const char *who;           /* exactly; NULL: everybody */
	bool person;               /* `who` is a person of `chancery person`, and no account of the system that has the same name */
	const char *action;        /* "user": all of user; "user.add": just that; NULL: all */
	bool newest;               /* first */
	unsigned limit;            /* of records that are looked at */
};

/* A page: an array, which is the caller's. *last is the last record that was looked at, *more whether there may be others. As whoever may read
 * archive.audit_record. */
enum sql_status audit_read(struct sql *db, const struct audit_query *q, json_t **rows, uint64_t *last, bool *more, struct err *e) MUST_CHECK;

#endif
