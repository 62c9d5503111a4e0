/*
 * absent: affiliations of people who are not inside, when they change: they are told (XEP-0045 §14.1.2), and so are those inside who
 * may know who they are (§10.3 to §10.7).
 */
#ifndef MUC_ABSENT_H
#define MUC_ABSENT_H

#include "room.h"

/* The change is recorded, stored, and in force; `bare` is nobody inside. What is said to them is in the record before it goes out;
 * nobody waits for it. `who` may be a domain: nobody to tell. reason NULL: none. */
void absent_tell(struct hook *h, struct room *r, const struct jid *who, enum affiliation now, const char *reason);

#endif
