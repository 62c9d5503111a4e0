/*
 * node_affiliation_store: affiliations (XEP-0060 §5.7, §8.9).
 */
#include <string.h>

#include "node_rows_store.h"

#define ROWS_MAX "2000" /* of one answer */

enum sql_status
node_store_affiliations(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct node_op *op = data;
	PGresult *r;
	enum sql_status st;

	op->outcome = NODE_OK;
	st = op->is_owner ?
		sql_query(db, e, &r, "SELECT n.node, 5 FROM chancery.pubsub_node n WHERE n.host = $1"
			" AND ($2::text IS NULL OR n.node = $2) ORDER BY n.node LIMIT " ROWS_MAX, 2, N(op->host), op->name) :
		sql_query(db, e, &r, "SELECT n.node, f.affiliation FROM chancery.pubsub_affiliation f JOIN chancery.pubsub_node n"
			" ON n.id = f.node WHERE n.host = $1 AND ($2::text IS NULL OR n.node = $2) AND f.bare = $3"
			" ORDER BY n.node LIMIT " ROWS_MAX, 3, N(op->host), op->name, op->asker);
	if (st != SQL_OK)
		return st;
	op->naffiliates = (unsigned)PQntuples(r);
	op->affiliates = arena_zalloc(a, (op->naffiliates + 1) * sizeof(*op->affiliates));
	for (unsigned i = 0; i < op->naffiliates; i++) {
		op->affiliates[i].node = arena_strdup(a, sql_text(r, (int)i, 0));
		op->affiliates[i].bare = op->asker;
		op->affiliates[i].affiliation = (enum node_affiliation)sql_i64(r, (int)i, 1);
	}
	PQclear(r);
	return SQL_OK;
}

/* Changes by owners */

static void
note_what_was(struct node_op *op)
{
	for (unsigned i = 0; i < op->nchanges; i++)
		for (unsigned j = 0; j < op->naffiliates; j++)
			if (!strcmp(op->changes[i].jid, op->affiliates[j].bare))
				op->changes[i].from = (int)op->affiliates[j].affiliation;
}

/* A node has an owner at any time; an account is its nodes' only one. */
static void
keep_an_owner(struct node_op *op)
{
	int owners = 0;

	for (unsigned i = 0; i < op->naffiliates; i++)
		owners += op->affiliates[i].affiliation == AFFILIATION_OWNER;
	for (unsigned i = 0; i < op->nchanges; i++)
		owners += op->changes[i].to == AFFILIATION_OWNER && op->changes[i].from != AFFILIATION_OWNER;
	for (unsigned i = 0; i < op->nchanges; i++) {
		struct node_change *c = &op->changes[i];

		c->refused = c->to < 0;
		if (c->refused)
			continue;
		if (op->personal ? !strcmp(c->jid, op->owner) && c->to != AFFILIATION_OWNER :
			c->from == AFFILIATION_OWNER && c->to != AFFILIATION_OWNER && --owners < 1) {
			c->refused = true;
			c->from = AFFILIATION_OWNER;
			owners++;
		}
	}
}

static enum sql_status
write_affiliation(struct sql *db, const struct node_op *op, const struct node_change *c, struct err *e)
{
	if (c->to == AFFILIATION_NONE)
		return sql_do(db, e, "DELETE FROM chancery.pubsub_affiliation WHERE node = $1 AND bare = $2", 2, N(op->node.id), c->jid);
	return sql_do(db, e, "INSERT INTO chancery.pubsub_affiliation (node, bare, affiliation) VALUES ($1, $2, $3)"
		" ON CONFLICT (node, bare) DO UPDATE SET affiliation = excluded.affiliation", 3, N(op->node.id), c->jid, N(c->to));
}

/* Who may no longer be subscribed is not: op->subscriptions. */
static enum sql_status
end_subscriptions(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"WITH s AS (DELETE FROM chancery.pubsub_subscription s USING chancery.pubsub_node m WHERE s.node = $1 AND m.id = s.node"
		" AND CASE coalesce((SELECT f.affiliation FROM chancery.pubsub_affiliation f WHERE f.node = s.node AND f.bare = s.bare), 0)"
		" WHEN 0 THEN m.access = 4 AND m.account IS NULL WHEN 1 THEN true WHEN 3 THEN true ELSE false END RETURNING s.*)"
		" SELECT " SUBSCRIPTION_COLUMNS " FROM s JOIN chancery.pubsub_node n ON n.id = s.node", 1, N(op->node.id));
	if (st != SQL_OK)
		return st;
	node_read_subscriptions(a, r, op);
	return op->nsubscriptions ? node_count_subscriptions(db, op, e) : SQL_OK;
}

static enum sql_status
count_all(struct sql *db, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT count(*) FROM chancery.pubsub_affiliation WHERE node = $1", 1, N(op->node.id));

	if (st != SQL_OK)
		return st;
	if ((uint64_t)sql_i64(r, 0, 0) > op->quota.members)
		op->outcome = NODE_MANY_MEMBERS;
	PQclear(r);
	return op->outcome == NODE_OK ? node_count_affiliations(db, op, e) : SQL_OK;
}

static enum sql_status
affiliate(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_own(db, a, op, e);

	if (st != SQL_OK || op->outcome != NODE_OK)
		return st;
	st = node_find_affiliates(db, a, op, e);
	if (st != SQL_OK)
		return st;
	note_what_was(op);
	keep_an_owner(op);
	for (unsigned i = 0; st == SQL_OK && i < op->nchanges; i++) {
		const struct node_change *c = &op->changes[i];

		if (!c->refused && c->from != c->to && !(op->personal && !strcmp(c->jid, op->owner)))
			st = write_affiliation(db, op, c, e);
	}
	if (st == SQL_OK)
		st = count_all(db, op, e);
	return st == SQL_OK && op->outcome == NODE_OK ? end_subscriptions(db, a, op, e) : st;
}

enum sql_status
node_store_affiliate(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, affiliate, e);
}
