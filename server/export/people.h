/*
 * people: who took part, in From and To of a mail and as a list in its text.
 */
#ifndef EXPORT_PEOPLE_H
#define EXPORT_PEOPLE_H

#include "base/buf.h"
#include "export/conversation.h"
#include "export/mail.h"

#define PEOPLE_NAMED 100 /* in To and in the text; more are counted */

/* From is the first who has sent something; To are the others, and the room. `a` is for scratch, `list` gets a line for each. Rewinds `c`. */
int people_add(struct mail *m, const struct export_group *g, struct conversation *c, struct arena *a, struct buf *list, struct err *e) MUST_CHECK;

#endif
