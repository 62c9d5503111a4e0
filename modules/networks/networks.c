/*
 * networks: who may do what through gateways to public networks (`chancery gateway allow`): asked of everything that goes to a gateway's domain, and comes
 * from one, before it is recorded (SEND_CHECK). Nobody may anything unless a rule says so.
 *
 * What an account sends is judged at its home, by its groups. What a gateway sends is for accounts of ours only, whose homes are asked for theirs
 * where not everybody may have it; and the server's own services, by IQ (upload). What ends something (unavailable, errors, results) always passes.
 */
#include "networks.h"

#include <stdlib.h>
#include <string.h>

#include "../filecheck/found.h"
#include "../upload/upload.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "module_service.h"
#include "xmpp/ns.h"

#define MINUTE_MS 60000

/* Kept with an account: how many messages it has sent to a network since then. */
struct sent {
	struct list link;
	int64_t since_ms;
	uint64_t n;
	char gateway[];
};

struct account {
	struct list sent;
};

/* A message to be judged when its recipient's groups are known. In hook_memory. */
struct arriving {
	struct hook_who who;
	struct gateway *gateway;
	unsigned wants;
};

static enum hook_verdict
refuse(struct hook *h, const struct gateway *g, enum xerror e, const char *why, const char *text)
{
	metric_add(METRIC_NETWORK_REFUSED, 1);
	log_info(NULL, "network-refused", "network=%s from=%s to=%s why=%s", g->name, h->from ? jid_bare(h->from) : "", h->to ? jid_bare(h->to) : "", why);
	return hook_reject(h, e, arena_printf(h->arena, "%s: %s", g->name, text));
}

static bool
is_type(const struct hook *h, const char *type)
{
	const char *t = elem_get(h->stanza->root, "type");

	return t && !strcmp(t, type);
}

static bool
is_message(const struct hook *h)
{
	return elem_is(h->stanza->root, NS_CLIENT, "message");
}

/* What an end is owed to, or an answer, passes whatever policy says by now. Of messages that is an error only: with a type that is not known they are
 * normal ones (RFC 6121 §5.2.2). */
static bool
is_ending(const struct hook *h)
{
	static const char *const types[] = { "unavailable", "unsubscribe", "unsubscribed", "probe" };

	if (is_type(h, "error"))
		return true;
	if (elem_is(h->stanza->root, NS_CLIENT, "iq"))
		return is_type(h, "result");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && !is_message(h); i++)
		if (is_type(h, types[i]))
			return true;
	return false;
}

/* A file in it, or the address of one. */
static bool
has_file(const struct hook *h)
{
	const struct elem *root = h->stanza->root;

	if (elem_is(root, NS_CLIENT, "presence"))
		return false;
	return found_in(root, h->arena) || upload_is_mentioned(root, h->arena) ||
		elem_child(root, NS_IBB, NULL) || elem_child(root, NS_SI, NULL) || elem_child(root, NS_JINGLE, NULL);
}

/* To a network */

static void
forget(void *data)
{
	struct account *a = data;

	if (!a)
		return;
	LIST_EACH(l, &a->sent)
		free(LIST_ENTRY(l, struct sent, link));
	free(a);
}

static struct sent *
counter_of(struct hook *h, const struct gateway *g)
{
	struct account *a = module_data(h);
	struct sent *s;

	if (!a) {
		a = NEW(struct account);
		list_init(&a->sent);
		module_set_data(h, a);
		a = module_data(h);
		if (!a)
			return NULL;
	}
	LIST_EACH(l, &a->sent) {
		s = LIST_ENTRY(l, struct sent, link);
		if (!strcmp(s->gateway, g->name))
			return s;
	}
	s = mem_zalloc(sizeof(*s) + strlen(g->name) + 1);
	strcpy(s->gateway, g->name);
	s->since_ms = clock_mono_ms();
	list_append(&a->sent, &s->link);
	return s;
}

static bool
is_too_much(struct hook *h, const struct gateway *g, uint64_t per_minute)
{
	struct sent *s = counter_of(h, g);
	int64_t now = clock_mono_ms();

	if (!per_minute)
		per_minute = module_limits()->gateway_messages_per_minute;
	if (!s)
		return false;
	if (now - s->since_ms >= MINUTE_MS) {
		s->since_ms = now;
		s->n = 0;
	}
	if (s->n >= per_minute)
		return true;
	s->n++;
	return false;
}

static bool
is_registration(const struct hook *h)
{
	const struct elem *q = elem_child(h->stanza->root, NS_REGISTER, "query");

	return q && is_type(h, "set") && !elem_child(q, NS_REGISTER, "remove");
}

/* What it takes to send this, beside any right at all. */
static unsigned
wanted(const struct hook *h)
{
	const struct elem *root = h->stanza->root;

	if (is_message(h))
		return is_type(h, "groupchat") ? GATEWAY_SEND | GATEWAY_JOIN : GATEWAY_SEND;
	if (elem_is(root, NS_CLIENT, "presence"))
		return elem_child(root, NS_MUC, "x") ? GATEWAY_JOIN : 0;
	return is_registration(h) ? GATEWAY_OWN_ACCOUNT : 0;
}

static const char *
lacks_text(unsigned lacks)
{
	if (lacks & GATEWAY_SEND)
		return "your organisation does not let you write to this network.";
	return lacks & GATEWAY_JOIN ? "your organisation does not let you into rooms of this network." :
		"your organisation does not let you use an account of your own at this network.";
}

static enum hook_verdict
outward(struct hook *h, const struct gateway *g)
{
	uint64_t per_minute = 0;
	unsigned rights, wants = wanted(h), lacks;

	if (is_ending(h))
		return HOOK_NEXT;
	if (!h->account || !module_is_local(h->from))
		return refuse(h, g, XERROR_FORBIDDEN, "stranger", "this network is for people of this server.");
	if (!g->on)
		return refuse(h, g, XERROR_SERVICE_UNAVAILABLE, "off", "your administrator has switched this network off.");
	rights = gateway_rights(g, module_account_groups(h), &per_minute);
	if (!rights)
		return refuse(h, g, XERROR_FORBIDDEN, "no-right", "your organisation does not let you use this network.");
	lacks = wants & ~rights;
	if (lacks)
		return refuse(h, g, XERROR_FORBIDDEN, "no-right", lacks_text(lacks));
	if (!(rights & GATEWAY_SEND_FILE) && has_file(h))
		return refuse(h, g, XERROR_NOT_ACCEPTABLE, "file", "your organisation does not let you send files to this network.");
	if (!is_message(h))
		return HOOK_NEXT;
	if (module_must_record(h->stanza) && is_too_much(h, g, per_minute)) {
		h->error_type = "wait";
		return refuse(h, g, XERROR_POLICY_VIOLATION, "rate", "you have sent as many messages to this network as you may in a minute.");
	}
	metric_add(METRIC_NETWORK_OUT, 1);
	return HOOK_NEXT;
}

/* Presence that goes to contacts is asked about for each of them. */
static enum hook_verdict
on_presence_to(struct hook *h)
{
	struct gateway *g = h->stanza && !is_ending(h) ? module_gateway(h->to) : NULL;
	bool may = !g || (g->on && gateway_rights(g, module_account_groups(h), NULL));

	gateway_unref(g);
	return may ? HOOK_NEXT : HOOK_HANDLED;
}

/* From a network */

static enum hook_verdict
let_in(struct hook *h, const struct gateway *g, unsigned rights, unsigned wants)
{
	if (!(rights & GATEWAY_RECEIVE))
		return refuse(h, g, XERROR_NOT_ALLOWED, "no-right", "whom this is for does not get messages from this network.");
	if (wants & ~rights)
		return refuse(h, g, XERROR_NOT_ACCEPTABLE, "file", "whom this is for does not get files from this network.");
	metric_add(METRIC_NETWORK_IN, 1);
	return HOOK_NEXT;
}

static enum hook_verdict
who_known(struct hook *h, void *data, bool ok)
{
	struct arriving *a = data;

	if (!ok)
		return hook_unavailable(h);
	if (!a->who.exists)
		return refuse(h, a->gateway, XERROR_ITEM_NOT_FOUND, "nobody", "there is no such person.");
	return let_in(h, a->gateway, gateway_rights(a->gateway, a->who.groups, NULL), a->wants);
}

static void
free_gateway(void *g)
{
	gateway_unref(g);
}

static enum hook_verdict
ask_recipient(struct hook *h, struct gateway *g, unsigned wants)
{
	struct arena *memory = hook_memory(h);
	struct arriving *a = arena_zalloc(memory, sizeof(*a));

	arena_on_free(memory, free_gateway, gateway_ref(g));
	a->who.who = h->to;
	a->gateway = g;
	a->wants = wants;
	return hook_who(h, &a->who, a, who_known);
}

static enum hook_verdict
inward(struct hook *h, struct gateway *g)
{
	bool ours = h->to && module_is_local(h->to);
	unsigned wants;

	if (is_ending(h) || (ours && jid_is_domain(h->to)))
		return HOOK_NEXT;
	if (h->to && module_is_service(h->to) && elem_is(h->stanza->root, NS_CLIENT, "iq"))
		return HOOK_NEXT;
	if (!ours || !g->on)
		return refuse(h, g, XERROR_NOT_ALLOWED, ours ? "off" : "elsewhere",
			ours ? "this network is switched off." : "a gateway speaks with the people of its server only.");
	if (!is_message(h))
		return HOOK_NEXT;
	wants = GATEWAY_RECEIVE | (has_file(h) ? GATEWAY_RECEIVE_FILE : 0);
	if (gateway_gives_everyone(g, wants)) {
		metric_add(METRIC_NETWORK_IN, 1);
		return HOOK_NEXT;
	}
	return ask_recipient(h, g, wants);
}

static enum hook_verdict
on_send(struct hook *h)
{
	struct gateway *g = NULL;
	enum hook_verdict v = HOOK_NEXT;

	if (!gateway_any())
		return HOOK_NEXT;
	if (!h->account && (g = module_gateway(h->from)))
		v = inward(h, g);
	else if (h->to && !module_is_local(h->to) && (g = module_gateway(h->to)))
		v = outward(h, g);
	gateway_unref(g);
	return v;
}

static int
attach(struct module *m)
{
	static const struct module_account kept = { .free = forget };

	module_keep(m, &kept);
	return module_on(m, HOOK_SEND_CHECK, on_send) || module_on(m, HOOK_PRESENCE_TO, on_presence_to) || networks_desk_attach(m) ? -1 : 0;
}

const struct module_def networks_module = {
	.name = "networks",
	.about = "Gateways to public networks: who may use which, and what their programs keep",
	.attach = attach,
};
