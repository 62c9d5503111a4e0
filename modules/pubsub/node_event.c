/*
 * node_event: messages about events (XEP-0060 §7.1.2, §12.9), and telling those to whom they are addressed. Whom else a kind
 * of host tells is its own affair (struct node_kind).
 */
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "node.h"
#include "xmpp/ns.h"

#define NS_SHIM "http://jabber.org/protocol/shim"
#define ID_BYTES 8

/* A message from `from` about an event; *event is to be filled. */
static struct stanza *
event_message(const char *from, bool normal, struct elem **event)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	char id[2 * ID_BYTES + 1];

	crypt_random_hex(id, ID_BYTES);
	elem_set(st, st->root, "from", from);
	elem_set(st, st->root, "type", normal ? "normal" : "headline");
	elem_set(st, st->root, "id", id);
	*event = elem_add(st, st->root, NS_PUBSUB_EVENT, "event");
	return st;
}

struct stanza *
node_event(const struct node_call *c, struct elem **event)
{
	return event_message(c->op.owner, c->op.node.config.normal, event);
}

struct stanza *
node_last_message(const struct node_item *i)
{
	struct elem *event, *items;
	struct stanza *st = event_message(i->owner, i->normal, &event);
	char stamp[32];

	items = elem_add(st, event, NULL, "items");
	elem_set(st, items, "node", i->node);
	node_add_item(st, items, i, i->payloads, i->publishers);
	elem_set(st, elem_add(st, st->root, NS_DELAY, "delay"), "stamp", clock_format(i->at_us, stamp));
	return st;
}

void
node_add_subid(struct stanza *st)
{
	struct elem *header = elem_add(st, elem_add(st, st->root, NS_SHIM, "headers"), NULL, "header");

	elem_set(st, header, "name", "SubID");
	elem_add_text(st, header, NODE_SUBID, strlen(NODE_SUBID));
}

/* At an account subscriptions are of two kinds, and those that were asked for say so. */
void
node_tell_one(struct hook *h, const struct node_call *c, struct stanza *st, const char *jid)
{
	struct jid *to = jid_parse_z(jid);

	if (!to) {
		stanza_unref(st);
		return;
	}
	if (c->op.personal)
		node_add_subid(st);
	module_send(st, h->account, to);
	jid_unref(to);
}

const char *
node_state_name(enum node_state state)
{
	return state == STATE_SUBSCRIBED ? "subscribed" : state == STATE_PENDING ? "pending" : "none";
}

static struct stanza *
state_message(const struct node_call *c, const char *jid, enum node_state state)
{
	struct elem *event, *e;
	struct stanza *st = node_event(c, &event);

	e = elem_add(st, event, NULL, "subscription");
	elem_set(st, e, "node", c->op.name);
	elem_set(st, e, "jid", jid);
	elem_set(st, e, "subscription", node_state_name(state));
	return st;
}

void
node_tell_state(struct hook *h, const struct node_call *c, const char *jid, enum node_state state)
{
	node_tell_one(h, c, state_message(c, jid, state), jid);
}

void
node_tell_last(struct hook *h, const struct node_call *c, const char *jid)
{
	struct node_item i;

	if (!c->op.nitems || !c->op.node.config.notify)
		return;
	i = c->op.items[0];
	i.owner = c->op.owner;
	i.node = c->op.name;
	i.normal = c->op.node.config.normal;
	i.payloads = c->op.node.config.payloads;
	i.publishers = c->op.node.config.reply == REPLY_PUBLISHER;
	node_tell_one(h, c, node_last_message(&i), jid);
}

void
node_each_owner(const struct node_call *c, void (*fn)(void *arg, const char *owner), void *arg)
{
	if (c->op.personal)
		fn(arg, c->op.owner);
	for (unsigned i = 0; i < c->op.naffiliates; i++)
		if (c->op.affiliates[i].affiliation == AFFILIATION_OWNER)
			fn(arg, c->op.affiliates[i].bare);
}

struct to_owners {
	struct hook *h;
	const struct node_call *c;
	const char *jid;
	enum node_state state;
};

static void
tell_owner(void *arg, const char *owner)
{
	const struct to_owners *t = arg;

	node_tell_one(t->h, t->c, state_message(t->c, t->jid, t->state), owner);
}

void
node_tell_owners(struct hook *h, const struct node_call *c, const char *jid, enum node_state state)
{
	struct to_owners t = { h, c, jid, state };

	if (c->op.node.config.notify_sub)
		node_each_owner(c, tell_owner, &t);
}
