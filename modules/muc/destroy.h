/*
 * destroy: the end of a room (XEP-0045 §10.9). What was said in it stays in the record.
 */
#ifndef MUC_DESTROY_H
#define MUC_DESTROY_H

#include "room.h"

/* Why, and where to go instead. All may be NULL; texts last as long as hook_memory(h). */
struct destroy_why {
	const char *reason;
	const struct jid *alternate;
	const char *password;        /* of that */
};
/* Under room_alone. Goes on with ok true when the room is gone and those who were inside know; ok false: the record or the database is
 * away, and the room is as it was. */
enum hook_verdict destroy_room(struct hook *h, struct room *r, const struct destroy_why *why, void *data, hook_then_fn then);

#endif
