/*
 * content: what a message, or a subscription stanza, carries, as far as the record cares.
 */
#ifndef CORE_CONTENT_H
#define CORE_CONTENT_H

#include <stdbool.h>

#include "core/route/packet.h"
#include "store/record.h"

/* False for pure typing notifications (XEP-0085) and empty messages; everything else has content, whatever hints
 * (XEP-0334) it carries. */
bool content_is_any(const struct stanza *st);
/* Is it recorded before it goes on (P1)? Messages with content (or all: `typing`), and what carries words with a subscription or the
 * request for one. */
bool content_is_recorded(const struct packet *p, bool typing);
/* Fills kind, type, client_id, body, refers_to and shown of the entry for a message or subscription stanza of this type; borrowed from the stanza and
 * the arena. `shown` says what its sender's hints allow and its content is worth; which types belong into a history the
 * caller knows. */
void content_describe(const struct stanza *st, enum packet_type type, struct arena *a, struct record_entry *e);

#endif
