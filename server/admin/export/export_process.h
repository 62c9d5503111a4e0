/*
 * export_process: chancery-export as a child: how it is started, with what, and ended. For admin/export/exports only, on its thread: the kernel ends the
 * child when that ends.
 */
#ifndef ADMIN_EXPORT_PROCESS_H
#define ADMIN_EXPORT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct export_process {
	pid_t pid;
	int pidfd;
	int to, from;   /* its standard input and output; `from` does not block */
};

/* Where the program is: beside us, or in ../libexec/chancery. Kept open, for when no path leads there any more. */
void export_process_prepare(void);
int export_process_start(struct export_process *p, struct err *e) MUST_CHECK;
/* Waits for its end, and kills it when that does not come soon, or at once. `how` it ended, in words. */
void export_process_end(struct export_process *p, bool at_once, char *how, size_t size);

#endif
