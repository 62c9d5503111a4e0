/*
 * node_subscriber: subscriptions as owners manage them (XEP-0060 §8.8), and the requests that they decide (§8.6).
 *
 * Owners are asked at once and, by modules/pubsub, whenever they come while the request is pending. The first decision counts.
 */
#include <string.h>

#include "base/crypt.h"
#include "node.h"
#include "xmpp/ns.h"

#define AUTHORIZATION "http://jabber.org/protocol/pubsub#subscribe_authorization"
#define ASKS " asks to subscribe to "
#define ID_BYTES 8

/* §8.8.1 */
static enum hook_verdict
answer_subscribers(struct hook *h, struct node_call *c)
{
	struct elem *e = node_result(h, "subscriptions");

	elem_set(h->reply, e, "node", c->op.name);
	for (unsigned i = 0; i < c->op.nsubscriptions; i++) {
		const struct node_subscription *s = &c->op.subscriptions[i];
		struct elem *row = elem_add(h->reply, e, NULL, "subscription");

		elem_set(h->reply, row, "jid", s->jid);
		elem_set(h->reply, row, "subid", s->subid);
		elem_set(h->reply, row, "subscription", node_state_name(s->state));
	}
	return HOOK_HANDLED;
}

enum hook_verdict
node_on_subscribers_get(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	c->op.for_owner = true;
	c->work = node_store_node;
	c->answer = answer_subscribers;
	return node_ask(h, c);
}

/* Changes */

static void
tell_changed(struct hook *h, struct node_call *c)
{
	for (unsigned i = 0; i < c->op.nchanges; i++) {
		const struct node_change *change = &c->op.changes[i];

		if (change->refused || change->from == change->to || (c->op.only_pending && change->from != STATE_PENDING))
			continue;
		node_tell_state(h, c, change->jid, (enum node_state)change->to);
		if (change->to == STATE_SUBSCRIBED)
			node_tell_last(h, c, change->jid);
	}
}

/* §8.8.2.4 */
static enum hook_verdict
answer_changed(struct hook *h, struct node_call *c)
{
	struct elem *e = NULL;

	for (unsigned i = 0; i < c->op.nchanges; i++) {
		const struct node_change *change = &c->op.changes[i];
		struct elem *row;

		if (!change->refused)
			continue;
		if (!e) {
			e = node_not_acceptable(h, "subscriptions");
			elem_set(h->reply, e, "node", c->op.name);
		}
		row = elem_add(h->reply, e, NULL, "subscription");
		elem_set(h->reply, row, "jid", change->jid);
		elem_set(h->reply, row, "subscription", node_state_name((enum node_state)change->from));
	}
	return e ? HOOK_HANDLED : hook_done(h);
}

static bool
take_change(struct hook *h, struct node_call *c, const char *address, int to)
{
	struct jid *j = address ? jid_parse_z(address) : NULL;
	struct node_change *change = &c->op.changes[c->op.nchanges++];

	if (j)
		*change = (struct node_change){ .jid = arena_strdup(hook_memory(h), jid_full(j)), .to = to };
	jid_unref(j);
	return j != NULL;
}

/* -1: there is no such state, or none that owners could give. */
static int
state_of(const char *name)
{
	return !strcmp(name, "none") ? STATE_NONE : !strcmp(name, "subscribed") ? STATE_SUBSCRIBED :
		!strcmp(name, "pending") ? STATE_PENDING : -1;
}

static void
manage(struct hook *h, struct node_call *c)
{
	char *id = arena_alloc(hook_memory(h), 2 * ID_BYTES + 1);

	crypt_random_hex(id, ID_BYTES);
	c->op.subid = c->op.personal ? NODE_SUBID : id;
	c->work = node_store_subscribers;
	c->tell = tell_changed;
}

enum hook_verdict
node_on_subscribers_set(struct hook *h, struct node_call *c, const struct elem *e)
{
	unsigned n = 0;

	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	for (const struct elem *s = elem_child(e, NULL, "subscription"); s; s = elem_next(s, NULL, "subscription"))
		n++;
	if (!n || n > 2 * c->op.quota.members)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	c->op.changes = arena_zalloc(hook_memory(h), n * sizeof(*c->op.changes));
	for (const struct elem *s = elem_child(e, NULL, "subscription"); s; s = elem_next(s, NULL, "subscription")) {
		const char *state = elem_get(s, "subscription");

		/* §8.8.2.1: what is not said stays. */
		if (state && !take_change(h, c, elem_get(s, "jid"), state_of(state)))
			return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	}
	manage(h, c);
	c->answer = answer_changed;
	return node_change(h, c);
}

/* Requests */

struct stanza *
node_question(const char *from, const char *node, const char *jid, const char *subid)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *body, *x;
	char id[2 * ID_BYTES + 1];

	crypt_random_hex(id, ID_BYTES);
	elem_set(st, st->root, "from", from);
	elem_set(st, st->root, "id", id);
	/* For people whose client does not know the form. */
	body = elem_add(st, st->root, NULL, "body");
	elem_add_text(st, body, jid, strlen(jid));
	elem_add_text(st, body, ASKS, sizeof(ASKS) - 1);
	elem_add_text(st, body, node, strlen(node));
	x = form_new(st, st->root, "form", AUTHORIZATION);
	form_title(st, x, "Subscription request", "Choose whether to approve this entity's subscription request.");
	form_add(st, x, "hidden", "pubsub#subid", NULL, subid);
	form_add(st, x, "text-single", "pubsub#node", "Node", node);
	form_add(st, x, "jid-single", "pubsub#subscriber_jid", "Subscriber", jid);
	form_add(st, x, "boolean", "pubsub#allow", "Allow this address to subscribe to the node", "false");
	return st;
}

struct asking {
	struct hook *h;
	const struct node_call *c;
	const struct node_subscription *s;
};

static void
ask_owner(void *arg, const char *owner)
{
	const struct asking *q = arg;

	node_tell_one(q->h, q->c, node_question(q->c->op.owner, q->c->op.name, q->s->jid, q->s->subid), owner);
}

void
node_ask_owners(struct hook *h, const struct node_call *c, const struct node_subscription *s)
{
	struct asking q = { h, c, s };

	node_each_owner(c, ask_owner, &q);
}

static enum hook_verdict
answer_decided(struct hook *h, struct node_call *c)
{
	(void)h;
	(void)c;
	return HOOK_HANDLED;
}

/* §8.6: the decision counts while the request is pending. Cancelled: it stays that. */
enum hook_verdict
node_decision(struct hook *h, const struct node_kind *kind)
{
	const struct elem *x = elem_child(h->stanza->root, NS_DATA, "x");
	const struct form *f = x ? form_parse(x, hook_memory(h)) : NULL;
	struct node_call *c;
	bool allow = false;

	if (!f || !f->form_type || strcmp(f->form_type, AUTHORIZATION) != 0)
		return HOOK_NEXT;
	if (!strcmp(f->type, "cancel"))
		return HOOK_HANDLED;
	c = node_begin(h, kind);
	c->op.name = form_value(f, "pubsub#node");
	c->op.changes = arena_zalloc(hook_memory(h), sizeof(*c->op.changes));
	if (strcmp(f->type, "submit") != 0 || !c->op.name || !form_find(f, "pubsub#allow") || !form_bool(f, "pubsub#allow", &allow) ||
		!take_change(h, c, form_value(f, "pubsub#subscriber_jid"), allow ? STATE_SUBSCRIBED : STATE_NONE))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	c->op.only_pending = true;
	manage(h, c);
	c->answer = answer_decided;
	return node_ask(h, c);
}
