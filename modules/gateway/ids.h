/*
 * ids: which message here is which at the network, for receipts, corrections and bounces. Bounded: the oldest are forgotten.
 */
#ifndef GATEWAY_IDS_H
#define GATEWAY_IDS_H

#include <stdbool.h>

#include "base/list.h"

enum id_way { ID_OUT, ID_IN };

struct id_pair {
	const char *user;    /* bare JID */
	const char *foreign; /* foreign address of the other side */
	const char *here;    /* id of the message */
	const char *there;   /* id at the network */
	const char *client;  /* ID_OUT: the full JID that said it; else NULL */
	enum id_way way;
	bool stored;         /* ID_IN: chanceryd has it */
	bool wants_receipt;  /* ID_OUT: who said it asked for one (XEP-0184) */
};

struct ids {
	struct id_entry *by_here, *by_there;
	struct list order;
	unsigned n;
};

void ids_init(struct ids *ids);
void ids_free(struct ids *ids);
/* Copies all; `most` are kept. The returned pair is valid until the next ids_add. */
struct id_pair *ids_add(struct ids *ids, const struct id_pair *p, unsigned most);
/* NULL: not known (any more). */
struct id_pair *ids_here(struct ids *ids, const char *user, const char *foreign, const char *here);
struct id_pair *ids_there(struct ids *ids, const char *user, const char *foreign, const char *there, enum id_way way);
/* ID_OUT, to whomever it was: for a network whose ids are one of a kind. Looks at all of them. */
struct id_pair *ids_there_of(struct ids *ids, const char *user, const char *there);
void ids_forget(struct ids *ids, struct id_pair *p);

#endif
