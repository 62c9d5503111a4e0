/*
 * presence: what occupants see of each other (XEP-0045 §7.2 to §7.7): who sees what.
 *
 * Real addresses are for moderators, or for everybody (whois_anyone); one's own is for oneself. The presence of roles that the
 * configuration leaves out of presencebroadcast is seen by oneself only.
 */
#ifndef MUC_PRESENCE_H
#define MUC_PRESENCE_H

#include "room.h"

/* May they see real addresses? */
bool presence_sees_addresses(const struct room *r, const struct room_occupant *who);
/* Do others get to see it? */
bool presence_is_broadcast(const struct room *r, enum role role);
/* What the client said, without what only a room may say: the stanza that others' presence is made of. Sealed. */
struct stanza *presence_clean(const struct stanza *said);
/* Everybody's presence of `o` to the seat that has just entered, but its own. */
void presence_tell_newcomer(struct room *r, const struct room_seat *s);
/* The occupant's presence to one seat that asked for it. */
void presence_tell_one(struct room *r, struct room_occupant *o, const struct room_seat *s);
/* The occupant's presence to all others; to its own seats with 110 and `why`'s codes. NULL: nothing more to say. */
void presence_tell(struct room *r, struct room_occupant *o, const struct room_why *why);
/* To one of its own seats. */
void presence_tell_own(struct room *r, struct room_occupant *o, const struct room_seat *s, const unsigned *status, size_t n, const char *id);
/* The same to others only. */
void presence_tell_others(struct room *r, struct room_occupant *o, const struct room_why *why);
/* Unavailable (leaving, kicked, nick changed): the seat is gone (303: is not) from the audiences when others are told. */
void presence_tell_gone_others(struct room *r, const struct room_occupant *o, const struct room_seat *s, const struct room_why *why);
void presence_tell_gone_own(struct room *r, const struct room_occupant *o, const struct room_seat *s, const struct room_why *why);
/* What was kept of how others see it is no longer so. */
void presence_forget_seen(struct room_occupant *o);

#endif
