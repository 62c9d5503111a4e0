/*
 * elsewhere: a table with each account in memory.
 */
#include "core/module/elsewhere.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/home.h"
#include "core/module/modules.h"
#include "core/roster/roster.h"
#include "core/route/router.h"
#include "core/user.h"
#include "module.h"

#define OF_ONE 32 /* clients of one contact */

static void
forget(struct user *u, struct elsewhere *e)
{
	HASH_DEL(u->elsewhere, e);
	features_drop(&e->announced);
	jid_unref(e->jid);
	free(e);
}

struct elsewhere *
elsewhere_find(const struct user *u, const struct jid *full)
{
	struct elsewhere *e = NULL;

	if (u->elsewhere)
		HASH_FIND(hh, u->elsewhere, jid_full(full), jid_full_len(full), e);
	return e;
}

/* One contact does not take the room of all. */
static bool
has_room(const struct user *u, const struct jid *full)
{
	unsigned n = 0;

	if (HASH_COUNT(u->elsewhere) >= home_config()->limits.contact_clients)
		return false;
	for (const struct elsewhere *e = u->elsewhere; e; e = e->hh.next)
		n += jid_equal_bare(e->jid, full);
	return n < OF_ONE;
}

/* NULL: there are too many. */
static struct elsewhere *
remember(struct user *u, struct jid *full)
{
	struct elsewhere *e = elsewhere_find(u, full);

	if (e || !has_room(u, full))
		return e;
	e = NEW(struct elsewhere);
	e->jid = jid_ref(full);
	HASH_ADD_KEYPTR(hh, u->elsewhere, jid_full(e->jid), jid_full_len(e->jid), e);
	return e;
}

static unsigned
subscription(const struct user *u, const struct jid *who)
{
	const struct roster_item *i = roster_find(u->roster, who);

	return i ? i->subscription : SUB_NONE;
}

void
elsewhere_presence(struct user *u, const struct packet *p)
{
	struct elsewhere *e;

	if (!jid_resource(p->from) || (p->type != TYPE_NONE && p->type != TYPE_UNAVAILABLE))
		return;
	e = p->type == TYPE_NONE && subscription(u, p->from) ? remember(u, p->from) : elsewhere_find(u, p->from);
	if (e && p->type == TYPE_NONE)
		features_announced_elsewhere(u, e, p);
	else if (e)
		forget(u, e);
}

void
elsewhere_free(struct user *u)
{
	struct elsewhere *e, *tmp;

	HASH_ITER(hh, u->elsewhere, e, tmp)
		forget(u, e);
}

/* What modules ask */

bool
module_elsewhere_supports(const struct hook *h, const struct jid *full, const char *var)
{
	const struct elsewhere *e = h->user ? elsewhere_find(h->user, full) : NULL;

	return e && features_has(&e->announced, var);
}

void
module_elsewhere_features(const struct hook *h, const struct jid *full, void (*fn)(void *arg, const char *var), void *arg)
{
	const struct elsewhere *e = h->user ? elsewhere_find(h->user, full) : NULL;

	if (e)
		features_each(&e->announced, fn, arg);
}

void
module_each_elsewhere(const struct hook *h, const struct jid *contact, void (*fn)(void *arg, const struct jid *full), void *arg)
{
	struct elsewhere *e, *tmp;

	if (!h->user)
		return;
	HASH_ITER(hh, h->user->elsewhere, e, tmp)
		if (!contact || jid_equal_bare(e->jid, contact))
			fn(arg, e->jid);
}

void
module_tell_shown(struct hook *h, struct stanza *st, const struct jid *from, const struct jid *to)
{
	struct hook of = { .stage = HOOK_PRESENCE_TO, .stanza = stanza_seal(st), .from = from, .to = to, .account = h->account };

	if (!h->user || !modules_want(HOOK_PRESENCE_TO) || modules_run(&of, h->user) == HOOK_NEXT)
		module_tell(st, from, to);
}

void
module_tell_elsewhere(struct hook *h, struct stanza *st, const struct jid *from, const struct jid *to)
{
	if (h->user && h->user->roster && (subscription(h->user, to) & SUB_FROM))
		module_tell_shown(h, st, from, to);
}
