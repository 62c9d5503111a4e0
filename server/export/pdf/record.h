/*
 * record: a record, and who was in a room, drawn on a canvas.
 */
#ifndef EXPORT_PDF_RECORD_H
#define EXPORT_PDF_RECORD_H

#include "export/format.h"
#include "export/links.h"
#include "export/pdf/canvas.h"

/* Texts are made in `a`, the caller's to empty. */
int pdf_record(struct canvas *c, struct arena *a, struct export_group *g, const struct export_record *r, struct links *l, struct err *e) MUST_CHECK;
int pdf_audience(struct canvas *c, struct arena *a, struct export_group *g, struct err *e) MUST_CHECK;
/* Text of others', as it may be shown. */
const char *pdf_text(struct arena *a, const char *s, bool one_line);

#endif
