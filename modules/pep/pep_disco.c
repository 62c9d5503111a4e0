/*
 * pep_disco: what the service says of itself and of its nodes (XEP-0163 §6, XEP-0060 §5).
 */
#include <string.h>

#include "../pubsub/node_feature.h"
#include "base/clock.h"
#include "pep.h"
#include "xmpp/discovery.h"
#include "xmpp/ns.h"

static const char *const features[] = {
	"http://jabber.org/protocol/pubsub",
	NODE_FEATURES,
	NODE_FEATURE("auto-create"),
	NODE_FEATURE("auto-subscribe"),
	NODE_FEATURE("filtered-notifications"),
	NODE_FEATURE("presence-subscribe"),
	NODE_FEATURE("pubsub-on-a-jid"),
};

/* XEP-0223 §6 looks at the server, XEP-0163 §6.1 at the account. */
void
pep_announce(struct module *m)
{
	module_identity(m, "pubsub", "pep", NULL, MODULE_SERVER | MODULE_ACCOUNT);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		module_offers(m, features[i], MODULE_SERVER | MODULE_ACCOUNT);
	module_offers(m, NS_NICK, MODULE_ACCOUNT);
}

/* §5.3, §5.4. A node that the asker may not see is one that does not exist. */
static enum hook_verdict
on_node(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;
	struct node_list owners = { &c->op.owner, 1 };
	char created[32];

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome != NODE_OK)
		return HOOK_NEXT;
	discovery_identity(h->reply, h->query, "pubsub", "leaf", c->op.node.config.title);
	discovery_feature(h->reply, h->query, NS_DISCO_INFO);
	discovery_feature(h->reply, h->query, NS_PUBSUB);
	node_config_write_metadata(h->reply, h->query, &c->op.node.config, c->op.owner, &owners,
		clock_format(c->op.node.created_us, created), c->op.node.subscribed, h->arena);
	return HOOK_HANDLED;
}

static bool
is_possible(const char *node)
{
	return strlen(node) <= module_limits()->pep_name_bytes;
}

enum hook_verdict
pep_on_disco_info(struct hook *h)
{
	struct node_call *c;

	if (!h->account || !h->account_id || !h->node || !is_possible(h->node))
		return HOOK_NEXT;
	c = node_begin(h, &pep_kind);
	c->op.name = arena_strdup(hook_memory(h), h->node);
	return hook_job(h, c, node_store_node, on_node);
}

/* §5.2 */
static enum hook_verdict
on_nodes(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	for (unsigned i = 0; i < c->op.nnodes; i++) {
		struct elem *item = elem_add(h->reply, h->query, NULL, "item");

		elem_set(h->reply, item, "jid", c->op.owner);
		elem_set(h->reply, item, "node", c->op.nodes[i].name);
		elem_set(h->reply, item, "name", c->op.nodes[i].config.title);
	}
	return HOOK_NEXT;
}

/* §5.5 */
static enum hook_verdict
on_items(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome != NODE_OK)
		return HOOK_NEXT;
	for (unsigned i = 0; i < c->op.nitems; i++) {
		struct elem *item = elem_add(h->reply, h->query, NULL, "item");

		elem_set(h->reply, item, "jid", c->op.owner);
		elem_set(h->reply, item, "name", c->op.items[i].id);
	}
	return HOOK_HANDLED;
}

enum hook_verdict
pep_on_disco_items(struct hook *h)
{
	struct node_call *c;

	if (!h->account || !h->account_id || (h->node && !is_possible(h->node)))
		return HOOK_NEXT;
	c = node_begin(h, &pep_kind);
	c->op.name = h->node ? arena_strdup(hook_memory(h), h->node) : NULL;
	if (!h->node)
		c->op.max = c->op.quota.nodes;
	return hook_job(h, c, h->node ? node_store_items : node_store_nodes, h->node ? on_items : on_nodes);
}
