/*
 * exchange: what clients ask and answer each other by IQ, as far as the record cares (P1). Two programs can say by it whatever they like, so all of it is
 * recorded before it is delivered, but what standard services ask each other: that is known by its shape.
 */
#ifndef CORE_EXCHANGE_H
#define CORE_EXCHANGE_H

#include <stdbool.h>

#include "core/route/packet.h"
#include "store/record.h"

/* Is this IQ recorded before it goes on? Those that reach a client, an address at a component or another server, unless they are plain
 * (core/route/plain): a ping, discovery, a version, a time, in limits.unrecorded_iq_bytes. */
bool exchange_is_recorded(const struct packet *p);
/* Fills kind, type, client_id, body, refers_to and shown of its entry; borrowed from the stanza. */
void exchange_describe(const struct packet *p, struct record_entry *e);
/* The record has not taken it: the error for who waits for it, in the name of whom it was to or, of an answer, from. NULL: nobody does. */
struct packet *exchange_refused(const struct packet *p, const char *why);

#endif
