/*
 * gateway: see gateway.h.
 */
#include "core/gateway/gateway.h"

#include <string.h>

#include "base/crypt.h"
#include "core/component/component.h"
#include "core/gateway/gateway_stats.h"
#include "core/host.h"
#include "core/route/packet.h"
#include "xmpp/ns.h"

/* The mark */

struct elem *
gateway_take_foreign(struct stanza *st, const char *domain)
{
	struct elem *e = gateway_any() ? elem_child(st->root, NS_GATEWAY, "foreign") : NULL;
	struct gateway *g = e ? gateway_get(domain) : NULL;

	if (!g)
		return NULL;
	gateway_unref(g);
	elem_remove(e);
	return e;
}

void
gateway_put_foreign(struct stanza *st, struct elem *foreign, const char *domain)
{
	struct gateway *g = gateway_get(domain);

	if (!g)
		return;
	elem_set(st, foreign, "kind", g->kind);
	elem_set(st, foreign, "via", g->name);
	if (!elem_get(foreign, "network"))
		elem_set(st, foreign, "network", g->name);
	elem_append(st->root, foreign);
	gateway_unref(g);
}

const struct host *
gateway_host(const char *domain)
{
	const struct host *h, *found = host_at(0);
	size_t best = 0;

	for (unsigned i = 0; (h = host_at(i)); i++) {
		size_t n = strlen(h->domain), all = strlen(domain);

		if (all > n && n > best && domain[all - n - 1] == '.' && !strcmp(domain + all - n, h->domain)) {
			found = h;
			best = n;
		}
	}
	return found;
}

/* Changes */

int
gateway_changed(const char *conninfo, struct err *e)
{
	if (gateway_rules_read(conninfo, e))
		return -1;
	gateway_stats_review();
	return 0;
}

struct connected {
	const char *domain;
	bool is;
};

static void
look(void *arg, const char *domain)
{
	struct connected *c = arg;

	c->is |= !strcmp(c->domain, domain);
}

static void
tell(struct gateway *g)
{
	const struct host *h = gateway_host(g->domain);
	struct connected c = { .domain = g->domain };
	struct stanza *st;
	struct elem *e;
	struct jid *to;
	char id[17];

	component_each(look, &c);
	if (!c.is)
		return;
	to = jid_new(NULL, g->domain, NULL);
	st = stanza_new(NS_CLIENT, "iq");
	crypt_random_hex(id, 8);
	elem_set(st, st->root, "type", "set");
	elem_set(st, st->root, "id", id);
	elem_set(st, st->root, "from", h->domain);
	elem_set(st, st->root, "to", g->domain);
	e = elem_add(st, st->root, NS_GATEWAY, "settings");
	elem_add_text(st, e, g->settings, strlen(g->settings));
	component_deliver(packet_new(st, h->jid, to));
	jid_unref(to);
}

struct wanted {
	const char *name;
	struct gateway *found;
};

static void
pick(void *arg, struct gateway *g)
{
	struct wanted *w = arg;

	if (!strcmp(g->name, w->name))
		w->found = gateway_ref(g);
}

void
gateway_tell_settings(const char *name)
{
	struct wanted w = { .name = name };

	gateway_each(pick, &w);
	if (w.found)
		tell(w.found);
	gateway_unref(w.found);
}
