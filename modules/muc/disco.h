/*
 * disco: what the service and its rooms say of themselves (XEP-0045 §6), and which rooms there are (disco.c, search.c).
 */
#ifndef MUC_DISCO_H
#define MUC_DISCO_H

#include "muc.h"

#define NS_SEARCH "urn:xmpp:channel-search:0:search"

/* disco#info and disco#items of the service and of rooms. */
enum hook_verdict disco_on_info(struct hook *h, struct room *r);
enum hook_verdict disco_on_items(struct hook *h, struct room *r);
/* XEP-0433, of the service. */
enum hook_verdict search_on_get(struct hook *h, struct room *r);
/* The service and rooms are there (XEP-0199). */
enum hook_verdict disco_on_ping(struct hook *h, struct room *r);

/* How many are inside has changed: searches will know it in a while. */
void census_changed(struct hook *h, struct room *r);

/* May `who` know that there is such a room? Not while it is locked. */
bool disco_is_known_to(const struct room *r, const struct jid *who);

#endif
