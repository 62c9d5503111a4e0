/*
 * lines: for formats that are one file with a piece of text for each record, in the order of the log.
 */
#ifndef EXPORT_LINES_H
#define EXPORT_LINES_H

#include "base/buf.h"
#include "export/format.h"

/* What is written of a record and of what it is about (NULL: nothing), to the end of `b`, which is empty. */
typedef void (*lines_fn)(struct buf *b, const struct export_record *r, const struct export_target *t);
/* Of all of the group, into the file that is open. */
int lines_put(struct export_context *x, struct export_group *g, lines_fn fn, struct err *e) MUST_CHECK;
/* For export_format's close. */
int lines_close(struct export_context *x, void *state, struct err *e) MUST_CHECK;

#endif
