/*
 * node_affiliation: affiliations (XEP-0060 §5.7, §8.9).
 */
#include <string.h>

#include "node.h"

static const char *const names[] = {
	[AFFILIATION_NONE] = "none", [AFFILIATION_OUTCAST] = "outcast", [AFFILIATION_MEMBER] = "member",
	[AFFILIATION_PUBLISH_ONLY] = "publish-only", [AFFILIATION_PUBLISHER] = "publisher", [AFFILIATION_OWNER] = "owner",
};

/* -1: there is none of that name. */
static int
affiliation_of(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -1;
}

static void
add_affiliation(struct stanza *st, struct elem *e, const char *key, const char *value, int affiliation)
{
	struct elem *a = elem_add(st, e, NULL, "affiliation");

	elem_set(st, a, key, value);
	elem_set(st, a, "affiliation", names[affiliation]);
}

/* §8.9.1 */
static enum hook_verdict
answer_affiliations(struct hook *h, struct node_call *c)
{
	struct elem *e = node_result(h, "affiliations");

	elem_set(h->reply, e, "node", c->op.name);
	if (c->op.personal)
		add_affiliation(h->reply, e, "jid", c->op.owner, AFFILIATION_OWNER);
	for (unsigned i = 0; i < c->op.naffiliates; i++)
		add_affiliation(h->reply, e, "jid", c->op.affiliates[i].bare, (int)c->op.affiliates[i].affiliation);
	return HOOK_HANDLED;
}

enum hook_verdict
node_on_affiliations_get(struct hook *h, struct node_call *c, const struct elem *e)
{
	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	c->op.for_owner = true;
	c->work = node_store_node;
	c->answer = answer_affiliations;
	return node_ask(h, c);
}

/* §8.9.2.4: who was not changed is said, with what it is. */
static enum hook_verdict
answer_changed(struct hook *h, struct node_call *c)
{
	struct elem *e = NULL;

	for (unsigned i = 0; i < c->op.nchanges; i++) {
		const struct node_change *change = &c->op.changes[i];

		if (!change->refused)
			continue;
		if (!e) {
			e = node_not_acceptable(h, "affiliations");
			elem_set(h->reply, e, "node", c->op.name);
		}
		add_affiliation(h->reply, e, "jid", change->jid, change->from);
	}
	return e ? HOOK_HANDLED : hook_done(h);
}

/* Whose subscription has ended by it. */
static void
tell_ended(struct hook *h, struct node_call *c)
{
	for (unsigned i = 0; i < c->op.nsubscriptions; i++)
		node_tell_state(h, c, c->op.subscriptions[i].jid, STATE_NONE);
}

/* One <affiliation/> of a change. False: h says why not. */
static bool
take_affiliation(struct hook *h, struct node_call *c, const struct elem *e)
{
	const char *address = elem_get(e, "jid"), *affiliation = elem_get(e, "affiliation");
	struct jid *j = address ? jid_parse_z(address) : NULL;
	struct node_change *change = &c->op.changes[c->op.nchanges];

	if (!j) {
		(void)hook_reject(h, XERROR_BAD_REQUEST, NULL);
		return false;
	}
	change->jid = arena_strdup(hook_memory(h), jid_bare(j));
	jid_unref(j);
	if (!affiliation) /* §8.9.2.1: what is not said stays */
		return true;
	change->to = affiliation_of(affiliation);
	if (c->op.personal && change->to == AFFILIATION_OWNER && strcmp(change->jid, c->op.owner) != 0) {
		(void)node_unsupported(h, "modify-affiliations");
		return false;
	}
	for (unsigned i = 0; i < c->op.nchanges; i++)
		if (!strcmp(c->op.changes[i].jid, change->jid)) {
			(void)hook_reject(h, XERROR_BAD_REQUEST, NULL); /* §8.9.2.4 */
			return false;
		}
	c->op.nchanges++;
	return true;
}

enum hook_verdict
node_on_affiliations_set(struct hook *h, struct node_call *c, const struct elem *e)
{
	unsigned n = 0;

	if (!node_take_name(h, c, e))
		return HOOK_REJECT;
	for (const struct elem *a = elem_child(e, NULL, "affiliation"); a; a = elem_next(a, NULL, "affiliation"))
		n++;
	if (!n || n > 2 * c->op.quota.members)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	c->op.changes = arena_zalloc(hook_memory(h), n * sizeof(*c->op.changes));
	for (const struct elem *a = elem_child(e, NULL, "affiliation"); a; a = elem_next(a, NULL, "affiliation"))
		if (!take_affiliation(h, c, a))
			return HOOK_REJECT;
	c->work = node_store_affiliate;
	c->tell = tell_ended;
	c->answer = answer_changed;
	return node_change(h, c);
}

/* §5.7: what the asker is */
static enum hook_verdict
answer_own_affiliations(struct hook *h, struct node_call *c)
{
	struct elem *e = node_result(h, "affiliations");

	elem_set(h->reply, e, "node", c->op.name);
	for (unsigned i = 0; i < c->op.naffiliates; i++)
		add_affiliation(h->reply, e, "node", c->op.affiliates[i].node, (int)c->op.affiliates[i].affiliation);
	return HOOK_HANDLED;
}

enum hook_verdict
node_on_own_affiliations(struct hook *h, struct node_call *c, const struct elem *e)
{
	c->op.name = elem_get(e, "node");
	c->work = node_store_affiliations;
	c->answer = answer_own_affiliations;
	return c->op.host ? node_ask(h, c) : c->answer(h, c);
}
