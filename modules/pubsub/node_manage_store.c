/*
 * node_manage_store: nodes as such: found, listed, made, configured, deleted.
 */
#include <string.h>

#include "node_rows_store.h"

enum sql_status
node_store_node(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct node_op *op = data;
	enum sql_status st;

	op->outcome = NODE_OK;
	st = op->for_owner ? node_own(db, a, op, e) : node_look(db, a, op, e);
	if (op->discovering && op->outcome == NODE_NOT_SUBSCRIBED_AUTH)
		op->outcome = NODE_OK;
	if (st == SQL_OK && op->outcome == NODE_OK && !op->discovering)
		st = node_find_subscriptions(db, a, op, e);
	if (st == SQL_OK && op->outcome == NODE_OK)
		st = node_find_affiliates(db, a, op, e);
	return st;
}

enum sql_status
node_store_nodes(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct node_op *op = data;
	PGresult *r;
	enum sql_status st;
	int n;

	op->outcome = NODE_OK;
	st = sql_query(db, e, &r,
		"SELECT " NODE_COLUMNS " FROM chancery.pubsub_node n WHERE n.host = $1 AND ($2::text IS NULL OR n.node > $2) AND"
		" ($3::text IS NULL OR CASE " NODE_AFFILIATION("$3") " WHEN 0 THEN n.access IN (1, 5) OR"
		" CASE WHEN n.access = 2 AND n.account IS NOT NULL THEN $4 ELSE " NODE_SEEN("$3") " END WHEN 1 THEN false ELSE true END)"
		" ORDER BY n.node LIMIT $5", 5, N(op->host), op->after, op->is_owner ? NULL : op->asker, node_flag(op->is_subscriber),
		N(op->max + 1));
	if (st != SQL_OK)
		return st;
	n = PQntuples(r);
	op->more = (uint64_t)n > op->max;
	op->nodes = arena_zalloc(a, ((size_t)n + 1) * sizeof(*op->nodes));
	for (op->nnodes = 0; op->nnodes < (unsigned)n && op->nnodes < op->max; op->nnodes++)
		node_read(a, r, (int)op->nnodes, &op->nodes[op->nnodes]);
	PQclear(r);
	return SQL_OK;
}

/* Making */

static enum sql_status
count_nodes(struct sql *db, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st = op->personal ?
		sql_query(db, e, &r, "SELECT count(*), 0 FROM chancery.pubsub_node WHERE host = $1", 1, N(op->host)) :
		sql_query(db, e, &r, "SELECT (SELECT count(*) FROM chancery.pubsub_node WHERE host = $1 AND creator = $2),"
			" (SELECT count(*) FROM chancery.pubsub_node WHERE host = $1)", 2, N(op->host), op->asker);

	if (st != SQL_OK)
		return st;
	if ((uint64_t)sql_i64(r, 0, 0) >= op->quota.nodes || (!op->personal && (uint64_t)sql_i64(r, 0, 1) >= op->quota.all_nodes))
		op->outcome = NODE_MANY_NODES;
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
insert_node(struct sql *db, struct arena *a, struct node_op *op, const struct node_config *c, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"INSERT INTO chancery.pubsub_node AS n (account, service, creator, node, access, send_last, publish_model, node_full, itemreply,"
		" max_items, max_payload, expire, persist, payloads, notify, notify_retract, notify_delete, notify_config, notify_sub,"
		" normal, available_only, subscribe, groups, title, description, type, language)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,"
		" string_to_array($23, chr(31)), $24, $25, $26, $27) RETURNING " NODE_COLUMNS, 27,
		op->personal ? N(op->host) : NULL, op->personal ? NULL : N(-op->host), op->personal ? NULL : op->asker, op->name,
		N(c->access), N(c->send_last), N(c->publish), N(c->full), N(c->reply), N(c->max_items), N(c->max_payload), N(c->expire),
		node_flag(c->persist), node_flag(c->payloads), node_flag(c->notify), node_flag(c->notify_retract),
		node_flag(c->notify_delete), node_flag(c->notify_config), node_flag(c->notify_sub), node_flag(c->normal),
		node_flag(c->available_only), node_flag(c->subscribe), node_join(&c->groups, a), c->title, c->description, c->type,
		c->language);
	if (st != SQL_OK)
		return st;
	node_read(a, r, 0, &op->node);
	PQclear(r);
	op->created = true;
	op->affiliation = AFFILIATION_OWNER;
	return SQL_OK;
}

/* An account owns its nodes by being it. */
static enum sql_status
insert_owner(struct sql *db, struct node_op *op, struct err *e)
{
	enum sql_status st;

	if (op->personal)
		return SQL_OK;
	st = sql_do(db, e, "INSERT INTO chancery.pubsub_affiliation (node, bare, affiliation) VALUES ($1, $2, 5)", 2, N(op->node.id),
		op->asker);
	if (st == SQL_OK)
		st = node_count_affiliations(db, op, e);
	return st == SQL_OK ?
		sql_do(db, e, "DELETE FROM chancery.pubsub_moved WHERE host = $1 AND node = $2", 2, N(op->host), op->name) : st;
}

enum sql_status
node_make(struct sql *db, struct arena *a, struct node_op *op, enum node_outcome otherwise, struct err *e)
{
	struct node_config c = *op->standard;
	enum sql_status st = SQL_OK;

	if (op->wish.unknown || op->wish.impossible)
		op->outcome = otherwise;
	else
		st = count_nodes(db, op, e);
	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	node_config_apply(&c, &op->wish);
	st = insert_node(db, a, op, &c, e);
	return st == SQL_OK ? insert_owner(db, op, e) : st;
}

static enum sql_status
create(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_find(db, a, op, e);

	if (st != SQL_OK)
		return st;
	op->outcome = op->node.id ? NODE_EXISTS : NODE_OK;
	/* XEP-0004 §3.2: what a form has that we do not know is passed over; preconditions are another matter. */
	op->wish.unknown = false;
	return op->outcome == NODE_OK ? node_make(db, a, op, NODE_IMPOSSIBLE, e) : SQL_OK;
}

enum sql_status
node_store_create(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, create, e);
}

/* Configuring */

static enum sql_status
write_config(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	const struct node_config *c = &op->node.config;
	enum sql_status st;

	st = sql_do(db, e,
		"UPDATE chancery.pubsub_node SET access = $2, send_last = $3, publish_model = $4, node_full = $5, itemreply = $6,"
		" max_items = $7, max_payload = $8, expire = $9, persist = $10, payloads = $11, notify = $12, notify_retract = $13,"
		" notify_delete = $14, notify_config = $15, notify_sub = $16, normal = $17, available_only = $18, subscribe = $19,"
		" groups = string_to_array($20, chr(31)), title = $21, description = $22, type = $23, language = $24 WHERE id = $1", 24,
		N(op->node.id), N(c->access), N(c->send_last), N(c->publish), N(c->full), N(c->reply), N(c->max_items),
		N(c->max_payload), N(c->expire), node_flag(c->persist), node_flag(c->payloads), node_flag(c->notify),
		node_flag(c->notify_retract), node_flag(c->notify_delete), node_flag(c->notify_config), node_flag(c->notify_sub),
		node_flag(c->normal), node_flag(c->available_only), node_flag(c->subscribe), node_join(&c->groups, a), c->title,
		c->description, c->type, c->language);
	if (st != SQL_OK)
		return st;
	/* Fewer items than before, or none. */
	return sql_do(db, e,
		"DELETE FROM chancery.pubsub_item WHERE node = $1 AND (NOT $3::boolean OR $2::bigint <> 0 AND seq <="
		" (SELECT seq FROM chancery.pubsub_item WHERE node = $1 ORDER BY seq DESC OFFSET greatest($2::bigint, 1) LIMIT 1))", 3,
		N(op->node.id), N(c->max_items), node_flag(c->persist));
}

static enum sql_status
configure(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_own(db, a, op, e);

	if (st == SQL_OK && op->outcome == NODE_OK && op->wish.impossible)
		op->outcome = NODE_IMPOSSIBLE;
	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	node_config_apply(&op->node.config, &op->wish);
	if (!op->commit)
		return SQL_OK;
	st = write_config(db, a, op, e);
	return st == SQL_OK ? node_find_all_told(db, a, op, e) : st;
}

enum sql_status
node_store_configure(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, configure, e);
}

/* Deleting */

/* As many as there may be nodes; the oldest are forgotten. */
static enum sql_status
redirect(struct sql *db, struct node_op *op, struct err *e)
{
	enum sql_status st;

	if (!op->redirect || op->personal)
		return SQL_OK;
	st = sql_do(db, e,
		"INSERT INTO chancery.pubsub_moved (host, node, uri) VALUES ($1, $2, $3)"
		" ON CONFLICT (host, node) DO UPDATE SET uri = excluded.uri, at = now()", 3, N(op->host), op->name, op->redirect);
	if (st != SQL_OK)
		return st;
	return sql_do(db, e,
		"DELETE FROM chancery.pubsub_moved WHERE host = $1 AND at <= (SELECT at FROM chancery.pubsub_moved WHERE host = $1"
		" ORDER BY at DESC OFFSET $2 LIMIT 1)", 2, N(op->host), N(op->quota.all_nodes));
}

static enum sql_status
delete_node(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_own(db, a, op, e);

	/* §8.4.2: pending subscribers hear of it, too. */
	if (st == SQL_OK && op->outcome == NODE_OK)
		st = node_find_subscriptions(db, a, op, e);
	if (st == SQL_OK && op->outcome == NODE_OK && op->personal)
		st = node_find_affiliates(db, a, op, e);
	if (st != SQL_OK || op->outcome != NODE_OK || !op->commit)
		return st;
	st = sql_do(db, e, "DELETE FROM chancery.pubsub_node WHERE id = $1", 1, N(op->node.id));
	return st == SQL_OK ? redirect(db, op, e) : st;
}

enum sql_status
node_store_delete(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, delete_node, e);
}
