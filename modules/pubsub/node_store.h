/*
 * node_store: nodes, items, subscriptions and affiliations in PostgreSQL, of accounts and of services alike. Every function is the
 * work of one job (hook_job) on one struct node_op: what is asked, by whom, within which bounds, and what came of it.
 *
 * What changes something that is recorded is run twice: first without `commit`, which only says whether it would succeed; then,
 * when it has been recorded, with it. The second time checks everything again.
 */
#ifndef NODE_STORE_H
#define NODE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "node_config.h"
#include "store/sql.h"

enum node_outcome {
	NODE_OK,
	NODE_NO_NODE,
	NODE_NO_ITEM,
	NODE_EXISTS,
	NODE_MOVED,          /* deleted with a redirection: op->uri */
	NODE_PRECONDITION,   /* publish-options that the node does not have */
	NODE_IMPOSSIBLE,     /* a configuration that no node can have */
	NODE_FORBIDDEN,
	NODE_NEED_PRESENCE,  /* what strangers hear of all they may not see at an account, there or not */
	NODE_NEED_GROUP,
	NODE_CLOSED,         /* whitelist */
	NODE_NOT_SUBSCRIBED_AUTH, /* authorize: only subscribers retrieve items */
	NODE_PENDING,        /* asked for before, and not decided */
	NODE_NO_SUBSCRIPTIONS, /* it takes none */
	NODE_NOT_PERSISTENT,
	NODE_ITEM_REQUIRED, NODE_ITEM_FORBIDDEN, NODE_PAYLOAD_REQUIRED, NODE_BAD_PAYLOAD,
	NODE_FULL,
	NODE_TOO_BIG,
	NODE_MANY_NODES, NODE_MANY_BYTES, NODE_MANY_SUBSCRIPTIONS, NODE_MANY_MEMBERS,
	NODE_NOT_SUBSCRIBED,
	NODE_BAD_SUBID,
};

/* Stored: numbers never change meaning. By what they may. */
enum node_affiliation { AFFILIATION_NONE = 0, AFFILIATION_OUTCAST = 1, AFFILIATION_MEMBER = 2, AFFILIATION_PUBLISH_ONLY = 3,
	AFFILIATION_PUBLISHER = 4, AFFILIATION_OWNER = 5 };
enum node_state { STATE_NONE = 0, STATE_SUBSCRIBED = 1, STATE_PENDING = 2 };

struct node_item {
	const char *owner;  /* where it is: last items only */
	const char *node;   /* the same */
	const char *to;     /* the subscribed address; the same */
	bool payloads, normal, publishers; /* the node's; the same */
	const char *id, *publisher;
	const char *payload; /* NULL: none */
	int64_t at_us;
	uint32_t bytes;
};

struct node_subscription {
	const char *node, *jid, *bare, *subid;
	enum node_state state;
	struct node_options options;
};

struct node_affiliate {
	const char *node, *bare;
	enum node_affiliation affiliation;
};

struct node {
	int64_t id;          /* 0: there is none */
	const char *name;
	const char *creator; /* NULL: the account whose it is */
	int64_t created_us;
	unsigned subscribed, affiliated;
	struct node_config config;
};

/* One line of a change of subscriptions or affiliations by an owner. */
struct node_change {
	const char *jid;     /* of a subscription: as it was subscribed; of an affiliation: bare */
	int to;              /* enum node_state or node_affiliation */
	/* Out */
	int from;
	bool refused;        /* it stays as it is */
};

struct node_quota {
	uint64_t nodes;      /* of an account; of one creator at a service */
	uint64_t all_nodes;  /* of a service */
	uint64_t items;      /* of a node */
	uint64_t bytes;      /* items of an account; of a node of a service */
	uint64_t item_bytes, page_bytes, members;
	uint64_t subscriptions; /* of a node */
	uint64_t subscribed;    /* of one user at the host */
	uint64_t addresses;     /* of one user at a node */
	uint64_t last_items, last_bytes, name_bytes;
};

struct node_op {
	/* who and what */
	int64_t host;             /* the account; a service's id below 0 */
	const char *owner;        /* the account's bare JID, the service's domain */
	const char *asker;        /* bare JID */
	bool personal;            /* nodes of an account */
	bool is_owner, is_subscriber; /* personal: the asker is the account; may see its presence */
	const struct node_config *standard; /* of new nodes */
	struct node_quota quota;
	const char *name;         /* node; NULL: none */
	bool commit;
	/* publish, retract, create, configure, delete */
	const char *item, *payload, *payload_ns, *publisher;
	bool has_item;
	struct node_wish wish;
	const char *redirect;     /* delete: where to; NULL */
	/* changes by owners */
	struct node_change *changes;
	unsigned nchanges;
	bool only_pending;        /* they are decisions on requests */
	/* items: by ids, or the last `max` (0: all) of those between; nodes: a page */
	struct node_list ids;
	uint64_t max;
	const char *after, *before; /* ids; before "": the last page */
	bool paged;               /* the number of all is wanted */
	bool only_count;          /* and nothing else */
	bool for_owner;           /* what only owners may ask */
	bool discovering;         /* that there is such a node: who may ask for a subscription may know */
	/* subscribe, unsubscribe, options */
	const char *jid, *subid;
	struct node_options options;
	bool with_options;
	/* what came of it */
	enum node_outcome outcome;
	enum node_affiliation affiliation; /* the asker's, at op->node */
	bool seen;                /* access by rosters: the asker is in one of an owner */
	bool created;             /* the node is new */
	struct node node;
	struct node *nodes;
	unsigned nnodes;
	struct node_item *items;  /* oldest first */
	unsigned nitems;
	bool more;                /* items (nodes) were left out */
	int64_t index, count;     /* of the first; in all; -1: not known */
	struct node_subscription *subscriptions; /* to be told; or asked for */
	unsigned nsubscriptions;
	struct node_subscription subscription;   /* the one in question */
	struct node_affiliate *affiliates;
	unsigned naffiliates;
	const char *uri;
};

/* The node, when the asker may see it (op->for_owner: is an owner); its subscriptions and affiliations. */
enum sql_status node_store_node(struct sql *db, struct arena *a, void *op, struct err *e);
/* Nodes that the asker may see, by name, behind op->after, at most op->max. */
enum sql_status node_store_nodes(struct sql *db, struct arena *a, void *op, struct err *e);
/* Items */
enum sql_status node_store_items(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status node_store_publish(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status node_store_retract(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status node_store_purge(struct sql *db, struct arena *a, void *op, struct err *e);
/* Nodes */
enum sql_status node_store_create(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status node_store_configure(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status node_store_delete(struct sql *db, struct arena *a, void *op, struct err *e);
/* op->changes of affiliations; op->subscriptions: those that ended by it. */
enum sql_status node_store_affiliate(struct sql *db, struct arena *a, void *op, struct err *e);
/* The asker's own at the host, or at op->name. */
enum sql_status node_store_affiliations(struct sql *db, struct arena *a, void *op, struct err *e);
/* Subscriptions */
enum sql_status node_store_subscribe(struct sql *db, struct arena *a, void *op, struct err *e);
enum sql_status node_store_unsubscribe(struct sql *db, struct arena *a, void *op, struct err *e);
/* The asker's at the host, or at op->name. */
enum sql_status node_store_subscriptions(struct sql *db, struct arena *a, void *op, struct err *e);
/* Its own subscription op->jid; with op->with_options: alters it. */
enum sql_status node_store_options(struct sql *db, struct arena *a, void *op, struct err *e);
/* op->changes of subscriptions; op->items: the last one, where somebody is new. */
enum sql_status node_store_subscribers(struct sql *db, struct arena *a, void *op, struct err *e);
/* The asker has lost sight of the account's presence: ends what it had subscribed to by that. */
enum sql_status node_store_lost(struct sql *db, struct arena *a, void *op, struct err *e);

#endif
