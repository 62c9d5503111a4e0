/*
 * pep_event: telling of events (XEP-0163 §4.3).
 *
 * The owner's home sends one sealed message to the bare address of each contact that may see the node, and to the account
 * itself. What their clients want to hear only their own homes know: there the message is taken over and given to the
 * sessions that announce "+notify" for the node. A contact that is not here costs one look-up and no memory. For contacts at other
 * servers the owner's home has to know itself what their clients announce, and tells those under their full address (§4.3.1).
 *
 * A message from a bare address is the server's: what clients send carries their full address, so an event that is taken over
 * here cannot be forged. Other servers filter and address for themselves (§4.3.1): theirs go the way of all messages.
 */
#include <string.h>

#include "base/metric.h"
#include "pep.h"
#include "xmpp/ns.h"

#define NS_SHIM "http://jabber.org/protocol/shim"
#define NS_ADDRESS "http://jabber.org/protocol/address"

/* Who is told */

struct telling {
	struct hook *h;
	const struct node_call *c;
	struct stanza *st; /* the event */
};

static enum node_affiliation
affiliation_of(const struct node_op *op, const struct jid *who)
{
	for (unsigned i = 0; i < op->naffiliates; i++)
		if (!strcmp(op->affiliates[i].bare, jid_bare(who)))
			return op->affiliates[i].affiliation;
	return AFFILIATION_NONE;
}

static bool
is_in_group(const struct telling *a, const struct jid *who)
{
	const struct node_list *groups = &a->c->op.node.config.groups;

	for (unsigned i = 0; i < groups->n; i++)
		if (module_contact_in(a->h, who, groups->item[i]))
			return true;
	return false;
}

static bool
may_see(const struct telling *a, const struct jid *who)
{
	const struct node_config *c = &a->c->op.node.config;
	enum module_relation relation = module_relation_of(a->h, who);
	enum node_affiliation affiliation = affiliation_of(&a->c->op, who);

	if (relation == MODULE_SELF || affiliation == AFFILIATION_MEMBER || affiliation == AFFILIATION_PUBLISHER)
		return true;
	if (affiliation != AFFILIATION_NONE)
		return false;
	if (c->access == ACCESS_PRESENCE)
		return relation == MODULE_SUBSCRIBER;
	return c->access == ACCESS_OPEN || (c->access == ACCESS_ROSTER && is_in_group(a, who));
}

/* Those get it by their own request, whatever their clients announce. */
static bool
has_asked(const struct node_call *c, const struct jid *who)
{
	for (unsigned i = 0; i < c->op.nsubscriptions; i++)
		if (!strcmp(c->op.subscriptions[i].jid, jid_bare(who)))
			return true;
	return false;
}

static bool
wants(void *arg, const struct jid *contact)
{
	const struct telling *a = arg;

	return module_is_local(contact) && may_see(a, contact) && !has_asked(a->c, contact);
}

static void
tell_client_elsewhere(void *arg, const struct jid *full)
{
	const struct telling *a = arg;
	const char *interest = arena_printf(a->h->arena, "%s+notify", a->c->op.node.name);

	if (!module_elsewhere_supports(a->h, full, interest) || !may_see(a, full) || has_asked(a->c, full))
		return;
	metric_add(METRIC_PEP_TOLD, 1);
	module_tell_elsewhere(a->h, a->st, a->h->account, full);
}

/* The query has left out who may no longer see the node; a block is in memory only. */
static void
tell_subscribers(const struct telling *a, struct stanza *st)
{
	node_add_subid(st);
	for (unsigned i = 0; i < a->c->op.nsubscriptions; i++) {
		struct jid *to = jid_parse_z(a->c->op.subscriptions[i].jid);

		if (to)
			module_tell_shown(a->h, st, a->h->account, to);
		jid_unref(to);
	}
}

static void
add_replyto(const struct hook *h, struct stanza *st)
{
	struct elem *address;

	if (!h->from || !jid_resource(h->from))
		return;
	address = elem_add(st, elem_add(st, st->root, NS_ADDRESS, "addresses"), NULL, "address");
	elem_set(st, address, "type", "replyto");
	elem_set(st, address, "jid", jid_full(h->from));
}

void
pep_tell(struct hook *h, const struct node_call *c, struct stanza *st, bool replyto)
{
	struct telling a = { h, c, st };

	if (!c->op.node.config.notify) {
		stanza_unref(st);
		return;
	}
	if (c->op.nsubscriptions) {
		struct stanza *copy = stanza_copy(st);

		tell_subscribers(&a, copy);
		stanza_unref(copy);
	}
	if (replyto)
		add_replyto(h, st);
	/* The reference that is kept here is for those elsewhere: the other one is taken. */
	stanza_ref(st);
	module_tell_some_contacts(h, st, h->account, !has_asked(c, h->account), wants, &a);
	module_each_elsewhere(h, NULL, tell_client_elsewhere, &a);
	stanza_unref(st);
}

/* At the home of who is told */

/* The node of an event of whatever kind. */
static const char *
node_of(const struct stanza *st)
{
	const struct elem *event = elem_child(st->root, NS_PUBSUB_EVENT, "event"), *e = event ? elem_first(event) : NULL;

	return e ? elem_get(e, "node") : NULL;
}

enum hook_verdict
pep_on_deliver(struct hook *h)
{
	const char *node = h->from && jid_is_bare(h->from) && jid_is_bare(h->to) ? node_of(h->stanza) : NULL;
	const char *interest;
	struct session **all;
	unsigned n;

	if (!node || !jid_local(h->from) || !module_is_local(h->from) || h->record_id ||
		elem_child(h->stanza->root, NS_SHIM, "headers"))
		return HOOK_NEXT;
	interest = arena_printf(h->arena, "%s+notify", node);
	n = module_sessions(h, &all);
	for (unsigned i = 0; i < n; i++) {
		if (!module_session_presence(all[i]) || !module_session_supports(all[i], interest))
			continue;
		metric_add(METRIC_PEP_TOLD, 1);
		pep_heard(module_session_data(h->module, all[i]), jid_bare(h->from), node);
		module_session_give(all[i], stanza_ref((struct stanza *)h->stanza), 0);
	}
	return HOOK_HANDLED;
}
