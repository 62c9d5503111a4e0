/*
 * log_watch: the server's own look at the record, now and then: what was recorded since the last one (log_verify.h), on a thread of its own at low
 * priority. The keeper's; and the same by hand, for who asks for it.
 *
 * By the server's own key, not by what the database says which keys there are, and with the file of checkpoints. Findings are alarmed, logged and
 * noted in archive.verification; they stay until a look that covers the lowest of them finds nothing, after a restart as well.
 */
#ifndef ARCHIVE_LOG_WATCH_H
#define ARCHIVE_LOG_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/verify/log_verify.h"
#include "base/err.h"

int log_watch_start(const char *conninfo, struct err *e) MUST_CHECK;
/* Ends a look that is under way. */
void log_watch_stop(void);
/* Other settings: when is asked anew. */
void log_watch_wake(void);

/* A look by hand, from where the server's own have got to, or with `all` from the beginning, on the caller's thread. Of `v` the callbacks are the
 * caller's, and `stop`; the rest is filled in here. As log_verify. */
int log_look(struct log_verify *v, bool all, struct err *e) MUST_CHECK;

#endif
