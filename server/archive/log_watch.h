/*
 * log_watch: the server's own look at the record, now and then: what was recorded since the last one (log_verify.h), on a thread of its own at low
 * priority. Findings are alarmed, logged and noted in archive.verification. The keeper's.
 */
#ifndef ARCHIVE_LOG_WATCH_H
#define ARCHIVE_LOG_WATCH_H

#include <stdint.h>

#include "base/err.h"

int log_watch_start(const char *conninfo, struct err *e) MUST_CHECK;
/* Ends a look that is under way. */
void log_watch_stop(void);
/* Other settings: when is asked anew. */
void log_watch_wake(void);

#endif
