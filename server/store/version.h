/*
 * version: the schema's migrations, built into the program from schema/NNNN_name.sql (in order, forward
 * only, one transaction each). A database that knows a migration we do not is refused.
 */
#ifndef STORE_VERSION_H
#define STORE_VERSION_H

#include <stdbool.h>

#include "base/err.h"
#include "store/sql.h"

/* Applies what is missing, as the schema's owner. 0 or -1; *applied counts. Names and SHA-256 of the
 * applied files are kept in chancery.migration; a file that changed after it was applied is refused. */
int version_migrate(const char *owner_conninfo, unsigned *applied, struct err *e) MUST_CHECK;
/* As the server's role: 0 when the schema is exactly ours; -1 when older, newer or unknown, saying which. */
int version_check(const char *conninfo, bool *needs_migration, struct err *e) MUST_CHECK;

#endif
