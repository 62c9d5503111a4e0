/*
 * pep: Personal Eventing Protocol (XEP-0163), the part of Publish-Subscribe (XEP-0060) that accounts are: nodes of their own,
 * seen by contacts, told to whoever's client asks for it by "+notify" in its capabilities. What nodes are and how they are
 * changed is the engine's (modules/pubsub/node.h).
 */
#include "pep.h"

#include <string.h>

#include "xmpp/ns.h"

static void
identify(struct hook *h, struct node_op *op)
{
	enum module_relation relation = h->from ? module_relation(h) : MODULE_SELF;

	op->host = h->account_id;
	op->owner = jid_bare(h->account);
	op->asker = h->from ? jid_bare(h->from) : op->owner;
	op->is_owner = relation == MODULE_SELF;
	op->is_subscriber = relation != MODULE_STRANGER;
}

static struct node_quota
quota(void)
{
	const struct limits *l = module_limits();

	return (struct node_quota){ .nodes = l->pep_nodes, .items = l->pep_items, .bytes = l->pep_bytes,
		.item_bytes = l->pep_item_bytes, .page_bytes = l->pep_page_bytes, .members = l->pep_members,
		.subscriptions = l->pep_subscriptions, .subscribed = l->pep_subscriptions, .addresses = l->pubsub_addresses, .last_items = l->pep_last_items, .last_bytes = l->pep_last_bytes,
		.name_bytes = l->pep_name_bytes };
}

static enum hook_verdict
admit(struct hook *h, struct node_call *c, hook_then_fn go)
{
	return c->op.is_owner ? go(h, c, true) : hook_reject(h, XERROR_FORBIDDEN, NULL);
}

const struct node_kind pep_kind = {
	.personal = true,
	.standard = &node_config_personal,
	.identify = identify,
	.quota = quota,
	.tell = pep_tell,
	.admit = admit,
};

static enum hook_verdict
on_request(struct hook *h)
{
	return node_request(h, &pep_kind);
}

/* What only owners may; others hear that whether there is such a node, or account, or not. */
static enum hook_verdict
on_owner_request(struct hook *h)
{
	return module_relation(h) == MODULE_SELF ? node_request(h, &pep_kind) : hook_reject(h, XERROR_FORBIDDEN, NULL);
}

/* Its owner's decisions on subscriptions. */
static enum hook_verdict
on_decision(struct hook *h)
{
	enum hook_verdict v;

	if (!h->from || !jid_is_bare(h->to) || !jid_equal_bare(h->from, h->account) || jid_is_bare(h->from) || h->delayed)
		return HOOK_NEXT;
	v = node_decision(h, &pep_kind);
	return v == HOOK_WAIT ? HOOK_HANDLED : v;
}

static int
attach(struct module *m)
{
	pep_announce(m);
	module_session_keep(m, sizeof(struct pep_told), pep_told_fini);
	if (module_on_iq(m, MODULE_IQ_GET, NS_PUBSUB, "pubsub", MODULE_ACCOUNT, on_request) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PUBSUB, "pubsub", MODULE_ACCOUNT, on_request) ||
		module_on_iq(m, MODULE_IQ_GET, NS_PUBSUB_OWNER, "pubsub", MODULE_ACCOUNT, on_owner_request) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PUBSUB_OWNER, "pubsub", MODULE_ACCOUNT, on_owner_request))
		return -1;
	if (module_on_stanza(m, HOOK_RECV_DELIVER, MODULE_MESSAGE, NS_DATA, on_decision) ||
		module_on_stanza(m, HOOK_RECV_DELIVER, MODULE_MESSAGE, NS_PUBSUB_EVENT, pep_on_deliver) || module_on(m, HOOK_CAPS_KNOWN, pep_on_caps) ||
		module_on(m, HOOK_ELSEWHERE_CAPS, pep_on_elsewhere) || module_on(m, HOOK_PRESENCE_CHANGED, pep_on_presence) ||
		module_on(m, HOOK_CONTACT_CHANGED, pep_on_contact))
		return -1;
	return module_on(m, HOOK_DISCO_INFO, pep_on_disco_info) || module_on(m, HOOK_DISCO_ITEMS, pep_on_disco_items) ? -1 : 0;
}

const struct module_def pep_module = {
	.name = "pep",
	.about = "Personal Eventing Protocol (XEP-0163, XEP-0060), private data (XEP-0223), nicknames (XEP-0172)",
	.attach = attach,
};
