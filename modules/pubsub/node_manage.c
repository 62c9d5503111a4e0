/*
 * node_manage: what owners do with nodes: create (XEP-0060 §8.1), configure (§8.2, §8.3), delete (§8.4), purge (§8.5).
 */
#include <string.h>

#include "base/crypt.h"
#include "node.h"
#include "xmpp/ns.h"

#define CONFIG "http://jabber.org/protocol/pubsub#node_config"
#define INSTANT_BYTES 16

/* Create */

static enum hook_verdict
answer_created(struct hook *h, struct node_call *c)
{
	elem_set(h->reply, node_result(h, "create"), "node", c->op.name);
	return HOOK_HANDLED;
}

/* Of <configure/>, the form. False: malformed. *cancelled: the owner has thought better of it. */
static bool
take_config(struct hook *h, struct node_call *c, const struct elem *configure, bool *cancelled)
{
	struct node_bounds bounds = node_bounds(c);
	struct form *form = NULL;

	*cancelled = false;
	if (configure && !node_form(elem_child(configure, NS_DATA, "x"), CONFIG, hook_memory(h), &form))
		return false;
	*cancelled = form && !strcmp(form->type, "cancel");
	if (form && !*cancelled)
		node_wish_read(form, &bounds, &c->op.wish);
	return true;
}

static enum hook_verdict
on_admitted(struct hook *h, void *data, bool ok)
{
	return ok ? node_change(h, data) : hook_unavailable(h);
}

/* Beside <create/>; false: h says what is wrong with it. §8.1.3: it comes behind, and names no node. */
static bool
take_new_config(struct hook *h, struct node_call *c)
{
	const struct elem *configure = elem_child(h->payload, NS_PUBSUB, "configure");
	bool cancelled = false;

	if (configure && (elem_get(configure, "node") || !elem_child(h->payload, NS_PUBSUB, "create") ||
		elem_first(h->payload) == configure)) {
		(void)hook_reject(h, XERROR_BAD_REQUEST, NULL);
		return false;
	}
	if (!take_config(h, c, configure, &cancelled) || cancelled) {
		(void)node_error(h, XERROR_BAD_REQUEST, "invalid-options");
		return false;
	}
	return true;
}

enum hook_verdict
node_on_create(struct hook *h, struct node_call *c, const struct elem *e)
{
	const char *node = elem_get(e, "node");

	if (!node || !*node) {
		char *name = arena_alloc(hook_memory(h), 2 * INSTANT_BYTES + 1);

		crypt_random_hex(name, INSTANT_BYTES); /* §8.1.2: an instant node */
		c->op.name = name;
	} else if (!node_take_name(h, c, e)) {
		return HOOK_REJECT;
	}
	if (!take_new_config(h, c))
		return HOOK_REJECT;
	c->work = node_store_create;
	c->answer = answer_created;
	return c->kind->admit(h, c, on_admitted);
}

/* Configure */

static enum hook_verdict
answer_configuration(struct hook *h, struct node_call *c)
{
	struct elem *e = node_result(h, "configure");

	elem_set(h->reply, e, "node", c->op.name);
	node_config_write(h->reply, e, "form", &c->op.node.config, h->arena);
	return HOOK_HANDLED;
}

enum hook_verdict
node_on_configure_get(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	c->op.for_owner = true;
	c->work = node_store_node;
	c->answer = answer_configuration;
	return node_ask(h, c);
}

enum hook_verdict
node_on_default(struct hook *h, struct node_call *c, const struct elem *e)
{
	struct elem *answer = node_result(h, "default");

	(void)e;
	node_config_write(h->reply, answer, "form", c->op.standard, h->arena);
	return HOOK_HANDLED;
}

/* §8.2.5.3 */
static void
tell_configured(struct hook *h, struct node_call *c)
{
	struct elem *event, *e;
	struct stanza *st;

	if (!c->op.node.config.notify_config)
		return;
	st = node_event(c, &event);
	e = elem_add(st, event, NULL, "configuration");
	elem_set(st, e, "node", c->op.name);
	if (c->op.node.config.payloads)
		node_config_write(st, e, "result", &c->op.node.config, h->arena);
	c->kind->tell(h, c, st, false);
}

enum hook_verdict
node_on_configure_set(struct hook *h, struct node_call *c, const struct elem *e)
{
	bool cancelled;

	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	if (!elem_child(e, NS_DATA, "x") || !take_config(h, c, e, &cancelled))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (cancelled)
		return hook_done(h);
	c->work = node_store_configure;
	c->tell = tell_configured;
	return node_change(h, c);
}

/* Delete, purge */

static void
tell_gone(struct hook *h, struct node_call *c, const char *what)
{
	struct elem *event, *e;
	struct stanza *st = node_event(c, &event);

	e = elem_add(st, event, NULL, what);
	elem_set(st, e, "node", c->op.name);
	if (c->op.redirect)
		elem_set(st, elem_add(st, e, NULL, "redirect"), "uri", c->op.redirect);
	c->kind->tell(h, c, st, false);
}

static void
tell_deleted(struct hook *h, struct node_call *c)
{
	if (c->op.node.config.notify_delete)
		tell_gone(h, c, "delete");
}

static void
tell_purged(struct hook *h, struct node_call *c)
{
	if (c->op.node.config.notify_retract)
		tell_gone(h, c, "purge");
}

/* A scheme, a colon, and something behind it: who follows it knows more. */
static bool
is_uri(const char *s, size_t most)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return n && s[n] == ':' && s[n + 1] && !strpbrk(s, " <>\"") && strlen(s) <= most;
}

enum hook_verdict
node_on_delete(struct hook *h, struct node_call *c, const struct elem *e)
{
	const struct elem *redirect = elem_child(e, NULL, "redirect");

	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	c->op.redirect = redirect ? elem_get(redirect, "uri") : NULL;
	if (redirect && (!c->op.redirect || !is_uri(c->op.redirect, c->op.quota.name_bytes)))
		return hook_reject(h, XERROR_BAD_REQUEST, "where to?");
	c->work = node_store_delete;
	c->tell = tell_deleted;
	return node_change(h, c);
}

enum hook_verdict
node_on_purge(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	c->work = node_store_purge;
	c->tell = tell_purged;
	return node_change(h, c);
}
