/*
 * invite: invitations that the room passes on, and their refusal (XEP-0045 §7.8.2).
 *
 * The room remembers for a while who has invited whom: only who was invited may decline, nobody is invited again and again, and nobody
 * invites crowds.
 */
#ifndef MUC_INVITE_H
#define MUC_INVITE_H

#include "room.h"

struct invites;

/* A message to the room with <x xmlns='…muc#user'/>. */
enum hook_verdict invite_arrived(struct hook *h, struct room *r);
/* §9.5: tells who has become a member; beside h, which goes on. `reason` may be NULL. */
void invite_member(struct hook *h, struct room *r, const char *bare, const char *reason);
/* NULL is fine. */
void invites_free(struct invites *i);

#endif
