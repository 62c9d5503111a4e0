/*
 * history_prefs: archiving preferences (XEP-0441). They change what the account sees from now on, and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "history.h"
#include "xmpp/ns.h"

enum preset { PRESET_ALWAYS, PRESET_NEVER, PRESET_ROSTER, PRESETS };

static const char *const preset_names[] = { "always", "never", "roster" };

struct addresses {
	struct jid **jid;
	size_t n;
};

/* Kept with the account; NULL there: all of it is wanted. */
struct prefs {
	enum preset preset;
	struct addresses always, never;
};

static bool
read_preset(const char *name, enum preset *out)
{
	for (int i = 0; name && i < PRESETS; i++) {
		if (strcmp(name, preset_names[i]))
			continue;
		*out = (enum preset)i;
		return true;
	}
	return false;
}

static void
addresses_fini(struct addresses *l)
{
	for (size_t i = 0; i < l->n; i++)
		jid_unref(l->jid[i]);
	free(l->jid);
}

static void
addresses_make(struct addresses *l, const char *const *text, size_t n)
{
	l->jid = mem_alloc((n + 1) * sizeof(*l->jid));
	l->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct jid *j = jid_parse_z(text[i]);

		if (j)
			l->jid[l->n++] = j;
	}
}

static void *
prefs_make(const void *rows)
{
	const struct history_prefs *r = rows;
	struct prefs *p;

	if (!r)
		return NULL;
	p = NEW(struct prefs);
	(void)read_preset(r->preset, &p->preset);
	addresses_make(&p->always, r->always, r->nalways);
	addresses_make(&p->never, r->never, r->nnever);
	return p;
}

static void
prefs_free(void *data)
{
	struct prefs *p = data;

	if (!p)
		return;
	addresses_fini(&p->always);
	addresses_fini(&p->never);
	free(p);
}

const struct module_account history_account = {
	.load = history_store_load, .make = prefs_make, .free = prefs_free,
};

/* §2.3.1: a bare address stands for all its resources. */
static bool
covers(const struct addresses *l, const struct jid *who)
{
	for (size_t i = 0; i < l->n; i++)
		if (jid_is_bare(l->jid[i]) ? jid_equal_bare(l->jid[i], who) : jid_equal(l->jid[i], who))
			return true;
	return false;
}

bool
history_wanted(const struct hook *h, const struct jid *who)
{
	const struct prefs *p = module_data(h);

	if (!p || covers(&p->always, who))
		return true;
	if (p->preset == PRESET_NEVER || covers(&p->never, who))
		return false;
	return p->preset == PRESET_ALWAYS || module_contact_in(h, who, NULL);
}

static void
write_addresses(struct stanza *st, struct elem *prefs, const char *name, const struct addresses *l)
{
	struct elem *list = elem_add(st, prefs, NULL, name);

	for (size_t i = 0; l && i < l->n; i++)
		elem_add_text(st, elem_add(st, list, NULL, "jid"), jid_full(l->jid[i]), jid_full_len(l->jid[i]));
}

static enum hook_verdict
answer(struct hook *h, const struct prefs *p)
{
	struct stanza *st = hook_result(h);
	struct elem *e = elem_add(st, st->root, NS_MAM, "prefs");

	elem_set(st, e, "default", preset_names[p ? p->preset : PRESET_ALWAYS]);
	write_addresses(st, e, "always", p ? &p->always : NULL);
	write_addresses(st, e, "never", p ? &p->never : NULL);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

enum hook_verdict
history_on_get_prefs(struct hook *h)
{
	enum hook_verdict v = history_only_self(h);

	return v == HOOK_NEXT ? answer(h, module_data(h)) : v;
}

/* The <jid/>s of <always/> or <never/>, prepared. XERROR_NONE when they are right. */
static enum xerror
read_addresses(const struct elem *prefs, const char *name, struct arena *a, const char ***out, size_t *n)
{
	uint64_t most = module_limits()->history_prefs;
	const struct elem *list = elem_child(prefs, NS_MAM, name);

	*n = 0;
	*out = arena_alloc(a, (most + 1) * sizeof(**out));
	for (const struct elem *e = list ? elem_child(list, NS_MAM, "jid") : NULL; e; e = elem_next(e, NS_MAM, "jid")) {
		struct jid *j = jid_parse_z(elem_text(e, a));

		if (!j)
			return XERROR_JID_MALFORMED;
		if (*n < most)
			(*out)[*n] = arena_strdup(a, jid_full(j));
		jid_unref(j);
		if (++*n > most)
			return XERROR_POLICY_VIOLATION;
	}
	return XERROR_NONE;
}

static enum hook_verdict
set_done(struct hook *h, void *data, bool ok)
{
	const struct history_set *s = data;
	struct prefs *p;

	if (!ok)
		return hook_unavailable(h);
	p = prefs_make(&s->prefs);
	module_set_data(h, p);
	return answer(h, module_data(h));
}

enum hook_verdict
history_on_set_prefs(struct hook *h)
{
	struct arena *a;
	struct history_set *s;
	enum preset preset;
	enum xerror e;

	if (history_only_self(h) != HOOK_NEXT)
		return HOOK_REJECT;
	if (!read_preset(elem_get(h->payload, "default"), &preset))
		return hook_reject(h, XERROR_BAD_REQUEST, "default is always, never or roster");
	a = hook_memory(h);
	s = arena_zalloc(a, sizeof(*s));
	s->account = h->account_id;
	s->prefs.preset = preset_names[preset];
	e = read_addresses(h->payload, "always", a, &s->prefs.always, &s->prefs.nalways);
	if (e == XERROR_NONE)
		e = read_addresses(h->payload, "never", a, &s->prefs.never, &s->prefs.nnever);
	if (e != XERROR_NONE)
		return hook_reject(h, e, e == XERROR_POLICY_VIOLATION ? "too many addresses" : NULL);
	return hook_job(h, s, history_store_set, set_done);
}
