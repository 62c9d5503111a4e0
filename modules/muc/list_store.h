/*
 * list_store: the rooms of a service that may be found: their list (XEP-0045 §6.3) and the search among them (XEP-0433). On
 * workers.
 */
#ifndef MUC_LIST_STORE_H
#define MUC_LIST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

enum list_order { LIST_BY_ADDRESS, LIST_BY_OCCUPANTS };

struct list_room {
	const char *jid, *name, *description, *lang; /* NULL: none */
	uint64_t occupants;
	bool open;          /* whoever comes gets in */
	bool non_anonymous;
};

struct list_query {
	/* In */
	const char *domain;
	int64_t run;        /* what is known of who is inside is of this run of the server */
	const char **term;  /* all of them must be found */
	size_t nterms;
	bool in_name, in_description, in_address;
	uint64_t min_occupants;
	enum list_order order;
	const char *after, *before; /* addresses; NULL: from the one end, or the other */
	uint64_t after_occupants, before_occupants; /* LIST_BY_OCCUPANTS: of those */
	bool backwards;     /* the last that match, not the first */
	bool want_total;    /* and the index of the first */
	unsigned max;
	/* Out */
	struct list_room *room; /* in order */
	size_t n;
	bool complete;      /* there are no more in that direction */
	int64_t total, index;
};

/* `data` is a struct list_query. */
enum sql_status list_store_find(struct sql *db, struct arena *a, void *data, struct err *e);

/* How many are inside a room, for searches: written now and then. */
struct list_census {
	int64_t room, run;
	unsigned occupants;
};
enum sql_status list_store_census(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
