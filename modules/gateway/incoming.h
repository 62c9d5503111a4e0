/*
 * incoming: a message that somebody at the network says to somebody here, written to the stream.
 */
#ifndef GATEWAY_INCOMING_H
#define GATEWAY_INCOMING_H

#include "gateway/gateway.h"

/* Whose it is, and what it is known by. */
struct incoming_head {
	const char *user;   /* bare JID of who it is for; in a room: of one who hears it */
	const char *from;   /* foreign address; of the room */
	const char *nick;   /* who says it in the room; NULL: not in one */
	const char *local;  /* the localpart of its JID; NULL: the gateway itself says it */
	const char *id;     /* of the stanza */
	const char *there;  /* the network's id; NULL: it has none, or that is another stanza's */
};

/* Writes it; in->stored is told what becomes of this stanza. `url` NULL: no file. What is said in a room is room_hear's (room.h). */
void incoming_send(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in, const char *url);
/* Nobody has it: the network may say it once more. */
void incoming_forget(struct gateway *g, const struct incoming_head *h);

#endif
