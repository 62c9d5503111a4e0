/*
 * archive_show: one record with all that belongs to it (chancery archive show).
 */
#ifndef ADMIN_ARCHIVE_SHOW_H
#define ADMIN_ARCHIVE_SHOW_H

#include "admin/request/request.h"

/* The verb. Each row says in `part` what it is: "record"; "replaced", what the record corrects, retracts or answers to; "later", what
 * corrects, retracts, moderates, answers to or returns it; "before" and "after" in its conversation; "audience", one a client that was in the room. */
int archive_show(struct request *r);

#endif
