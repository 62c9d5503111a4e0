/*
 * pubsub_store: what only the service needs of the database.
 */
#ifndef PUBSUB_STORE_H
#define PUBSUB_STORE_H

#include "node_store.h"

/* Of module_service: the id of a service, made when it is new, as struct pubsub_row. Of other addresses there is nothing. */
struct pubsub_row {
	int64_t id;
};
enum sql_status pubsub_store_load(struct sql *db, struct arena *a, const char *bare, void **rows, struct err *e);

struct pubsub_coming {
	int64_t account;
	const char *bare, *full; /* who comes */
	unsigned show;           /* enum node_show */
	uint64_t last_items, last_bytes, questions;
	/* Out */
	struct node_item *items; /* with owner, node, payloads, normal, publishers; oldest first */
	unsigned nitems;
	struct node_subscription *asked; /* pending, at nodes of whose `owner` the account is one */
	const char **owner;
	unsigned nasked;
};
enum sql_status pubsub_store_coming(struct sql *db, struct arena *a, void *coming, struct err *e);

/* Subscriptions of op->jid at op->host end. */
enum sql_status pubsub_store_bounced(struct sql *db, struct arena *a, void *op, struct err *e);

#endif
