/*
 * prompt: jabber:iq:gateway (XEP-0100 §6.3): what to ask somebody for who wants to write to a person or a room there, and the JID of what they answer.
 */
#ifndef GATEWAY_PROMPT_H
#define GATEWAY_PROMPT_H

#include <stdbool.h>

#include "xmpp/jid.h"
#include "xmpp/stanza.h"

#define NS_PROMPT "jabber:iq:gateway"

struct gateway;

/* True: it was one, and has been answered. */
bool prompt_came(struct gateway *g, const struct stanza *st, const struct elem *query, struct jid *to);

#endif
