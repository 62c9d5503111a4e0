/*
 * node_rows_store: rows of nodes, items and subscriptions (schema/0007_pep.sql, 0020_pubsub.sql), and who may.
 */
#include "node_rows_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define SEPARATOR '\x1f'

struct number
node_number(int64_t n)
{
	struct number out;

	snprintf(out.s, sizeof(out.s), "%" PRId64, n);
	return out;
}

const char *
node_join(const struct node_list *l, struct arena *a)
{
	struct buf b = { 0 };
	const char *s;

	for (unsigned i = 0; i < l->n; i++) {
		if (i)
			buf_addc(&b, SEPARATOR);
		buf_adds(&b, l->item[i]);
	}
	s = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return s;
}

static struct node_list
split(const char *s, struct arena *a)
{
	struct node_list l = { 0 };
	char *text;
	unsigned n = 1;

	if (!*s)
		return l;
	text = arena_strdup(a, s);
	for (const char *p = s; *p; p++)
		n += *p == SEPARATOR;
	l.item = arena_alloc(a, n * sizeof(*l.item));
	for (char *p = text; p; text = p) {
		p = strchr(text, SEPARATOR);
		if (p)
			*p++ = '\0';
		l.item[l.n++] = text;
	}
	return l;
}

static const char *
text_or_null(struct arena *a, const PGresult *r, int row, int col)
{
	return sql_is_null(r, row, col) ? NULL : arena_strdup(a, sql_text(r, row, col));
}

/* Rows */

/* The columns of the configuration, from c on. */
static int
read_config(struct arena *a, const PGresult *r, int row, int c, struct node_config *out)
{
	int *const numbers[] = { &out->access, &out->send_last, &out->publish, &out->full, &out->reply };
	uint32_t *const counts[] = { &out->max_items, &out->max_payload, &out->expire };
	bool *const flags[] = { &out->persist, &out->payloads, &out->notify, &out->notify_retract, &out->notify_delete,
		&out->notify_config, &out->notify_sub, &out->normal, &out->available_only, &out->subscribe };
	const char **const texts[] = { &out->title, &out->description, &out->type, &out->language };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i] = (int)sql_i64(r, row, c++);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		*counts[i] = (uint32_t)sql_i64(r, row, c++);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		*flags[i] = sql_bool(r, row, c++);
	out->groups = split(sql_text(r, row, c++), a);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = text_or_null(a, r, row, c++);
	return c;
}

void
node_read(struct arena *a, const PGresult *r, int row, struct node *out)
{
	int c;

	out->id = sql_i64(r, row, 0);
	out->name = arena_strdup(a, sql_text(r, row, 1));
	out->creator = text_or_null(a, r, row, 2);
	c = read_config(a, r, row, 3, &out->config);
	out->created_us = sql_i64(r, row, c);
	out->subscribed = (unsigned)sql_i64(r, row, c + 1);
	out->affiliated = (unsigned)sql_i64(r, row, c + 2);
}

void
node_read_item(struct arena *a, const PGresult *r, int row, int col, struct node_item *out)
{
	out->id = arena_strdup(a, sql_text(r, row, col));
	out->publisher = arena_strdup(a, sql_text(r, row, col + 1));
	out->payload = text_or_null(a, r, row, col + 2);
	out->at_us = sql_i64(r, row, col + 3);
	out->bytes = (uint32_t)sql_i64(r, row, col + 4);
}

void
node_read_subscriptions(struct arena *a, PGresult *r, struct node_op *op)
{
	op->nsubscriptions = (unsigned)PQntuples(r);
	op->subscriptions = arena_zalloc(a, (op->nsubscriptions + 1) * sizeof(*op->subscriptions));
	for (unsigned i = 0; i < op->nsubscriptions; i++) {
		struct node_subscription *s = &op->subscriptions[i];
		int row = (int)i;

		s->node = arena_strdup(a, sql_text(r, row, 0));
		s->jid = arena_strdup(a, sql_text(r, row, 1));
		s->bare = arena_strdup(a, sql_text(r, row, 2));
		s->subid = arena_strdup(a, sql_text(r, row, 3));
		s->state = (enum node_state)sql_i64(r, row, 4);
		s->options = (struct node_options){ .deliver = sql_bool(r, row, 5), .shows = (unsigned)sql_i64(r, row, 6),
			.until_us = sql_i64(r, row, 7) };
	}
	PQclear(r);
}

/* Finding */

/* XEP-0060 §6.1.3.11: it was deleted, and something else has taken its place. */
static enum sql_status
find_moved(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r, "SELECT uri FROM chancery.pubsub_moved WHERE host = $1 AND node = $2", 2, N(op->host), op->name);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r)) {
		op->uri = arena_strdup(a, sql_text(r, 0, 0));
		op->outcome = NODE_MOVED;
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
node_find(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	op->node = (struct node){ 0 };
	op->affiliation = op->is_owner ? AFFILIATION_OWNER : AFFILIATION_NONE;
	st = sql_query(db, e, &r, "SELECT " NODE_COLUMNS ", " NODE_AFFILIATION("$3") ", " NODE_SEEN("$3")
		" FROM chancery.pubsub_node n WHERE n.host = $1 AND n.node = $2", 3, N(op->host), op->name,
		op->is_owner ? NULL : op->asker);
	if (st != SQL_OK)
		return st;
	if (PQntuples(r) == 1) {
		node_read(a, r, 0, &op->node);
		if (!op->is_owner)
			op->affiliation = (enum node_affiliation)sql_i64(r, 0, NODE_NCOLUMNS);
		op->seen = sql_bool(r, 0, NODE_NCOLUMNS + 1);
	}
	PQclear(r);
	return op->node.id || op->personal ? SQL_OK : find_moved(db, a, op, e);
}

/* Who may */

enum node_outcome
node_may_see(const struct node_op *op)
{
	switch (op->affiliation) {
	case AFFILIATION_OWNER:
	case AFFILIATION_PUBLISHER:
	case AFFILIATION_MEMBER:
		return NODE_OK;
	case AFFILIATION_OUTCAST:
	case AFFILIATION_PUBLISH_ONLY:
		return NODE_FORBIDDEN;
	case AFFILIATION_NONE:
		break;
	}
	switch (op->node.config.access) {
	case ACCESS_OPEN:
		return NODE_OK;
	case ACCESS_PRESENCE: /* an account's home knows that without the database */
		return (op->personal ? op->is_subscriber : op->seen) ? NODE_OK : NODE_NEED_PRESENCE;
	case ACCESS_ROSTER:
		return op->seen ? NODE_OK : NODE_NEED_GROUP;
	case ACCESS_AUTHORIZE:
		return NODE_NOT_SUBSCRIBED_AUTH;
	default:
		return NODE_CLOSED;
	}
}

/* Strangers to an account get one answer for all that they may not see: they could find out accounts and nodes by others. */
static enum node_outcome
veil(const struct node_op *op, enum node_outcome why)
{
	return why != NODE_OK && op->personal && !op->is_owner && !op->is_subscriber ? NODE_NEED_PRESENCE : why;
}

enum sql_status
node_is_subscribed(struct sql *db, const struct node_op *op, bool *out, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r, "SELECT 1 FROM chancery.pubsub_subscription WHERE node = $1 AND bare = $2 AND state = 1"
		" AND (until IS NULL OR until > now()) LIMIT 1", 2, N(op->node.id), op->asker);
	if (st != SQL_OK)
		return st;
	*out = PQntuples(r) > 0;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
node_look(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_find(db, a, op, e);
	bool subscribed = false;

	if (st != SQL_OK || op->outcome == NODE_MOVED)
		return st;
	op->outcome = op->node.id ? node_may_see(op) : NODE_NO_NODE;
	if (op->outcome == NODE_NOT_SUBSCRIBED_AUTH)
		st = node_is_subscribed(db, op, &subscribed, e);
	op->outcome = subscribed ? NODE_OK : veil(op, op->outcome);
	return st;
}

enum sql_status
node_own(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = node_find(db, a, op, e);

	if (st != SQL_OK)
		return st;
	if (!op->node.id)
		op->outcome = NODE_NO_NODE;
	else if (op->affiliation != AFFILIATION_OWNER)
		op->outcome = NODE_FORBIDDEN;
	return SQL_OK;
}

/* Who is told */

static enum sql_status
find_told(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	op->nsubscriptions = 0;
	if (!op->node.subscribed)
		return SQL_OK;
	st = sql_query(db, e, &r,
		"SELECT " SUBSCRIPTION_COLUMNS " FROM chancery.pubsub_subscription s JOIN chancery.pubsub_node n ON n.id = s.node"
		" WHERE s.node = $1 AND s.state = 1 AND s.deliver AND (s.until IS NULL OR s.until > now())"
		" AND CASE " NODE_AFFILIATION("s.bare") " WHEN 5 THEN true WHEN 4 THEN true WHEN 2 THEN true WHEN 1 THEN false"
		" WHEN 3 THEN false ELSE n.access IN (1, 5) OR " NODE_SEEN("s.bare") " END ORDER BY s.jid", 1, N(op->node.id));
	if (st == SQL_OK)
		node_read_subscriptions(a, r, op);
	return st;
}

enum sql_status
node_find_all_told(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	enum sql_status st = find_told(db, a, op, e);

	return st == SQL_OK && op->personal ? node_find_affiliates(db, a, op, e) : st;
}

enum sql_status
node_find_subscriptions(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	op->nsubscriptions = 0;
	if (!op->node.subscribed)
		return SQL_OK;
	st = sql_query(db, e, &r,
		"SELECT " SUBSCRIPTION_COLUMNS " FROM chancery.pubsub_subscription s JOIN chancery.pubsub_node n ON n.id = s.node"
		" WHERE s.node = $1 AND (s.until IS NULL OR s.until > now()) ORDER BY s.jid", 1, N(op->node.id));
	if (st == SQL_OK)
		node_read_subscriptions(a, r, op);
	return st;
}

enum sql_status
node_find_affiliates(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	op->naffiliates = 0;
	if (!op->node.affiliated)
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT bare, affiliation FROM chancery.pubsub_affiliation WHERE node = $1"
		" ORDER BY affiliation DESC, bare", 1, N(op->node.id));
	if (st != SQL_OK)
		return st;
	op->naffiliates = (unsigned)PQntuples(r);
	op->affiliates = arena_zalloc(a, (op->naffiliates + 1) * sizeof(*op->affiliates));
	for (unsigned i = 0; i < op->naffiliates; i++) {
		op->affiliates[i].node = op->node.name;
		op->affiliates[i].bare = arena_strdup(a, sql_text(r, (int)i, 0));
		op->affiliates[i].affiliation = (enum node_affiliation)sql_i64(r, (int)i, 1);
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
node_find_last(struct sql *db, struct arena *a, struct node_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	op->nitems = 0;
	if (op->node.config.send_last == LAST_NEVER)
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT " ITEM_COLUMNS " FROM chancery.pubsub_item i WHERE i.node = $1"
		" AND ($2::bigint = 0 OR i.at > now() - make_interval(secs => $2::bigint)) ORDER BY i.seq DESC LIMIT 1", 2, N(op->node.id),
		N(op->node.config.expire));
	if (st != SQL_OK)
		return st;
	op->items = arena_zalloc(a, sizeof(*op->items));
	op->nitems = (unsigned)PQntuples(r);
	if (op->nitems)
		node_read_item(a, r, 0, 0, op->items);
	PQclear(r);
	return SQL_OK;
}

enum sql_status
node_count_subscriptions(struct sql *db, const struct node_op *op, struct err *e)
{
	return sql_do(db, e, "UPDATE chancery.pubsub_node SET subscribed ="
		" (SELECT count(*) FROM chancery.pubsub_subscription WHERE node = $1) WHERE id = $1", 1, N(op->node.id));
}

enum sql_status
node_count_affiliations(struct sql *db, const struct node_op *op, struct err *e)
{
	return sql_do(db, e, "UPDATE chancery.pubsub_node SET affiliated ="
		" (SELECT count(*) FROM chancery.pubsub_affiliation WHERE node = $1) WHERE id = $1", 1, N(op->node.id));
}

/* Changes */

enum sql_status
node_transact(struct sql *db, struct arena *a, struct node_op *op, node_fn fn, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	op->outcome = NODE_OK;
	op->created = false;
	if (st != SQL_OK)
		return st;
	st = fn(db, a, op, e);
	if (st == SQL_OK && op->commit && op->outcome == NODE_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}
