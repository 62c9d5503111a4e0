/*
 * features: the cache, the questions, and what modules ask of it.
 *
 * The cache is one for all reactors, under a lock, and holds verified sets by form, algorithm and hash: what a client
 * cannot choose. The set that was used longest ago goes first. Sets are immutable and counted.
 */
#include "core/module/features.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/module/caps.h"
#include "core/module/modules.h"
#include "core/route/question.h"
#include "core/session.h"
#include "core/user.h"
#include "xmpp/ns.h"

struct features {
	_Atomic unsigned refs;
	unsigned n;
	const char *var[]; /* sorted; the texts follow */
};

struct known {
	UT_hash_handle hh;
	struct list used; /* the one used last comes last */
	struct features *features;
	char key[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *table;
static struct list used = { &used, &used };

/* Sets */

static struct features *
ref(struct features *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

static void
unref(struct features *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}

static int
by_octets(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* NULL: more than we keep. */
static struct features *
features_of(const struct elem *query)
{
	size_t n = 0, bytes = 0;
	struct features *f;
	char *w;

	for (const struct elem *e = elem_child(query, NS_DISCO_INFO, "feature"); e; e = elem_next(e, NS_DISCO_INFO, "feature")) {
		const char *var = elem_get(e, "var");

		bytes += sizeof(f->var[0]) + (var ? strlen(var) + 1 : 0);
		n++;
	}
	if (bytes > home_config()->limits.caps_bytes)
		return NULL;
	f = mem_alloc(sizeof(*f) + bytes);
	atomic_init(&f->refs, 1);
	f->n = 0;
	w = (char *)&f->var[n];
	for (const struct elem *e = elem_child(query, NS_DISCO_INFO, "feature"); e; e = elem_next(e, NS_DISCO_INFO, "feature")) {
		const char *var = elem_get(e, "var");

		if (!var)
			continue;
		f->var[f->n++] = w;
		w = stpcpy(w, var) + 1;
	}
	qsort(f->var, f->n, sizeof(f->var[0]), by_octets);
	return f;
}

/* The cache */

static void
drop(struct known *k)
{
	HASH_DELETE(hh, table, k);
	list_remove(&k->used);
	unref(k->features);
	free(k);
}

static struct features *
cache_find(const char *key)
{
	struct features *f = NULL;
	struct known *k;

	pthread_mutex_lock(&lock);
	HASH_FIND_STR(table, key, k);
	if (k) {
		list_remove(&k->used);
		list_append(&used, &k->used);
		f = ref(k->features);
	}
	pthread_mutex_unlock(&lock);
	return f;
}

static void
cache_add(const char *key, struct features *f)
{
	struct known *k;

	pthread_mutex_lock(&lock);
	HASH_FIND_STR(table, key, k);
	if (!k) {
		if (HASH_COUNT(table) >= home_config()->limits.caps_cached)
			drop(LIST_ENTRY(used.next, struct known, used));
		k = mem_alloc(sizeof(*k) + strlen(key) + 1);
		strcpy(k->key, key);
		k->features = ref(f);
		list_append(&used, &k->used);
		HASH_ADD_KEYPTR(hh, table, k->key, strlen(k->key), k);
		metric_set(METRIC_CAPS_CACHED, HASH_COUNT(table));
	}
	pthread_mutex_unlock(&lock);
}

void
features_stop(void)
{
	pthread_mutex_lock(&lock);
	while (!list_is_empty(&used))
		drop(LIST_ENTRY(used.next, struct known, used));
	pthread_mutex_unlock(&lock);
}

/* Sessions */

static void
set(struct session *s, struct features *f)
{
	struct hook h = { .stage = HOOK_CAPS_KNOWN, .account = s->user->jid, .session = s->jid, .bound = s };
	bool changed = f != s->announced.features;

	unref(s->announced.features);
	s->announced.features = f;
	if (changed && modules_want(HOOK_CAPS_KNOWN))
		(void)modules_run(&h, s->user);
}

void
features_forget(struct session *s)
{
	free(s->announced.key);
	unref(s->announced.features);
	s->announced = (struct announced){ 0 };
}

/* Asking */

struct asked {
	struct arena *arena;
	struct jid *session;
	struct caps caps;
	const char *key;
};

static void
asked_free(void *arg)
{
	struct asked *q = arg;

	jid_unref(q->session);
	arena_free(q->arena);
}

static const struct elem *
query_of(const struct stanza *answer)
{
	const char *type = answer ? elem_get(answer->root, "type") : NULL;

	return type && !strcmp(type, "result") ? elem_child(answer->root, NS_DISCO_INFO, "query") : NULL;
}

/* The session may have ended, or announce something else by now. */
static struct session *
still_announces(const struct asked *q)
{
	struct user *u = user_find(q->session);
	struct session *s = u ? user_session(u, jid_resource(q->session)) : NULL;

	return s && !s->closing && s->announced.key && !strcmp(s->announced.key, q->key) ? s : NULL;
}

static void
answered(void *arg, const struct stanza *answer)
{
	struct asked *q = arg;
	const struct elem *query = query_of(answer);
	struct features *f = query ? features_of(query) : NULL;
	struct session *s = still_announces(q);
	bool fits = f && caps_fits(&q->caps, query);

	if (fits)
		cache_add(q->key, f);
	else if (!f || q->caps.form != CAPS_PLAIN)
		metric_add(METRIC_CAPS_WRONG, 1);
	if (f && !fits && q->caps.form != CAPS_PLAIN)
		log_info(s ? &s->log : NULL, "caps-wrong", "jid=%s node=%s", jid_full(q->session), q->caps.node);
	if (f && s && !s->announced.features)
		set(s, f);
	else
		unref(f);
	asked_free(q);
}

static void
ask(struct session *s, const struct caps *c, const char *key)
{
	struct arena *a = arena_new(512);
	struct asked *q = arena_zalloc(a, sizeof(*q));
	struct stanza *iq = stanza_new(NS_CLIENT, "iq");
	struct elem *query = elem_add(iq, iq->root, NS_DISCO_INFO, "query");

	q->arena = a;
	q->session = jid_ref(s->jid);
	q->key = arena_strdup(a, key);
	q->caps = (struct caps){ c->form, arena_strdup(a, c->algo), arena_strdup(a, c->value),
		c->node ? arena_strdup(a, c->node) : NULL };
	elem_set(iq, iq->root, "type", "get");
	elem_set(iq, query, "node", c->node);
	metric_add(METRIC_CAPS_ASKED, 1);
	question_ask(s->user, s->jid, iq, 0, answered, asked_free, q);
}

/* What it is called in the cache. A plain node is only compared with what the same session announced before. */
static const char *
key_of(const struct caps *c, struct arena *a)
{
	if (c->form == CAPS_PLAIN)
		return arena_printf(a, "plain %s", c->node ? c->node : "");
	return arena_printf(a, "%s %s %s", c->form == CAPS_390 ? "390" : "115", c->algo, c->value);
}

void
features_announced(struct session *s, const struct packet *presence)
{
	struct arena *a = reactor_scratch(reactor_current());
	struct caps c = caps_of(presence->st->root, a);
	const char *key = c.form ? key_of(&c, a) : NULL;
	struct features *f;

	if (key && s->announced.key && !strcmp(key, s->announced.key))
		return;
	free(s->announced.key);
	s->announced.key = key ? mem_strdup(key) : NULL;
	f = c.form >= CAPS_115 ? cache_find(key) : NULL;
	if (f || !key) {
		set(s, f);
		return;
	}
	unref(s->announced.features);
	s->announced.features = NULL;
	ask(s, &c, key);
}

/* What modules ask */

bool
module_session_supports(const struct session *s, const char *var)
{
	const struct features *f = s->announced.features;

	return f && bsearch(&var, f->var, f->n, sizeof(f->var[0]), by_octets);
}

void
module_session_features(const struct session *s, void (*fn)(void *arg, const char *var), void *arg)
{
	const struct features *f = s->announced.features;

	for (unsigned i = 0; f && i < f->n; i++)
		fn(arg, f->var[i]);
}
