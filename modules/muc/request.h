/*
 * request: forms that come to a room by message: for voice (voice.h), for registration (register.h).
 */
#ifndef MUC_REQUEST_H
#define MUC_REQUEST_H

#include "room.h"

enum hook_verdict request_arrived(struct hook *h, struct room *r);

#endif
