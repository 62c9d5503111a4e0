/*
 * pubsub_coming: what a client hears when it comes: the last items of the nodes that its user has subscribed to
 * (send_last_published_item on_sub_and_presence, XEP-0060 §8.2), and the requests that wait for its user's decision (§8.6). It is the home of
 * the account that knows when; the service need not see anybody's presence for that.
 *
 * So what is read here and what the service tells come by different ways, and one could overtake the other: a node's last item must not be
 * heard behind a newer one. What a session is told while its last items are read is remembered until then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "pubsub.h"
#include "pubsub_store.h"
#include "xmpp/ns.h"

struct pubsub_told {
	struct pubsub_told *next;
	char *owner, *node;
	char *gone; /* only that this item was retracted; NULL: an item, or that there are none any more */
};

static void
forget(struct pubsub_session *s)
{
	struct pubsub_told *t;

	while ((t = s->told)) {
		s->told = t->next;
		free(t->owner);
		free(t->node);
		free(t->gone);
		free(t);
	}
	s->ntold = 0;
}

void
pubsub_session_fini(void *data)
{
	forget(data);
}

static bool
was_told(const struct pubsub_session *s, const char *owner, const char *node, const char *id)
{
	for (const struct pubsub_told *t = s->told; t; t = t->next)
		if (!strcmp(t->owner, owner) && !strcmp(t->node, node) && (!t->gone || (id && !strcmp(t->gone, id))))
			return true;
	return false;
}

static void
note(struct pubsub_session *s, const char *owner, const char *node, const char *gone)
{
	struct pubsub_told *t;

	if (!node || s->ntold >= module_limits()->pep_last_items || was_told(s, owner, node, gone))
		return;
	t = mem_zalloc(sizeof(*t));
	t->owner = mem_strdup(owner);
	t->node = mem_strdup(node);
	t->gone = gone ? mem_strdup(gone) : NULL;
	t->next = s->told;
	s->told = t;
	s->ntold++;
}

void
pubsub_note_told(struct hook *h, struct session *session, const struct elem *event)
{
	struct pubsub_session *s = module_session_data(h->module, session);
	const struct elem *e = elem_first(event);
	const char *owner = jid_bare(h->from), *node = e ? elem_get(e, "node") : NULL;

	if (!s || !s->reading || !e)
		return;
	if (elem_is(e, NULL, "purge") || elem_is(e, NULL, "delete") || elem_child(e, NULL, "item"))
		note(s, owner, node, NULL);
	else if (elem_is(e, NULL, "items"))
		for (const struct elem *r = elem_child(e, NULL, "retract"); r; r = elem_next(r, NULL, "retract"))
			note(s, owner, node, elem_get(r, "id"));
}

static enum hook_verdict
on_read(struct hook *h, void *data, bool ok)
{
	const struct pubsub_coming *c = data;
	struct pubsub_session *s = h->bound ? module_session_data(h->module, h->bound) : NULL;

	if (!s)
		return HOOK_NEXT;
	for (unsigned i = 0; ok && module_session_presence(h->bound) && i < c->nitems; i++) {
		if (was_told(s, c->items[i].owner, c->items[i].node, c->items[i].id))
			continue;
		metric_add(METRIC_PUBSUB_TOLD, 1);
		module_session_give(h->bound, node_last_message(&c->items[i]), 0);
	}
	if (s->reading && !--s->reading)
		forget(s);
	for (unsigned i = 0; ok && module_session_presence(h->bound) && i < c->nasked; i++)
		module_session_give(h->bound, node_question(c->owner[i], c->asked[i].node, c->asked[i].jid, c->asked[i].subid), 0);
	return HOOK_NEXT;
}

static void
ask(struct hook *h, struct pubsub_session *s)
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
	s->reading++;
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
		ask(h, s);
	}
	return HOOK_NEXT;
}
