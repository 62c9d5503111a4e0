/*
 * pep_last_store: see the header. The tables are the engine's (modules/pubsub).
 */
#include "pep_last_store.h"

#include "../pubsub/node_rows_store.h"

/* `seen`: the accounts whose last items $2 is to get, as (id, bare, own, groups): the groups that it is in there. */
#define LAST(seen) \
	"WITH seen AS (" seen ")," \
	" last AS (" \
	" SELECT s.bare, n.node, n.payloads, n.normal, n.itemreply, i.*, sum(i.bytes) OVER (ORDER BY s.own DESC, i.seq DESC) AS upto," \
	" s.own FROM seen s JOIN chancery.pubsub_node n ON n.account = s.id AND n.node = ANY (string_to_array($3, chr(31)))" \
	" AND n.notify AND n.send_last >= $5 AND (s.own OR CASE " NODE_AFFILIATION("$2") \
	" WHEN 0 THEN n.access IN (1, 2) OR n.access = 3 AND n.groups && s.groups WHEN 1 THEN false WHEN 3 THEN false ELSE true END)" \
	" JOIN LATERAL (SELECT item, publisher, CASE WHEN n.payloads THEN payload END AS payload, at, bytes, seq" \
	" FROM chancery.pubsub_item WHERE node = n.id AND (n.expire = 0 OR at > now() - make_interval(secs => n.expire))" \
	" ORDER BY seq DESC LIMIT 1) i ON true)" \
	" SELECT " ITEM_COLUMNS ", i.bare, i.node, i.payloads, i.normal, i.itemreply FROM last i WHERE i.upto <= $6" \
	" ORDER BY i.own DESC, i.seq DESC LIMIT $7"

/* Neither has blocked the other (modules/blocking): the address, or its domain. */
#define COVERS(bare) "(" bare ", split_part(" bare ", '@', 2))"
#define NOT_BLOCKED \
	" AND NOT EXISTS (SELECT FROM chancery.blocked b WHERE b.account = a.id AND b.jid IN " COVERS("$2") \
	" OR b.account = $1 AND b.jid IN " COVERS("a.bare") ")"

/* Oldest first, as they would have come. */
static void
take(struct arena *a, PGresult *r, struct node_op *op)
{
	op->nitems = (unsigned)PQntuples(r);
	op->items = arena_zalloc(a, (op->nitems + 1) * sizeof(*op->items));
	for (unsigned i = 0; i < op->nitems; i++) {
		struct node_item *item = &op->items[op->nitems - 1 - i];

		node_read_item(a, r, (int)i, 0, item);
		item->owner = arena_strdup(a, sql_text(r, (int)i, 5));
		item->node = arena_strdup(a, sql_text(r, (int)i, 6));
		item->payloads = sql_bool(r, (int)i, 7);
		item->normal = sql_bool(r, (int)i, 8);
		item->publishers = sql_i64(r, (int)i, 9) == REPLY_PUBLISHER;
	}
	PQclear(r);
}

enum sql_status
pep_store_last(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pep_last *q = data;
	struct node_op *op = &q->op;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r, LAST(
		" SELECT $1::bigint AS id, $2::text AS bare, true AS own, '{}'::text[] AS groups WHERE $4::text IS NULL"
		" UNION ALL"
		" SELECT a.id, a.bare, false, t.groups FROM chancery.roster_item r JOIN chancery.account a ON a.bare = r.jid"
		" JOIN chancery.roster_item t ON t.account = a.id AND t.jid = $2 AND t.subscription & 2 <> 0"
		" WHERE r.account = $1 AND r.subscription & 1 <> 0 AND ($4 IS NULL OR r.jid = $4)" NOT_BLOCKED),
		7, N(op->host), op->owner, node_join(&q->interests, a), q->contact,
		q->subscribed_now ? "1" : "2", N(op->quota.last_bytes), N(op->quota.last_items));
	if (st == SQL_OK)
		take(a, r, op);
	return st;
}

enum sql_status
pep_store_last_own(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pep_last *q = data;
	struct node_op *op = &q->op;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r, LAST(
		" SELECT $1::bigint AS id, $4::text AS bare, false AS own, t.groups FROM chancery.roster_item t"
		" WHERE t.account = $1 AND t.jid = $2 AND t.subscription & 2 <> 0"),
		7, N(op->host), q->contact, node_join(&q->interests, a), op->owner,
		q->subscribed_now ? "1" : "2", N(op->quota.last_bytes), N(op->quota.last_items));
	if (st == SQL_OK)
		take(a, r, op);
	return st;
}
