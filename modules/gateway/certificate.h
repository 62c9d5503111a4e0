/*
 * certificate: a command (XEP-0050) by which a person has a certificate made for their account at the network, sees it, and takes it away. Its key is made
 * here and kept with their credential: it is never shown.
 */
#ifndef GATEWAY_CERTIFICATE_H
#define GATEWAY_CERTIFICATE_H

#include "gateway/network.h"
#include "xmpp/stanza.h"

/* Is there such a thing at this network, now? */
bool certificate_is_offered(const struct gateway *g);
/* The command, which is or will be answered. */
void certificate_came(struct gateway *g, const struct stanza *st, struct jid *from);

#endif
