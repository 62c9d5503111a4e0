/*
 * audit: who did what, in a table the server may only add to (chancery.audit).
 *
 * An action and its row belong together: written in the transaction of the change where there is one, else
 * before the action, which does not happen when the row cannot be written (P6).
 */
#ifndef ADMIN_AUDIT_H
#define ADMIN_AUDIT_H

#include <jansson.h>

#include "base/err.h"
#include "store/sql.h"

#define AUDIT_HIDDEN (-2)

struct audit_who {
	long uid;           /* of the process that asked; -1: an administrator's client */
	long login;         /* of who logged in, as the kernel remembers whoever becomes root; -1: nobody, AUDIT_HIDDEN: not shown */
	const char *name;   /* its account's name; of a client, its bare JID */
	const char *origin; /* "control pid=…", "client FULL-JID" */
};

/* `action`: "user.disable"; `target`: whom it concerns, may be NULL; `detail`: more, may be NULL (borrowed). */
enum sql_status audit_write(struct sql *db, const struct audit_who *who, const char *action,
			    const char *target, json_t *detail, struct err *e);
/* Who it is, for rules that want two persons: a uid. Who has become root, or anybody else, is still who has logged in; where the kernel does not
 * know (no login, as of a service, or a kernel without auditing), the account itself. -1: an administrator's client, which has a name. */
long audit_person(const struct audit_who *who);
/* 0; -1 with a text when rules that want two persons cannot tell who it is: the kernel knows, and we are not shown. */
int audit_person_known(const struct audit_who *who, struct err *e) MUST_CHECK;
/* The same in the log, once it is certain. */
void audit_log(const struct audit_who *who, const char *action, const char *target);

#endif
