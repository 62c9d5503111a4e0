/*
 * audit: what somebody does, as a record of the log: written by the archive writer and committed before it happens (P6).
 *
 * A record of kind RECORD_AUDIT: `from` is the person, `type` "audit", `body` a sentence, `stanza` an element <audit xmlns='urn:chancery:audit:0'/>
 * whose text is one JSON object: who, role, uid, login, origin, action, target, detail. It goes to nobody, is in nobody's history, and no index of
 * addresses finds it. A row of chancery.audit says the same, refers to the record, and is part of the action's own transaction: a record
 * without its row is an action that did not come to pass, and is followed by another one, ACTION.failed, that is about it. Logins to accounts
 * (core/stream/c2s_noted) and what is refused (store/refusal) change nothing in the database, and have no rows.
 *
 * Order, and why nothing waits in a circle: the action's transaction may hold locks while its thread waits for the writer here. The writer
 * takes locks of archive.record only (ROW EXCLUSIVE for COPY, SHARE UPDATE EXCLUSIVE for partitions) and waits for no other thread.
 * So whoever needs more than ROW EXCLUSIVE of archive.record or its partitions calls audit_record before taking that.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/record.h"
#include "store/sql.h"

struct audit_event {
	const char *person;    /* who: a bare JID, an account of the system, a person of `chancery person`, "chanceryd", "unknown" */
	const char *role;      /* in which role; NULL: none was asked for */
	long uid, login;       /* of the system; -1: none */
	const char *origin;    /* "control pid=…", "client FULL-JID", "https ADDRESS" … */
	const char *action;    /* "user.disable" */
	const char *target;    /* whom or what it concerns; NULL */
	const char *detail;    /* a JSON object as text; NULL */
	uint64_t about;        /* the record that this one is about; 0 */
	const char *erased;    /* then it is of kind RECORD_ERASURE, and this is its body (store/erasure.h); NULL */
	unsigned within_ms;    /* wait no longer than this; 0: archive.patience. 25 s are never exceeded: PostgreSQL ends idle transactions */
};

/* An entry for the archive writer that says so, for who submits it without waiting; its texts are its own. */
struct audit_entry {
	struct record_entry rec;
	struct buf stanza, body, person, origin;
};
void audit_entry_init(struct audit_entry *n, const struct audit_event *v);
void audit_entry_fini(struct audit_entry *n);
/* A string of JSON with its quotes, for details. */
void audit_add_string(struct buf *out, const char *s);

/* Waits until it is committed; on a thread that may wait, never a reactor's. SQL_OK and its id, or SQL_UNAVAILABLE: it is not in the record,
 * or a record of kind RETURNED takes it back, and the action must not happen;
 * e->code is EAGAIN. */
enum sql_status audit_record(const struct audit_event *v, uint64_t *id, struct err *e) MUST_CHECK;
/* The same, without an error in the log when it does not come to be. 0, or -1 and why. */
int audit_submit(const struct audit_event *v, uint64_t *id, const char **why) MUST_CHECK;
/* The row that belongs to it. */
enum sql_status audit_row(struct sql *db, const struct audit_event *v, uint64_t record, struct err *e) MUST_CHECK;
/* Both. Within the transaction of the action, just before its commit; or before an action that has none. */
enum sql_status audit_put(struct sql *db, const struct audit_event *v, uint64_t *id, struct err *e) MUST_CHECK;

#endif
