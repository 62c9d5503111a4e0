/*
 * node_item_store: items. The jobs of a host run one after the other, so what one of them has counted is still true when it
 * writes.
 */
#include <string.h>

#include "node_rows_store.h"

/* What has outlived item_expire is as good as gone; the next publication removes it. */
#define ALIVE(expire) "(" expire "::bigint = 0 OR at > now() - make_interval(secs => " expire "::bigint))"

/* Retrieving */

static enum sql_status
items_by_id(struct sql *db, struct arena *a, struct node_op *op, PGresult **r, struct err *e)
{
	return sql_query(db, e, r,
		"SELECT " ITEM_COLUMNS ", i.upto - i.bytes < $3::bigint FROM (SELECT *, sum(bytes) OVER (ORDER BY seq DESC) AS upto"
		" FROM chancery.pubsub_item WHERE node = $1 AND item = ANY (string_to_array($2, chr(31))) AND " ALIVE("$4") ") i"
		" ORDER BY i.seq DESC", 4, N(op->node.id), node_join(&op->ids, a), N(op->quota.page_bytes), N(op->node.config.expire));
}

/* The newest of those before `before`, newest first. */
static enum sql_status
items_back(struct sql *db, struct node_op *op, PGresult **r, struct err *e)
{
	return sql_query(db, e, r,
		"SELECT " ITEM_COLUMNS ", i.upto - i.bytes < $4::bigint FROM (SELECT *, sum(bytes) OVER (ORDER BY seq DESC) AS upto"
		" FROM chancery.pubsub_item WHERE node = $1 AND ($2::text IS NULL OR"
		" seq < (SELECT seq FROM chancery.pubsub_item WHERE node = $1 AND item = $2)) AND " ALIVE("$5") ") i"
		" ORDER BY i.seq DESC LIMIT $3", 5, N(op->node.id), op->before && *op->before ? op->before : NULL, N(op->max + 1),
		N(op->quota.page_bytes), N(op->node.config.expire));
}

/* The oldest of those after `after`, oldest first. */
static enum sql_status
items_on(struct sql *db, struct node_op *op, PGresult **r, struct err *e)
{
	return sql_query(db, e, r,
		"SELECT " ITEM_COLUMNS ", i.upto - i.bytes < $4::bigint FROM (SELECT *, sum(bytes) OVER (ORDER BY seq) AS upto"
		" FROM chancery.pubsub_item WHERE node = $1 AND"
		" ($2 = '' OR seq > (SELECT seq FROM chancery.pubsub_item WHERE node = $1 AND item = $2)) AND " ALIVE("$5") ") i"
		" ORDER BY i.seq LIMIT $3", 5, N(op->node.id), op->after, N(op->max + 1), N(op->quota.page_bytes),
		N(op->node.config.expire));
}

/* Where the page is among all: only when somebody wants to know. */
static enum sql_status
place_of_page(struct sql *db, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT count(*), count(*) FILTER (WHERE i.seq < (SELECT seq FROM chancery.pubsub_item WHERE node = $1 AND item = $2))"
		" FROM chancery.pubsub_item i WHERE i.node = $1 AND " ALIVE("$3"), 3, N(op->node.id),
		op->nitems ? op->items[0].id : "", N(op->node.config.expire));
	if (st != SQL_OK)
		return st;
	op->count = sql_i64(r, 0, 0);
	op->index = sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}

/* What does not fit the page is left out at its far end. */
static void
read_items(struct arena *a, PGresult *r, struct node_op *op, bool newest_first)
{
	int n = PQntuples(r), fit = 0;

	while (fit < n && (uint64_t)fit < op->max && sql_bool(r, fit, 5))
		fit++;
	op->more = fit < n;
	op->nitems = (unsigned)fit;
	op->items = arena_zalloc(a, ((size_t)fit + 1) * sizeof(*op->items));
	for (int i = 0; i < fit; i++)
		node_read_item(a, r, i, 0, &op->items[newest_first ? fit - 1 - i : i]);
	PQclear(r);
}

static enum sql_status
anchor_exists(struct sql *db, struct node_op *op, struct err *e)
{
	const char *id = op->after && *op->after ? op->after : op->before;
	PGresult *r;
	enum sql_status st;

	if (!id || !*id)
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT 1 FROM chancery.pubsub_item WHERE node = $1 AND item = $2", 2, N(op->node.id), id);
	if (st != SQL_OK)
		return st;
	if (!PQntuples(r))
		op->outcome = NODE_NO_ITEM;
	PQclear(r);
	return SQL_OK;
}

/* XEP-0060 §6.5.9.2: who is subscribed and names a subscription names its own. */
static enum sql_status
check_subid(struct sql *db, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	if (!op->subid)
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT count(*), count(*) FILTER (WHERE subid = $3) FROM chancery.pubsub_subscription"
		" WHERE node = $1 AND bare = $2", 3, N(op->node.id), op->asker, op->subid);
	if (st != SQL_OK)
		return st;
	if (sql_i64(r, 0, 0) && !sql_i64(r, 0, 1))
		op->outcome = NODE_BAD_SUBID;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
node_store_items(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct node_op *op = data;
	PGresult *r = NULL;
	enum sql_status st;

	op->outcome = NODE_OK;
	op->index = op->count = -1;
	st = node_look(db, a, op, e);
	if (st == SQL_OK && op->outcome == NODE_OK && !op->node.config.persist)
		op->outcome = NODE_NOT_PERSISTENT; /* §6.5.9.4 */
	if (st == SQL_OK && op->outcome == NODE_OK)
		st = check_subid(db, op, e);
	if (st == SQL_OK && op->outcome == NODE_OK)
		st = anchor_exists(db, op, e);
	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	if (op->only_count)
		return place_of_page(db, op, e);
	if (!op->max || op->max > op->quota.items)
		op->max = op->quota.items;
	if (op->ids.n)
		st = items_by_id(db, a, op, &r, e);
	else
		st = op->after ? items_on(db, op, &r, e) : items_back(db, op, &r, e);
	if (st != SQL_OK)
		return st;
	read_items(a, r, op, op->ids.n || !op->after);
	return (op->paged || op->more) && !op->ids.n ? place_of_page(db, op, e) : SQL_OK;
}

/* Publishing */

/* §4.1, and the node's publish_model. */
static enum sql_status
check_publisher(struct sql *db, struct node_op *op, struct err *e)
{
	bool may = op->affiliation >= AFFILIATION_PUBLISH_ONLY || (op->affiliation != AFFILIATION_OUTCAST &&
		op->node.config.publish == PUBLISH_OPEN);
	enum sql_status st = SQL_OK;

	if (!may && op->affiliation != AFFILIATION_OUTCAST && op->node.config.publish == PUBLISH_SUBSCRIBERS)
		st = node_is_subscribed(db, op, &may, e);
	if (!may)
		op->outcome = NODE_FORBIDDEN;
	return st;
}

/* §7.1.3.6 */
static bool
is_of_type(const struct node_op *op)
{
	const char *type = op->node.config.type;

	/* Names of profiles of Atom (XEP-0277, XEP-0472), not of a namespace. At accounts a type is what clients like it to be. */
	if (op->personal || !type || !op->payload || !strncmp(type, "urn:xmpp:microblog:", 19) ||
		!strncmp(type, "urn:xmpp:pubsub-social-feed:", 28))
		return true;
	return op->payload_ns && !strcmp(type, op->payload_ns);
}

/* §7.1.3.4, §7.1.3.7 */
static enum node_outcome
fits(const struct node_op *op)
{
	const struct node_config *c = &op->node.config;
	uint64_t most = c->max_payload ? c->max_payload : op->quota.item_bytes;

	if (op->payload && (strlen(op->payload) > most || strlen(op->payload) > op->quota.item_bytes))
		return NODE_TOO_BIG;
	if (!op->has_item && (c->persist || c->payloads))
		return NODE_ITEM_REQUIRED;
	if (op->has_item && !c->persist && !c->payloads)
		return NODE_ITEM_FORBIDDEN;
	if (!is_of_type(op))
		return NODE_BAD_PAYLOAD;
	return c->payloads && !op->payload ? NODE_PAYLOAD_REQUIRED : NODE_OK;
}

static uint64_t
most_items(const struct node_op *op)
{
	uint64_t n = op->node.config.max_items;

	return n && n < op->quota.items ? n : op->quota.items;
}

/* What this item replaces: of somebody else only those may who could retract it. And is there room for a new one? */
static enum sql_status
check_place(struct sql *db, struct node_op *op, struct err *e)
{
	bool rejects = op->node.config.full == FULL_REJECT, trusted = op->affiliation >= AFFILIATION_PUBLISHER;
	PGresult *r;
	enum sql_status st;

	if ((trusted && !rejects) || !op->node.config.persist || op->outcome != NODE_OK)
		return SQL_OK;
	st = sql_query(db, e, &r,
		"SELECT count(*) FILTER (WHERE item = $2), count(*) FILTER (WHERE item = $2 AND split_part(publisher, '/', 1) <> $3), count(*)"
		" FROM chancery.pubsub_item WHERE node = $1", 3, N(op->node.id), op->item, op->asker);
	if (st != SQL_OK)
		return st;
	if (!trusted && sql_i64(r, 0, 1))
		op->outcome = NODE_FORBIDDEN;
	else if (rejects && !sql_i64(r, 0, 0) && (uint64_t)sql_i64(r, 0, 2) >= most_items(op))
		op->outcome = NODE_FULL;
	PQclear(r);
	return SQL_OK;
}

static size_t
item_bytes(const struct node_op *op)
{
	return strlen(op->item) + strlen(op->publisher) + (op->payload ? strlen(op->payload) : 0) + 64;
}

/* What the quota of bytes is about: the account's items, or the node's. */
static enum sql_status
used(struct sql *db, const struct node_op *op, uint64_t *bytes, struct err *e)
{
	PGresult *r;
	enum sql_status st = op->personal ?
		sql_query(db, e, &r, "SELECT coalesce(sum(i.bytes), 0) FROM chancery.pubsub_node n"
			" JOIN chancery.pubsub_item i ON i.node = n.id WHERE n.host = $1", 1, N(op->host)) :
		sql_query(db, e, &r, "SELECT coalesce(sum(bytes), 0) FROM chancery.pubsub_item WHERE node = $1", 1, N(op->node.id));

	if (st != SQL_OK)
		return st;
	*bytes = (uint64_t)sql_i64(r, 0, 0);
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
put_item(struct sql *db, struct node_op *op, struct err *e)
{
	enum sql_status st;

	st = sql_do(db, e,
		"INSERT INTO chancery.pubsub_item (node, item, publisher, bytes, payload) VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (node, item) DO UPDATE SET publisher = excluded.publisher, bytes = excluded.bytes,"
		" payload = excluded.payload, seq = excluded.seq, at = excluded.at", 5, N(op->node.id), op->item, op->publisher,
		N(item_bytes(op)), op->payload);
	if (st != SQL_OK)
		return st;
	st = sql_do(db, e,
		"DELETE FROM chancery.pubsub_item WHERE node = $1 AND seq <= (SELECT seq FROM chancery.pubsub_item WHERE node = $1"
		" ORDER BY seq DESC OFFSET $2 LIMIT 1)", 2, N(op->node.id), N(most_items(op)));
	if (st != SQL_OK || !op->node.config.expire)
		return st;
	return sql_do(db, e, "DELETE FROM chancery.pubsub_item WHERE node = $1 AND NOT " ALIVE("$2"), 2, N(op->node.id),
		N(op->node.config.expire));
}

/* Usually it is plain that there is room. Where it is not, what it replaces and pushes out has to be seen first. */
static enum sql_status
put_within_quota(struct sql *db, struct node_op *op, struct err *e)
{
	uint64_t bytes = 0;
	enum sql_status st = used(db, op, &bytes, e);

	if (st == SQL_OK && !op->commit && bytes + item_bytes(op) <= op->quota.bytes)
		return SQL_OK;
	if (st == SQL_OK)
		st = put_item(db, op, e);
	if (st != SQL_OK || bytes + item_bytes(op) <= op->quota.bytes)
		return st;
	st = used(db, op, &bytes, e);
	if (st == SQL_OK && bytes > op->quota.bytes)
		op->outcome = NODE_MANY_BYTES;
	return st;
}

/* §7.1.4: an account's owner makes nodes by publishing at them. */
static enum sql_status
find_or_make(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_find(db, a, op, e);

	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	if (!op->node.id && op->is_owner)
		return node_make(db, a, op, NODE_PRECONDITION, e);
	if (!op->node.id) {
		op->outcome = op->personal ? NODE_FORBIDDEN : NODE_NO_NODE;
		return SQL_OK;
	}
	st = check_publisher(db, op, e);
	if (st == SQL_OK && op->outcome == NODE_OK && !node_config_meets(&op->node.config, &op->wish))
		op->outcome = NODE_PRECONDITION;
	return st;
}

static enum sql_status
publish(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = find_or_make(db, a, op, e);

	if (st == SQL_OK && op->outcome == NODE_OK)
		op->outcome = fits(op);
	if (st == SQL_OK && op->outcome == NODE_OK)
		st = check_place(db, op, e);
	if (st == SQL_OK && op->outcome == NODE_OK && op->node.config.persist)
		st = put_within_quota(db, op, e);
	if (st != SQL_OK || op->outcome != NODE_OK || !op->commit)
		return st;
	return node_find_all_told(db, a, op, e);
}

enum sql_status
node_store_publish(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, publish, e);
}

/* Removing */

/* §7.2.3.1: owners remove whatever there is, publishers what they have published. */
static enum sql_status
retract(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	bool any = false;
	PGresult *r;
	enum sql_status st = node_find(db, a, op, e);

	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	any = op->affiliation == AFFILIATION_OWNER;
	if (!op->node.id)
		op->outcome = op->personal && !op->is_owner ? NODE_FORBIDDEN : NODE_NO_NODE;
	else if (!any)
		st = check_publisher(db, op, e);
	if (st == SQL_OK && op->outcome == NODE_OK && !op->node.config.persist)
		op->outcome = NODE_NOT_PERSISTENT;
	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	st = sql_query(db, e, &r,
		"WITH gone AS (DELETE FROM chancery.pubsub_item WHERE node = $1 AND item = $2 AND ($3 OR split_part(publisher, '/', 1) = $4)"
		" RETURNING item) SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM chancery.pubsub_item WHERE node = $1 AND item = $2)",
		4, N(op->node.id), op->item, node_flag(any), op->asker);
	if (st != SQL_OK)
		return st;
	if (!sql_i64(r, 0, 0)) /* the count is of before the removal */
		op->outcome = sql_i64(r, 0, 1) ? NODE_FORBIDDEN : NODE_NO_ITEM;
	PQclear(r);
	return op->outcome == NODE_OK ? node_find_all_told(db, a, op, e) : SQL_OK;
}

enum sql_status
node_store_retract(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, retract, e);
}

static enum sql_status
purge(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_own(db, a, op, e);

	if (st == SQL_OK && op->outcome == NODE_OK && !op->node.config.persist)
		op->outcome = NODE_NOT_PERSISTENT;
	if (st != SQL_OK || op->outcome != NODE_OK || !op->commit)
		return st;
	st = sql_do(db, e, "DELETE FROM chancery.pubsub_item WHERE node = $1", 1, N(op->node.id));
	return st == SQL_OK ? node_find_all_told(db, a, op, e) : st;
}

enum sql_status
node_store_purge(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, purge, e);
}
