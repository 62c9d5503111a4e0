/*
 * pubsub: Publish-Subscribe (XEP-0060): a service at pubsub.HOST whose nodes are made by users, and told to whoever subscribes. What
 * nodes are is the engine's (node.h), which accounts have, too (modules/pep).
 */
#include "pubsub.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "pubsub_store.h"
#include "xmpp/ns.h"

struct place {
	int64_t id; /* of the service; 0: no such address */
};

static void *
make(const struct jid *bare, const void *rows)
{
	const struct pubsub_row *row = rows;
	struct place *p = NEW(struct place);

	(void)bare;
	p->id = row ? row->id : 0;
	return p;
}

/* It is asked for all the time, and small. */
static bool
is_needed(const void *place)
{
	return ((const struct place *)place)->id != 0;
}

/* The kind */

static void
identify(struct hook *h, struct node_op *op)
{
	const struct place *p = module_place(h);

	op->host = p ? -p->id : 0;
	op->owner = jid_bare(h->account);
	op->asker = jid_bare(h->from);
}

static struct node_quota
quota(void)
{
	const struct limits *l = module_limits();

	return (struct node_quota){ .nodes = l->pubsub_nodes, .all_nodes = l->pubsub_all_nodes, .items = l->pubsub_items,
		.bytes = l->pubsub_bytes, .item_bytes = l->pubsub_item_bytes, .page_bytes = l->pep_page_bytes,
		.members = l->pubsub_members, .subscriptions = l->pubsub_subscriptions, .subscribed = l->pubsub_subscribed, .addresses = l->pubsub_addresses,
		.last_items = l->pep_last_items, .last_bytes = l->pep_last_bytes, .name_bytes = l->pep_name_bytes };
}

/* Who may create nodes: users of this server, or those in some groups of the organisation; administrators in any case */

struct admission {
	struct hook_who who;
	struct node_call *call;
	hook_then_fn go;
};

/* Is the line in the list? */
static bool
is_in(const struct config_list *groups, const char *line, size_t n)
{
	for (size_t i = 0; i < groups->n; i++)
		if (strlen(groups->item[i]) == n && !memcmp(groups->item[i], line, n))
			return true;
	return false;
}

static bool
is_in_group(const struct config_list *groups, const char *lines)
{
	for (const char *p = lines ? lines : ""; *p;) {
		size_t n = strcspn(p, "\n");

		if (is_in(groups, p, n))
			return true;
		p += n + (p[n] == '\n');
	}
	return false;
}

static enum hook_verdict
on_who(struct hook *h, void *data, bool ok)
{
	struct admission *q = data;
	const struct config_list *groups = &module_settings()->pubsub.create;

	if (!ok)
		return hook_unavailable(h);
	if (!q->who.exists || (groups->n && !q->who.admin && !is_in_group(groups, q->who.groups))) {
		log_debug(NULL, "node-refused", "at=%s from=%s why=may-not-create", jid_bare(h->account), jid_bare(h->from));
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	}
	return q->go(h, q->call, true);
}

static enum hook_verdict
admit(struct hook *h, struct node_call *c, hook_then_fn go)
{
	struct admission *q;

	if (!module_is_local(h->from) || !jid_local(h->from))
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	if (!module_settings()->pubsub.create.n)
		return go(h, c, true);
	q = arena_zalloc(hook_memory(h), sizeof(*q));
	q->who.who = h->from;
	q->call = c;
	q->go = go;
	return hook_who(h, &q->who, q, on_who);
}

const struct node_kind pubsub_kind = {
	.standard = &node_config_service,
	.identify = identify,
	.quota = quota,
	.tell = pubsub_tell,
	.admit = admit,
};

/* What arrives */

static enum hook_verdict
on_iq(struct hook *h)
{
	const struct elem *e = h->payload;
	const char *type = elem_get(h->stanza->root, "type");
	bool get = type && !strcmp(type, "get");

	if (!get && (!type || strcmp(type, "set") != 0))
		return HOOK_HANDLED;
	if (!e)
		return HOOK_NEXT;
	if (elem_is(e, NS_PUBSUB, "pubsub") || elem_is(e, NS_PUBSUB_OWNER, "pubsub"))
		return node_request(h, &pubsub_kind);
	if (get && elem_is(e, NS_DISCO_INFO, "query"))
		return pubsub_on_info(h);
	if (get && elem_is(e, NS_DISCO_ITEMS, "query"))
		return pubsub_on_items(h);
	return get && elem_is(e, NS_PING, "ping") ? hook_done(h) : HOOK_NEXT;
}

static enum hook_verdict
on_message(struct hook *h)
{
	const char *type = elem_get(h->stanza->root, "type");

	return type && !strcmp(type, "error") ? pubsub_on_bounce(h) : node_decision(h, &pubsub_kind);
}

/* The service is at its domain; below it, and at resources of it, there is nothing. Presence it has no use for. */
static enum hook_verdict
arrived(struct hook *h)
{
	const struct place *p = module_place(h);
	const char *name = h->stanza->root->name;

	if (!strcmp(name, "presence"))
		return HOOK_HANDLED;
	if (!p || !p->id || !h->from || !jid_is_bare(h->to))
		return HOOK_NEXT;
	return !strcmp(name, "iq") ? on_iq(h) : on_message(h);
}

static const struct module_service service = {
	.label = "pubsub",
	.name = "Publish-Subscribe",
	.setting = "pubsub.on",
	.load = pubsub_store_load,
	.make = make,
	.free = free,
	.is_needed = is_needed,
	.arrived = arrived,
};

static int
attach(struct module *m)
{
	module_serve(m, &service);
	module_session_keep(m, sizeof(struct pubsub_session), pubsub_session_fini);
	return module_on(m, HOOK_RECV_DELIVER, pubsub_on_deliver) || module_on(m, HOOK_PRESENCE_CHANGED, pubsub_on_presence) ? -1 : 0;
}

const struct module_def pubsub_module = {
	.name = "pubsub",
	.about = "Publish-Subscribe (XEP-0060)",
	.attach = attach,
};
