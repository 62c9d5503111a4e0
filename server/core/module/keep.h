/*
 * keep: what modules keep in memory with accounts and sessions (module_keep, module_session_keep).
 */
#ifndef CORE_KEEP_H
#define CORE_KEEP_H

#include "module.h"

struct user;

/* On a worker: what every module reads of the account, in `a`. */
enum sql_status keep_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void ***rows, struct err *e);
/* At home: makes of it what is kept. */
void keep_make(struct user *u, void **rows);
void keep_forget(struct user *u);
/* The memory of all modules in one piece; NULL when none wants any. */
void *keep_session_new(void);
void keep_session_free(void *kept);
void keep_stop(void);

#endif
