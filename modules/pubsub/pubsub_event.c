/*
 * pubsub_event: telling the subscribers of a service (XEP-0060 §7.1.2).
 *
 * One sealed tree goes to all of them, addressed for each. Who is to hear of it only while available, or while certain presence is
 * shown, gets a tree that says so: what is shown only the subscriber's own home knows, and there this module gives it to those sessions.
 * A message from the bare domain is the service's: nobody else can send one, so what is taken over here cannot be forged.
 */
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "pubsub.h"
#include "pubsub_store.h"
#include "xmpp/ns.h"

#define NS_WHEN "urn:chancery:pubsub:0"
#define SHOWS 32 /* sets of enum node_show */

struct told {
	struct stanza *plain, *when[SHOWS];
};

static struct stanza *
variant(struct told *t, bool available_only, unsigned shows, struct arena *a)
{
	struct stanza **st = &t->when[shows % SHOWS];
	struct elem *e;

	if (!available_only && !shows)
		return t->plain;
	if (!*st) {
		*st = stanza_copy(t->plain);
		e = elem_add(*st, (*st)->root, NS_WHEN, "available");
		if (shows)
			elem_set(*st, e, "show", node_show_names(shows, a));
	}
	return *st;
}

void
pubsub_tell(struct hook *h, const struct node_call *c, struct stanza *st, bool replyto)
{
	struct told t = { .plain = st };
	const struct node_config *config = &c->op.node.config;

	(void)replyto;
	for (unsigned i = 0; config->notify && i < c->op.nsubscriptions; i++) {
		const struct node_subscription *s = &c->op.subscriptions[i];
		struct jid *to = jid_parse_z(s->jid);

		if (!to)
			continue;
		metric_add(METRIC_PUBSUB_TOLD, 1);
		module_tell(module_is_local(to) ? variant(&t, config->available_only, s->options.shows, h->arena) : st, h->account, to);
		jid_unref(to);
	}
	for (unsigned i = 0; i < SHOWS; i++)
		stanza_unref(t.when[i]);
	stanza_unref(st);
}

/* At the home of who is told */

static bool
is_shown(const struct session *s, const char *wanted, struct arena *a)
{
	const struct stanza *p = module_session_presence(s);
	const struct elem *show = p ? elem_child(p->root, NS_CLIENT, "show") : NULL;
	const char *name = show ? elem_text(show, a) : "", *at;

	if (!p)
		return false;
	if (!wanted)
		return true;
	if (!*name)
		name = "online";
	at = strstr(wanted, name);
	return at && (at == wanted || at[-1] == ' ') && (at[strlen(name)] == ' ' || !at[strlen(name)]);
}

/* Sessions below it are not given what goes to the bare JID: a message to those of the highest priority (RFC 6121 §8.5.2.1), a headline, and
 * what we give out ourselves, to all that are not negative. */
static int
lowest(const struct hook *h, struct session **all, unsigned n, bool ourselves)
{
	const char *type = elem_get(h->stanza->root, "type");
	int best = 0;

	if (ourselves || (type && !strcmp(type, "headline")))
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (module_session_priority(all[i]) > best)
			best = module_session_priority(all[i]);
	return best;
}

/* Those to whom h->stanza goes know of it from now on. */
static void
note_told(struct hook *h, struct session **all, unsigned n, const struct elem *when)
{
	const struct elem *event = elem_child(h->stanza->root, NS_PUBSUB_EVENT, "event");
	const char *resource = jid_resource(h->to);
	int from = lowest(h, all, n, when);

	for (unsigned i = 0; event && i < n; i++)
		if ((resource ? !strcmp(resource, jid_resource(module_session_jid(all[i]))) : module_session_priority(all[i]) >= from) &&
			(!when || is_shown(all[i], elem_get(when, "show"), h->arena)))
			pubsub_note_told(h, all[i], event);
}

enum hook_verdict
pubsub_on_deliver(struct hook *h)
{
	bool ours = !h->record_id && h->from && jid_is_domain(h->from) && module_is_service(h->from);
	const struct elem *when = ours ? elem_child(h->stanza->root, NS_WHEN, "available") : NULL;
	const char *resource = jid_resource(h->to);
	struct session **all;
	struct stanza *st;
	unsigned n;

	if (!ours)
		return HOOK_NEXT;
	n = module_sessions(h, &all);
	note_told(h, all, n, when);
	if (!when)
		return HOOK_NEXT;
	st = stanza_copy(h->stanza);
	elem_remove(elem_child(st->root, NS_WHEN, "available"));
	stanza_seal(st);
	for (unsigned i = 0; i < n; i++)
		if (resource ? !strcmp(resource, jid_resource(module_session_jid(all[i]))) && is_shown(all[i], elem_get(when, "show"), h->arena) :
			module_session_priority(all[i]) >= 0 && is_shown(all[i], elem_get(when, "show"), h->arena))
			module_session_give(all[i], stanza_ref(st), 0);
	stanza_unref(st);
	return HOOK_HANDLED;
}

/* What comes back */

static enum hook_verdict
on_bounced(struct hook *h, void *data, bool ok)
{
	(void)h;
	(void)data;
	(void)ok;
	return HOOK_HANDLED;
}

/* A resource that is not there may be there again tomorrow, a partner that is not allowed (at this hour), too. */
static bool
is_final(const struct hook *h)
{
	const struct elem *error = elem_child(h->stanza->root, NULL, "error");
	const char *type = error ? elem_get(error, "type") : NULL;
	enum xerror e = xerror_of(h->stanza->root);

	return type && e != XERROR_NOT_ALLOWED && (e == XERROR_GONE || (!strcmp(type, "cancel") && (jid_is_bare(h->from) || e != XERROR_SERVICE_UNAVAILABLE)));
}

enum hook_verdict
pubsub_on_bounce(struct hook *h)
{
	struct node_call *c;

	if (!is_final(h))
		return HOOK_HANDLED;
	c = node_begin(h, &pubsub_kind);
	c->op.commit = true;
	c->op.jid = jid_full(h->from);
	return hook_job(h, c, pubsub_store_bounced, on_bounced);
}
