/*
 * pubsub_coming: what a client hears when it comes: the last items of the nodes that its user has subscribed to
 * (send_last_published_item on_sub_and_presence, XEP-0060 §8.2), and the requests that wait for its user's decision (§8.6). It is the home of
 * the account that knows when; the service need not see anybody's presence for that.
 */
#include <string.h>

#include "base/metric.h"
#include "pubsub.h"
#include "pubsub_store.h"
#include "xmpp/ns.h"

static enum hook_verdict
on_read(struct hook *h, void *data, bool ok)
{
	const struct pubsub_coming *c = data;

	if (!ok || !h->bound || !module_session_presence(h->bound))
		return HOOK_NEXT;
	for (unsigned i = 0; i < c->nitems; i++) {
		metric_add(METRIC_PUBSUB_TOLD, 1);
		module_session_give(h->bound, node_last_message(&c->items[i]), 0);
	}
	for (unsigned i = 0; i < c->nasked; i++)
		module_session_give(h->bound, node_question(c->owner[i], c->asked[i].node, c->asked[i].jid, c->asked[i].subid), 0);
	return HOOK_NEXT;
}

static void
ask(struct hook *h)
{
	struct pubsub_coming *c = arena_zalloc(hook_memory(h), sizeof(*c));
	const struct elem *show = elem_child(h->stanza->root, NS_CLIENT, "show");
	const struct limits *l = module_limits();

	c->account = h->account_id;
	c->bare = jid_bare(h->account);
	c->full = arena_strdup(hook_memory(h), jid_full(module_session_jid(h->bound)));
	c->show = node_show_of(show ? elem_text(show, h->arena) : NULL);
	c->last_items = l->pep_last_items;
	c->last_bytes = l->pep_last_bytes;
	c->questions = l->pubsub_questions;
	(void)hook_job(h, c, pubsub_store_coming, on_read);
}

enum hook_verdict
pubsub_on_presence(struct hook *h)
{
	struct pubsub_session *s = h->bound ? module_session_data(h->module, h->bound) : NULL;
	const char *type = elem_get(h->stanza->root, "type");
	bool gone = type && !strcmp(type, "unavailable");

	if (!s || (type && !gone))
		return HOOK_NEXT;
	if (gone) {
		s->here = false;
	} else if (!s->here && module_session_priority(h->bound) >= 0) {
		s->here = true;
		ask(h);
	}
	return HOOK_NEXT;
}
