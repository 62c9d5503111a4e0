/*
 * message: what is said in a room: to everybody (XEP-0045 §7.4), to one occupant (§7.5).
 */
#ifndef MUC_MESSAGE_H
#define MUC_MESSAGE_H

#include "muc.h"

/* Type groupchat to the room: comes before it is recorded. */
enum hook_verdict message_arrived(struct hook *h, struct room *r);
/* Any other to room/nick: is in the record as it came. */
enum hook_verdict private_arrived(struct hook *h, struct room *r);
/* A copy of what somebody sent, from their occupant, without what only the room may say and without `to`. */
struct stanza *message_reflect(const struct hook *h, const struct room *r, const struct room_occupant *o);
/* <stanza-id/> of a record (XEP-0359). */
void message_set_id(struct stanza *st, const char *by, uint64_t id);

#endif
