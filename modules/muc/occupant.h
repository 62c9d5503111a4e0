/*
 * occupant: coming in and going out, in memory (room.h has what others call).
 */
#ifndef MUC_OCCUPANT_H
#define MUC_OCCUPANT_H

#include "room.h"

/* A new seat, of the occupant of that nickname or of a new one. `account`: of `full`, 0: not one of ours. `presence` (sealed) is taken over. */
struct room_seat *occupant_take_seat(struct room *r, const struct jid *full, int64_t account, const char *nick, enum affiliation a, enum role role,
	struct stanza *presence);
/* What its client says now. Takes the presence. */
void occupant_speaks(struct room_seat *s, struct stanza *presence);
/* Another nickname, in memory. */
void occupant_rename(struct room_occupant *o, const char *nick);
/* Without a word to anybody. */
void occupant_free(struct room *r, struct room_occupant *o);

#endif
