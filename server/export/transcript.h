/*
 * transcript: records as plain text for people, for the formats that are mail. Whatever others wrote is shown by conversation_show.
 */
#ifndef EXPORT_TRANSCRIPT_H
#define EXPORT_TRANSCRIPT_H

#include "base/buf.h"
#include "export/conversation.h"

/* Which conversation, which day, how much. */
void transcript_head(struct buf *out, const struct export_group *g, const struct conversation_counts *n);
/* A line of the list of people. */
void transcript_person(struct buf *out, const struct conversation_person *p);
/* When, who, what; the words, what they are about (`t` NULL: nothing), files. `a` is for scratch. */
void transcript_record(struct buf *out, const struct export_record *r, const struct export_target *t, struct arena *a);

#endif
