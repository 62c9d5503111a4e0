/*
 * node: requests, what is common to all of them, and errors.
 *
 * A request is one job, or when it changes something that people can read three steps: a job that says whether it would succeed, the
 * record (P1), and the job that does it. Only then is anybody told. Jobs of a host run in order, and so does the record, so what is
 * published at a node is told in the order of its records.
 */
#include "node.h"

#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "xmpp/ns.h"

/* Common */

struct node_call *
node_begin(struct hook *h, const struct node_kind *kind)
{
	struct node_call *c = arena_zalloc(hook_memory(h), sizeof(*c));

	c->kind = kind;
	c->op.personal = kind->personal;
	c->op.standard = kind->standard;
	c->op.quota = kind->quota();
	kind->identify(h, &c->op);
	return c;
}

struct node_bounds
node_bounds(const struct node_call *c)
{
	const struct node_quota *q = &c->op.quota;

	return (struct node_bounds){ .items = (uint32_t)q->items, .payload = (uint32_t)q->item_bytes, .list = (uint32_t)q->members,
		.text = (uint32_t)q->name_bytes, .personal = c->op.personal };
}

bool
node_take_name(struct hook *h, struct node_call *c, const struct elem *e)
{
	const char *node = elem_get(e, "node");

	if (!node || !*node) {
		(void)node_error(h, XERROR_BAD_REQUEST, "nodeid-required");
		return false;
	}
	if (strlen(node) > c->op.quota.name_bytes) {
		(void)hook_reject(h, XERROR_NOT_ACCEPTABLE, "the name of the node is too long");
		return false;
	}
	c->op.name = node;
	return true;
}

struct elem *
node_result(struct hook *h, const char *name)
{
	struct stanza *st = hook_result(h);
	struct elem *e = elem_add(st, elem_add(st, st->root, h->payload->ns, "pubsub"), NULL, name);

	hook_reply(h, st);
	return e;
}

struct elem *
node_not_acceptable(struct hook *h, const char *name)
{
	struct stanza *st = xerror_reply(h->stanza, XERROR_NOT_ACCEPTABLE, NULL, NULL);
	struct elem *error = elem_first(st->root);
	struct elem *e = elem_add(st, elem_add(st, st->root, h->payload->ns, "pubsub"), NULL, name);

	elem_remove(error);
	elem_append(st->root, error);
	hook_reply(h, st);
	return e;
}

bool
node_form(const struct elem *x, const char *form_type, struct arena *a, struct form **out)
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
node_error(struct hook *h, enum xerror e, const char *name)
{
	return hook_reject_with(h, e, NS_PUBSUB_ERRORS, name);
}

enum hook_verdict
node_unsupported(struct hook *h, const char *feature)
{
	h->error_feature = feature;
	return node_error(h, XERROR_FEATURE_NOT_IMPLEMENTED, "unsupported");
}

static const struct {
	enum xerror error;
	const char *name; /* of pubsub#errors */
	const char *type, *text, *feature;
	bool quota;
} refusals[] = {
	[NODE_NO_NODE] = { .error = XERROR_ITEM_NOT_FOUND },
	[NODE_NO_ITEM] = { .error = XERROR_ITEM_NOT_FOUND },
	[NODE_EXISTS] = { .error = XERROR_CONFLICT },
	[NODE_MOVED] = { .error = XERROR_GONE },
	[NODE_PRECONDITION] = { .error = XERROR_CONFLICT, .name = "precondition-not-met" },
	[NODE_IMPOSSIBLE] = { .error = XERROR_NOT_ACCEPTABLE },
	[NODE_FORBIDDEN] = { .error = XERROR_FORBIDDEN },
	[NODE_NEED_PRESENCE] = { .error = XERROR_NOT_AUTHORIZED, .name = "presence-subscription-required" },
	[NODE_NEED_GROUP] = { .error = XERROR_NOT_AUTHORIZED, .name = "not-in-roster-group" },
	[NODE_CLOSED] = { .error = XERROR_NOT_ALLOWED, .name = "closed-node" },
	[NODE_NOT_SUBSCRIBED_AUTH] = { .error = XERROR_NOT_AUTHORIZED, .name = "not-subscribed" },
	[NODE_PENDING] = { .error = XERROR_NOT_AUTHORIZED, .name = "pending-subscription" },
	[NODE_NO_SUBSCRIPTIONS] = { .error = XERROR_FEATURE_NOT_IMPLEMENTED, .name = "unsupported", .feature = "subscribe" },
	[NODE_NOT_PERSISTENT] = { .error = XERROR_FEATURE_NOT_IMPLEMENTED, .name = "unsupported", .feature = "persistent-items" },
	[NODE_ITEM_REQUIRED] = { .error = XERROR_BAD_REQUEST, .name = "item-required" },
	[NODE_ITEM_FORBIDDEN] = { .error = XERROR_BAD_REQUEST, .name = "item-forbidden" },
	[NODE_PAYLOAD_REQUIRED] = { .error = XERROR_BAD_REQUEST, .name = "payload-required" },
	[NODE_BAD_PAYLOAD] = { .error = XERROR_BAD_REQUEST, .name = "invalid-payload" },
	[NODE_FULL] = { .error = XERROR_CONFLICT, .name = "node-full", .quota = true },
	[NODE_TOO_BIG] = { .error = XERROR_NOT_ACCEPTABLE, .name = "payload-too-big", .quota = true },
	[NODE_MANY_NODES] = { .error = XERROR_POLICY_VIOLATION, .name = "max-nodes-exceeded", .quota = true },
	[NODE_MANY_BYTES] = { .error = XERROR_POLICY_VIOLATION, .text = "there is too much stored already", .quota = true },
	[NODE_MANY_SUBSCRIPTIONS] = { .error = XERROR_POLICY_VIOLATION, .name = "too-many-subscriptions", .type = "wait",
		.quota = true },
	[NODE_MANY_MEMBERS] = { .error = XERROR_POLICY_VIOLATION, .text = "too many affiliations", .quota = true },
	[NODE_NOT_SUBSCRIBED] = { .error = XERROR_UNEXPECTED_REQUEST, .name = "not-subscribed", .type = "cancel" },
	[NODE_BAD_SUBID] = { .error = XERROR_NOT_ACCEPTABLE, .name = "invalid-subid" },
};

/* §6.1.3.11: <gone/> says where to. */
static enum hook_verdict
refuse_moved(struct hook *h, const struct node_call *c)
{
	struct stanza *st = xerror_reply(h->stanza, XERROR_GONE, NULL, NULL);
	struct elem *gone;

	if (!st)
		return HOOK_HANDLED;
	gone = elem_first(elem_first(st->root));
	elem_add_text(st, gone, c->op.uri, strlen(c->op.uri));
	hook_reply(h, st);
	return HOOK_HANDLED;
}

enum hook_verdict
node_refuse(struct hook *h, const struct node_call *c)
{
	enum node_outcome o = c->op.outcome;

	h->error_type = refusals[o].type;
	if (refusals[o].quota) {
		metric_add(METRIC_QUOTA_REFUSED, 1);
		log_debug(NULL, "node-refused", "at=%s node=%s why=%s", c->op.owner, c->op.name,
			refusals[o].name ? refusals[o].name : refusals[o].text);
	}
	if (o == NODE_MOVED)
		return refuse_moved(h, c);
	if (refusals[o].feature)
		return node_unsupported(h, refusals[o].feature);
	if (o == NODE_IMPOSSIBLE && c->op.wish.bad_access)
		return node_error(h, XERROR_NOT_ACCEPTABLE, "unsupported-access-model");
	if (refusals[o].name)
		return node_error(h, refusals[o].error, refusals[o].name);
	return hook_reject(h, refusals[o].error, refusals[o].text);
}

/* From question to answer */

static enum hook_verdict
on_asked(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome != NODE_OK)
		return node_refuse(h, c);
	if (c->tell)
		c->tell(h, c);
	return c->answer ? c->answer(h, c) : hook_done(h);
}

/* Of an account that does not exist there is to learn what strangers learn. */
enum hook_verdict
node_ask(struct hook *h, struct node_call *c)
{
	c->op.outcome = NODE_NEED_PRESENCE;
	if (!c->op.host)
		return node_refuse(h, c);
	c->op.outcome = NODE_OK;
	c->op.commit = true;
	return hook_job(h, c, c->work, on_asked);
}

static enum hook_verdict
on_recorded(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	c->op.commit = true;
	return hook_job(h, c, c->work, on_asked);
}

static enum hook_verdict
on_checked(struct hook *h, void *data, bool ok)
{
	struct node_call *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->op.outcome != NODE_OK)
		return node_refuse(h, c);
	return hook_record(h, RECORD_PUBLISH, NULL, c->body, c, on_recorded);
}

enum hook_verdict
node_change(struct hook *h, struct node_call *c)
{
	if (!c->op.host)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	return hook_job(h, c, c->work, on_checked);
}

/* Requests */

struct request {
	const char *name;
	node_request_fn fn;
};

/* In this order: what comes with another element is looked for behind it. */
static const struct request gets[] = {
	{ "items", node_on_items },
	{ "subscriptions", node_on_subscriptions },
	{ "affiliations", node_on_own_affiliations },
	{ "options", node_on_options_get },
	{ "default", node_on_default_options },
	{ NULL, NULL },
}, sets[] = {
	{ "publish", node_on_publish },
	{ "retract", node_on_retract },
	{ "create", node_on_create },
	{ "subscribe", node_on_subscribe },
	{ "unsubscribe", node_on_unsubscribe },
	{ "options", node_on_options_set },
	{ NULL, NULL },
}, owner_gets[] = {
	{ "configure", node_on_configure_get },
	{ "default", node_on_default },
	{ "affiliations", node_on_affiliations_get },
	{ "subscriptions", node_on_subscribers_get },
	{ NULL, NULL },
}, owner_sets[] = {
	{ "configure", node_on_configure_set },
	{ "delete", node_on_delete },
	{ "purge", node_on_purge },
	{ "affiliations", node_on_affiliations_set },
	{ "subscriptions", node_on_subscribers_set },
	{ NULL, NULL },
};

enum hook_verdict
node_request(struct hook *h, const struct node_kind *kind)
{
	const char *type = elem_get(h->stanza->root, "type");
	bool set = type && !strcmp(type, "set"), owner = h->payload->ns == NS_PUBSUB_OWNER;

	for (const struct request *r = owner ? set ? owner_sets : owner_gets : set ? sets : gets; r->name; r++) {
		const struct elem *e = elem_child(h->payload, h->payload->ns, r->name);

		if (e)
			return r->fn(h, node_begin(h, kind), e);
	}
	return hook_reject(h, XERROR_BAD_REQUEST, NULL);
}
