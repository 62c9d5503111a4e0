/*
 * pep_subscribe: subscriptions that are asked for (XEP-0060 §6.1, §6.2, §5.6), beside those that come with presence: for who
 * does not see the account's presence, or cannot announce its interests.
 */
#include <string.h>

#include "pep.h"
#include "xmpp/ns.h"

static void
add_subscription(struct stanza *st, struct elem *parent, const char *node, const char *jid)
{
	struct elem *e = elem_add(st, parent, NULL, "subscription");

	elem_set(st, e, "node", node);
	elem_set(st, e, "jid", jid);
	elem_set(st, e, "subid", PEP_SUBID);
	elem_set(st, e, "subscription", "subscribed");
}

static enum hook_verdict
answer_subscribed(struct hook *h, struct pep_call *c)
{
	struct elem *e = pep_result(h, "subscription");

	elem_set(h->reply, e, "node", c->op.name);
	elem_set(h->reply, e, "jid", c->op.jid);
	elem_set(h->reply, e, "subid", PEP_SUBID);
	elem_set(h->reply, e, "subscription", "subscribed");
	return HOOK_HANDLED;
}

/* §6.1.7: the last item, to who has just subscribed. */
static void
send_last(struct hook *h, struct pep_call *c)
{
	struct jid *to = jid_parse_z(c->op.jid);

	if (to && c->op.nitems && c->op.node.config.notify) {
		struct stanza *st = pep_last_message(c->op.owner, c->op.name, c->op.items, c->op.node.config.payloads,
			c->op.node.config.normal);
		struct elem *headers = elem_add(st, st->root, "http://jabber.org/protocol/shim", "headers");
		struct elem *header = elem_add(st, headers, NULL, "header");

		elem_set(st, header, "name", "SubID");
		elem_add_text(st, header, PEP_SUBID, strlen(PEP_SUBID));
		module_send(st, h->account, to);
	}
	jid_unref(to);
}

/* §6.1.3.1: one may subscribe oneself. The address as prepared, in hook_memory. */
static bool
take_jid(struct hook *h, struct pep_call *c, const struct elem *e)
{
	const char *address = elem_get(e, "jid");
	struct jid *j = address ? jid_parse_z(address) : NULL;

	if (j && h->from && jid_equal_bare(j, h->from))
		c->op.jid = arena_strdup(hook_memory(h), jid_full(j));
	else
		(void)pep_error(h, XERROR_BAD_REQUEST, address ? "invalid-jid" : "jid-required");
	jid_unref(j);
	return c->op.jid != NULL;
}

enum hook_verdict
pep_on_subscribe(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	if (!pep_take_node(h, c, e) || !take_jid(h, c, e))
		return HOOK_REJECT;
	if (elem_child(h->payload, NS_PUBSUB, "options"))
		return pep_unsupported(h, "subscription-options");
	c->work = pep_store_subscribe;
	c->tell = send_last;
	c->answer = answer_subscribed;
	return pep_ask(h, c);
}

enum hook_verdict
pep_on_unsubscribe(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);
	const char *subid = elem_get(e, "subid");

	if (!pep_take_node(h, c, e) || !take_jid(h, c, e))
		return HOOK_REJECT;
	if (subid && strcmp(subid, PEP_SUBID) != 0)
		return pep_error(h, XERROR_NOT_ACCEPTABLE, "invalid-subid");
	c->work = pep_store_unsubscribe;
	return pep_ask(h, c);
}

static enum hook_verdict
answer_subscriptions(struct hook *h, struct pep_call *c)
{
	struct elem *e = pep_result(h, "subscriptions");

	elem_set(h->reply, e, "node", c->op.name);
	for (unsigned i = 0; i < c->op.nsubscriptions; i++)
		add_subscription(h->reply, e, c->op.subscriptions[i].node, c->op.subscriptions[i].jid);
	return HOOK_HANDLED;
}

enum hook_verdict
pep_on_subscriptions(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	c->op.name = elem_get(e, "node");
	c->work = pep_store_subscriptions;
	c->answer = answer_subscriptions;
	return c->op.account ? pep_ask(h, c) : c->answer(h, c);
}

/* §8.8.1: the owner looks who has subscribed */
enum hook_verdict
pep_on_node_subscriptions(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	if (!pep_take_node(h, c, e))
		return HOOK_REJECT;
	c->work = pep_store_node;
	c->answer = answer_subscriptions;
	return pep_ask(h, c);
}
