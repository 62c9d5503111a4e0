/*
 * nick: another nickname (XEP-0045 §7.6).
 */
#ifndef MUC_NICK_H
#define MUC_NICK_H

#include "muc.h"

/* Presence of somebody who is inside to another nickname. */
enum hook_verdict nick_change(struct hook *h, struct room *r);

#endif
