/*
 * command: what a person can have the gateway do, from any client (XEP-0050): see how it is, log in, have a certificate made, log out, enter a room.
 */
#ifndef GATEWAY_COMMAND_H
#define GATEWAY_COMMAND_H

#include "gateway/network.h"
#include "xmpp/stanza.h"

/* True: it was a command, and is or will be answered. */
bool command_came(struct gateway *g, const struct stanza *st, const struct elem *e, struct jid *from, struct jid *to);
/* Into the answer to a question for what there is: the list, or its description (`info`). */
void command_items(struct gateway *g, struct stanza *r, struct elem *query, bool info);
/* False: there is no such command. */
bool command_info(struct gateway *g, struct stanza *r, struct elem *query, const char *node, bool info);
/* The answer that asks something: a form in it, sent back by action complete. `words` NULL: none. */
struct stanza *command_ask(const struct stanza *st, const char *title, const char *words, struct elem **x);
/* The answer to something that was done: a command's, when `st` is one. `note`: words for the person, or NULL. */
struct stanza *command_done(const struct stanza *st, const char *note);

#endif
