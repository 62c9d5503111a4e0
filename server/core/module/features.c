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
#include "core/module/elsewhere.h"
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

/* Who announces: a session of ours, or a client elsewhere of a contact's */

struct announcer {
	struct user *user;
	struct jid *jid;
	struct session *session; /* NULL: elsewhere */
	struct announced *announced;
};

static struct announcer
of_session(struct session *s)
{
	return (struct announcer){ s->user, s->jid, s, &s->announced };
}

static void
set(const struct announcer *w, struct features *f)
{
	struct hook h = { .stage = w->session ? HOOK_CAPS_KNOWN : HOOK_ELSEWHERE_CAPS, .account = w->user->jid };
	bool changed = f != w->announced->features;

	unref(w->announced->features);
	w->announced->features = f;
	if (w->session) {
		h.session = w->session->jid;
		h.bound = w->session;
	} else {
		h.from = w->jid;
	}
	if (changed && modules_want(h.stage))
		(void)modules_run(&h, w->user);
}

void
features_drop(struct announced *a)
{
	free(a->key);
	unref(a->features);
	*a = (struct announced){ 0 };
}

void
features_forget(struct session *s)
{
	features_drop(&s->announced);
}

/* Asking */

struct asked {
	struct arena *arena;
	struct jid *account, *who;
	bool elsewhere;
	struct caps caps;
	const char *key;
};

static void
asked_free(void *arg)
{
	struct asked *q = arg;

	jid_unref(q->account);
	jid_unref(q->who);
	arena_free(q->arena);
}

static const struct elem *
query_of(const struct stanza *answer)
{
	const char *type = answer ? elem_get(answer->root, "type") : NULL;

	return type && !strcmp(type, "result") ? elem_child(answer->root, NS_DISCO_INFO, "query") : NULL;
}

static bool
find_announcer(const struct asked *q, struct announcer *w)
{
	struct user *u = user_find(q->account);
	struct session *s = u && !q->elsewhere ? user_session(u, jid_resource(q->who)) : NULL;
	struct elsewhere *e = u && q->elsewhere ? elsewhere_find(u, q->who) : NULL;

	if (s && !s->closing)
		*w = of_session(s);
	else if (e)
		*w = (struct announcer){ u, e->jid, NULL, &e->announced };
	else
		return false;
	return true;
}

/* It may have gone, or announce something else by now. */
static bool
still_announces(const struct asked *q, struct announcer *w)
{
	return find_announcer(q, w) && w->announced->key && !strcmp(w->announced->key, q->key);
}

static void
answered(void *arg, const struct stanza *answer)
{
	struct asked *q = arg;
	const struct elem *query = query_of(answer);
	struct features *f = query ? features_of(query) : NULL;
	bool fits = f && caps_fits(&q->caps, query);
	struct announcer w;

	if (fits)
		cache_add(q->key, f);
	else if (!f || q->caps.form != CAPS_PLAIN)
		metric_add(METRIC_CAPS_WRONG, 1);
	if (f && !fits && q->caps.form != CAPS_PLAIN)
		log_info(NULL, "caps-wrong", "jid=%s node=%s", jid_full(q->who), q->caps.node);
	if (f && still_announces(q, &w) && !w.announced->features)
		set(&w, f);
	else
		unref(f);
	asked_free(q);
}

static void
ask(const struct announcer *w, const struct caps *c, const char *key)
{
	struct arena *a = arena_new(512);
	struct asked *q = arena_zalloc(a, sizeof(*q));
	struct stanza *iq = stanza_new(NS_CLIENT, "iq");
	struct elem *query = elem_add(iq, iq->root, NS_DISCO_INFO, "query");

	q->arena = a;
	q->account = jid_ref(w->user->jid);
	q->who = jid_ref(w->jid);
	q->elsewhere = !w->session;
	q->key = arena_strdup(a, key);
	q->caps = (struct caps){ c->form, arena_strdup(a, c->algo), arena_strdup(a, c->value),
		c->node ? arena_strdup(a, c->node) : NULL };
	elem_set(iq, iq->root, "type", "get");
	elem_set(iq, query, "node", c->node);
	metric_add(METRIC_CAPS_ASKED, 1);
	question_ask(w->user, w->jid, iq, 0, answered, asked_free, q);
}

/* What it is called in the cache. A plain node is only compared with what the same client announced before. */
static const char *
key_of(const struct caps *c, struct arena *a)
{
	if (c->form == CAPS_PLAIN)
		return arena_printf(a, "plain %s", c->node ? c->node : "");
	return arena_printf(a, "%s %s %s", c->form == CAPS_390 ? "390" : "115", c->algo, c->value);
}

static void
announced(const struct announcer *w, const struct packet *presence)
{
	struct arena *a = reactor_scratch(reactor_current());
	struct caps c = caps_of(presence->st->root, a);
	const char *key = c.form ? key_of(&c, a) : NULL;
	struct features *f;

	if (key && w->announced->key && !strcmp(key, w->announced->key))
		return;
	free(w->announced->key);
	w->announced->key = key ? mem_strdup(key) : NULL;
	f = c.form >= CAPS_115 ? cache_find(key) : NULL;
	if (f || !key) {
		set(w, f);
		return;
	}
	unref(w->announced->features);
	w->announced->features = NULL;
	ask(w, &c, key);
}

void
features_announced(struct session *s, const struct packet *presence)
{
	struct announcer w = of_session(s);

	announced(&w, presence);
}

void
features_announced_elsewhere(struct user *u, struct elsewhere *e, const struct packet *presence)
{
	struct announcer w = { u, e->jid, NULL, &e->announced };

	announced(&w, presence);
}

bool
features_has(const struct announced *a, const char *var)
{
	const struct features *f = a->features;

	return f && bsearch(&var, f->var, f->n, sizeof(f->var[0]), by_octets);
}

void
features_each(const struct announced *a, void (*fn)(void *arg, const char *var), void *arg)
{
	const struct features *f = a->features;

	for (unsigned i = 0; f && i < f->n; i++)
		fn(arg, f->var[i]);
}

/* What modules ask */

bool
module_session_supports(const struct session *s, const char *var)
{
	return features_has(&s->announced, var);
}

void
module_session_features(const struct session *s, void (*fn)(void *arg, const char *var), void *arg)
{
	features_each(&s->announced, fn, arg);
}
