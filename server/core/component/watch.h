/*
 * watch: components that see the presence of all accounts (XEP-0356 §7, type managed_entity), as far as an administrator has granted it.
 *
 * They are told each first presence of a session and each last, from its full address, and when they come, or it is granted, what there is. Who has
 * blocked the component is not seen (HOOK_PRESENCE_TO). Rosters have no part in it.
 */
#ifndef CORE_WATCH_H
#define CORE_WATCH_H

#include "core/route/packet.h"

struct user;

/* From the component's home: its domain sees presence from here on, until it does not. Once each. */
void watch_begin(struct jid *domain);
void watch_end(const struct jid *domain);
/* At the user's home: a session of it has become available, or unavailable. */
void watch_tell(struct user *u, const struct packet *p);

#endif
