/*
 * approval_clock: what happens to requests without anybody's doing: they expire, and what a crash has interrupted is not begun again. Each is an audit
 * record of the server itself, before it is so. One thread, with a connection of its own.
 */
#ifndef ADMIN_APPROVAL_CLOCK_H
#define ADMIN_APPROVAL_CLOCK_H

#include <stdint.h>

#include "base/err.h"

/* Before anybody is let in: what was running when the server ended has been interrupted. */
int approval_clock_start(const char *conninfo, struct err *e) MUST_CHECK;
/* Within some seconds, whatever the archive and the database do. */
void approval_clock_stop(void);
/* What became of a request that is running, which the database could not be told: tried again until it is. `decided_at`: only if that is when it was decided
 * (a text of PostgreSQL), so that nothing is said of another decision; NULL: whenever. */
void approval_clock_outcome(int64_t id, const char *state, const char *decided_at, const char *outcome);

#endif
