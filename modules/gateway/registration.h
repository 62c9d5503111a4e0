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
/* May people bring one, and does the network know such a thing? */
bool registration_is_offered(const struct gateway *g);

/* One change of somebody's registration at a time: what two of their clients want at once would mix. False: another is under way, and the request has been answered. */
bool registration_begin(struct gateway *g, const struct stanza *st, struct jid *from);
/* Words for the end of the change; takes them. */
void registration_note(struct gateway *g, struct jid *from, char *words);
/* The words, the caller's to free; NULL: none. */
char *registration_end(struct gateway *g, struct jid *from);

/* The program ends. */
void registration_free(struct gateway *g);

#endif
