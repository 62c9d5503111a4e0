/*
 * pubsub_disco: what the service says of itself and of its nodes (XEP-0060 §5.1 to §5.5).
 */
#include <string.h>

#include "base/clock.h"
#include "node_feature.h"
#include "pubsub.h"
#include "xmpp/discovery.h"
#include "xmpp/ns.h"
#include "xmpp/rsm.h"

static const char *const features[] = {
	NS_DISCO_INFO,
	NS_DISCO_ITEMS,
	NS_PING,
	"http://jabber.org/protocol/rsm",
	NS_PUBSUB,
	NODE_FEATURES,
	NODE_FEATURE("leased-subscription"),
};

/* The <query/> of the answer; of the node when one was asked for. */
static struct elem *
answer(struct hook *h, const char *node)
{
	struct stanza *st = hook_result(h);
	struct elem *query = elem_add(st, st->root, h->payload->ns, "query");

	elem_set(st, query, "node", node);
	hook_reply(h, st);
	return query;
}

static enum hook_verdict
answer_service(struct hook *h)
{
	struct elem *query = answer(h, NULL);

	discovery_identity(h->reply, query, "pubsub", "service", "Publish-Subscribe");
	discovery_features(h->reply, query, features, sizeof(features) / sizeof(features[0]));
	return HOOK_HANDLED;
}

struct owners {
	struct node_list list;
	struct arena *arena;
	unsigned cap;
};

static void
add_owner(void *arg, const char *owner)
{
	struct owners *o = arg;

	if (o->list.n < o->cap)
		o->list.item[o->list.n++] = owner;
}

/* §5.3, §5.4. A node that the asker may not see is one that does not exist. */
static enum hook_verdict
answer_node(struct hook *h, struct node_call *c)
{
	struct owners owners = { .cap = c->op.naffiliates };
	struct elem *query = answer(h, c->op.name);
	char created[32];

	owners.list.item = arena_alloc(h->arena, (owners.cap + 1) * sizeof(*owners.list.item));
	node_each_owner(c, add_owner, &owners);
	discovery_identity(h->reply, query, "pubsub", "leaf", c->op.node.config.title);
	discovery_feature(h->reply, query, NS_DISCO_INFO);
	discovery_feature(h->reply, query, NS_PUBSUB);
	node_config_write_metadata(h->reply, query, &c->op.node.config, c->op.node.creator, &owners.list,
		clock_format(c->op.node.created_us, created), c->op.node.subscribed, h->arena);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_node(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome == NODE_MOVED)
		return node_refuse(h, c);
	return c->op.outcome == NODE_OK ? answer_node(h, c) : hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
}

enum hook_verdict
pubsub_on_info(struct hook *h)
{
	const char *node = elem_get(h->payload, "node");
	struct node_call *c;

	if (!node || !*node)
		return answer_service(h);
	c = node_begin(h, &pubsub_kind);
	if (!node_take_name(h, c, h->payload))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	c->op.discovering = true;
	return hook_job(h, c, node_store_node, on_node);
}

/* Items */

/* §5.2, by pages (XEP-0059). */
static enum hook_verdict
on_nodes(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;
	struct elem *query;

	if (!ok)
		return hook_unavailable(h);
	query = answer(h, NULL);
	for (unsigned i = 0; i < c->op.nnodes; i++) {
		struct elem *item = elem_add(h->reply, query, NULL, "item");

		elem_set(h->reply, item, "jid", c->op.owner);
		elem_set(h->reply, item, "node", c->op.nodes[i].name);
		elem_set(h->reply, item, "name", c->op.nodes[i].config.title);
	}
	if (c->op.paged || c->op.more)
		rsm_write(h->reply, query, c->op.nnodes ? c->op.nodes[0].name : NULL, -1,
			c->op.nnodes ? c->op.nodes[c->op.nnodes - 1].name : NULL, -1);
	return HOOK_HANDLED;
}

/* §5.5 */
static enum hook_verdict
on_items(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;
	struct elem *query;

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome != NODE_OK)
		return node_refuse(h, c);
	query = answer(h, c->op.name);
	for (unsigned i = 0; i < c->op.nitems; i++) {
		struct elem *item = elem_add(h->reply, query, NULL, "item");

		elem_set(h->reply, item, "jid", c->op.owner);
		elem_set(h->reply, item, "name", c->op.items[i].id);
	}
	return HOOK_HANDLED;
}

static enum hook_verdict
list_nodes(struct hook *h, struct node_call *c)
{
	uint64_t most = module_limits()->pubsub_page;
	struct rsm page;

	if (!rsm_parse(h->payload, hook_memory(h), &page))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (page.before) /* backwards nobody asks */
		return hook_reject(h, XERROR_FEATURE_NOT_IMPLEMENTED, NULL);
	c->op.after = page.after;
	c->op.paged = page.given;
	c->op.max = page.has_max && page.max && page.max < most ? page.max : most;
	return hook_job(h, c, node_store_nodes, on_nodes);
}

enum hook_verdict
pubsub_on_items(struct hook *h)
{
	const char *node = elem_get(h->payload, "node");
	struct node_call *c = node_begin(h, &pubsub_kind);

	if (!node || !*node)
		return list_nodes(h, c);
	if (!node_take_name(h, c, h->payload))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	return hook_job(h, c, node_store_items, on_items);
}
