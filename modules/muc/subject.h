/*
 * subject: what a room is about (XEP-0045 §7.2.15, §8.1).
 */
#ifndef MUC_SUBJECT_H
#define MUC_SUBJECT_H

#include "muc.h"

/* A message with a subject and without a body (§8.1)? */
bool subject_is(const struct stanza *st);
/* Such a message of somebody inside. */
enum hook_verdict subject_arrived(struct hook *h, struct room *r, struct room_occupant *o);
/* To who has just entered: always something, if only that there is none. */
void subject_send(struct room *r, const struct jid *to);

#endif
