/*
 * parcel: what comes from a network with files. Each file is fetched where it is an address, and uploaded to our upload service in the name of who sends it
 * (XEP-0363), which scans it before it says 201; then the text is said, with a line for each file that was not let through and why, and each file as a message of its
 * own: its address here, as text and as out-of-band data (XEP-0066). What the same person says meanwhile, to the same one or in the same room, waits behind it; nobody else does.
 *
 * In a room a file is uploaded once for all who hear it. It is the slot of the first of them who is let have one (LISTENERS are asked for); who may get it is asked of each when it is said.
 */
#ifndef GATEWAY_PARCEL_H
#define GATEWAY_PARCEL_H

#include "gateway/incoming.h"

/* Does it have files that can be passed on, or something before it that has? Then it is parcel_begin's. */
bool parcel_is_wanted(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in);
/* Copies it. -1: there is no room now. */
int parcel_begin(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in);
/* At the end of a turn. */
void parcels_turn(struct gateway *g);
/* All of them, at the end of the program. */
void parcels_end(struct gateway *g);

#endif
