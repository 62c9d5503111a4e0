/*
 * pep_last: last items (XEP-0163 §4.3.4): to a client that has come and whose interests are known, and when a contact lets the
 * account see its presence. One query brings those of all contacts here, as far as their rosters and nodes allow; nobody
 * is loaded for that.
 *
 * A client that announces other interests later gets the items of those that are new; one that it gave up meanwhile is new
 * again. What is published while the query runs is told at
 * once; what the query has read of that node is older then, and left out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "pep.h"

#define NOTIFY "+notify"
#define NEWER_MAX 1024 /* nodes that change while one query runs; of more an old item may come after a new one */

struct interests {
	struct arena *arena;
	const struct pep_told *told; /* NULL: whatever it has been told */
	uint64_t *now;               /* hashes of all that are announced */
	unsigned nnow, nowcap;
	struct node_list *out;
	unsigned cap;
};

void
pep_told_fini(void *data)
{
	struct pep_told *t = data;

	free(t->node);
	free(t->newer);
	*t = (struct pep_told){ 0 };
}

static uint64_t
hash_of(const char *owner, const char *node)
{
	return crypt_hash(owner, strlen(owner)) * 31 + crypt_hash(node, strlen(node));
}

static bool
is_among(const uint64_t *all, unsigned n, uint64_t hash)
{
	for (unsigned i = 0; i < n; i++)
		if (all[i] == hash)
			return true;
	return false;
}

static bool
has_heard(const struct pep_told *t, const char *owner, const char *node)
{
	uint64_t hash = t->nnewer ? hash_of(owner, node) : 0;

	return is_among(t->newer, t->nnewer, hash);
}

void
pep_heard(struct pep_told *t, const char *owner, const char *node)
{
	if (!t->reading || t->nnewer == NEWER_MAX || has_heard(t, owner, node))
		return;
	t->newer = mem_realloc(t->newer, (t->nnewer + 1) * sizeof(*t->newer));
	t->newer[t->nnewer++] = hash_of(owner, node);
}

static void
reading_ends(struct pep_told *t)
{
	/* The client may have gone and come again meanwhile. */
	if (!t->reading || --t->reading)
		return;
	free(t->newer);
	t->newer = NULL;
	t->nnewer = 0;
}

static bool
is_new(struct interests *in, const char *node)
{
	uint64_t hash = crypt_hash(node, strlen(node));

	if (is_among(in->now, in->nnow, hash))
		return false;
	if (in->nnow == in->nowcap) {
		uint64_t *more = arena_alloc(in->arena, 2 * (in->nowcap + 8) * sizeof(*more));

		if (in->nnow)
			memcpy(more, in->now, in->nnow * sizeof(*more));
		in->now = more;
		in->nowcap = 2 * (in->nowcap + 8);
	}
	in->now[in->nnow++] = hash;
	return !is_among(in->told->node, in->told->n, hash);
}

/* What it no longer announces is new when it comes again. */
static void
remember(struct pep_told *t, const struct interests *in)
{
	if (in->nnow) {
		t->node = mem_realloc(t->node, in->nnow * sizeof(*t->node));
		memcpy(t->node, in->now, in->nnow * sizeof(*t->node));
	}
	t->n = in->nnow;
}

static bool
has(const struct node_list *l, const char *s)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->item[i], s))
			return true;
	return false;
}

static void
add_interest(void *arg, const char *var)
{
	struct interests *in = arg;
	size_t n = strlen(var), tail = sizeof(NOTIFY) - 1;
	const char *node;

	if (n <= tail || strcmp(var + n - tail, NOTIFY) != 0)
		return;
	node = arena_strndup(in->arena, var, n - tail);
	if ((in->told && !is_new(in, node)) || has(in->out, node))
		return;
	if (in->out->n == in->cap) {
		const char **more = arena_alloc(in->arena, 2 * (in->cap + 8) * sizeof(*more));

		if (in->out->n)
			memcpy(more, in->out->item, in->out->n * sizeof(*more));
		in->out->item = more;
		in->cap = 2 * (in->cap + 8);
	}
	in->out->item[in->out->n++] = node;
}

static struct pep_last *
begin(struct hook *h)
{
	struct pep_last *q = arena_zalloc(hook_memory(h), sizeof(*q));

	q->op.quota = pep_kind.quota();
	pep_kind.identify(h, &q->op);
	return q;
}

static void
give(struct session *s, const struct node_item *i)
{
	metric_add(METRIC_PEP_TOLD, 1);
	module_session_give(s, node_last_message(i), 0);
}

static enum hook_verdict
on_read(struct hook *h, void *data, bool ok)
{
	struct pep_last *c = data;
	struct session **all;
	unsigned n = module_sessions(h, &all);

	for (unsigned i = 0; ok && i < c->op.nitems; i++) {
		const struct node_item *item = &c->op.items[i];
		const char *interest = arena_printf(h->arena, "%s" NOTIFY, item->node);

		for (unsigned j = 0; j < n; j++)
			if ((!c->to || c->to == all[j]) && (!c->to || h->bound == c->to) && module_session_presence(all[j]) &&
				module_session_supports(all[j], interest) &&
				!has_heard(module_session_data(h->module, all[j]), item->owner, item->node))
				give(all[j], item);
	}
	if (c->to && h->bound == c->to)
		reading_ends(module_session_data(h->module, c->to));
	return HOOK_NEXT;
}

enum hook_verdict
pep_on_caps(struct hook *h)
{
	struct pep_told *told = module_session_data(h->module, h->bound);
	struct pep_last *c = begin(h);
	struct interests in = { .arena = hook_memory(h), .told = told, .out = &c->interests };

	module_session_features(h->bound, add_interest, &in);
	remember(told, &in);
	if (!c->interests.n)
		return HOOK_NEXT;
	c->to = h->bound;
	told->reading++;
	(void)hook_job(h, c, pep_store_last, on_read);
	return HOOK_NEXT;
}

/* It has gone; when it comes again it is told again. */
enum hook_verdict
pep_on_presence(struct hook *h)
{
	const char *type = elem_get(h->stanza->root, "type");

	if (h->bound && type && !strcmp(type, "unavailable"))
		pep_told_fini(module_session_data(h->module, h->bound));
	return HOOK_NEXT;
}

/* The last items of a contact whose presence the account has begun to see. */
static enum hook_verdict
ask_contact(struct hook *h)
{
	struct pep_last *c = begin(h);
	struct interests in = { .arena = hook_memory(h), .out = &c->interests };
	struct session **all;
	unsigned n = module_sessions(h, &all);

	for (unsigned i = 0; i < n; i++)
		module_session_features(all[i], add_interest, &in);
	if (!c->interests.n)
		return HOOK_NEXT;
	c->contact = jid_bare(h->from);
	c->subscribed_now = true;
	return hook_job(h, c, pep_store_last, on_read);
}

/* Those elsewhere (§4.3.1): the account's own last items, to a contact's client that is there */

static enum hook_verdict
on_read_own(struct hook *h, void *data, bool ok)
{
	struct pep_last *c = data;

	for (unsigned i = 0; ok && i < c->op.nitems; i++) {
		struct stanza *st = node_last_message(&c->op.items[i]);

		metric_add(METRIC_PEP_TOLD, 1);
		module_tell_elsewhere(h, st, h->account, c->client);
		stanza_unref(st);
	}
	return HOOK_NEXT;
}

static void
forget_jid(void *arg)
{
	jid_unref(arg);
}

static enum hook_verdict
tell_client(struct hook *h, const struct jid *full, bool subscribed_now)
{
	struct pep_last *c = begin(h);
	struct interests in = { .arena = hook_memory(h), .out = &c->interests };

	module_elsewhere_features(h, full, add_interest, &in);
	if (!c->interests.n)
		return HOOK_NEXT;
	c->client = jid_ref((struct jid *)full);
	arena_on_free(hook_memory(h), forget_jid, (struct jid *)full);
	c->contact = arena_strdup(hook_memory(h), jid_bare(full));
	c->subscribed_now = subscribed_now;
	return hook_job(h, c, pep_store_last_own, on_read_own);
}

enum hook_verdict
pep_on_elsewhere(struct hook *h)
{
	(void)tell_client(h, h->from, false);
	return HOOK_NEXT;
}

static enum hook_verdict
show_client(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return tell_client(h, data, true);
}

static void
show_to_client(void *arg, const struct jid *full)
{
	hook_aside(arg, show_client, (struct jid *)full);
}

static enum hook_verdict
on_lost(struct hook *h, void *data, bool ok)
{
	(void)data;
	(void)ok;
	return module_follows(h, h->from) ? ask_contact(h) : HOOK_NEXT;
}

/* XEP-0163 §7.1: who does not see the account's presence, or no longer, has no subscription by that. */
enum hook_verdict
pep_on_contact(struct hook *h)
{
	struct node_call *c;

	if (module_relation(h) != MODULE_STRANGER) {
		module_each_elsewhere(h, h->from, show_to_client, h);
		return module_follows(h, h->from) ? ask_contact(h) : HOOK_NEXT;
	}
	c = node_begin(h, &pep_kind);
	c->op.commit = true;
	return hook_job(h, c, node_store_lost, on_lost);
}
