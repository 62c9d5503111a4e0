/*
 * pep_store: nodes, items and subscriptions in PostgreSQL. Every function is the work of one job (hook_job) on one struct
 * pep_op: what is asked, by whom, within which bounds, and what came of it.
 *
 * What changes something is run twice: first without `commit`, which only says whether it would succeed; then, when it
 * has been recorded, with it. The second time checks everything again.
 */
#ifndef PEP_STORE_H
#define PEP_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "pep_config.h"
#include "store/sql.h"

enum pep_outcome {
	PEP_OK,
	PEP_NO_NODE,
	PEP_NO_ITEM,
	PEP_EXISTS,
	PEP_PRECONDITION,   /* publish-options that the node does not have */
	PEP_IMPOSSIBLE,     /* a configuration that no node can have */
	PEP_NEED_PRESENCE,  /* what strangers hear of all they may not see, there or not */
	PEP_NEED_GROUP,
	PEP_CLOSED,         /* whitelist */
	PEP_NOT_PERSISTENT,
	PEP_ITEM_REQUIRED, PEP_ITEM_FORBIDDEN, PEP_PAYLOAD_REQUIRED,
	PEP_TOO_BIG,
	PEP_MANY_NODES, PEP_MANY_BYTES, PEP_MANY_SUBSCRIPTIONS, PEP_MANY_MEMBERS,
	PEP_NOT_SUBSCRIBED,
};

struct pep_item {
	const char *owner;  /* bare JID; pep_store_last only */
	const char *node;   /* the same */
	bool payloads, normal; /* the node's; the same */
	const char *id, *publisher;
	const char *payload; /* NULL: none */
	int64_t at_us;
	uint32_t bytes;
};

struct pep_subscription {
	const char *node, *jid, *bare;
};

struct pep_node {
	int64_t id;          /* 0: there is none */
	const char *name;
	int64_t created_us;
	unsigned subscribed;
	struct pep_config config;
};

struct pep_quota {
	uint64_t nodes, items, bytes, item_bytes, page_bytes, members, subscriptions, last_items, last_bytes;
};

struct pep_op {
	/* who and what */
	int64_t account;
	const char *owner;        /* the account's bare JID */
	const char *asker;        /* bare JID */
	bool is_owner, is_subscriber;
	struct pep_quota quota;
	const char *name;         /* node; NULL: none */
	bool commit;
	/* publish, retract, create, configure */
	const char *item, *payload, *publisher;
	bool has_item;
	struct pep_wish wish;
	/* affiliations: bare JIDs that become or cease to be members */
	struct pep_list add, remove;
	/* items: by ids, or the last `max` (0: all) of those between */
	struct pep_list ids;
	uint64_t max;
	const char *after, *before; /* ids; before "": the last page */
	bool paged;               /* the number of all is wanted */
	/* subscribe, unsubscribe */
	const char *jid;
	/* last items */
	struct pep_list interests; /* nodes */
	const char *contact;      /* of this one only; NULL: of all, and one's own */
	bool subscribed_now;      /* a subscription has begun: on_sub is enough */
	/* what came of it */
	enum pep_outcome outcome;
	bool created;             /* the node is new */
	struct pep_node node;
	struct pep_node *nodes;
	unsigned nnodes;
	struct pep_item *items;   /* oldest first */
	unsigned nitems;
	bool more;                /* items were left out */
	int64_t index, count;     /* of the first; in all; -1: not known */
	struct pep_subscription *subscriptions;
	unsigned nsubscriptions;
};

/* The node, when the asker may see it; its subscriptions. */
enum sql_status pep_store_node(struct sql *db, struct arena *a, void *op, struct err *e);
/* All nodes that the asker may see. */
enum sql_status pep_store_nodes(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_items(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_publish(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_retract(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_create(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_configure(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_delete(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_purge(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_affiliate(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_subscribe(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status pep_store_unsubscribe(struct sql *db, struct arena *a, void *op, struct err *e);
/* The asker's subscriptions at nodes of the account. */
enum sql_status pep_store_subscriptions(struct sql *db, struct arena *a, void *op, struct err *e);
/* The asker has lost sight of the account's presence: ends what it had subscribed to by that. */
enum sql_status pep_store_lost(struct sql *db, struct arena *a, void *op, struct err *e);
/* Last items of the account and of those whose presence it sees, as far as they let it. */
enum sql_status pep_store_last(struct sql *db, struct arena *a, void *op, struct err *e);

#endif
