/*
 * node_rows_store: what the *_store files of the engine share: parameters, rows, who may.
 */
#ifndef NODE_ROWS_STORE_H
#define NODE_ROWS_STORE_H

#include "node_store.h"

/* Lists cross as one text with U+001F between, which XML does not allow in anything a peer sends. */
#define NODE_COLUMNS \
	"n.id, n.node, n.creator, n.access, n.send_last, n.publish_model, n.node_full, n.itemreply, n.max_items, n.max_payload," \
	" n.expire, n.persist, n.payloads, n.notify, n.notify_retract, n.notify_delete, n.notify_config, n.notify_sub, n.normal," \
	" n.available_only, n.subscribe, array_to_string(n.groups, chr(31)), n.title, n.description, n.type, n.language," \
	" (extract(epoch FROM n.created_at) * 1000000)::bigint, n.subscribed, n.affiliated"
#define NODE_NCOLUMNS 29
#define ITEM_COLUMNS \
	"i.item, i.publisher, i.payload, (extract(epoch FROM i.at) * 1000000)::bigint, i.bytes"
#define SUBSCRIPTION_COLUMNS \
	"n.node, s.jid, s.bare, s.subid, s.state, s.deliver, s.shows, coalesce((extract(epoch FROM s.until) * 1000000)::bigint, 0)"
/* Is `who` by the rosters of the owners of node n one of those whom its access model lets in? */
#define NODE_SEEN(who) \
	"CASE WHEN n.access IN (2, 3) THEN EXISTS (SELECT 1 FROM chancery.roster_item r WHERE r.jid = " who " AND r.account IN" \
	" (SELECT n.account UNION ALL SELECT o.id FROM chancery.pubsub_affiliation f JOIN chancery.account o ON o.bare = f.bare" \
	" WHERE f.node = n.id AND f.affiliation = 5)" \
	" AND CASE n.access WHEN 2 THEN r.subscription & 2 <> 0 ELSE r.listed AND r.groups && n.groups END) ELSE false END"
#define NODE_AFFILIATION(who) \
	"CASE WHEN n.affiliated > 0 THEN coalesce((SELECT f.affiliation FROM chancery.pubsub_affiliation f WHERE f.node = n.id AND" \
	" f.bare = " who "), 0) ELSE 0 END"

struct number {
	char s[24];
};
struct number node_number(int64_t n);
#define N(n) (node_number((int64_t)(n)).s)
static inline const char *
node_flag(bool b)
{
	return b ? "t" : "f";
}

const char *node_join(const struct node_list *l, struct arena *a);
void node_read(struct arena *a, const PGresult *r, int row, struct node *out);
void node_read_item(struct arena *a, const PGresult *r, int row, int col, struct node_item *out);
/* SUBSCRIPTION_COLUMNS of all rows, into op->subscriptions. Clears r. */
void node_read_subscriptions(struct arena *a, PGresult *r, struct node_op *op);

/* op->node (id 0: none), op->affiliation, op->seen; op->outcome MOVED where it has gone, else untouched. */
enum sql_status node_find(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
/* The same, and whether the asker may retrieve items: op->outcome. */
enum sql_status node_look(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
/* The same, and whether it is an owner (op->outcome). */
enum sql_status node_own(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
/* May it, as far as affiliation and rosters go? AUTHORIZE: OK for those with an affiliation. */
enum node_outcome node_may_see(const struct node_op *op);
/* Has the asker subscribed (whatever address of its own)? */
enum sql_status node_is_subscribed(struct sql *db, const struct node_op *op, bool *out, struct err *e);
/* Those to be told of an event: subscribed, willing, and still allowed; and what an account's home needs to tell contacts: affiliations. */
enum sql_status node_find_all_told(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
/* All of the node, pending ones included. */
enum sql_status node_find_subscriptions(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
enum sql_status node_find_affiliates(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
/* The last item, as far as the node has one to tell new subscribers. */
enum sql_status node_find_last(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
/* After rows of it have come or gone. */
enum sql_status node_count_subscriptions(struct sql *db, const struct node_op *op, struct err *e);
enum sql_status node_count_affiliations(struct sql *db, const struct node_op *op, struct err *e);

/* A node with op->standard as its configuration, but for what is wished; whose asker is its owner. */
enum sql_status node_make(struct sql *db, struct arena *a, struct node_op *op, enum node_outcome otherwise, struct err *e);

/* Runs fn in a transaction, which is kept only with op->commit and when it has succeeded. */
typedef enum sql_status (*node_fn)(struct sql *db, struct arena *a, struct node_op *op, struct err *e);
enum sql_status node_transact(struct sql *db, struct arena *a, struct node_op *op, node_fn fn, struct err *e);

#endif
