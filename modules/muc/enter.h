/*
 * enter: presence to an occupant's address: entering, another nickname, another status (XEP-0045 §7.2, §7.6, §7.7).
 */
#ifndef MUC_ENTER_H
#define MUC_ENTER_H

#include "muc.h"

/* Available presence; to the room itself it lacks a nickname. */
enum hook_verdict enter_arrived(struct hook *h, struct room *r);
/* May this nickname be used by the sender of h? Fills the error. */
bool enter_nick_allowed(struct hook *h, const struct room *r, const char *nick);

#endif
