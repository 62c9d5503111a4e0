/*
 * pubsub: stanzas are built here and read here; nothing is kept.
 */
#include "xmpp/pubsub.h"

#include <stdio.h>
#include <string.h>

#include "xmpp/form.h"
#include "xmpp/ns.h"

#define FORM_CONFIG "http://jabber.org/protocol/pubsub#node_config"
#define FORM_OPTIONS "http://jabber.org/protocol/pubsub#publish-options"

static struct stanza *
request(const char *type, const char *ns, const char *verb, const char *node, struct elem **out)
{
	struct stanza *iq = stanza_new(NS_CLIENT, "iq");
	struct elem *pubsub = elem_add(iq, iq->root, ns, "pubsub");

	elem_set(iq, iq->root, "type", type);
	*out = elem_add(iq, pubsub, NULL, verb);
	elem_set(iq, *out, "node", node);
	return iq;
}

struct stanza *
pubsub_items_get(const char *node, const char *id, unsigned max)
{
	struct elem *items;
	struct stanza *iq = request("get", NS_PUBSUB, "items", node, &items);
	char number[12];

	snprintf(number, sizeof(number), "%u", max);
	if (max)
		elem_set(iq, items, "max_items", number);
	if (id)
		elem_set(iq, elem_add(iq, items, NULL, "item"), "id", id);
	return iq;
}

struct stanza *
pubsub_publish(const char *node, const char *id, struct elem **item)
{
	struct elem *publish;
	struct stanza *iq = request("set", NS_PUBSUB, "publish", node, &publish);

	*item = elem_add(iq, publish, NULL, "item");
	if (id)
		elem_set(iq, *item, "id", id);
	return iq;
}

static void
add_form(struct stanza *iq, struct elem *parent, const char *form_type, const struct pubsub_config *c)
{
	struct elem *x = form_new(iq, parent, "submit", form_type);

	form_add(iq, x, NULL, "pubsub#persist_items", NULL, "true");
	if (c->access_model)
		form_add(iq, x, NULL, "pubsub#access_model", NULL, c->access_model);
	if (c->max_items)
		form_add(iq, x, NULL, "pubsub#max_items", NULL, c->max_items);
	if (c->send_last_published_item)
		form_add(iq, x, NULL, "pubsub#send_last_published_item", NULL, c->send_last_published_item);
}

void
pubsub_publish_options(struct stanza *iq, const struct pubsub_config *c)
{
	add_form(iq, elem_add(iq, elem_first(iq->root), NULL, "publish-options"), FORM_OPTIONS, c);
}

struct stanza *
pubsub_retract(const char *node, const char *id)
{
	struct elem *retract;
	struct stanza *iq = request("set", NS_PUBSUB, "retract", node, &retract);

	elem_set(iq, retract, "notify", "true");
	elem_set(iq, elem_add(iq, retract, NULL, "item"), "id", id);
	return iq;
}

struct stanza *
pubsub_configure(const char *node, const struct pubsub_config *c)
{
	struct elem *configure;
	struct stanza *iq = request(c ? "set" : "get", NS_PUBSUB_OWNER, "configure", node, &configure);

	if (c)
		add_form(iq, configure, FORM_CONFIG, c);
	return iq;
}

/* Answers */

bool
pubsub_is_result(const struct stanza *answer)
{
	const char *type = elem_get(answer->root, "type");

	return type && !strcmp(type, "result");
}

static const struct elem *
verb_of(const struct stanza *answer, const char *ns, const char *verb)
{
	const struct elem *pubsub = elem_child(answer->root, ns, "pubsub");

	return pubsub && pubsub_is_result(answer) ? elem_child(pubsub, ns, verb) : NULL;
}

const struct elem *
pubsub_first_item(const struct stanza *answer)
{
	const struct elem *items = verb_of(answer, NS_PUBSUB, "items");

	return items ? elem_child(items, NS_PUBSUB, "item") : NULL;
}

const char *
pubsub_access_model(const struct stanza *answer, struct arena *a)
{
	const struct elem *configure = verb_of(answer, NS_PUBSUB_OWNER, "configure");
	const struct elem *x = configure ? elem_child(configure, NS_DATA, "x") : NULL;
	const struct form *f = x ? form_parse(x, a) : NULL;

	return f ? form_value(f, "pubsub#access_model") : NULL;
}

bool
pubsub_is_precondition(const struct stanza *answer)
{
	const struct elem *error = elem_child(answer->root, NULL, "error");

	return error && elem_child(error, NS_PUBSUB_ERRORS, "precondition-not-met");
}

const char *
pubsub_event_node(const struct stanza *message)
{
	const struct elem *event = elem_child(message->root, NS_PUBSUB_EVENT, "event");
	const struct elem *what = event ? elem_first(event) : NULL;

	return what ? elem_get(what, "node") : NULL;
}
