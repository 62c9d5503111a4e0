/*
 * channel: what chancery-export and the server that started it say to each other: a JSON object a line.
 *
 * To the program, on its standard input: first the job (job.h); later {"note":…} or {"error":…} as answers. From it, on its standard output:
 * {"progress":{"stage":text,"done":n,"records":n,"bytes":n}}, {"altered":{"records":n,"first":id}}, {"missing":{"records":n,"first":log index}}, {"sign":SHA-256 of the manifest}, which is answered, and at last
 * {"done":{"bytes":n,"records":n,"erased":n}} or {"error":text,"again":bool}: another run may go on.
 */
#ifndef EXPORT_CHANNEL_H
#define EXPORT_CHANNEL_H

#include <jansson.h>

#include "base/err.h"

/* The next line from the server. NULL: it is gone, or says nonsense. */
json_t *channel_read(struct err *e);
/* Takes the reference. -1: nobody is there any more. */
int channel_write(json_t *line, struct err *e);

#endif
