/*
 * pep_store: the tables of schema/0007_pep.sql. The jobs of an account run one after the other, so what one of them has
 * counted is still true when it writes.
 *
 * Lists cross as one text with U+001F between, which XML does not allow in anything a peer sends.
 */
#include "pep_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/sql.h"

#define SEPARATOR '\x1f'
#define NODE_COLUMNS \
	"n.id, n.node, n.access, n.max_items, n.persist, n.payloads, n.notify, n.send_last, n.notify_retract, n.notify_delete," \
	" n.notify_config, n.normal, n.max_payload, array_to_string(n.groups, chr(31)), array_to_string(n.members, chr(31))," \
	" n.title, n.description, n.type, n.language, (extract(epoch FROM n.created_at) * 1000000)::bigint, n.subscribed"
#define ITEM_COLUMNS \
	"i.item, i.publisher, i.payload, (extract(epoch FROM i.at) * 1000000)::bigint, i.bytes"

struct number {
	char s[24];
};

static struct number
number(int64_t n)
{
	struct number out;

	snprintf(out.s, sizeof(out.s), "%" PRId64, n);
	return out;
}

#define N(n) (number((int64_t)(n)).s)

static const char *
flag(bool b)
{
	return b ? "t" : "f";
}

static const char *
join(const struct pep_list *l, struct arena *a)
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

static struct pep_list
split(const char *s, struct arena *a)
{
	struct pep_list l = { 0 };
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

static void
read_node(struct arena *a, const PGresult *r, int row, struct pep_node *out)
{
	int c = 0;

	out->id = sql_i64(r, row, c++);
	out->name = arena_strdup(a, sql_text(r, row, c++));
	out->config.access = (enum pep_access)sql_i64(r, row, c++);
	out->config.max_items = (uint32_t)sql_i64(r, row, c++);
	out->config.persist = sql_bool(r, row, c++);
	out->config.payloads = sql_bool(r, row, c++);
	out->config.notify = sql_bool(r, row, c++);
	out->config.send_last = (enum pep_last)sql_i64(r, row, c++);
	out->config.notify_retract = sql_bool(r, row, c++);
	out->config.notify_delete = sql_bool(r, row, c++);
	out->config.notify_config = sql_bool(r, row, c++);
	out->config.normal = sql_bool(r, row, c++);
	out->config.max_payload = (uint32_t)sql_i64(r, row, c++);
	out->config.groups = split(sql_text(r, row, c++), a);
	out->config.members = split(sql_text(r, row, c++), a);
	out->config.title = text_or_null(a, r, row, c++);
	out->config.description = text_or_null(a, r, row, c++);
	out->config.type = text_or_null(a, r, row, c++);
	out->config.language = text_or_null(a, r, row, c++);
	out->created_us = sql_i64(r, row, c++);
	out->subscribed = (unsigned)sql_i64(r, row, c);
}

static void
read_item(struct arena *a, const PGresult *r, int row, int col, struct pep_item *out)
{
	out->id = arena_strdup(a, sql_text(r, row, col));
	out->publisher = arena_strdup(a, sql_text(r, row, col + 1));
	out->payload = text_or_null(a, r, row, col + 2);
	out->at_us = sql_i64(r, row, col + 3);
	out->bytes = (uint32_t)sql_i64(r, row, col + 4);
}

static enum sql_status
find_node(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	op->node = (struct pep_node){ 0 };
	st = sql_query(db, e, &r, "SELECT " NODE_COLUMNS " FROM chancery.pep_node n WHERE n.account = $1 AND n.node = $2", 2,
		N(op->account), op->name);
	if (st == SQL_OK && PQntuples(r) == 1)
		read_node(a, r, 0, &op->node);
	if (st == SQL_OK)
		PQclear(r);
	return st;
}

static void
read_subscriptions(struct arena *a, PGresult *r, struct pep_op *op)
{
	op->nsubscriptions = (unsigned)PQntuples(r);
	op->subscriptions = arena_zalloc(a, (op->nsubscriptions + 1) * sizeof(*op->subscriptions));
	for (unsigned i = 0; i < op->nsubscriptions; i++) {
		op->subscriptions[i].node = arena_strdup(a, sql_text(r, (int)i, 0));
		op->subscriptions[i].jid = arena_strdup(a, sql_text(r, (int)i, 1));
		op->subscriptions[i].bare = arena_strdup(a, sql_text(r, (int)i, 2));
	}
	PQclear(r);
}

/* Who is to be told beside contacts. */
static enum sql_status
find_subscriptions(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	op->nsubscriptions = 0;
	if (!op->node.subscribed)
		return SQL_OK;
	st = sql_query(db, e, &r,
		"SELECT n.node, s.jid, s.bare FROM chancery.pep_subscription s JOIN chancery.pep_node n ON n.id = s.node"
		" WHERE s.node = $1 ORDER BY s.jid", 1, N(op->node.id));
	if (st == SQL_OK)
		read_subscriptions(a, r, op);
	return st;
}

/* Who may */

static bool
has(const struct pep_list *l, const char *s)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->item[i], s))
			return true;
	return false;
}

/* The groups of the owner's roster that the asker is in. */
static enum sql_status
groups_of(struct sql *db, struct arena *a, const struct pep_op *op, struct pep_list *out, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	*out = (struct pep_list){ 0 };
	st = sql_query(db, e, &r,
		"SELECT array_to_string(groups, chr(31)) FROM chancery.roster_item WHERE account = $1 AND jid = $2 AND listed", 2,
		N(op->account), op->asker);
	if (st == SQL_OK && PQntuples(r) == 1)
		*out = split(sql_text(r, 0, 0), a);
	if (st == SQL_OK)
		PQclear(r);
	return st;
}

static bool
may_see(const struct pep_op *op, const struct pep_config *c, const struct pep_list *groups)
{
	if (op->is_owner || c->access == PEP_OPEN)
		return true;
	if (c->access == PEP_PRESENCE)
		return op->is_subscriber;
	if (c->access == PEP_WHITELIST)
		return has(&c->members, op->asker);
	for (unsigned i = 0; i < groups->n; i++)
		if (has(&c->groups, groups->item[i]))
			return true;
	return false;
}

/* Strangers get one answer for all that they may not see: they could find out accounts and nodes by others. */
static enum pep_outcome
why_not(const struct pep_op *op)
{
	if (!op->is_owner && !op->is_subscriber)
		return PEP_NEED_PRESENCE;
	if (!op->node.id)
		return PEP_NO_NODE;
	return op->node.config.access == PEP_ROSTER ? PEP_NEED_GROUP : PEP_CLOSED;
}

/* Finds the node, and whether the asker may see it: op->outcome. */
static enum sql_status
look(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	struct pep_list groups = { 0 };
	enum sql_status st = find_node(db, a, op, e);

	if (st == SQL_OK && op->node.id && op->node.config.access == PEP_ROSTER && !op->is_owner)
		st = groups_of(db, a, op, &groups, e);
	op->outcome = op->node.id && may_see(op, &op->node.config, &groups) ? PEP_OK : why_not(op);
	return st;
}

enum sql_status
pep_store_node(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pep_op *op = data;
	enum sql_status st = look(db, a, op, e);

	if (st == SQL_OK && op->outcome == PEP_OK)
		st = find_subscriptions(db, a, op, e);
	return st;
}

enum sql_status
pep_store_nodes(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pep_op *op = data;
	struct pep_list groups = { 0 };
	PGresult *r;
	enum sql_status st = op->is_owner ? SQL_OK : groups_of(db, a, op, &groups, e);

	if (st == SQL_OK)
		st = sql_query(db, e, &r, "SELECT " NODE_COLUMNS " FROM chancery.pep_node n WHERE n.account = $1 ORDER BY n.node", 1,
			N(op->account));
	if (st != SQL_OK)
		return st;
	op->nodes = arena_zalloc(a, ((size_t)PQntuples(r) + 1) * sizeof(*op->nodes));
	for (int i = 0; i < PQntuples(r); i++) {
		read_node(a, r, i, &op->nodes[op->nnodes]);
		op->nnodes += may_see(op, &op->nodes[op->nnodes].config, &groups);
	}
	PQclear(r);
	return SQL_OK;
}

/* Items */

static enum sql_status
items_by_id(struct sql *db, struct arena *a, struct pep_op *op, PGresult **r, struct err *e)
{
	return sql_query(db, e, r,
		"SELECT " ITEM_COLUMNS ", true FROM chancery.pep_item i WHERE i.node = $1"
		" AND i.item = ANY (string_to_array($2, chr(31))) ORDER BY i.seq DESC", 2, N(op->node.id), join(&op->ids, a));
}

/* The newest of those before `before`, newest first. */
static enum sql_status
items_back(struct sql *db, struct pep_op *op, PGresult **r, struct err *e)
{
	return sql_query(db, e, r,
		"SELECT " ITEM_COLUMNS ", i.upto - i.bytes < $4::bigint FROM (SELECT *, sum(bytes) OVER (ORDER BY seq DESC) AS upto"
		" FROM chancery.pep_item WHERE node = $1 AND ($2::text IS NULL OR"
		" seq < (SELECT seq FROM chancery.pep_item WHERE node = $1 AND item = $2))) i ORDER BY i.seq DESC LIMIT $3", 4,
		N(op->node.id), op->before && *op->before ? op->before : NULL, N(op->max + 1), N(op->quota.page_bytes));
}

/* The oldest of those after `after`, oldest first. */
static enum sql_status
items_on(struct sql *db, struct pep_op *op, PGresult **r, struct err *e)
{
	return sql_query(db, e, r,
		"SELECT " ITEM_COLUMNS ", i.upto - i.bytes < $4::bigint FROM (SELECT *, sum(bytes) OVER (ORDER BY seq) AS upto"
		" FROM chancery.pep_item WHERE node = $1 AND"
		" ($2 = '' OR seq > (SELECT seq FROM chancery.pep_item WHERE node = $1 AND item = $2))) i ORDER BY i.seq LIMIT $3", 4,
		N(op->node.id), op->after, N(op->max + 1), N(op->quota.page_bytes));
}

/* Where the page is among all: only when somebody wants to know. */
static enum sql_status
place_of_page(struct sql *db, struct pep_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT count(*), count(*) FILTER (WHERE i.seq < (SELECT seq FROM chancery.pep_item WHERE node = $1 AND item = $2))"
		" FROM chancery.pep_item i WHERE i.node = $1", 2, N(op->node.id), op->nitems ? op->items[0].id : "");
	if (st != SQL_OK)
		return st;
	op->count = sql_i64(r, 0, 0);
	op->index = sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}

/* What does not fit the page is left out at its far end. */
static void
read_items(struct arena *a, PGresult *r, struct pep_op *op, bool newest_first)
{
	int n = PQntuples(r), fit = 0;

	while (fit < n && (uint64_t)fit < op->max && sql_bool(r, fit, 5))
		fit++;
	op->more = fit < n;
	op->nitems = (unsigned)fit;
	op->items = arena_zalloc(a, ((size_t)fit + 1) * sizeof(*op->items));
	for (int i = 0; i < fit; i++)
		read_item(a, r, i, 0, &op->items[newest_first ? fit - 1 - i : i]);
	PQclear(r);
}

static enum sql_status
anchor_exists(struct sql *db, struct pep_op *op, struct err *e)
{
	const char *id = op->after && *op->after ? op->after : op->before;
	PGresult *r;
	enum sql_status st;

	if (!id || !*id)
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT 1 FROM chancery.pep_item WHERE node = $1 AND item = $2", 2, N(op->node.id), id);
	if (st != SQL_OK)
		return st;
	if (!PQntuples(r))
		op->outcome = PEP_NO_ITEM;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
pep_store_items(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pep_op *op = data;
	PGresult *r = NULL;
	enum sql_status st = look(db, a, op, e);

	op->index = op->count = -1;
	if (st == SQL_OK && op->outcome == PEP_OK)
		st = anchor_exists(db, op, e);
	if (st != SQL_OK || op->outcome != PEP_OK)
		return st;
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

/* Changes */

typedef enum sql_status (*change_fn)(struct sql *db, struct arena *a, struct pep_op *op, struct err *e);

/* Only what is to be kept and has succeeded is. */
static enum sql_status
change(struct sql *db, struct arena *a, struct pep_op *op, change_fn fn, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	op->outcome = PEP_OK;
	op->created = false;
	if (st != SQL_OK)
		return st;
	st = fn(db, a, op, e);
	if (st == SQL_OK && op->commit && op->outcome == PEP_OK)
		return sql_commit(db, e);
	sql_rollback(db);
	return st;
}

/* How much the account has. */
static enum sql_status
usage(struct sql *db, struct pep_op *op, uint64_t *nodes, uint64_t *bytes, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT (SELECT count(*) FROM chancery.pep_node WHERE account = $1), (SELECT coalesce(sum(i.bytes), 0)"
		" FROM chancery.pep_node n JOIN chancery.pep_item i ON i.node = n.id WHERE n.account = $1)", 1, N(op->account));
	if (st != SQL_OK)
		return st;
	*nodes = (uint64_t)sql_i64(r, 0, 0);
	*bytes = (uint64_t)sql_i64(r, 0, 1);
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
insert_node(struct sql *db, struct arena *a, struct pep_op *op, const struct pep_config *c, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"INSERT INTO chancery.pep_node AS n (account, node, access, max_items, persist, payloads, notify, send_last,"
		" notify_retract, notify_delete, notify_config, normal, max_payload, groups, members, title, description, type, language)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, string_to_array($14, chr(31)), '{}', $15, $16, $17, $18)"
		" RETURNING " NODE_COLUMNS, 18, N(op->account), op->name, N(c->access), N(c->max_items), flag(c->persist),
		flag(c->payloads), flag(c->notify), N(c->send_last), flag(c->notify_retract), flag(c->notify_delete),
		flag(c->notify_config), flag(c->normal), N(c->max_payload), join(&c->groups, a), c->title, c->description, c->type,
		c->language);
	if (st != SQL_OK)
		return st;
	read_node(a, r, 0, &op->node);
	PQclear(r);
	op->created = true;
	return SQL_OK;
}

/* A node with the default configuration, but for what is wished. */
static enum sql_status
make_node(struct sql *db, struct arena *a, struct pep_op *op, uint64_t nodes, enum pep_outcome otherwise, struct err *e)
{
	struct pep_config c = pep_config_default;

	if (op->wish.unknown || op->wish.impossible)
		op->outcome = otherwise;
	else if (nodes >= op->quota.nodes)
		op->outcome = PEP_MANY_NODES;
	if (op->outcome != PEP_OK)
		return SQL_OK;
	pep_config_apply(&c, &op->wish);
	return insert_node(db, a, op, &c, e);
}

/* XEP-0060 §7.1.3.4, §7.1.3.6 */
static enum pep_outcome
fits(const struct pep_op *op)
{
	const struct pep_config *c = &op->node.config;
	uint64_t most = c->max_payload ? c->max_payload : op->quota.item_bytes;

	if (op->payload && (strlen(op->payload) > most || strlen(op->payload) > op->quota.item_bytes))
		return PEP_TOO_BIG;
	if (!op->has_item && (c->persist || c->payloads))
		return PEP_ITEM_REQUIRED;
	if (op->has_item && !c->persist && !c->payloads)
		return PEP_ITEM_FORBIDDEN;
	return c->payloads && !op->payload ? PEP_PAYLOAD_REQUIRED : PEP_OK;
}

static size_t
item_bytes(const struct pep_op *op)
{
	return strlen(op->item) + strlen(op->publisher) + (op->payload ? strlen(op->payload) : 0) + 64;
}

static enum sql_status
put_item(struct sql *db, struct pep_op *op, struct err *e)
{
	uint64_t most = op->node.config.max_items && op->node.config.max_items < op->quota.items ? op->node.config.max_items :
		op->quota.items;
	enum sql_status st;

	st = sql_do(db, e,
		"INSERT INTO chancery.pep_item (node, item, publisher, bytes, payload) VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (node, item) DO UPDATE SET publisher = excluded.publisher, bytes = excluded.bytes,"
		" payload = excluded.payload, seq = excluded.seq, at = excluded.at", 5, N(op->node.id), op->item, op->publisher,
		N(item_bytes(op)), op->payload);
	if (st != SQL_OK)
		return st;
	return sql_do(db, e,
		"DELETE FROM chancery.pep_item WHERE node = $1 AND seq <= (SELECT seq FROM chancery.pep_item WHERE node = $1"
		" ORDER BY seq DESC OFFSET $2 LIMIT 1)", 2, N(op->node.id), N(most));
}

static enum sql_status
publish(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	uint64_t nodes = 0, bytes = 0;
	enum sql_status st = find_node(db, a, op, e);

	if (st == SQL_OK)
		st = usage(db, op, &nodes, &bytes, e);
	if (st == SQL_OK && !op->node.id)
		st = make_node(db, a, op, nodes, PEP_PRECONDITION, e);
	else if (st == SQL_OK && !pep_config_meets(&op->node.config, &op->wish))
		op->outcome = PEP_PRECONDITION;
	if (st == SQL_OK && op->outcome == PEP_OK)
		op->outcome = fits(op);
	if (st != SQL_OK || op->outcome != PEP_OK || !op->node.config.persist)
		return st;
	/* Usually it is plain that there is room. Where it is not, what it replaces and pushes out has to be seen first. */
	if (!op->commit && bytes + item_bytes(op) <= op->quota.bytes)
		return SQL_OK;
	st = put_item(db, op, e);
	if (st == SQL_OK && bytes + item_bytes(op) > op->quota.bytes)
		st = usage(db, op, &nodes, &bytes, e);
	else
		bytes = 0;
	if (st == SQL_OK && bytes > op->quota.bytes)
		op->outcome = PEP_MANY_BYTES;
	return st;
}

static enum sql_status
publish_and_look(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	enum sql_status st = publish(db, a, op, e);

	if (st == SQL_OK && op->commit && op->outcome == PEP_OK)
		st = find_subscriptions(db, a, op, e);
	return st;
}

enum sql_status
pep_store_publish(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, publish_and_look, e);
}

/* What all changes of a node that exists begin with. */
static enum sql_status
existing(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	enum sql_status st = find_node(db, a, op, e);

	if (st == SQL_OK && !op->node.id)
		op->outcome = PEP_NO_NODE;
	else if (st == SQL_OK)
		st = find_subscriptions(db, a, op, e);
	return st;
}

static enum sql_status
retract(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st = existing(db, a, op, e);

	if (st == SQL_OK && op->outcome == PEP_OK && !op->node.config.persist)
		op->outcome = PEP_NOT_PERSISTENT;
	if (st != SQL_OK || op->outcome != PEP_OK)
		return st;
	st = sql_query(db, e, &r, "DELETE FROM chancery.pep_item WHERE node = $1 AND item = $2 RETURNING item", 2, N(op->node.id),
		op->item);
	if (st != SQL_OK)
		return st;
	if (!PQntuples(r))
		op->outcome = PEP_NO_ITEM;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
pep_store_retract(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, retract, e);
}

static enum sql_status
create(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	uint64_t nodes = 0, bytes;
	enum sql_status st = find_node(db, a, op, e);

	if (st == SQL_OK && op->node.id)
		op->outcome = PEP_EXISTS;
	else if (st == SQL_OK)
		st = usage(db, op, &nodes, &bytes, e);
	if (st != SQL_OK || op->outcome != PEP_OK)
		return st;
	/* XEP-0004 §3.2: what a form has that we do not know is passed over; preconditions are another matter. */
	op->wish.unknown = false;
	return make_node(db, a, op, nodes, PEP_IMPOSSIBLE, e);
}

enum sql_status
pep_store_create(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, create, e);
}

static enum sql_status
write_config(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	const struct pep_config *c = &op->node.config;
	enum sql_status st;

	st = sql_do(db, e,
		"UPDATE chancery.pep_node SET access = $2, max_items = $3, persist = $4, payloads = $5, notify = $6, send_last = $7,"
		" notify_retract = $8, notify_delete = $9, notify_config = $10, normal = $11, max_payload = $12,"
		" groups = string_to_array($13, chr(31)), title = $14, description = $15, type = $16, language = $17 WHERE id = $1", 17,
		N(op->node.id), N(c->access), N(c->max_items), flag(c->persist), flag(c->payloads), flag(c->notify), N(c->send_last),
		flag(c->notify_retract), flag(c->notify_delete), flag(c->notify_config), flag(c->normal), N(c->max_payload),
		join(&c->groups, a), c->title, c->description, c->type, c->language);
	if (st != SQL_OK)
		return st;
	/* Fewer items than before, or none. */
	return sql_do(db, e,
		"DELETE FROM chancery.pep_item WHERE node = $1 AND (NOT $3::boolean OR $2::bigint <> 0 AND seq <= (SELECT seq FROM chancery.pep_item"
		" WHERE node = $1 ORDER BY seq DESC OFFSET greatest($2::bigint, 1) LIMIT 1))", 3, N(op->node.id), N(c->max_items),
		flag(c->persist));
}

static enum sql_status
configure(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	enum sql_status st = existing(db, a, op, e);

	if (st == SQL_OK && op->outcome == PEP_OK && op->wish.impossible)
		op->outcome = PEP_IMPOSSIBLE;
	if (st != SQL_OK || op->outcome != PEP_OK)
		return st;
	pep_config_apply(&op->node.config, &op->wish);
	return op->commit ? write_config(db, a, op, e) : SQL_OK;
}

enum sql_status
pep_store_configure(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, configure, e);
}

static enum sql_status
delete_node(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	enum sql_status st = existing(db, a, op, e);

	if (st != SQL_OK || op->outcome != PEP_OK || !op->commit)
		return st;
	return sql_do(db, e, "DELETE FROM chancery.pep_node WHERE id = $1", 1, N(op->node.id));
}

enum sql_status
pep_store_delete(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, delete_node, e);
}

static enum sql_status
purge(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	enum sql_status st = existing(db, a, op, e);

	if (st == SQL_OK && op->outcome == PEP_OK && !op->node.config.persist)
		op->outcome = PEP_NOT_PERSISTENT;
	if (st != SQL_OK || op->outcome != PEP_OK || !op->commit)
		return st;
	return sql_do(db, e, "DELETE FROM chancery.pep_item WHERE node = $1", 1, N(op->node.id));
}

enum sql_status
pep_store_purge(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, purge, e);
}

static enum sql_status
affiliate(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	struct pep_list *old = &op->node.config.members, now = { 0 };
	enum sql_status st = existing(db, a, op, e);

	if (st != SQL_OK || op->outcome != PEP_OK)
		return st;
	now.item = arena_alloc(a, (old->n + op->add.n + 1) * sizeof(*now.item));
	for (unsigned i = 0; i < old->n; i++)
		if (!has(&op->remove, old->item[i]))
			now.item[now.n++] = old->item[i];
	for (unsigned i = 0; i < op->add.n; i++)
		if (!has(&now, op->add.item[i]))
			now.item[now.n++] = op->add.item[i];
	*old = now;
	if (now.n > op->quota.members)
		op->outcome = PEP_MANY_MEMBERS;
	if (op->outcome != PEP_OK || !op->commit)
		return st;
	return sql_do(db, e, "UPDATE chancery.pep_node SET members = string_to_array($2, chr(31)) WHERE id = $1", 2, N(op->node.id),
		join(&now, a));
}

enum sql_status
pep_store_affiliate(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, affiliate, e);
}

/* Subscriptions */

static enum sql_status
count_subscriptions(struct sql *db, struct pep_op *op, struct err *e)
{
	return sql_do(db, e,
		"UPDATE chancery.pep_node SET subscribed = (SELECT count(*) FROM chancery.pep_subscription WHERE node = $1) WHERE id = $1",
		1, N(op->node.id));
}

static enum sql_status
last_of_node(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st;

	if (op->node.config.send_last == PEP_NEVER)
		return SQL_OK;
	st = sql_query(db, e, &r, "SELECT " ITEM_COLUMNS " FROM chancery.pep_item i WHERE i.node = $1 ORDER BY i.seq DESC LIMIT 1", 1,
		N(op->node.id));
	if (st != SQL_OK)
		return st;
	op->items = arena_zalloc(a, sizeof(*op->items));
	op->nitems = (unsigned)PQntuples(r);
	if (op->nitems)
		read_item(a, r, 0, 0, op->items);
	PQclear(r);
	return SQL_OK;
}

static enum sql_status
subscribe(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	enum sql_status st = look(db, a, op, e);

	if (st == SQL_OK && op->outcome == PEP_OK && op->node.subscribed >= op->quota.subscriptions)
		op->outcome = PEP_MANY_SUBSCRIPTIONS;
	if (st != SQL_OK || op->outcome != PEP_OK)
		return st;
	st = sql_do(db, e, "INSERT INTO chancery.pep_subscription (node, jid, bare) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", 3,
		N(op->node.id), op->jid, op->asker);
	if (st == SQL_OK)
		st = count_subscriptions(db, op, e);
	return st == SQL_OK ? last_of_node(db, a, op, e) : st;
}

enum sql_status
pep_store_subscribe(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, subscribe, e);
}

static enum sql_status
unsubscribe(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	PGresult *r;
	enum sql_status st = look(db, a, op, e);

	/* Who may no longer see it may still leave it. */
	if (st == SQL_OK && op->node.id && op->outcome != PEP_NEED_PRESENCE)
		op->outcome = PEP_OK;
	if (st != SQL_OK || op->outcome != PEP_OK)
		return st;
	st = sql_query(db, e, &r, "DELETE FROM chancery.pep_subscription WHERE node = $1 AND jid = $2 RETURNING jid", 2,
		N(op->node.id), op->jid);
	if (st != SQL_OK)
		return st;
	if (!PQntuples(r))
		op->outcome = PEP_NOT_SUBSCRIBED;
	PQclear(r);
	return count_subscriptions(db, op, e);
}

enum sql_status
pep_store_unsubscribe(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, unsubscribe, e);
}

enum sql_status
pep_store_subscriptions(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pep_op *op = data;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"SELECT n.node, s.jid, s.bare FROM chancery.pep_node n JOIN chancery.pep_subscription s ON s.node = n.id"
		" WHERE n.account = $1 AND s.bare = $2 AND ($3::text IS NULL OR n.node = $3) ORDER BY n.node, s.jid", 3, N(op->account),
		op->asker, op->name);
	if (st == SQL_OK)
		read_subscriptions(a, r, op);
	return st;
}

static enum sql_status
lost(struct sql *db, struct arena *a, struct pep_op *op, struct err *e)
{
	enum sql_status st;

	(void)a;
	st = sql_do(db, e,
		"DELETE FROM chancery.pep_subscription s USING chancery.pep_node n WHERE n.id = s.node AND n.account = $1 AND s.bare = $2"
		" AND n.access IN (2, 3)", 2, N(op->account), op->asker);
	if (st != SQL_OK)
		return st;
	return sql_do(db, e,
		"UPDATE chancery.pep_node n SET subscribed = (SELECT count(*) FROM chancery.pep_subscription s WHERE s.node = n.id)"
		" WHERE n.account = $1 AND n.subscribed > 0", 1, N(op->account));
}

enum sql_status
pep_store_lost(struct sql *db, struct arena *a, void *op, struct err *e)
{
	return change(db, a, op, lost, e);
}

/* Last items */

enum sql_status
pep_store_last(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct pep_op *op = data;
	PGresult *r;
	enum sql_status st;

	st = sql_query(db, e, &r,
		"WITH seen AS ("
		" SELECT $1::bigint AS id, $2::text AS bare, true AS own, '{}'::text[] AS groups WHERE $4::text IS NULL"
		" UNION ALL"
		" SELECT a.id, a.bare, false, t.groups FROM chancery.roster_item r JOIN chancery.account a ON a.bare = r.jid"
		" JOIN chancery.roster_item t ON t.account = a.id AND t.jid = $2 AND t.subscription & 2 <> 0"
		" WHERE r.account = $1 AND r.subscription & 1 <> 0 AND ($4 IS NULL OR r.jid = $4)),"
		" last AS ("
		" SELECT s.bare, n.node, n.payloads, n.normal, i.*, sum(i.bytes) OVER (ORDER BY s.own DESC, i.seq DESC) AS upto, s.own"
		" FROM seen s JOIN chancery.pep_node n ON n.account = s.id AND n.node = ANY (string_to_array($3, chr(31)))"
		" AND n.notify AND n.send_last >= $5 AND (s.own OR n.access IN (1, 2) OR n.access = 3 AND n.groups && s.groups"
		" OR n.access = 4 AND $2 = ANY (n.members))"
		" JOIN LATERAL (SELECT item, publisher, CASE WHEN n.payloads THEN payload END AS payload, at, bytes, seq"
		" FROM chancery.pep_item WHERE node = n.id ORDER BY seq DESC LIMIT 1) i ON true)"
		" SELECT " ITEM_COLUMNS ", i.bare, i.node, i.payloads, i.normal FROM last i WHERE i.upto <= $6"
		" ORDER BY i.own DESC, i.seq DESC LIMIT $7", 7, N(op->account), op->owner, join(&op->interests, a), op->contact,
		op->subscribed_now ? "1" : "2", N(op->quota.last_bytes), N(op->quota.last_items));
	if (st != SQL_OK)
		return st;
	op->nitems = (unsigned)PQntuples(r);
	op->items = arena_zalloc(a, (op->nitems + 1) * sizeof(*op->items));
	/* Oldest first, as they would have come. */
	for (unsigned i = 0; i < op->nitems; i++) {
		struct pep_item *item = &op->items[op->nitems - 1 - i];

		read_item(a, r, (int)i, 0, item);
		item->owner = arena_strdup(a, sql_text(r, (int)i, 5));
		item->node = arena_strdup(a, sql_text(r, (int)i, 6));
		item->payloads = sql_bool(r, (int)i, 7);
		item->normal = sql_bool(r, (int)i, 8);
	}
	PQclear(r);
	return SQL_OK;
}
