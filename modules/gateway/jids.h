/*
 * jids: addresses that came lately, as they were prepared (RFC 7622). The same ones come again and again, with each message.
 */
#ifndef GATEWAY_JIDS_H
#define GATEWAY_JIDS_H

#include "xmpp/jid.h"

#define JIDS_MOST 2048 /* a power of two */

struct jids {
	struct jid *at[JIDS_MOST]; /* by the hash of its text; NULL: none */
};

/* A reference for the caller. NULL: it is none. */
struct jid *jids_get(struct jids *j, const char *text);
void jids_free(struct jids *j);

#endif
