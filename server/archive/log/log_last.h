/*
 * log_last: the last checkpoint that was signed, as a file beside the key (KEY.last): what the server itself knows of its log, wherever
 * the database is put back to. The keeper's.
 */
#ifndef ARCHIVE_LOG_LAST_H
#define ARCHIVE_LOG_LAST_H

#include "base/err.h"
#include "proof/checkpoint.h"

/* 1; 0: there is none. -1 and `e`: there is one that cannot be read. */
int log_last_load(const char *key_file, struct checkpoint *c, struct err *e) MUST_CHECK;
/* Takes the place of the one before; after a crash it is the one or the other, and whole. */
int log_last_save(const char *key_file, const char *note, struct err *e) MUST_CHECK;

#endif
