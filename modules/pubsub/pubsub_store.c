/*
 * pubsub_store: see the header.
 */
#include "pubsub_store.h"

#include <string.h>

#include "node_rows_store.h"

enum sql_status
pubsub_store_load(struct sql *db, struct arena *a, const char *bare, void **rows, struct err *e)
{
	struct pubsub_row *row;
	PGresult *r;
	enum sql_status st;

	*rows = NULL;
	if (strchr(bare, '@'))
		return SQL_OK;
	st = sql_do(db, e, "INSERT INTO chancery.pubsub_service (domain) SELECT $1 WHERE NOT EXISTS"
		" (SELECT 1 FROM chancery.pubsub_service WHERE domain = $1) ON CONFLICT DO NOTHING", 1, bare);
	if (st == SQL_OK)
		st = sql_query(db, e, &r, "SELECT id FROM chancery.pubsub_service WHERE domain = $1", 1, bare);
	if (st != SQL_OK)
		return st;
	row = arena_zalloc(a, sizeof(*row));
	row->id = PQntuples(r) ? sql_i64(r, 0, 0) : 0;
	*rows = row;
	PQclear(r);
	return SQL_OK;
}

/* Who comes */

static enum sql_status
last_items(struct sql *db, struct arena *a, struct pubsub_coming *c, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"WITH last AS (SELECT DISTINCT ON (n.id) v.domain, n.node, n.payloads, n.normal, n.itemreply, i.*"
		" FROM chancery.pubsub_subscription s JOIN chancery.pubsub_node n ON n.id = s.node"
		" JOIN chancery.pubsub_service v ON v.id = n.service"
		" JOIN LATERAL (SELECT item, publisher, CASE WHEN n.payloads THEN payload END AS payload, at, bytes, seq"
		" FROM chancery.pubsub_item WHERE node = n.id AND (n.expire = 0 OR at > now() - make_interval(secs => n.expire))"
		" ORDER BY seq DESC LIMIT 1) i ON true"
		" WHERE s.bare = $1 AND (s.jid = $1 OR s.jid = $2) AND s.state = 1 AND s.deliver AND (s.until IS NULL OR s.until > now())"
		" AND (s.shows = 0 OR s.shows & $3 <> 0) AND n.notify AND n.send_last = 2"
		" AND CASE " NODE_AFFILIATION("$1") " WHEN 0 THEN n.access IN (1, 5) OR " NODE_SEEN("$1")
		" WHEN 1 THEN false WHEN 3 THEN false ELSE true END),"
		" fit AS (SELECT *, sum(bytes) OVER (ORDER BY seq DESC) AS upto FROM last)"
		" SELECT " ITEM_COLUMNS ", i.domain, i.node, i.payloads, i.normal, i.itemreply FROM fit i WHERE i.upto <= $4"
		" ORDER BY i.seq DESC LIMIT $5", 5, c->bare, c->full, N(c->show), N(c->last_bytes), N(c->last_items));
	if (st != SQL_OK)
		return st;
	c->nitems = (unsigned)PQntuples(r);
	c->items = arena_zalloc(a, (c->nitems + 1) * sizeof(*c->items));
	for (unsigned i = 0; i < c->nitems; i++) {
		struct node_item *item = &c->items[c->nitems - 1 - i];

		node_read_item(a, r, (int)i, 0, item);
		item->owner = arena_strdup(a, sql_text(r, (int)i, 5));
		item->node = arena_strdup(a, sql_text(r, (int)i, 6));
		item->payloads = sql_bool(r, (int)i, 7);
		item->normal = sql_bool(r, (int)i, 8);
		item->publishers = sql_i64(r, (int)i, 9) == REPLY_PUBLISHER;
	}
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
questions(struct sql *db, struct arena *a, struct pubsub_coming *c, struct err *e)
{
	struct node_op found = { 0 };
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT " SUBSCRIPTION_COLUMNS ", coalesce(v.domain, $1) FROM (SELECT f.node AS id FROM chancery.pubsub_affiliation f"
		" WHERE f.bare = $1 AND f.affiliation = 5 UNION ALL SELECT p.id FROM chancery.pubsub_node p WHERE p.account = $2) o"
		" JOIN chancery.pubsub_subscription s ON s.node = o.id AND s.state = 2 JOIN chancery.pubsub_node n ON n.id = o.id"
		" LEFT JOIN chancery.pubsub_service v ON v.id = n.service ORDER BY n.node, s.jid LIMIT $3", 3, c->bare, N(c->account),
		N(c->questions));
	if (st != SQL_OK)
		return st;
	c->nasked = (unsigned)PQntuples(r);
	c->owner = arena_alloc(a, (c->nasked + 1) * sizeof(*c->owner));
	for (unsigned i = 0; i < c->nasked; i++)
		c->owner[i] = arena_strdup(a, sql_text(r, (int)i, 8));
	node_read_subscriptions(a, r, &found);
	c->asked = found.subscriptions;
	return SQL_OK;
}

enum sql_status
pubsub_store_coming(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pubsub_coming *c = data;
	enum sql_status st = last_items(db, a, c, e);

	return st == SQL_OK ? questions(db, a, c, e) : st;
}

/* Who is not there any more */

static enum sql_status
bounced(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	(void)a;
	return sql_do(db, e,
		"WITH gone AS (DELETE FROM chancery.pubsub_subscription s USING chancery.pubsub_node n WHERE n.id = s.node AND n.host = $1"
		" AND s.bare = $2 AND s.jid = $3 RETURNING s.node)"
		" UPDATE chancery.pubsub_node n SET subscribed = n.subscribed - 1 FROM gone WHERE n.id = gone.node", 3, N(op->host),
		op->asker, op->jid);
}

enum sql_status
pubsub_store_bounced(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return node_transact(db, a, op, bounced, e);
}
