/*
 * proxy: see proxy.h. Activation is asked of the proxy's address, but answered at the requester's home, where its files are minded (socks.c): what
 * arrives here is from somebody who may not.
 */
#include "proxy.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "module_service.h"
#include "xmpp/discovery.h"
#include "xmpp/ns.h"

#define CANDIDATES 16 /* of ours, in one transport: more are repetitions */

/* Where it is */

/* The n-th: its domain, and where clients of its host reach it. */
static bool
proxy_at(const struct hook *h, unsigned n, const char **domain, const char **host, const char **port)
{
	struct buf name = { 0 };
	unsigned number = 0;
	bool is;

	*domain = module_service_domain(h->module, n);
	is = *domain && module_proxy(strchr(*domain, '.') + 1, &name, &number);
	*host = is ? arena_strdup(h->arena, buf_str(&name)) : NULL;
	*port = is ? arena_printf(h->arena, "%u", number) : NULL;
	buf_fini(&name);
	return is;
}

static bool
proxy_find(const struct hook *h, const char *jid, const char **domain, const char **host, const char **port)
{
	struct jid *j = jid ? jid_parse(jid, strlen(jid)) : NULL;
	bool is = false;

	for (unsigned i = 0; j && jid_is_domain(j) && !is && proxy_at(h, i, domain, host, port); i++)
		is = !strcmp(jid_domain(j), *domain);
	jid_unref(j);
	return is;
}

bool
proxy_is(const struct hook *h, const struct jid *j)
{
	const char *domain;

	if (!jid_is_domain(j))
		return false;
	for (unsigned i = 0; (domain = module_service_domain(h->module, i)); i++)
		if (!strcmp(jid_domain(j), domain))
			return true;
	return false;
}

bool
proxy_is_between(const struct jid *a, const struct jid *b)
{
	return !module_is_service(a) && !module_is_service(b);
}

static void
set_address(struct stanza *st, struct elem *e, const char *domain, const char *host, const char *port)
{
	elem_set(st, e, "jid", domain);
	elem_set(st, e, "host", host);
	elem_set(st, e, "port", port);
}

/* Offers. What is ours is written anew, and what was there is removed whatever its namespace: some clients do not look at that. */

unsigned
proxy_keep_streamhosts(const struct hook *h, struct stanza *st, struct elem *query)
{
	const char *domain[CANDIDATES], *host[CANDIDATES], *port[CANDIDATES];
	struct elem *e, *next;
	unsigned n = 0;

	for (e = elem_first(query); e; e = next) {
		bool known = false;

		next = elem_next(e, NULL, NULL);
		if (n < CANDIDATES && elem_is(e, NS_BYTESTREAMS, "streamhost") &&
			proxy_find(h, elem_get(e, "jid"), &domain[n], &host[n], &port[n])) {
			for (unsigned i = 0; i < n; i++)
				known |= domain[i] == domain[n];
			n += !known;
		}
		elem_remove(e);
	}
	for (unsigned i = 0; i < n; i++)
		set_address(st, elem_add(st, query, NULL, "streamhost"), domain[i], host[i], port[i]);
	return n;
}

struct candidate {
	const char *cid, *priority, *domain, *host, *port;
};

/* False: it is none of ours. */
static bool
read_candidate(const struct hook *h, const struct elem *transport, const struct elem *e, struct candidate *c)
{
	const char *type = elem_get(e, "type");

	c->cid = elem_get(e, "cid");
	c->priority = elem_get(e, "priority");
	return e->ns == transport->ns && c->cid && c->priority && type && !strcmp(type, "proxy") &&
		proxy_find(h, elem_get(e, "jid"), &c->domain, &c->host, &c->port);
}

bool
proxy_keep_candidates(const struct hook *h, struct stanza *st, struct elem *transport)
{
	struct candidate c[CANDIDATES];
	struct elem *e, *next;
	bool any = false, may = proxy_is_between(h->from, h->to);
	unsigned n = 0;

	for (e = elem_child(transport, NULL, "candidate"); e; e = next, any = true) {
		next = elem_next(e, NULL, "candidate");
		if (may && n < CANDIDATES && read_candidate(h, transport, e, &c[n])) {
			c[n].cid = arena_strdup(h->arena, c[n].cid);
			c[n].priority = arena_strdup(h->arena, c[n].priority);
			n++;
		}
		elem_remove(e);
	}
	for (unsigned i = 0; i < n; i++) {
		e = elem_add(st, transport, NULL, "candidate");
		elem_set(st, e, "cid", c[i].cid);
		set_address(st, e, c[i].domain, c[i].host, c[i].port);
		elem_set(st, e, "priority", c[i].priority);
		elem_set(st, e, "type", "proxy");
	}
	return any;
}

/* The service */

static enum hook_verdict
on_info(struct hook *h)
{
	static const char *const features[] = { NS_DISCO_INFO, NS_DISCO_ITEMS, NS_PING, NS_BYTESTREAMS };
	struct stanza *st;
	struct elem *query;

	if (elem_get(h->payload, "node") && *elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_DISCO_INFO, "query");
	discovery_identity(st, query, "proxy", "bytestreams", "SOCKS5 Bytestreams");
	discovery_features(st, query, features, sizeof(features) / sizeof(features[0]));
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_items(struct hook *h)
{
	struct stanza *st;

	if (elem_get(h->payload, "node") && *elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	st = hook_result(h);
	elem_add(st, st->root, NS_DISCO_ITEMS, "query");
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
forbidden(struct hook *h, const char *text)
{
	metric_add(METRIC_TRANSFERS_REFUSED, 1);
	log_info(NULL, "transfer-refused", "from=%s to=%s why=proxy", jid_full(h->from), jid_full(h->to));
	return hook_reject(h, XERROR_FORBIDDEN, text);
}

/* §4: to whom may use it. */
static enum hook_verdict
who_known(struct hook *h, void *data, bool ok)
{
	const struct hook_who *who = data;
	const char *domain, *host, *port, *text = NULL;
	enum judge_verdict v;
	struct stanza *st;
	struct elem *query;

	if (!ok)
		return hook_unavailable(h);
	if (!who->exists)
		return forbidden(h, "this proxy is for users of this server");
	v = judge_ahead(h->arena, h->from, who->groups, NULL, 0, NULL, &text);
	if (v == JUDGE_FORBIDDEN)
		return forbidden(h, text);
	if (!proxy_find(h, jid_full(h->to), &domain, &host, &port))
		return hook_reject(h, XERROR_NOT_ALLOWED, NULL);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_BYTESTREAMS, "query");
	set_address(st, elem_add(st, query, NULL, "streamhost"), domain, host, port);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_address(struct hook *h)
{
	struct hook_who *who;

	if (!module_is_local(h->from) || !jid_local(h->from))
		return forbidden(h, "this proxy is for users of this server");
	who = arena_zalloc(hook_memory(h), sizeof(*who));
	who->who = h->from;
	return hook_who(h, who, who, who_known);
}

static enum hook_verdict
arrived(struct hook *h)
{
	const char *name = h->stanza->root->name, *type = elem_get(h->stanza->root, "type");
	const struct elem *e = h->payload;

	if (!strcmp(name, "presence"))
		return HOOK_HANDLED;
	if (!h->from || !jid_is_domain(h->to) || strcmp(name, "iq") != 0)
		return HOOK_NEXT;
	if (!type || (strcmp(type, "get") != 0 && strcmp(type, "set") != 0))
		return HOOK_HANDLED;
	if (elem_is(e, NS_BYTESTREAMS, "query"))
		return *type == 'g' ? on_address(h) : forbidden(h, "this proxy is for users of this server");
	if (!e || *type != 'g')
		return HOOK_NEXT;
	if (elem_is(e, NS_DISCO_INFO, "query"))
		return on_info(h);
	if (elem_is(e, NS_DISCO_ITEMS, "query"))
		return on_items(h);
	return elem_is(e, NS_PING, "ping") ? hook_done(h) : HOOK_NEXT;
}

static const struct module_service service = {
	.label = "proxy",
	.name = "SOCKS5 Bytestreams",
	.setting = "files.on",
	.arrived = arrived,
};

void
proxy_serve(struct module *m)
{
	struct buf host = { 0 };
	unsigned port;

	if (module_proxy("", &host, &port))
		module_serve(m, &service);
	buf_fini(&host);
}
