/*
 * landlock: the Linux security module by which a process takes files, TCP, abstract sockets and signals from itself, as far as the
 * running kernel has it. Debian 12's headers know only its beginning; the numbers of its interface do not change.
 */
#ifndef SCAN_LANDLOCK_H
#define SCAN_LANDLOCK_H

#include "base/err.h"

/* A rule set in the making; -1 with why: the kernel has no Landlock. */
int landlock_new(struct err *e);
/* What is below `path` (or the file itself) may be read; a path that does not exist is no error. */
int landlock_reads(int rules, const char *path, struct err *e);
/* What is below the folder may be read, made, written and removed. */
int landlock_writes(int rules, int folder, struct err *e);
/* From here on; closes `rules`. 0 or -1. */
int landlock_enter(int rules, struct err *e);

#endif
