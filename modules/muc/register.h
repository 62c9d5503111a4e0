/*
 * register: who wants to belong to a room, and to have a nickname there (XEP-0045 §7.10, §9.9).
 *
 * An open room makes members of those who ask. In a room for members its admins are asked by a form, and what they submit is what
 * counts: the room keeps nothing of the request meanwhile.
 */
#ifndef MUC_REGISTER_H
#define MUC_REGISTER_H

#include "room.h"
#include "xmpp/form.h"

enum hook_verdict register_on_get(struct hook *h, struct room *r);
enum hook_verdict register_on_set(struct hook *h, struct room *r);
/* A form of type muc#register that an admin has submitted by message. */
enum hook_verdict register_approved(struct hook *h, struct room *r, const struct form *f);

/* May the nickname be reserved for that address? XERROR_NONE, and prepared in *out (hook_memory). */
enum xerror register_nick(struct hook *h, const struct room *r, const char *nick, const struct jid *bare, const char **out);

#endif
