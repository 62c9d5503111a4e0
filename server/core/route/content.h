/*
 * content: what a message carries, as far as the record cares.
 */
#ifndef CORE_CONTENT_H
#define CORE_CONTENT_H

#include <stdbool.h>

#include "core/route/packet.h"
#include "store/record.h"

/* False for pure typing notifications (XEP-0085) and empty messages; everything else has content, whatever hints
 * (XEP-0334) it carries. */
bool content_is_any(const struct packet *p);
/* Fills kind, type, client_id, body, refers_to and shown of the entry; borrowed from the packet. */
void content_describe(const struct packet *p, struct record_entry *e);

#endif
