/*
 * create: rooms that come to be (XEP-0045 §10.1): who may make them, how many, and what they are at first.
 */
#ifndef MUC_CREATE_H
#define MUC_CREATE_H

#include "room.h"

/* Makes the room of r->jid for h->from, who becomes its owner; it is locked until it is configured, where rooms.lock says so. Under
 * room_alone. Goes on with ok true when it is in the record, in the database and in memory; ok false: these are away. REJECT:
 * they may not, with the error. */
enum hook_verdict create_room(struct hook *h, struct room *r, void *data, hook_then_fn then);

/* <create xmlns='urn:chancery:room:0' owner=BARE/>, from a host of ours: `chancery room create`. */
#define NS_ROOM "urn:chancery:room:0"
enum hook_verdict create_on_set(struct hook *h, struct room *r);

#endif
