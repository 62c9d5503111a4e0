/*
 * audit: who did what: a record of the log, committed first, and a row of chancery.audit that refers to it (store/audit.h).
 *
 * An action and its row belong together: written in the transaction of the change where there is one, else before the action, which does not
 * happen when it cannot be recorded (P6). audit_log says that it has happened. What was recorded on a thread between audit_begin and
 * audit_end, and has not been said to have happened when that failed, is followed by a record ACTION.failed that is about it.
 */
#ifndef ADMIN_AUDIT_H
#define ADMIN_AUDIT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

#define AUDIT_HIDDEN (-2)

struct audit_who {
	long uid;           /* of the process that asked; -1: an administrator's client */
	long login;         /* of who logged in, as the kernel remembers whoever becomes root; -1: nobody, AUDIT_HIDDEN: not shown */
	const char *name;   /* its account's name; of a client, its bare JID; of a person with a token, the person's */
	const char *origin; /* "control pid=…", "client FULL-JID" */
	const char *role;   /* in which a person with a token acts; NULL: an administrator */
	unsigned within_ms; /* it waits for the archive no longer than that; 0: archive.patience */
};

/* The server itself; `origin` is borrowed. */
struct audit_who audit_ourselves(const char *origin);

/* `action`: "user.disable"; `target`: whom it concerns, may be NULL; `detail`: more, may be NULL (borrowed). Waits for the archive: never on a
 * reactor, and before any lock on archive.record is taken that COPY would wait for. Not SQL_OK: the action must not happen. */
enum sql_status audit_write(struct sql *db, const struct audit_who *who, const char *action,
			    const char *target, json_t *detail, struct err *e);
/* The same, and the number of its record. */
enum sql_status audit_write_id(struct sql *db, const struct audit_who *who, const char *action, const char *target, json_t *detail, uint64_t *record,
	struct err *e);
/* Several targets of one action: one record that names them all ("targets" in its detail), and a row for each. */
enum sql_status audit_write_each(struct sql *db, const struct audit_who *who, const char *action, const char *const *target, size_t n,
	struct err *e);
/* Who it is, for rules that want two persons: a uid. Who has become root, or anybody else, is still who has logged in; where the kernel does not
 * know (no login, as of a service, or a kernel without auditing), the account itself. -1: an administrator's client, which has a name. */
long audit_person(const struct audit_who *who);
/* Is it who had this audit_person and this name? By what the kernel vouches for: whoever has become root twice, or somebody else, is one person.
 * Accounts need not exist any more. */
bool audit_is_person(const struct audit_who *who, long person, const char *name);
/* 0; -1 with a text when rules that want two persons cannot tell who it is: the kernel knows, and we are not shown. */
int audit_person_known(const struct audit_who *who, struct err *e) MUST_CHECK;
/* The same in the log, once it is certain: committed, or done. */
void audit_log(const struct audit_who *who, const char *action, const char *target);

/* Around what may fail after audit_write, on one thread; they nest. audit_end takes what audit_begin gave; `why` is NULL when nothing failed.
 * `db` may be in a transaction that came to nothing, which is rolled back then. */
size_t audit_begin(void);
void audit_end(size_t begun, struct sql *db, const struct audit_who *who, const struct err *why);

#endif
