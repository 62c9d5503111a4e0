/*
 * node_item: items of a node: publish (XEP-0060 §7.1), retract (§7.2), retrieve (§6.5).
 */
#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/metric.h"
#include "base/text.h"
#include "node.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/rsm.h"
#include "xmpp/serialize.h"

#define OPTIONS "http://jabber.org/protocol/pubsub#publish-options"
#define ID_BYTES 16
#define READABLE_BYTES 4096 /* more than that nobody reads: pictures, keys */

/* False: too long. */
static bool
take_id(struct node_call *c, const struct elem *item)
{
	const char *id = elem_get(item, "id");

	c->op.item = id && *id ? id : NULL;
	return !id || strlen(id) <= c->op.quota.name_bytes;
}

void
node_add_item(struct stanza *st, struct elem *items, const struct node_item *i, bool payload, bool publisher)
{
	struct elem *e = elem_add(st, items, NULL, "item");
	struct stanza *tree = payload && i->payload ? parser_one(i->payload, strlen(i->payload), NULL, NULL) : NULL;

	elem_set(st, e, "id", i->id);
	if (publisher)
		elem_set(st, e, "publisher", i->publisher);
	if (tree)
		elem_add_copy(st, e, tree->root);
	stanza_unref(tree);
}

/* Publish */

static void
tell_published(struct hook *h, struct node_call *c)
{
	const struct node_op *op = &c->op;
	struct elem *event, *items, *item;
	struct stanza *st = node_event(c, &event);
	const struct elem *publish = elem_child(h->payload, NS_PUBSUB, "publish");
	const struct elem *said = elem_child(publish, NS_PUBSUB, "item");

	items = elem_add(st, event, NULL, "items");
	elem_set(st, items, "node", op->name);
	if (op->has_item) {
		item = elem_add(st, items, NULL, "item");
		elem_set(st, item, "id", op->item);
		if (op->node.config.reply == REPLY_PUBLISHER) /* §12.13 */
			elem_set(st, item, "publisher", op->publisher);
		if (op->node.config.payloads && elem_first(said))
			elem_add_copy(st, item, elem_first(said));
	}
	metric_add(METRIC_PEP_PUBLISHED, 1);
	c->kind->tell(h, c, st, true);
}

static enum hook_verdict
answer_published(struct hook *h, struct node_call *c)
{
	struct elem *publish = node_result(h, "publish");

	elem_set(h->reply, publish, "node", c->op.name);
	if (c->op.has_item)
		elem_set(h->reply, elem_add(h->reply, publish, NULL, "item"), "id", c->op.item);
	return HOOK_HANDLED;
}

/* What people can read in it. */
static const char *
readable(const struct elem *payload, struct arena *a)
{
	struct buf b = { 0 };
	const char *text = NULL;

	for (const struct elem *e = payload; e && buf_len(&b) <= READABLE_BYTES; e = elem_walk(payload, e)) {
		if (e->name)
			continue;
		if (buf_len(&b))
			buf_addc(&b, ' ');
		buf_add(&b, e->text, e->text_len);
	}
	if (buf_len(&b) && buf_len(&b) <= READABLE_BYTES)
		text = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return text;
}

/* §7.1.3.5: at most one item, with at most one payload. */
static bool
take_item(struct hook *h, struct node_call *c, const struct elem *publish)
{
	const struct elem *item = elem_child(publish, NS_PUBSUB, "item"), *payload = item ? elem_first(item) : NULL;
	struct arena *a = hook_memory(h);
	struct buf b = { 0 };

	if (item && (elem_next(item, NS_PUBSUB, "item") || (payload && elem_next(payload, NULL, NULL)))) {
		(void)node_error(h, XERROR_BAD_REQUEST, "invalid-payload");
		return false;
	}
	if (item && !take_id(c, item)) {
		(void)hook_reject(h, XERROR_NOT_ACCEPTABLE, "the id of the item is too long");
		return false;
	}
	c->op.has_item = item != NULL;
	if (!c->op.item) {
		char *id = arena_alloc(a, 2 * ID_BYTES + 1);

		crypt_random_hex(id, ID_BYTES);
		c->op.item = id;
	}
	if (payload) {
		c->op.payload_ns = payload->ns;
		serialize_elem(&b, payload, NULL);
		c->op.payload = arena_strndup(a, buf_str(&b), buf_len(&b));
		buf_fini(&b);
		c->body = readable(payload, a);
	}
	return true;
}

/* §7.1.5 */
static bool
take_options(struct hook *h, struct node_call *c)
{
	const struct elem *e = elem_child(h->payload, NS_PUBSUB, "publish-options");
	struct node_bounds bounds = node_bounds(c);
	struct form *form;

	if (!e)
		return true;
	if (!node_form(elem_child(e, NS_DATA, "x"), OPTIONS, hook_memory(h), &form) || (form && !strcmp(form->type, "cancel"))) {
		(void)node_error(h, XERROR_BAD_REQUEST, "invalid-options");
		return false;
	}
	if (form)
		node_wish_read(form, &bounds, &c->op.wish);
	return true;
}

enum hook_verdict
node_on_publish(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e) || !take_item(h, c, e) || !take_options(h, c))
		return HOOK_REJECT;
	c->op.publisher = jid_full(h->from);
	c->work = node_store_publish;
	c->tell = tell_published;
	c->answer = answer_published;
	return node_change(h, c);
}

/* Retract */

static void
tell_retracted(struct hook *h, struct node_call *c)
{
	const char *notify = elem_get(elem_child(h->payload, NS_PUBSUB, "retract"), "notify");
	struct elem *event, *items;
	struct stanza *st;

	if (notify ? strcmp(notify, "1") && strcmp(notify, "true") : !c->op.node.config.notify_retract)
		return;
	st = node_event(c, &event);
	items = elem_add(st, event, NULL, "items");
	elem_set(st, items, "node", c->op.name);
	elem_set(st, elem_add(st, items, NULL, "retract"), "id", c->op.item);
	c->kind->tell(h, c, st, false);
}

enum hook_verdict
node_on_retract(struct hook *h, struct node_call *c, const struct elem *e)
{
	const struct elem *item = elem_child(e, NS_PUBSUB, "item");

	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	if (!item || !take_id(c, item) || !c->op.item)
		return node_error(h, XERROR_BAD_REQUEST, "item-required");
	if (elem_next(item, NS_PUBSUB, "item"))
		return hook_reject(h, XERROR_BAD_REQUEST, "one item at a time");
	c->work = node_store_retract;
	c->tell = tell_retracted;
	return node_change(h, c);
}

/* Retrieve */

static enum hook_verdict
answer_items(struct hook *h, struct node_call *c)
{
	struct node_op *op = &c->op;
	struct elem *items = node_result(h, "items");

	elem_set(h->reply, items, "node", op->name);
	for (unsigned i = 0; i < op->nitems; i++)
		node_add_item(h->reply, items, &op->items[i], true, op->node.config.reply == REPLY_PUBLISHER);
	/* §6.5.4: a page, asked for or because there is too much. */
	if (op->count >= 0)
		rsm_write(h->reply, items->parent, op->nitems ? op->items[0].id : NULL, op->nitems ? op->index : -1,
			op->nitems ? op->items[op->nitems - 1].id : NULL, op->count);
	return HOOK_HANDLED;
}

static bool
take_ids(struct hook *h, struct node_call *c, const struct elem *items)
{
	struct node_list *ids = &c->op.ids;
	unsigned n = 0;

	for (const struct elem *e = elem_child(items, NS_PUBSUB, "item"); e; e = elem_next(e, NS_PUBSUB, "item"))
		n++;
	if (n > c->op.quota.items)
		return false;
	ids->item = arena_alloc(hook_memory(h), (n + 1) * sizeof(*ids->item));
	for (const struct elem *e = elem_child(items, NS_PUBSUB, "item"); e; e = elem_next(e, NS_PUBSUB, "item")) {
		const char *id = elem_get(e, "id");

		if (!id)
			return false;
		ids->item[ids->n++] = id;
	}
	return true;
}

static bool
take_page(struct hook *h, struct node_call *c, const struct elem *items)
{
	const char *max = elem_get(items, "max_items");
	struct rsm page;

	if (max && !text_u64(max, strlen(max), 1, UINT32_MAX, &c->op.max))
		return false;
	if (!rsm_parse(h->payload, hook_memory(h), &page))
		return false;
	if (!page.given)
		return true;
	c->op.paged = true;
	c->op.after = page.after;
	c->op.before = page.before;
	/* XEP-0059 §2.1: from the beginning, where nothing else is said. */
	if (!page.after && !page.before)
		c->op.after = "";
	c->op.only_count = page.has_max && !page.max; /* XEP-0059 §2.6 */
	if (page.has_max && page.max)
		c->op.max = page.max;
	return true;
}

enum hook_verdict
node_on_items(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	if (!take_ids(h, c, e) || !take_page(h, c, e))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	c->op.subid = elem_get(e, "subid");
	c->work = node_store_items;
	c->answer = answer_items;
	return node_ask(h, c);
}
