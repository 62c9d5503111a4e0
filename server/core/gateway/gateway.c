/*
 * gateway: see gateway.h.
 */
#include "core/gateway/gateway.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/component/component.h"
#include "core/component/component_rules.h"
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

/* <NAME jid=…>text</NAME>, when it is connected. False: it is not. */
static bool
tell(const struct gateway *g, const char *name, const char *bare, const char *text)
{
	const struct host *h = gateway_host(g->domain);
	struct connected c = { .domain = g->domain };
	struct stanza *st;
	struct elem *e;
	struct jid *to;
	char id[17];

	component_each(look, &c);
	if (!c.is)
		return false;
	to = jid_new(NULL, g->domain, NULL);
	st = stanza_new(NS_CLIENT, "iq");
	crypt_random_hex(id, 8);
	elem_set(st, st->root, "type", "set");
	elem_set(st, st->root, "id", id);
	elem_set(st, st->root, "from", h->domain);
	elem_set(st, st->root, "to", g->domain);
	e = elem_add(st, st->root, NS_GATEWAY, name);
	if (bare)
		elem_set(st, e, "jid", bare);
	elem_add_text(st, e, text, strlen(text));
	component_deliver(packet_new(st, h->jid, to));
	jid_unref(to);
	return true;
}

/* Those of this name (NULL: all), as references. */
struct wanted {
	const char *name;
	struct gateway **g;
	size_t n, room;
};

static void
pick(void *arg, struct gateway *g)
{
	struct wanted *w = arg;

	if (w->name && strcmp(g->name, w->name) != 0)
		return;
	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 8;
		w->g = mem_realloc(w->g, w->room * sizeof(*w->g));
	}
	w->g[w->n++] = gateway_ref(g);
}

/* True: one was told. */
static bool
tell_wanted(const char *name, const char *what, const char *bare)
{
	struct wanted w = { .name = name };
	bool told = false;

	gateway_each(pick, &w);
	for (size_t i = 0; i < w.n; i++) {
		told |= tell(w.g[i], what, bare, strcmp(what, "settings") == 0 ? w.g[i]->settings : "");
		gateway_unref(w.g[i]);
	}
	free(w.g);
	return told;
}

void
gateway_tell_settings(const char *name)
{
	(void)tell_wanted(name, "settings", NULL);
}

void
gateway_tell_policy(const char *name, const char *bare)
{
	if (gateway_any())
		(void)tell_wanted(name, "policy", bare);
}

void
gateway_account_removed(const char *bare)
{
	if (gateway_any())
		(void)tell_wanted(NULL, "gone", bare);
}

/* The last that has said that it has ended everything. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t said;
	uint64_t n;
	char name[COMPONENT_NAME_MAX + 1];
} off = { .lock = PTHREAD_MUTEX_INITIALIZER, .said = PTHREAD_COND_INITIALIZER };

void
gateway_is_off(const char *name)
{
	pthread_mutex_lock(&off.lock);
	snprintf(off.name, sizeof(off.name), "%s", name);
	off.n++;
	pthread_cond_broadcast(&off.said);
	pthread_mutex_unlock(&off.lock);
}

void
gateway_tell_off(const char *name, unsigned wait_ms)
{
	struct timespec until;
	uint64_t n;
	bool done;

	pthread_mutex_lock(&off.lock);
	n = off.n;
	done = !tell_wanted(name, "off", NULL) || wait_ms == 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	while (!done && pthread_cond_timedwait(&off.said, &off.lock, &until) == 0)
		done = off.n != n && strcmp(off.name, name) == 0;
	pthread_mutex_unlock(&off.lock);
	if (!done)
		log_warning(NULL, "gateway-not-ended", "network=%s", name);
}

static void (*_Atomic on_silent)(const char *name);

void
gateway_on_silent(void (*fn)(const char *name))
{
	on_silent = fn;
}

void
gateway_fell_silent(const char *domain)
{
	void (*fn)(const char *name) = on_silent;
	struct gateway *g = gateway_get(domain);

	if (g && fn)
		fn(g->name);
	gateway_unref(g);
}
