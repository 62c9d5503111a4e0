/*
 * absent: see absent.h. The message to the person is a headline: for clients that are there now; who comes later asks, or enters.
 */
#include "absent.h"

#include <string.h>

#include "muc.h"
#include "xmpp/ns.h"

static struct elem *
add_item(struct stanza *st, struct elem *x, const struct jid *who, enum affiliation now, const char *reason)
{
	struct elem *item = elem_add(st, x, NULL, "item");

	elem_set(st, item, "affiliation", affiliation_name(now));
	elem_set(st, item, "jid", jid_bare(who));
	elem_set(st, item, "role", "none");
	if (reason && *reason)
		elem_add_text(st, elem_add(st, item, NULL, "reason"), reason, strlen(reason));
	return item;
}

/* To those inside who see real addresses; a message without type, as in the XEP's examples. */
static void
tell_inside(struct room *r, const struct jid *who, enum affiliation now, const char *reason)
{
	struct audience *to = r->config.whois_anyone ? r->all : r->seeing;
	struct stanza *st;

	if (!to || !audience_size(to))
		return;
	st = stanza_new(NS_CLIENT, "message");
	elem_set(st, st->root, "from", jid_full(r->jid));
	add_item(st, elem_add(st, st->root, NS_MUC_USER, "x"), who, now, reason);
	audience_tell(to, st);
}

static const char *
sentence(struct arena *a, const struct room *r, enum affiliation now)
{
	switch (now) {
	case AFFILIATION_OUTCAST:
		return arena_printf(a, "You may no longer enter the room %s.", jid_bare(r->jid));
	case AFFILIATION_NONE:
		return arena_printf(a, "You are no longer a member of the room %s.", jid_bare(r->jid));
	default:
		return arena_printf(a, "You are now %s of the room %s.", now == AFFILIATION_MEMBER ? "a member" :
			now == AFFILIATION_ADMIN ? "an administrator" : "an owner", jid_bare(r->jid));
	}
}

static enum hook_verdict
sent(struct hook *h, void *data, bool ok)
{
	(void)h;
	(void)data;
	(void)ok; /* not in the record: not said */
	return HOOK_HANDLED;
}

struct notice {
	const struct jid *to;
	struct stanza *st;
};

static enum hook_verdict
begin(struct hook *h, void *data, bool ok)
{
	const struct notice *n = data;
	enum hook_verdict v = hook_record_stanza(h, RECORD_MESSAGE, n->st, h->account, n->to, NULL, NULL, sent);

	(void)ok;
	hook_record_message(h, HOOK_HISTORY_NONE);
	hook_record_sends(h);
	return v;
}

void
absent_tell(struct hook *h, struct room *r, const struct jid *who, enum affiliation now, const char *reason)
{
	struct notice n = { .to = who };
	const char *text = sentence(h->arena, r, now);
	struct elem *x;

	tell_inside(r, who, now, reason);
	if (!jid_local(who))
		return;
	n.st = stanza_new(NS_CLIENT, "message");
	elem_set(n.st, n.st->root, "from", jid_bare(r->jid));
	elem_set(n.st, n.st->root, "to", jid_bare(who));
	elem_set(n.st, n.st->root, "type", "headline");
	elem_add_text(n.st, elem_add(n.st, n.st->root, NS_CLIENT, "body"), text, strlen(text));
	x = elem_add(n.st, n.st->root, NS_MUC_USER, "x");
	add_item(n.st, x, who, now, reason);
	elem_set(n.st, elem_add(n.st, x, NULL, "status"), "code", "101");
	hook_aside(h, begin, &n);
	stanza_unref(n.st);
}
