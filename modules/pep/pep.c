/*
 * pep: Personal Eventing Protocol (XEP-0163), the part of Publish-Subscribe (XEP-0060) that accounts are: nodes of their own,
 * seen by contacts, told to whoever's client asks for it by "+notify" in its capabilities.
 *
 * This file: requests, what is common to all of them, and errors. Nodes live in the database only; a request is one job, or
 * when it changes something three steps: a job that says whether it would succeed, the record (P1), and the job that does
 * it. Only then is anybody told.
 */
#include "pep.h"

#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "xmpp/ns.h"

/* Common */

struct pep_call *
pep_begin(struct hook *h)
{
	struct pep_call *c = arena_zalloc(hook_memory(h), sizeof(*c));
	const struct limits *l = module_limits();
	enum module_relation relation = h->from ? module_relation(h) : MODULE_SELF;

	c->op.account = h->account_id;
	c->op.owner = jid_bare(h->account);
	c->op.asker = h->from ? jid_bare(h->from) : c->op.owner;
	c->op.is_owner = relation == MODULE_SELF;
	c->op.is_subscriber = relation != MODULE_STRANGER;
	c->op.quota = (struct pep_quota){ .nodes = l->pep_nodes, .items = l->pep_items, .bytes = l->pep_bytes,
		.item_bytes = l->pep_item_bytes, .page_bytes = l->pep_page_bytes, .members = l->pep_members,
		.subscriptions = l->pep_subscriptions, .last_items = l->pep_last_items, .last_bytes = l->pep_last_bytes };
	return c;
}

struct pep_bounds
pep_bounds(void)
{
	const struct limits *l = module_limits();

	return (struct pep_bounds){ .items = (uint32_t)l->pep_items, .payload = (uint32_t)l->pep_item_bytes,
		.list = (uint32_t)l->pep_members, .text = (uint32_t)l->pep_name_bytes };
}

bool
pep_take_node(struct hook *h, struct pep_call *c, const struct elem *e)
{
	const char *node = elem_get(e, "node");

	if (!node || !*node) {
		(void)pep_error(h, XERROR_BAD_REQUEST, "nodeid-required");
		return false;
	}
	if (strlen(node) > module_limits()->pep_name_bytes) {
		(void)hook_reject(h, XERROR_NOT_ACCEPTABLE, "the name of the node is too long");
		return false;
	}
	c->op.name = node;
	return true;
}

struct elem *
pep_result(struct hook *h, const char *name)
{
	struct stanza *st = hook_result(h);
	struct elem *e = elem_add(st, elem_add(st, st->root, h->payload->ns, "pubsub"), NULL, name);

	hook_reply(h, st);
	return e;
}

bool
pep_form(const struct elem *x, const char *form_type, struct arena *a, struct form **out)
{
	*out = NULL;
	if (!x)
		return true;
	*out = form_parse(x, a);
	if (!*out)
		return false;
	if (!strcmp((*out)->type, "cancel"))
		return true;
	return !strcmp((*out)->type, "submit") && (*out)->form_type && !strcmp((*out)->form_type, form_type);
}

/* Errors */

enum hook_verdict
pep_error(struct hook *h, enum xerror e, const char *name)
{
	return hook_reject_with(h, e, NS_PUBSUB_ERRORS, name);
}

enum hook_verdict
pep_unsupported(struct hook *h, const char *feature)
{
	h->error_feature = feature;
	return pep_error(h, XERROR_FEATURE_NOT_IMPLEMENTED, "unsupported");
}

static const struct {
	enum xerror error;
	const char *name; /* of pubsub#errors */
	const char *type, *text;
	bool quota;
} refusals[] = {
	[PEP_NO_NODE] = { .error = XERROR_ITEM_NOT_FOUND },
	[PEP_NO_ITEM] = { .error = XERROR_ITEM_NOT_FOUND },
	[PEP_EXISTS] = { .error = XERROR_CONFLICT },
	[PEP_PRECONDITION] = { .error = XERROR_CONFLICT, .name = "precondition-not-met" },
	[PEP_IMPOSSIBLE] = { .error = XERROR_NOT_ACCEPTABLE },
	[PEP_NEED_PRESENCE] = { .error = XERROR_NOT_AUTHORIZED, .name = "presence-subscription-required" },
	[PEP_NEED_GROUP] = { .error = XERROR_NOT_AUTHORIZED, .name = "not-in-roster-group" },
	[PEP_CLOSED] = { .error = XERROR_NOT_ALLOWED, .name = "closed-node" },
	[PEP_NOT_PERSISTENT] = { .error = XERROR_FEATURE_NOT_IMPLEMENTED, .name = "unsupported" },
	[PEP_ITEM_REQUIRED] = { .error = XERROR_BAD_REQUEST, .name = "item-required" },
	[PEP_ITEM_FORBIDDEN] = { .error = XERROR_BAD_REQUEST, .name = "item-forbidden" },
	[PEP_PAYLOAD_REQUIRED] = { .error = XERROR_BAD_REQUEST, .name = "payload-required" },
	[PEP_TOO_BIG] = { .error = XERROR_NOT_ACCEPTABLE, .name = "payload-too-big", .quota = true },
	[PEP_MANY_NODES] = { .error = XERROR_POLICY_VIOLATION, .name = "max-nodes-exceeded", .quota = true },
	[PEP_MANY_BYTES] = { .error = XERROR_POLICY_VIOLATION, .text = "the account's nodes hold too much", .quota = true },
	[PEP_MANY_SUBSCRIPTIONS] = { .error = XERROR_POLICY_VIOLATION, .name = "too-many-subscriptions", .type = "wait",
		.quota = true },
	[PEP_MANY_MEMBERS] = { .error = XERROR_POLICY_VIOLATION, .text = "too many members", .quota = true },
	[PEP_NOT_SUBSCRIBED] = { .error = XERROR_UNEXPECTED_REQUEST, .name = "not-subscribed", .type = "cancel" },
};

enum hook_verdict
pep_refuse(struct hook *h, const struct pep_call *c)
{
	enum pep_outcome o = c->op.outcome;

	h->error_type = refusals[o].type;
	if (refusals[o].quota) {
		metric_add(METRIC_QUOTA_REFUSED, 1);
		log_debug(NULL, "pep-refused", "account=%s node=%s why=%s", c->op.owner, c->op.name,
			refusals[o].name ? refusals[o].name : refusals[o].text);
	}
	if (o == PEP_NOT_PERSISTENT)
		return pep_unsupported(h, "persistent-items");
	if (o == PEP_IMPOSSIBLE && c->op.wish.bad_access)
		return pep_error(h, XERROR_NOT_ACCEPTABLE, "unsupported-access-model");
	if (refusals[o].name)
		return pep_error(h, refusals[o].error, refusals[o].name);
	return hook_reject(h, refusals[o].error, refusals[o].text);
}

/* From question to answer */

static enum hook_verdict
answer(struct hook *h, struct pep_call *c)
{
	return c->answer ? c->answer(h, c) : hook_done(h);
}

static enum hook_verdict
on_asked(struct hook *h, void *data, bool ok)
{
	struct pep_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome != PEP_OK)
		return pep_refuse(h, c);
	if (c->tell)
		c->tell(h, c);
	return answer(h, c);
}

/* Of an account that does not exist there is to learn what strangers learn. */
enum hook_verdict
pep_ask(struct hook *h, struct pep_call *c)
{
	c->op.outcome = PEP_NEED_PRESENCE;
	if (!c->op.account)
		return pep_refuse(h, c);
	c->op.outcome = PEP_OK;
	c->op.commit = true;
	return hook_job(h, c, c->work, on_asked);
}

static enum hook_verdict
on_recorded(struct hook *h, void *data, bool ok)
{
	struct pep_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	c->op.commit = true;
	return hook_job(h, c, c->work, on_asked);
}

static enum hook_verdict
on_checked(struct hook *h, void *data, bool ok)
{
	struct pep_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome != PEP_OK)
		return pep_refuse(h, c);
	return hook_record(h, RECORD_PUBLISH, NULL, c->body, c, on_recorded);
}

enum hook_verdict
pep_change(struct hook *h, struct pep_call *c)
{
	if (!c->op.is_owner)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	return hook_job(h, c, c->work, on_checked);
}

/* Requests */

struct request {
	const char *name;
	enum hook_verdict (*fn)(struct hook *h, const struct elem *e);
};

static enum hook_verdict
on_options(struct hook *h, const struct elem *e)
{
	(void)e;
	return pep_unsupported(h, "subscription-options");
}

static enum hook_verdict
on_manage_subscriptions(struct hook *h, const struct elem *e)
{
	(void)e;
	return pep_unsupported(h, "manage-subscriptions");
}

static const struct request gets[] = {
	{ "items", pep_on_items },
	{ "subscriptions", pep_on_subscriptions },
	{ "affiliations", pep_on_own_affiliations },
	{ "options", on_options },
	{ "default", on_options },
	{ NULL, NULL },
}, sets[] = {
	{ "publish", pep_on_publish },
	{ "retract", pep_on_retract },
	{ "create", pep_on_create },
	{ "subscribe", pep_on_subscribe },
	{ "unsubscribe", pep_on_unsubscribe },
	{ "options", on_options },
	{ NULL, NULL },
}, owner_gets[] = {
	{ "configure", pep_on_configure_get },
	{ "default", pep_on_default },
	{ "affiliations", pep_on_affiliations_get },
	{ "subscriptions", pep_on_node_subscriptions },
	{ NULL, NULL },
}, owner_sets[] = {
	{ "configure", pep_on_configure_set },
	{ "delete", pep_on_delete },
	{ "purge", pep_on_purge },
	{ "affiliations", pep_on_affiliations_set },
	{ "subscriptions", on_manage_subscriptions },
	{ NULL, NULL },
};

static enum hook_verdict
dispatch(struct hook *h, const struct request *r)
{
	for (; r->name; r++) {
		const struct elem *e = elem_child(h->payload, h->payload->ns, r->name);

		if (e)
			return r->fn(h, e);
	}
	return hook_reject(h, XERROR_BAD_REQUEST, NULL);
}

static enum hook_verdict
on_get(struct hook *h)
{
	return dispatch(h, gets);
}

static enum hook_verdict
on_set(struct hook *h)
{
	return dispatch(h, sets);
}

/* What only owners may; others hear that whether there is such a node, or account, or not. */
static enum hook_verdict
on_owner_get(struct hook *h)
{
	return module_relation(h) == MODULE_SELF ? dispatch(h, owner_gets) : hook_reject(h, XERROR_FORBIDDEN, NULL);
}

static enum hook_verdict
on_owner_set(struct hook *h)
{
	return module_relation(h) == MODULE_SELF ? dispatch(h, owner_sets) : hook_reject(h, XERROR_FORBIDDEN, NULL);
}

static int
attach(struct module *m)
{
	pep_announce(m);
	module_session_keep(m, sizeof(struct pep_told), pep_told_fini);
	if (module_on_iq(m, MODULE_IQ_GET, NS_PUBSUB, "pubsub", MODULE_ACCOUNT, on_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PUBSUB, "pubsub", MODULE_ACCOUNT, on_set) ||
		module_on_iq(m, MODULE_IQ_GET, NS_PUBSUB_OWNER, "pubsub", MODULE_ACCOUNT, on_owner_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PUBSUB_OWNER, "pubsub", MODULE_ACCOUNT, on_owner_set))
		return -1;
	if (module_on(m, HOOK_RECV_DELIVER, pep_on_deliver) || module_on(m, HOOK_CAPS_KNOWN, pep_on_caps) ||
		module_on(m, HOOK_PRESENCE_CHANGED, pep_on_presence) || module_on(m, HOOK_CONTACT_CHANGED, pep_on_contact))
		return -1;
	return module_on(m, HOOK_DISCO_INFO, pep_on_disco_info) || module_on(m, HOOK_DISCO_ITEMS, pep_on_disco_items) ? -1 : 0;
}

const struct module_def pep_module = {
	.name = "pep",
	.about = "Personal Eventing Protocol (XEP-0163, XEP-0060), private data (XEP-0223), nicknames (XEP-0172)",
	.attach = attach,
};
