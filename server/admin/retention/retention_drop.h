/*
 * retention_drop: the end of a run of retention: rows that erasures have left empty go, month by month (server/archive/RETENTION.md, "Rows that go").
 *
 * A month of which nothing is left that could be erased is named in a record of kind RECORD_ERASURE, "dropped: FIRST-LAST"; when that is committed its empty rows go, a
 * few at a time, and then the room that they had. The leaves stay in the tiles of the log. What is interrupted goes on where it was (archive.dropped).
 */
#ifndef ADMIN_RETENTION_DROP_H
#define ADMIN_RETENTION_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

/* `db` is as chancery_retention, in no transaction. `rest` sleeps for so long; false: it is over. *done: all months have been looked at; without it and SQL_OK the
 * server stops. Waits for the archive. */
enum sql_status retention_drop(struct sql *db, int64_t run, bool (*rest)(int64_t ms), bool *done, struct err *e);

#endif
