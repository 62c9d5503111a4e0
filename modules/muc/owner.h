/*
 * owner: what the owners of a room do (XEP-0045 §10.1.2 to §10.2, §10.9): configuring it, and ending it.
 */
#ifndef MUC_OWNER_H
#define MUC_OWNER_H

#include "room.h"

enum hook_verdict owner_on_get(struct hook *h, struct room *r);
enum hook_verdict owner_on_set(struct hook *h, struct room *r);

#endif
