/*
 * disco: answers of the server and, in their name, of its accounts (XEP-0030), and what the server announces of
 * itself in stream features (XEP-0115).
 *
 * What the server offers depends on the modules and on the settings in force, so it is put together once for each
 * snapshot of the settings and kept, sealed, for all reactors.
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
#include "core/home.h"
#include "core/route/iq.h"
#include "core/module/modules.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
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
	{ NS_SID, MODULE_SERVER | MODULE_ACCOUNT },
	{ "msgoffline", MODULE_SERVER },
};

/* What the server says of itself under some settings. Immutable but for the count, which the lock protects. */
struct offer {
	const struct config *of; /* a reference: its address stays unique as long as we compare with it */
	struct stanza *info;     /* <query/>, sealed */
	char node[sizeof(CAPS_NODE) + CAPS_VER_SIZE];
	char ver[CAPS_VER_SIZE];
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
			elem_set(st, elem_add(st, query, NULL, "feature"), "var", f.var[i]);
	free(f.var);
}

static void
write_info(struct stanza *st, struct elem *query, unsigned target)
{
	struct elem *identity = elem_add(st, query, NULL, "identity");

	if (target == MODULE_SERVER) {
		elem_set(st, identity, "category", "server");
		elem_set(st, identity, "type", "im");
		elem_set(st, identity, "name", "Chancery");
	} else {
		elem_set(st, identity, "category", "account");
		elem_set(st, identity, "type", "registered");
	}
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

static void
reply(const struct iq_call *c, struct stanza *st)
{
	router_reply(packet_new(st, c->p->to, c->p->from));
}

static enum xerror
on_server_info(const struct iq_call *c)
{
	struct offer *o = offer_get();
	const char *node = node_of(c);
	bool known = !node || !strcmp(node, o->node);

	if (known) {
		struct stanza *st = packet_result(c->p);
		struct elem *query = elem_add_copy(st, st->root, o->info->root);

		/* XEP-0030 §3.2: the node of the question. */
		elem_set(st, query, "node", node);
		reply(c, st);
	}
	offer_put(o);
	return known ? XERROR_NONE : XERROR_ITEM_NOT_FOUND;
}

static enum xerror
on_account_info(const struct iq_call *c)
{
	struct stanza *st;

	/* Before the node is looked at: XEP-0030 §8, rule 1. */
	if (modules_relation(c->user, c->p->from) == MODULE_STRANGER)
		return XERROR_SERVICE_UNAVAILABLE;
	if (node_of(c))
		return XERROR_ITEM_NOT_FOUND;
	st = packet_result(c->p);
	write_info(st, elem_add(st, st->root, NS_DISCO_INFO, "query"), MODULE_ACCOUNT);
	reply(c, st);
	return XERROR_NONE;
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

/* The server's items are the components that are connected. */
static enum xerror
on_items(const struct iq_call *c)
{
	bool stranger = c->user && modules_relation(c->user, c->p->from) == MODULE_STRANGER;
	struct stanza *st;
	struct elem *query;

	/* XEP-0030 §8, rule 2: a stranger's result is empty, as that of an account that does not exist is, node or not. */
	if (!stranger && node_of(c))
		return XERROR_ITEM_NOT_FOUND;
	st = packet_result(c->p);
	query = elem_add(st, st->root, NS_DISCO_ITEMS, "query");
	elem_set(st, query, "node", node_of(c));
	if (c->user && !stranger)
		write_resources(st, query, c->user);
	else if (!c->user)
		component_each(write_component, &(struct items){ st, query });
	reply(c, st);
	return XERROR_NONE;
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
