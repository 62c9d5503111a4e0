/*
 * saying: what people say by presence, as far as the record cares (P1): a status, a nickname, and whatever is not known by its shape
 * (core/route/plain). It is recorded once, before it is delivered: who says the same again, to the same address, within a day, is not
 * recorded again.
 */
#ifndef CORE_SAYING_H
#define CORE_SAYING_H

#include <stdbool.h>

#include "core/route/packet.h"
#include "store/record.h"

/* What a lane's senders have said last, and to whom: hashes, and not more than some. NULL: nothing. */
struct sayings;
void sayings_free(struct sayings *s);

/* Is this presence recorded before it goes on? It has words that are not the last ones of its sender to whom it is for. Fills kind, type, client_id, body, refers_to,
 * shown and stanza of its entry then: the stanza without all that is plain in it, in its arena. Subscriptions are core/route/content's. */
bool saying_is_recorded(struct sayings *s, const struct packet *p, struct record_entry *e);
/* The entry is in the record. */
void saying_keep(struct sayings **s, const struct packet *p, const struct record_entry *e);
/* It is not, and nobody is to read the words: from now on the packet is without them. */
void saying_leave_out(struct packet *p);

#endif
