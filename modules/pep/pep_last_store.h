/*
 * pep_last_store: the last items of contacts, in one query.
 */
#ifndef PEP_LAST_STORE_H
#define PEP_LAST_STORE_H

#include "../pubsub/node_store.h"

struct pep_last {
	struct node_op op;        /* first: out: items, oldest first, with owner, node, payloads, normal, publishers */
	struct node_list interests; /* nodes */
	const char *contact;      /* of this one only; NULL: of all, and one's own */
	bool subscribed_now;      /* a subscription has begun: on_sub is enough */
	struct session *to;       /* NULL: all; not looked at here */
	const struct jid *client; /* of a contact at another server; not looked at here */
};

/* Last items of the account and of those whose presence it sees, as far as they let it. */
enum sql_status pep_store_last(struct sql *db, struct arena *a, void *last, struct err *e);
/* The other way round: those of the account itself, as far as `contact` (bare) may see them. */
enum sql_status pep_store_last_own(struct sql *db, struct arena *a, void *last, struct err *e);

#endif
