/*
 * disco: answers of the server and, in their name, of its accounts (XEP-0030), and what the server announces of
 * itself in stream features (XEP-0115).
 *
 * What the server offers depends on the modules and on the settings in force, so it is put together once for each
 * snapshot of the settings and kept, sealed, for all reactors.
 *
 * Modules add what they know of accounts and of nodes (HOOK_DISCO_INFO, HOOK_DISCO_ITEMS), and may take their time.
 *
 * Accounts answer their owner and those who may see their presence. To everybody else an account looks like one that
 * does not exist (XEP-0030 §8): nobody may find out addresses by asking. The handlers therefore also take users
 * in state ABSENT, to whom everybody is a stranger.
 */
#include "core/module/disco.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/component/component.h"
#include "core/module/caps.h"
#include "core/module/chain.h"
#include "core/home.h"
#include "core/route/iq.h"
#include "core/module/modules.h"
#include "core/route/router.h"
#include "core/service/service.h"
#include "core/session.h"
#include "core/user.h"
#include "xmpp/discovery.h"
#include "xmpp/ns.h"

/* Names the software in capabilities (XEP-0115 §4); .invalid belongs to nobody (RFC 6761 §6.4). */
#define CAPS_NODE "https://chancery.invalid/server"

/* What the core itself offers; modules add theirs. An account's messages carry ids given in its name
 * (XEP-0359 §6), and what it missed is kept (XEP-0160 §4). */
static const struct {
	const char *var;
	unsigned targets;
} own[] = {
	{ NS_DISCO_INFO, MODULE_SERVER | MODULE_ACCOUNT },
	{ NS_DISCO_ITEMS, MODULE_SERVER | MODULE_ACCOUNT },
	{ NS_CAPS, MODULE_SERVER },
	{ NS_CAPS2, MODULE_SERVER },
	{ NS_SID, MODULE_SERVER | MODULE_ACCOUNT },
	{ "msgoffline", MODULE_SERVER },
};

/* What the server says of itself under some settings. Immutable but for the count, which the lock protects. */
struct offer {
	const struct config *of; /* a reference: its address stays unique as long as we compare with it */
	struct stanza *info;     /* <query/>, sealed */
	char node[sizeof(CAPS_NODE) + CAPS_VER_SIZE];
	char ver[CAPS_VER_SIZE];
	char node_390[64 + CAPS_SHA256_SIZE]; /* XEP-0390 §4.3 */
	char sha256[CAPS_SHA256_SIZE];
	unsigned refs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct offer *latest;

/* What is offered */

struct features {
	const char **var;
	size_t n;
};

static void
add_feature(void *arg, const char *var)
{
	struct features *f = arg;

	f->var = mem_realloc(f->var, (f->n + 1) * sizeof(*f->var));
	f->var[f->n++] = var;
}

static int
by_octets(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once: two modules may offer the same (XEP-0115 §5.4 forbids to say it twice). */
static void
write_features(struct stanza *st, struct elem *query, unsigned target)
{
	struct features f = { 0 };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (own[i].targets & target)
			add_feature(&f, own[i].var);
	modules_features(target, add_feature, &f);
	qsort(f.var, f.n, sizeof(*f.var), by_octets);
	for (size_t i = 0; i < f.n; i++)
		if (!i || strcmp(f.var[i - 1], f.var[i]) != 0)
			discovery_feature(st, query, f.var[i]);
	free(f.var);
}

struct identities {
	struct stanza *st;
	struct elem *query;
};

static void
add_identity(void *arg, const char *category, const char *type, const char *name)
{
	struct identities *i = arg;

	for (struct elem *e = elem_child(i->query, NULL, "identity"); e; e = elem_next(e, NULL, "identity"))
		if (!strcmp(elem_get(e, "category"), category) && !strcmp(elem_get(e, "type"), type))
			return; /* of another module already (XEP-0115 §5.4) */
	discovery_identity(i->st, i->query, category, type, name);
}

static void
write_info(struct stanza *st, struct elem *query, unsigned target)
{
	if (target == MODULE_SERVER)
		discovery_identity(st, query, "server", "im", "Chancery");
	else
		discovery_identity(st, query, "account", "registered", NULL);
	modules_identities(target, add_identity, &(struct identities){ st, query });
	write_features(st, query, target);
}

/* The server's offer */

/* XEP-0128: what modules tell of the service beyond features. */
static void
add_forms(struct stanza *st)
{
	struct hook h = { .stage = HOOK_SERVER_INFO, .reply = st, .query = st->root };

	if (modules_want(HOOK_SERVER_INFO))
		(void)modules_run(&h, NULL);
}

static struct offer *
offer_new(const struct config *c)
{
	struct offer *o = NEW(struct offer);

	o->of = c ? config_ref((struct config *)c) : NULL;
	o->refs = 1;
	o->info = stanza_new(NS_DISCO_INFO, "query");
	write_info(o->info, o->info->root, MODULE_SERVER);
	add_forms(o->info);
	stanza_seal(o->info);
	(void)caps_ver(o->info->root, o->ver); /* cannot be ill-formed: features and forms that differ */
	snprintf(o->node, sizeof(o->node), "%s#%s", CAPS_NODE, o->ver);
	(void)caps_sha256(o->info->root, o->sha256);
	snprintf(o->node_390, sizeof(o->node_390), "%s#sha-256.%s", NS_CAPS2, o->sha256);
	return o;
}

/* With the lock held. */
static void
unref(struct offer *o)
{
	if (!o || --o->refs)
		return;
	config_unref((struct config *)o->of);
	stanza_unref(o->info);
	free(o);
}

/* By the settings of this reactor. To be given back. */
static struct offer *
offer_get(void)
{
	const struct config *c = home_config();
	struct offer *o;

	pthread_mutex_lock(&lock);
	if (!latest || latest->of != c) {
		unref(latest);
		latest = offer_new(c);
	}
	o = latest;
	o->refs++;
	pthread_mutex_unlock(&lock);
	return o;
}

static void
offer_put(struct offer *o)
{
	pthread_mutex_lock(&lock);
	unref(o);
	pthread_mutex_unlock(&lock);
}

void
disco_write_caps(struct buf *out)
{
	struct offer *o = offer_get();

	buf_addf(out, "<c xmlns='%s' hash='sha-1' node='%s' ver='%s'/>", NS_CAPS, CAPS_NODE, o->ver);
	buf_addf(out, "<c xmlns='%s'><hash xmlns='%s' algo='sha-256'>%s</hash></c>", NS_CAPS2, NS_HASHES, o->sha256);
	offer_put(o);
}

/* Answers */

/* The node asked for; NULL when none, which an empty one is taken for. */
static const char *
node_of(const struct iq_call *c)
{
	const char *node = elem_get(c->payload, "node");

	return node && *node ? node : NULL;
}

/* An answer with a <query/> to fill. */
static struct elem *
begin(const struct iq_call *c, const char *ns, struct stanza **st)
{
	struct elem *query;

	*st = packet_result(c->p);
	query = elem_add(*st, (*st)->root, ns, "query");
	/* XEP-0030 §3.2: the node of the question. */
	elem_set(*st, query, "node", node_of(c));
	return query;
}

/* Modules add what they know; then it goes out, or when they have waited. A node that nobody knows is refused. */
static enum xerror
finish(const struct iq_call *c, enum hook_stage stage, struct stanza *st, struct elem *query)
{
	struct hook h = { .stage = stage, .stanza = c->p->st, .payload = c->payload, .from = c->p->from, .to = c->p->to,
		.account = c->user ? c->user->jid : NULL, .session = c->session ? c->session->jid : NULL, .bound = c->session,
		.node = node_of(c), .reply = st, .query = query };
	enum hook_verdict v = modules_settle(&h, modules_run(&h, c->user), false);

	if (v != HOOK_WAIT)
		chain_answer(c->p, &h, v);
	if (h.chain)
		chain_start(&h, v, c->p, c->session);
	return XERROR_NONE;
}

static enum xerror
on_server_info(const struct iq_call *c)
{
	struct offer *o = offer_get();
	const char *node = node_of(c);
	struct stanza *st;
	struct elem *query;

	if (!node || !strcmp(node, o->node) || !strcmp(node, o->node_390)) {
		st = packet_result(c->p);
		query = elem_add_copy(st, st->root, o->info->root);
		elem_set(st, query, "node", node);
		router_reply(packet_new(st, c->p->to, c->p->from));
		offer_put(o);
		return XERROR_NONE;
	}
	offer_put(o);
	query = begin(c, NS_DISCO_INFO, &st);
	return finish(c, HOOK_DISCO_INFO, st, query);
}

static enum xerror
on_account_info(const struct iq_call *c)
{
	struct stanza *st;
	struct elem *query;

	/* Before the node is looked at: XEP-0030 §8, rule 1. */
	if (modules_relation(c->user, c->p->from) == MODULE_STRANGER)
		return XERROR_SERVICE_UNAVAILABLE;
	query = begin(c, NS_DISCO_INFO, &st);
	if (!node_of(c))
		write_info(st, query, MODULE_ACCOUNT);
	return finish(c, HOOK_DISCO_INFO, st, query);
}

struct items {
	struct stanza *st;
	struct elem *query;
};

/* XEP-0030 §4.1: the available resources. */
static void
write_resources(struct stanza *st, struct elem *query, const struct user *u)
{
	LIST_EACH(l, &u->sessions) {
		const struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (session_is_available(s) && !s->closing)
			elem_set(st, elem_add(st, query, NULL, "item"), "jid", jid_full(s->jid));
	}
}

static void
write_component(void *arg, const char *domain)
{
	struct items *i = arg;

	elem_set(i->st, elem_add(i->st, i->query, NULL, "item"), "jid", domain);
}

static void
write_service(void *arg, const char *domain, const char *name)
{
	struct items *i = arg;
	struct elem *item = elem_add(i->st, i->query, NULL, "item");

	elem_set(i->st, item, "jid", domain);
	elem_set(i->st, item, "name", name);
}

/* The server's items are its services and the components that are connected. */
static enum xerror
on_items(const struct iq_call *c)
{
	bool stranger = c->user && modules_relation(c->user, c->p->from) == MODULE_STRANGER;
	struct stanza *st;
	struct elem *query = begin(c, NS_DISCO_ITEMS, &st);

	/* XEP-0030 §8, rule 2: a stranger's result is empty, as that of an account that does not exist is, node or not. */
	if (stranger) {
		router_reply(packet_new(st, c->p->to, c->p->from));
		return XERROR_NONE;
	}
	if (c->user && !node_of(c))
		write_resources(st, query, c->user);
	else if (!c->user && !node_of(c)) {
		service_each(jid_domain(c->p->to), write_service, &(struct items){ st, query });
		component_each(write_component, &(struct items){ st, query });
	}
	return finish(c, HOOK_DISCO_ITEMS, st, query);
}

void
disco_start(void)
{
	iq_handle(TYPE_GET, NS_DISCO_INFO, "query", IQ_TO_SERVER, on_server_info, NULL);
	iq_handle(TYPE_GET, NS_DISCO_INFO, "query", IQ_TO_ACCOUNT, on_account_info, NULL);
	iq_handle(TYPE_GET, NS_DISCO_ITEMS, "query", IQ_TO_SERVER | IQ_TO_ACCOUNT, on_items, NULL);
}

void
disco_stop(void)
{
	pthread_mutex_lock(&lock);
	unref(latest);
	latest = NULL;
	pthread_mutex_unlock(&lock);
}
