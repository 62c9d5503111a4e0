/*
 * discovery: what an answer to service discovery (XEP-0030) is made of. For all who have an address that answers: server, modules, gateways.
 */
#ifndef XMPP_DISCOVERY_H
#define XMPP_DISCOVERY_H

#include <stddef.h>

#include "xmpp/stanza.h"

/* Into the <query/> of an answer (§3.1). `name` may be NULL. */
void discovery_identity(struct stanza *st, struct elem *query, const char *category, const char *type, const char *name);
void discovery_feature(struct stanza *st, struct elem *query, const char *var);
void discovery_features(struct stanza *st, struct elem *query, const char *const *var, size_t n);

#endif
