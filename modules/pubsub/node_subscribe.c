/*
 * node_subscribe: subscriptions that are asked for (XEP-0060 §6.1, §6.2, §5.6), and their options (§6.3, §6.4).
 */
#include <string.h>

#include "base/crypt.h"
#include "node.h"
#include "xmpp/ns.h"

#define OPTIONS "http://jabber.org/protocol/pubsub#subscribe_options"
#define SUBID_BYTES 10

static void
describe(struct stanza *st, struct elem *e, const char *node, const struct node_subscription *s)
{
	elem_set(st, e, "node", node);
	elem_set(st, e, "jid", s->jid);
	elem_set(st, e, "subid", s->subid);
	elem_set(st, e, "subscription", node_state_name(s->state));
}

static enum hook_verdict
answer_subscribed(struct hook *h, struct node_call *c)
{
	struct elem *e = node_result(h, "subscription");

	describe(h->reply, e, c->op.name, &c->op.subscription);
	if (c->op.with_options) /* §6.3.7 */
		node_options_write(h->reply, elem_add(h->reply, e->parent, NULL, "options"), "result", &c->op.subscription.options);
	return HOOK_HANDLED;
}

static void
tell_subscribed(struct hook *h, struct node_call *c)
{
	const struct node_subscription *s = &c->op.subscription;

	if (s->state == STATE_PENDING)
		node_ask_owners(h, c, s);
	else if (s->options.deliver)
		node_tell_last(h, c, s->jid);
	if (c->op.created)
		node_tell_owners(h, c, s->jid, s->state);
}

/* §6.1.3.1: one may subscribe oneself. The address as prepared, in hook_memory. */
static bool
take_jid(struct hook *h, struct node_call *c, const struct elem *e, bool subscribing)
{
	const char *address = elem_get(e, "jid");
	struct jid *j = address ? jid_parse_z(address) : NULL;

	if (j && h->from && jid_equal_bare(j, h->from))
		c->op.jid = arena_strdup(hook_memory(h), jid_full(j));
	else if (!address)
		(void)node_error(h, XERROR_BAD_REQUEST, "jid-required");
	else if (!j || subscribing)
		(void)node_error(h, XERROR_BAD_REQUEST, "invalid-jid");
	else
		(void)hook_reject(h, XERROR_FORBIDDEN, NULL); /* §6.2.3.3, §6.3.4.1 */
	jid_unref(j);
	return c->op.jid != NULL;
}

/* Of <options/>. False: h says what is wrong with them. */
static bool
take_options(struct hook *h, struct node_call *c, const struct elem *e)
{
	struct form *form = NULL;

	c->op.options = node_options_default;
	if (!node_form(elem_child(e, NS_DATA, "x"), OPTIONS, hook_memory(h), &form) ||
		(form && strcmp(form->type, "cancel") != 0 && !node_options_read(form, &c->op.options))) {
		(void)node_error(h, XERROR_BAD_REQUEST, "invalid-options");
		return false;
	}
	c->op.with_options = form && strcmp(form->type, "cancel") != 0;
	return true;
}

static const char *
new_subid(struct hook *h, const struct node_call *c)
{
	char *id;

	if (c->op.personal)
		return NODE_SUBID;
	id = arena_alloc(hook_memory(h), 2 * SUBID_BYTES + 1);
	crypt_random_hex(id, SUBID_BYTES);
	return id;
}

enum hook_verdict
node_on_subscribe(struct hook *h, struct node_call *c, const struct elem *e)
{
	const struct elem *options = elem_child(h->payload, NS_PUBSUB, "options");

	if (!node_take_name(h, c, e) || !take_jid(h, c, e, true))
		return HOOK_REJECT;
	c->op.options = node_options_default;
	/* §6.3.7: which subscription they are of is plain. */
	if (options && (elem_get(options, "node") || elem_get(options, "jid")))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (options && !take_options(h, c, options))
		return HOOK_REJECT;
	c->op.subid = new_subid(h, c);
	/* Recorded: owners read the address, and its resource is in the subscriber's own words. */
	c->work = node_store_subscribe;
	c->tell = tell_subscribed;
	c->answer = answer_subscribed;
	return node_change(h, c);
}

static void
tell_unsubscribed(struct hook *h, struct node_call *c)
{
	node_tell_owners(h, c, c->op.jid, STATE_NONE);
}

enum hook_verdict
node_on_unsubscribe(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e) || !take_jid(h, c, e, false))
		return HOOK_REJECT;
	c->op.subid = elem_get(e, "subid");
	c->work = node_store_unsubscribe;
	c->tell = tell_unsubscribed;
	return node_ask(h, c);
}

/* §5.6 */
static enum hook_verdict
answer_subscriptions(struct hook *h, struct node_call *c)
{
	struct elem *e = node_result(h, "subscriptions");

	elem_set(h->reply, e, "node", c->op.name);
	for (unsigned i = 0; i < c->op.nsubscriptions; i++)
		describe(h->reply, elem_add(h->reply, e, NULL, "subscription"), c->op.subscriptions[i].node, &c->op.subscriptions[i]);
	return HOOK_HANDLED;
}

enum hook_verdict
node_on_subscriptions(struct hook *h, struct node_call *c, const struct elem *e)
{
	c->op.name = elem_get(e, "node");
	c->work = node_store_subscriptions;
	c->answer = answer_subscriptions;
	return c->op.host ? node_ask(h, c) : c->answer(h, c);
}

/* Options */

static enum hook_verdict
answer_options(struct hook *h, struct node_call *c)
{
	struct elem *e = node_result(h, "options");

	elem_set(h->reply, e, "node", c->op.name);
	elem_set(h->reply, e, "jid", c->op.jid);
	elem_set(h->reply, e, "subid", c->op.subscription.subid);
	node_options_write(h->reply, e, "form", &c->op.subscription.options);
	return HOOK_HANDLED;
}

enum hook_verdict
node_on_options_get(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e) || !take_jid(h, c, e, false))
		return HOOK_REJECT;
	c->op.subid = elem_get(e, "subid");
	c->work = node_store_options;
	c->answer = answer_options;
	return node_ask(h, c);
}

enum hook_verdict
node_on_options_set(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e) || !take_jid(h, c, e, false))
		return HOOK_REJECT;
	if (!elem_child(e, NS_DATA, "x"))
		return node_error(h, XERROR_BAD_REQUEST, "invalid-options");
	if (!take_options(h, c, e))
		return HOOK_REJECT;
	c->op.subid = elem_get(e, "subid");
	c->work = node_store_options;
	return node_ask(h, c);
}

/* §6.4: the same for all nodes. */
enum hook_verdict
node_on_default_options(struct hook *h, struct node_call *c, const struct elem *e)
{
	struct elem *answer = node_result(h, "default");

	(void)c;
	elem_set(h->reply, answer, "node", elem_get(e, "node"));
	node_options_write(h->reply, answer, "form", &node_options_default);
	return HOOK_HANDLED;
}
