/*
 * import: `chancery user import`: a file of accounts to the server, in batches.
 */
#ifndef CHANCERY_IMPORT_H
#define CHANCERY_IMPORT_H

#include <stdio.h>

#include "command.h"
#include "common/control_client.h"

#define IMPORT_LINE_MAX 5120 /* an address of 2047 bytes, TAB, a password of 1023, and some room */

/* Exit code: 1 when a line was refused. */
int import_run(const struct options *o, struct control_client *c, FILE *f);

#endif
