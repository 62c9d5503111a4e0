/*
 * voice: visitors ask for voice, moderators grant it (XEP-0045 §7.13, §8.6).
 */
#ifndef MUC_VOICE_H
#define MUC_VOICE_H

#include "room.h"
#include "xmpp/form.h"

/* A submitted form of type muc#request: a visitor's, or a moderator's answer. */
enum hook_verdict voice_arrived(struct hook *h, struct room *r, const struct form *f);

#endif
