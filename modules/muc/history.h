/*
 * history: the last messages of a room, for those who enter (XEP-0045 §7.2.13). A room has it while somebody is inside; at the first
 * entering it is read from the record, which has everything.
 */
#ifndef MUC_HISTORY_H
#define MUC_HISTORY_H

#include "room.h"
#include "room_store.h"

struct history *history_new(unsigned max, const char *room);
void history_free(struct history *h);
/* The youngest `max` of it in a new one; h goes. NULL stays NULL. */
struct history *history_resize(struct history *h, unsigned max);
/* What the database had. */
void history_fill(struct history *h, const struct room_past *past);
/* Those behind `upto` of what was told while the database was read; h goes. */
void history_append(struct history *to, struct history *h, uint64_t upto);
/* A message that has been told: with its stanza-id, sealed; keeps a reference. Nothing happens if it is there. */
void history_add(struct history *h, struct stanza *st, uint64_t id, int64_t at_us);
/* It shall not be shown any more (XEP-0424, XEP-0425). */
void history_remove(struct history *h, uint64_t id);
/* To who enters, within what <history/> in its <x/> asks for (NULL: nothing said). */
void history_send(const struct history *h, const struct elem *x, const struct jid *to);
/* <delay/> of the room's (XEP-0203). */
void history_stamp(struct stanza *st, const char *room, int64_t at_us);

#endif
