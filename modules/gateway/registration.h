/*
 * registration: people bring an account of their own (XEP-0100 §4.1, XEP-0077).
 */
#ifndef GATEWAY_REGISTRATION_H
#define GATEWAY_REGISTRATION_H

#include "gateway/network.h"
#include "xmpp/stanza.h"

/* True: it was such a request, and is or will be answered. */
bool registration_came(struct gateway *g, const struct stanza *st, const struct elem *e, struct jid *from, struct jid *to);
/* What the form in the first element of an IQ says becomes the person's credential; the answer is an empty result, or an error. */
void registration_set(struct gateway *g, const struct stanza *st);
void registration_remove(struct gateway *g, const struct stanza *st);

/* The program ends. */
void registration_free(struct gateway *g);

#endif
