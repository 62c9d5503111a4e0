/*
 * audit_life: what happens to the server itself, in the audit trail: migrations before it ran, its start, its stop, and settings that a signal
 * put into force. Called by main.
 */
#ifndef ADMIN_AUDIT_LIFE_H
#define ADMIN_AUDIT_LIFE_H

#include <sys/types.h>

#include "admin/audit/audit.h"
#include "base/err.h"
#include "core/config/config.h"

/* The archive writer runs, and nobody has been let in. -1: it cannot be recorded, so the server does not start. */
int audit_started(const struct config *c, unsigned reactors, struct err *e) MUST_CHECK;
/* A file has been read whose settings are about to be put into force: what changes, from what to what; of secrets that they do. */
int audit_reload(const struct config *new_, struct sql *db, const struct audit_who *who, struct err *e) MUST_CHECK;
/* While the archive writer still runs; `uid` and `pid` of who sent the signal. Waits 2 s at most: a server that cannot say it stops all the same. */
void audit_stopping(const struct config *c, uid_t uid, pid_t pid);
/* Who sent a signal. `name` and `origin` are written to. */
#define AUDIT_NAME 64
struct audit_who audit_signaller(uid_t uid, pid_t pid, char name[AUDIT_NAME], char origin[AUDIT_NAME]);

#endif
