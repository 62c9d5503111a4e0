/*
 * occupant_id: who is who in a room, without saying who (XEP-0421).
 *
 * The id is an HMAC of the real bare address and, of our own people, of their account under the secret of the room: the same whenever that
 * person comes back, under whatever nickname; another one in another room, or for who gets the address of a deleted account; and nothing to be
 * found by guessing addresses.
 */
#ifndef MUC_OCCUPANT_ID_H
#define MUC_OCCUPANT_ID_H

#include "room.h"

#define OCCUPANT_ID_SIZE 65 /* with the NUL; the XEP allows 128 */

/* Adds <occupant-id/> to `e`, instead of any that a client put there (§4). */
void occupant_id_add(struct stanza *st, struct elem *e, const struct room_occupant *o);

#endif
