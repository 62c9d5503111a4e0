/*
 * exports: the jobs of compliance.export: started, watched, signed, kept and removed. Each is a process of its own (server/export).
 *
 * One thread. A job that waits is given the log's newest checkpoint, which it is proved against from then on, and a folder
 * (compliance.export_dir/ID, mode 0700). When its program says what its manifest's hash is, that is written into the audit trail, and then
 * signed with the log's key. A program that crashes is started again and goes on where it was, three times at most; so does everything that was
 * under way when the server stopped. What is finished stays for compliance.export_days.
 */
#ifndef ADMIN_EXPORTS_H
#define ADMIN_EXPORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* compliance.export.state: kept in the database, numbers do not change. */
enum export_state { EXPORT_WAITING = 1, EXPORT_RUNNING, EXPORT_DONE, EXPORT_FAILED, EXPORT_CANCELLED, EXPORT_REMOVED };

const char *export_state_name(int64_t state);

/* Before privileges are dropped: notes the program, which the account that we become may not be able to reach. Optional. */
void exports_prepare(void);
/* Makes the folder; starts the thread. */
int exports_start(const char *conninfo, struct err *e) MUST_CHECK;
/* What runs ends, and goes on after the next start. */
void exports_stop(void);
/* Something in the table has changed: look at once. Any thread. */
void exports_wake(void);
/* A bundle is to go: removes what the table does not know of any more. Any thread. */
void exports_tidy(void);
/* The bundle of a finished job, for reading. -1: it is not there. */
int exports_open(int64_t id, uint64_t *size, struct err *e) MUST_CHECK;

#endif
