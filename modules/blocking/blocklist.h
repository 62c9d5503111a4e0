/*
 * blocklist: an account's block list in memory (XEP-0191): who is in it, and whom it covers. No I/O; belongs to the
 * account's home.
 */
#ifndef MODULES_BLOCKLIST_H
#define MODULES_BLOCKLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "xmpp/jid.h"

struct blocklist;

struct blocklist *blocklist_new(void);
void blocklist_free(struct blocklist *l);
/* False when it was there already. */
bool blocklist_add(struct blocklist *l, struct jid *j);
/* False when it was not there. */
bool blocklist_remove(struct blocklist *l, const struct jid *j);
bool blocklist_has(const struct blocklist *l, const struct jid *j);
/* §5: is j itself in the list, its bare form, or its domain? */
bool blocklist_covers(const struct blocklist *l, const struct jid *j);
size_t blocklist_count(const struct blocklist *l);
/* Bytes of all addresses. */
size_t blocklist_bytes(const struct blocklist *l);
/* In the order in which they were added. fn must not change the list. */
void blocklist_each(const struct blocklist *l, void (*fn)(void *arg, struct jid *j), void *arg);

#endif
