/*
 * create: a room that was not there (XEP-0045 §10.1).
 */
#ifndef MUC_CREATE_H
#define MUC_CREATE_H

#include "muc.h"

/* Alone: who sent h becomes the owner of a new room with the usual configuration, recorded and stored; goes on with then(h, data, ok)
 * when r->id is set, or refuses (HOOK_REJECT). */
enum hook_verdict create_room(struct hook *h, struct room *r, void *data, hook_then_fn then);

#endif
