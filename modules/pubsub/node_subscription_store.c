/*
 * node_subscription_store: subscriptions: by subscribers, and as owners manage them.
 */
#include <string.h>

#include "node_rows_store.h"

#define ROWS_MAX "2000" /* of one answer */

/* Of the node, by its address: op->subscription; state NONE: there is none. */
static enum sql_status
find_subscription(struct sql *db, struct arena *a, struct node_op *op, const char *jid, struct err *e)
{
	struct node_op found = { 0 };
	PGresult *r;
	enum sql_status st;

	op->subscription = (struct node_subscription){ .jid = jid, .options = node_options_default };
	st = sql_query(db, e, &r,
		"SELECT " SUBSCRIPTION_COLUMNS " FROM chancery.pubsub_subscription s JOIN chancery.pubsub_node n ON n.id = s.node"
		" WHERE s.node = $1 AND s.jid = $2 AND (s.until IS NULL OR s.until > now())", 2, N(op->node.id), jid);
	if (st != SQL_OK)
		return st;
	node_read_subscriptions(a, r, &found);
	if (found.nsubscriptions)
		op->subscription = found.subscriptions[0];
	return SQL_OK;
}

/* Leases that have ended make room. */
static enum sql_status
sweep(struct sql *db, const struct node_op *op, struct err *e)
{
	return sql_do(db, e, "DELETE FROM chancery.pubsub_subscription WHERE node = $1 AND until <= now()", 1, N(op->node.id));
}

static enum sql_status
write_subscription(struct sql *db, const struct node_op *op, const struct node_subscription *s, struct err *e)
{
	enum sql_status st;

	st = sql_do(db, e,
		"INSERT INTO chancery.pubsub_subscription (node, jid, bare, subid, state, deliver, shows, until)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $8::bigint > 0 THEN to_timestamp($8::bigint / 1000000.0) END)"
		" ON CONFLICT (node, jid) DO UPDATE SET state = excluded.state, deliver = excluded.deliver, shows = excluded.shows,"
		" until = excluded.until", 8, N(op->node.id), s->jid, s->bare, s->subid, N(s->state), node_flag(s->options.deliver),
		N(s->options.shows), N(s->options.until_us));
	return st == SQL_OK ? node_count_subscriptions(db, op, e) : st;
}

/* §6.1.3.9 */
static enum sql_status
has_room(struct sql *db, struct node_op *op, const char *bare, bool *out, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT (SELECT count(*) FROM chancery.pubsub_subscription WHERE node = $1),"
		" (SELECT count(*) FROM chancery.pubsub_subscription s JOIN chancery.pubsub_node n ON n.id = s.node"
		" WHERE s.bare = $2 AND n.host = $3),"
		" (SELECT count(*) FROM chancery.pubsub_subscription WHERE node = $1 AND bare = $2)", 3, N(op->node.id), bare, N(op->host));
	if (st != SQL_OK)
		return st;
	*out = (uint64_t)sql_i64(r, 0, 0) < op->quota.subscriptions && (uint64_t)sql_i64(r, 0, 1) < op->quota.subscribed &&
		(uint64_t)sql_i64(r, 0, 2) < op->quota.addresses;
	PQclear(r);
	return SQL_OK;
}

/* Subscribing */

/* May the asker, and does an owner have to agree (op->subscription.state)? */
static void
judge(struct node_op *op)
{
	enum node_outcome why = node_may_see(op);

	op->subscription.state = why == NODE_NOT_SUBSCRIBED_AUTH ? STATE_PENDING : STATE_SUBSCRIBED;
	if (why == NODE_NOT_SUBSCRIBED_AUTH)
		why = NODE_OK;
	if (why != NODE_OK && op->personal && !op->is_owner && !op->is_subscriber)
		why = NODE_NEED_PRESENCE;
	op->outcome = why == NODE_OK && !op->node.config.subscribe ? NODE_NO_SUBSCRIPTIONS : why;
}

static enum sql_status
add_subscription(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	struct node_subscription *s = &op->subscription;
	bool room = false;
	enum sql_status st = sweep(db, op, e);

	if (st == SQL_OK)
		st = has_room(db, op, op->asker, &room, e);
	if (st == SQL_OK && !room)
		op->outcome = NODE_MANY_SUBSCRIPTIONS;
	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	judge(op);
	s->jid = op->jid;
	s->bare = op->asker;
	s->subid = op->subid;
	s->options = op->options;
	op->created = true;
	st = write_subscription(db, op, s, e);
	if (st == SQL_OK && (s->state == STATE_PENDING || op->node.config.notify_sub))
		st = node_find_affiliates(db, a, op, e);
	return st == SQL_OK && s->state == STATE_SUBSCRIBED ? node_find_last(db, a, op, e) : st;
}

static enum sql_status
subscribe(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_find(db, a, op, e);

	if (st != SQL_OK || op->outcome == NODE_MOVED)
		return st;
	if (op->node.id)
		judge(op);
	else
		op->outcome = op->personal && !op->is_owner && !op->is_subscriber ? NODE_NEED_PRESENCE : NODE_NO_NODE;
	if (op->outcome != NODE_OK)
		return SQL_OK;
	st = find_subscription(db, a, op, op->jid, e);
	if (st != SQL_OK)
		return st;
	switch (op->subscription.state) {
	case STATE_PENDING:
		op->outcome = NODE_PENDING;
		return SQL_OK;
	case STATE_SUBSCRIBED: /* §6.1.6: what there is already, as if it were new */
		if (!op->with_options)
			return node_find_last(db, a, op, e);
		op->subscription.options = op->options;
		return write_subscription(db, op, &op->subscription, e);
	case STATE_NONE:
		break;
	}
	return add_subscription(db, a, op, e);
}

enum sql_status
node_store_subscribe(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, subscribe, e);
}

/* The asker's own, whatever it may see by now. */
static enum sql_status
find_own(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	bool stranger = op->personal && !op->is_owner && !op->is_subscriber;
	enum sql_status st = node_find(db, a, op, e);

	if (st == SQL_OK && op->node.id)
		st = find_subscription(db, a, op, op->jid, e);
	if (st != SQL_OK || op->outcome == NODE_MOVED)
		return st;
	if (!op->node.id)
		op->outcome = stranger ? NODE_NEED_PRESENCE : NODE_NO_NODE;
	else if (op->subscription.state == STATE_NONE)
		op->outcome = stranger && node_may_see(op) != NODE_OK ? NODE_NEED_PRESENCE : NODE_NOT_SUBSCRIBED;
	else if (op->subid && strcmp(op->subid, op->subscription.subid) != 0)
		op->outcome = NODE_BAD_SUBID;
	return SQL_OK;
}

static enum sql_status
remove_subscription(struct sql *db, const struct node_op *op, const char *jid, struct err *e)
{
	enum sql_status st = sql_do(db, e, "DELETE FROM chancery.pubsub_subscription WHERE node = $1 AND jid = $2", 2, N(op->node.id),
		jid);

	return st == SQL_OK ? node_count_subscriptions(db, op, e) : st;
}

static enum sql_status
unsubscribe(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = find_own(db, a, op, e);

	if (st == SQL_OK && op->outcome == NODE_OK)
		st = remove_subscription(db, op, op->jid, e);
	return st == SQL_OK && op->outcome == NODE_OK && op->node.config.notify_sub ? node_find_affiliates(db, a, op, e) : st;
}

enum sql_status
node_store_unsubscribe(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, unsubscribe, e);
}

static enum sql_status
options(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = find_own(db, a, op, e);

	if (st != SQL_OK || op->outcome != NODE_OK || !op->with_options)
		return st;
	op->subscription.options = op->options;
	return write_subscription(db, op, &op->subscription, e);
}

enum sql_status
node_store_options(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, options, e);
}

enum sql_status
node_store_subscriptions(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct node_op *op = data;
	PGresult *r;
	enum sql_status st;

	op->outcome = NODE_OK;
	st = sql_query(db, e, &r,
		"SELECT " SUBSCRIPTION_COLUMNS " FROM chancery.pubsub_subscription s JOIN chancery.pubsub_node n ON n.id = s.node"
		" WHERE n.host = $1 AND s.bare = $2 AND ($3::text IS NULL OR n.node = $3) AND (s.until IS NULL OR s.until > now())"
		" ORDER BY n.node, s.jid LIMIT " ROWS_MAX, 3, N(op->host), op->asker, op->name);
	if (st == SQL_OK)
		node_read_subscriptions(a, r, op);
	return st;
}

/* As owners manage them (§8.6, §8.8) */

static bool
is_outcast(const struct node_op *op, const char *bare)
{
	for (unsigned i = 0; i < op->naffiliates; i++)
		if (op->affiliates[i].affiliation == AFFILIATION_OUTCAST && !strcmp(op->affiliates[i].bare, bare))
			return true;
	return false;
}

static enum sql_status
change_subscription(struct sql *db, struct arena *a, struct node_op *op, struct node_change *c, struct err *e)
{
	const char *slash = strchr(c->jid, '/');
	struct node_subscription *s = &op->subscription;
	bool room = true;
	enum sql_status st = find_subscription(db, a, op, c->jid, e);

	if (st != SQL_OK)
		return st;
	c->from = (int)s->state;
	c->refused = c->to < 0 || (c->to == STATE_PENDING && c->from != STATE_PENDING);
	if (c->from == c->to || c->refused || (op->only_pending && c->from != STATE_PENDING))
		return SQL_OK;
	if (c->to == STATE_NONE)
		return remove_subscription(db, op, c->jid, e);
	s->jid = c->jid;
	s->bare = slash ? arena_strndup(a, c->jid, (size_t)(slash - c->jid)) : c->jid;
	if (c->from == STATE_NONE) {
		s->subid = op->subid;
		st = has_room(db, op, s->bare, &room, e);
	}
	c->refused = !room || is_outcast(op, s->bare);
	s->state = STATE_SUBSCRIBED;
	return st == SQL_OK && !c->refused ? write_subscription(db, op, s, e) : st;
}

static enum sql_status
subscribers(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_own(db, a, op, e);

	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	st = node_find_affiliates(db, a, op, e);
	for (unsigned i = 0; st == SQL_OK && i < op->nchanges; i++)
		st = change_subscription(db, a, op, &op->changes[i], e);
	return st == SQL_OK ? node_find_last(db, a, op, e) : st;
}

enum sql_status
node_store_subscribers(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, subscribers, e);
}

static enum sql_status
lost(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st;

	(void)a;
	st = sql_do(db, e,
		"DELETE FROM chancery.pubsub_subscription s USING chancery.pubsub_node n WHERE n.id = s.node AND n.host = $1 AND s.bare = $2"
		" AND n.access IN (2, 3)", 2, N(op->host), op->asker);
	if (st != SQL_OK)
		return st;
	return sql_do(db, e,
		"UPDATE chancery.pubsub_node n SET subscribed = (SELECT count(*) FROM chancery.pubsub_subscription s WHERE s.node = n.id)"
		" WHERE n.host = $1 AND n.subscribed > 0", 1, N(op->host));
}

enum sql_status
node_store_lost(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, lost, e);
}
