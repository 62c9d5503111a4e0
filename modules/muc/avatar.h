/*
 * avatar: the vCard of a room, which is its picture (XEP-0486).
 */
#ifndef MUC_AVATAR_H
#define MUC_AVATAR_H

#include "muc.h"

enum hook_verdict avatar_on_get(struct hook *h, struct room *r);
enum hook_verdict avatar_on_set(struct hook *h, struct room *r);
/* To who has entered: the hash of the picture in presence of the room's own (XEP-0153), if there is one. */
void avatar_tell(const struct room *r, const struct jid *to);

#endif
