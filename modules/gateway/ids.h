/*
 * ids: which message here is which at the network, for receipts, corrections and bounces. Bounded: the oldest are forgotten.
 */
#ifndef GATEWAY_IDS_H
#define GATEWAY_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum id_way { ID_OUT, ID_IN };

struct id_pair {
	const char *user;    /* bare JID */
	const char *foreign; /* foreign address of the other side */
	const char *here;    /* id of the message */
	const char *there;   /* id at the network */
	const char *client;  /* ID_OUT: the full JID that said it; else NULL */
	enum id_way way;
	int64_t at_ms;       /* when it was said (base/clock); 0 in ids_add: now */
	const char *key;     /* under which it outlives the program (recall.h); NULL: it does not. The table's */
	bool stored;         /* ID_IN: chanceryd has it */
	bool wants_receipt;  /* who said it asked for one */
};

/* One that has a key is forgotten. */
typedef void ids_dropped_fn(void *arg, const char *key);

struct ids {
	struct id_entry *by_here, *by_there;
	struct list order, kept; /* the oldest first; those that have a key */
	unsigned n, nkept;
	ids_dropped_fn *dropped; /* NULL: nobody is told */
	void *arg;
};

void ids_init(struct ids *ids, ids_dropped_fn *dropped, void *arg);
/* Forgets all; nobody is told. */
void ids_free(struct ids *ids);
/* Copies all; `most` are kept. The returned pair is valid until the next ids_add. */
struct id_pair *ids_add(struct ids *ids, const struct id_pair *p, unsigned most);
/* NULL: not known (any more). */
struct id_pair *ids_here(struct ids *ids, const char *user, const char *foreign, const char *here);
struct id_pair *ids_there(struct ids *ids, const char *user, const char *foreign, const char *there, enum id_way way);
/* ID_OUT, to whomever it was: for a network whose ids are one of a kind. Looks at all of them. */
struct id_pair *ids_there_of(struct ids *ids, const char *user, const char *there);
void ids_forget(struct ids *ids, struct id_pair *p);
/* Those that are older; and those of a user, of which nobody is told: what is kept for an account goes with it. */
void ids_forget_before(struct ids *ids, int64_t ms);
void ids_forget_user(struct ids *ids, const char *user);
/* It outlives the program under this key. Of more than `most` the oldest do not any more. */
void ids_keep(struct ids *ids, struct id_pair *p, const char *key, unsigned most);

#endif
