/*
 * clients: which clients of the people here are there, and in which rooms. They say so by presence, which is lost while the stream to chanceryd is cut or no program runs: behind that,
 * what was known is doubted until the client has said something new or chanceryd has said which there are (README.md, "may").
 */
#ifndef GATEWAY_CLIENTS_H
#define GATEWAY_CLIENTS_H

#include "gateway/network.h"
#include "xmpp/stanza.h"

void clients_doubt(struct gateway_user *u);
/* `may`: chanceryd's answer about the user. Those that are doubted and are not there any more go, as if they had said so. */
void clients_known(struct gateway_user *u, const struct elem *may);

#endif
