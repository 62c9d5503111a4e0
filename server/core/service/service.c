/*
 * service: the table of services, and HOOK_SERVICE.
 */
#include "core/service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/component/component.h"
#include "core/federation/federation.h"
#include "core/federation/partner.h"
#include "core/host.h"
#include "core/module/chain.h"
#include "core/module/modules.h"
#include "core/route/router.h"
#include "core/user.h"

static struct service *table;
static size_t ntable;

static void
serve(struct module *m, const struct module_service *def, const struct host *host)
{
	struct service *s;
	char domain[1024];

	snprintf(domain, sizeof(domain), "%s.%s", def->label, host->domain);
	table = mem_realloc(table, (ntable + 1) * sizeof(*table));
	s = &table[ntable];
	*s = (struct service){ .def = def, .module = m, .host = host->domain, .domain = jid_new(NULL, domain, NULL) };
	if (!s->domain || host_is_local(s->domain) || component_is(s->domain)) {
		log_warning(NULL, "service-not-offered", "domain=%s why=%s", domain,
			s->domain ? "it is a host or a component" : "it is not a domain name");
		jid_unref(s->domain);
		return;
	}
	ntable++;
}

void
module_serve(struct module *m, const struct module_service *def)
{
	const struct host *host;

	if (def->setting && !module_setting(m, def->setting))
		return;
	for (unsigned i = 0; (host = host_at(i)); i++)
		serve(m, def, host);
}

void
service_stop(void)
{
	while (ntable)
		jid_unref(table[--ntable].domain);
	free(table);
	table = NULL;
}

static void
stopping(struct user *u, void *arg)
{
	(void)arg;
	if (u->service && u->place && u->service->def->stopping)
		u->service->def->stopping(u->place);
}

void
service_home_stopping(void)
{
	user_each(stopping, NULL);
}

static void
account_removed(struct user *u, void *arg)
{
	if (u->service && u->place && u->service->def->account_removed)
		u->service->def->account_removed(u->place, arg);
}

static void
account_removed_here(void *arg)
{
	user_each(account_removed, arg);
	free(arg);
}

void
service_account_removed(const char *bare)
{
	for (unsigned i = 0; ntable && i < reactor_count(); i++)
		reactor_call(reactor_at(i), account_removed_here, mem_strdup(bare));
}

static void
partners_changed(struct user *u, void *arg)
{
	(void)arg;
	if (u->service && u->place && u->service->def->partners_changed)
		u->service->def->partners_changed(u->place);
}

void
service_partners_changed(void)
{
	if (ntable)
		user_each(partners_changed, NULL);
}

bool
module_may_meet(const struct jid *j)
{
	const struct partner *p;

	if (!federation_is_remote(j))
		return true;
	p = partner_find(jid_domain(j), PARTNER_BOTH, NULL);
	return p && (p->pass & PASS_ROOMS);
}

const struct service *
service_of(const struct jid *j)
{
	for (size_t i = 0; i < ntable; i++)
		if (!strcmp(jid_domain(table[i].domain), jid_domain(j)))
			return &table[i];
	return NULL;
}

bool
module_is_service(const struct jid *j)
{
	return service_of(j) != NULL;
}

const char *
module_service_domain(const struct module *m, unsigned n)
{
	for (size_t i = 0; i < ntable; i++)
		if (table[i].module == m && n-- == 0)
			return jid_domain(table[i].domain);
	return NULL;
}

void
service_each(const char *host, void (*fn)(void *arg, const char *domain, const char *name), void *arg)
{
	for (size_t i = 0; i < ntable; i++)
		if (!strcmp(table[i].host, host))
			fn(arg, jid_domain(table[i].domain), table[i].def->name);
}

bool
service_records(const struct packet *p)
{
	const struct service *s;

	if (p->kind != PACKET_MESSAGE || p->type != TYPE_GROUPCHAT || !p->to || !jid_is_bare(p->to) || !jid_local(p->to))
		return false;
	s = service_of(p->to);
	return s && s->def->records;
}

/* The call */

void *
module_place(const struct hook *h)
{
	return h->user && h->user->service ? h->user->place : NULL;
}

void
module_place_hold(struct hook *h)
{
	if (h->holding || !h->user)
		return;
	h->holding = true;
	user_hold(h->user);
}

void
service_settle(const struct packet *p, struct hook *h, enum hook_verdict v)
{
	stanza_unref(h->reply);
	h->reply = NULL;
	if (v == HOOK_REJECT && h->error != XERROR_NONE)
		chain_refuse(p, h);
	else if (v == HOOK_NEXT && p->kind == PACKET_MESSAGE)
		router_refuse(p, XERROR_SERVICE_UNAVAILABLE, NULL, NULL);
}

void
service_deliver(struct user *u, struct packet *p)
{
	const struct service *s = u->service;
	struct hook h = { .stage = HOOK_SERVICE, .arena = reactor_scratch(reactor_current()), .module = s->module, .user = u,
		.stanza = p->st, .from = p->from, .to = p->to, .account = u->jid, .from_account = p->account, .record_id = p->record_id, .record_us = p->at_us };
	enum hook_verdict v;

	if (p->kind == PACKET_IQ)
		h.payload = elem_first(p->st->root);
	v = s->def->arrived(&h);
	if (v != HOOK_WAIT)
		chain_answer(p, &h, v);
	if (h.chain)
		chain_start(&h, v, p, NULL);
	if (h.holding)
		user_release(u);
	user_idle(u);
}
