/*
 * leave: who goes (XEP-0045 §7.14), and who is lost: what cannot be delivered comes back (§18.1.2).
 */
#ifndef MUC_LEAVE_H
#define MUC_LEAVE_H

#include "muc.h"

/* Presence of type unavailable. */
enum hook_verdict leave_arrived(struct hook *h, struct room *r);
/* A stanza of type error: the sender's server says that its occupant cannot be reached. */
enum hook_verdict leave_bounced(struct hook *h, struct room *r);
/* Its domain may not be met here any more: it leaves, in its turn. */
void leave_expel(const struct room_seat *s);
/* The room is not persistent and nobody is in it any more: takes it away. To be asked when somebody has gone, as the last thing; goes on
 * by itself. */
void leave_settle(const struct hook *h, struct room *r);

#endif
