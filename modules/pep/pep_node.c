/*
 * pep_node: what the owner does with nodes: create (XEP-0060 §8.1), configure (§8.2, §8.3), delete (§8.4), purge (§8.5), and
 * the whitelist, which are the members of §8.9.
 */
#include <string.h>

#include "base/crypt.h"
#include "pep.h"
#include "xmpp/ns.h"

#define CONFIG "http://jabber.org/protocol/pubsub#node_config"
#define INSTANT_BYTES 16

/* Create */

static enum hook_verdict
answer_created(struct hook *h, struct pep_call *c)
{
	elem_set(h->reply, pep_result(h, "create"), "node", c->op.name);
	return HOOK_HANDLED;
}

/* Of <configure/>, the form. False: malformed. *cancelled: the owner has thought better of it. */
static bool
take_config(struct hook *h, struct pep_call *c, const struct elem *configure, bool *cancelled)
{
	struct pep_bounds bounds = pep_bounds();
	struct form *form = NULL;

	*cancelled = false;
	if (configure && !pep_form(elem_child(configure, NS_DATA, "x"), CONFIG, hook_memory(h), &form))
		return false;
	*cancelled = form && !strcmp(form->type, "cancel");
	if (form && !*cancelled)
		pep_wish_read(form, &bounds, &c->op.wish);
	return true;
}

enum hook_verdict
pep_on_create(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);
	bool cancelled;

	if (!c->op.is_owner)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	if (!elem_get(e, "node")) {
		char *name = arena_alloc(hook_memory(h), 2 * INSTANT_BYTES + 1);

		crypt_random_hex(name, INSTANT_BYTES); /* §8.1.2: an instant node */
		c->op.name = name;
	} else if (!pep_take_node(h, c, e)) {
		return HOOK_REJECT;
	}
	if (!take_config(h, c, elem_child(h->payload, NS_PUBSUB, "configure"), &cancelled) || cancelled)
		return pep_error(h, XERROR_BAD_REQUEST, "invalid-options");
	c->work = pep_store_create;
	c->answer = answer_created;
	return pep_change(h, c);
}

/* Configure */

static enum hook_verdict
answer_configuration(struct hook *h, struct pep_call *c)
{
	struct elem *e = pep_result(h, "configure");

	elem_set(h->reply, e, "node", c->op.name);
	pep_config_write(h->reply, e, "form", &c->op.node.config, h->arena);
	return HOOK_HANDLED;
}

enum hook_verdict
pep_on_configure_get(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	if (!pep_take_node(h, c, e))
		return HOOK_REJECT;
	c->work = pep_store_node;
	c->answer = answer_configuration;
	return pep_ask(h, c);
}

enum hook_verdict
pep_on_default(struct hook *h, const struct elem *e)
{
	struct elem *answer = pep_result(h, "default");

	(void)e;
	pep_config_write(h->reply, answer, "form", &pep_config_default, h->arena);
	return HOOK_HANDLED;
}

/* §8.2.5.3 */
static void
tell_configured(struct hook *h, struct pep_call *c)
{
	struct elem *event, *e;
	struct stanza *st;

	if (!c->op.node.config.notify_config)
		return;
	st = pep_event(h, &c->op.node, &event);
	e = elem_add(st, event, NULL, "configuration");
	elem_set(st, e, "node", c->op.name);
	if (c->op.node.config.payloads)
		pep_config_write(st, e, "result", &c->op.node.config, h->arena);
	pep_tell(h, c, st, false);
}

enum hook_verdict
pep_on_configure_set(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);
	bool cancelled;

	if (!pep_take_node(h, c, e))
		return HOOK_REJECT;
	if (!elem_child(e, NS_DATA, "x") || !take_config(h, c, e, &cancelled))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (cancelled)
		return hook_done(h);
	c->work = pep_store_configure;
	c->tell = tell_configured;
	return pep_change(h, c);
}

/* Delete, purge */

static void
tell_gone(struct hook *h, struct pep_call *c, const char *what)
{
	struct elem *event;
	struct stanza *st = pep_event(h, &c->op.node, &event);

	elem_set(st, elem_add(st, event, NULL, what), "node", c->op.name);
	pep_tell(h, c, st, false);
}

static void
tell_deleted(struct hook *h, struct pep_call *c)
{
	if (c->op.node.config.notify_delete)
		tell_gone(h, c, "delete");
}

static void
tell_purged(struct hook *h, struct pep_call *c)
{
	if (c->op.node.config.notify_retract)
		tell_gone(h, c, "purge");
}

enum hook_verdict
pep_on_delete(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	if (!pep_take_node(h, c, e))
		return HOOK_REJECT;
	c->work = pep_store_delete;
	c->tell = tell_deleted;
	return pep_change(h, c);
}

enum hook_verdict
pep_on_purge(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	if (!pep_take_node(h, c, e))
		return HOOK_REJECT;
	c->work = pep_store_purge;
	c->tell = tell_purged;
	return pep_change(h, c);
}

/* Affiliations: the owner, and the members of a whitelist */

static void
add_affiliation(struct stanza *st, struct elem *e, const char *key, const char *value, const char *affiliation)
{
	struct elem *a = elem_add(st, e, NULL, "affiliation");

	elem_set(st, a, key, value);
	elem_set(st, a, "affiliation", affiliation);
}

static enum hook_verdict
answer_affiliations(struct hook *h, struct pep_call *c)
{
	const struct pep_list *members = &c->op.node.config.members;
	struct elem *e = pep_result(h, "affiliations");

	elem_set(h->reply, e, "node", c->op.name);
	add_affiliation(h->reply, e, "jid", c->op.owner, "owner");
	for (unsigned i = 0; i < members->n; i++)
		add_affiliation(h->reply, e, "jid", members->item[i], "member");
	return HOOK_HANDLED;
}

enum hook_verdict
pep_on_affiliations_get(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	if (!pep_take_node(h, c, e))
		return HOOK_REJECT;
	c->work = pep_store_node;
	c->answer = answer_affiliations;
	return pep_ask(h, c);
}

/* One <affiliation/> of a change. False: h says why not. */
static bool
take_affiliation(struct hook *h, struct pep_call *c, const struct elem *e)
{
	const char *address = elem_get(e, "jid"), *affiliation = elem_get(e, "affiliation");
	struct jid *j = address ? jid_parse_z(address) : NULL;
	bool member = affiliation && !strcmp(affiliation, "member"), none = affiliation && !strcmp(affiliation, "none");
	struct pep_list *list = member ? &c->op.add : &c->op.remove;
	bool self = j && jid_equal_bare(j, h->account);

	if (!j || !affiliation) {
		(void)hook_reject(h, XERROR_BAD_REQUEST, NULL);
	} else if (self) {
		/* §8.9.2.1: the account is its nodes' owner, and nobody else is. */
		if (strcmp(affiliation, "owner") != 0)
			(void)hook_reject(h, XERROR_NOT_ACCEPTABLE, NULL);
	} else if (member || none) {
		list->item[list->n++] = arena_strdup(hook_memory(h), jid_bare(j));
	} else {
		(void)pep_unsupported(h, !strcmp(affiliation, "outcast") ? "outcast-affiliation" :
			!strcmp(affiliation, "publisher") ? "publisher-affiliation" : "modify-affiliations");
	}
	jid_unref(j);
	return h->error == XERROR_NONE;
}

enum hook_verdict
pep_on_affiliations_set(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);
	unsigned n = 0;

	if (!pep_take_node(h, c, e))
		return HOOK_REJECT;
	for (const struct elem *a = elem_child(e, NULL, "affiliation"); a; a = elem_next(a, NULL, "affiliation"))
		n++;
	if (!n || n > 2 * module_limits()->pep_members)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	c->op.add.item = arena_alloc(hook_memory(h), n * sizeof(*c->op.add.item));
	c->op.remove.item = arena_alloc(hook_memory(h), n * sizeof(*c->op.remove.item));
	for (const struct elem *a = elem_child(e, NULL, "affiliation"); a; a = elem_next(a, NULL, "affiliation"))
		if (!take_affiliation(h, c, a))
			return HOOK_REJECT;
	c->work = pep_store_affiliate;
	return pep_change(h, c);
}

/* §5.7: what the asker is, at the nodes it may see */
static enum hook_verdict
answer_own_affiliations(struct hook *h, struct pep_call *c)
{
	const char *only = c->op.name;
	struct elem *e = pep_result(h, "affiliations");

	elem_set(h->reply, e, "node", only);
	for (unsigned i = 0; i < c->op.nnodes; i++) {
		const struct pep_node *n = &c->op.nodes[i];
		bool member = false;

		if (only && strcmp(only, n->name) != 0)
			continue;
		for (unsigned j = 0; j < n->config.members.n; j++)
			member |= !strcmp(n->config.members.item[j], c->op.asker);
		if (c->op.is_owner || member)
			add_affiliation(h->reply, e, "node", n->name, c->op.is_owner ? "owner" : "member");
	}
	return HOOK_HANDLED;
}

enum hook_verdict
pep_on_own_affiliations(struct hook *h, const struct elem *e)
{
	struct pep_call *c = pep_begin(h);

	c->op.name = elem_get(e, "node");
	c->work = pep_store_nodes;
	c->answer = answer_own_affiliations;
	return c->op.account ? pep_ask(h, c) : c->answer(h, c);
}
