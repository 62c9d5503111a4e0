/*
 * bookmark_change: the difference between what there is and what there shall be, item by item. Items that are the same are left
 * alone: nobody is told of them (XEP-0402 §5.3.2).
 */
#include <string.h>

#include "base/log.h"
#include "bookmark.h"
#include "module.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/pubsub.h"

/* §3.3, and XEP-0223: nobody else's. */
static const struct pubsub_config whitelist = { .access_model = "whitelist", .max_items = "max",
	.send_last_published_item = "never" };

struct step {
	const char *id;
	const char *conference; /* its payload; NULL: retract it */
};

struct change {
	struct bookmarks wanted;
	bool add_only;
	bookmark_newer_fn newer;
	bookmark_end_fn end;
	struct step *step;
	size_t n, at;
	bool configured; /* the node has been made private */
};

bool
bookmark_has_items(const struct hook *h, bool ok)
{
	return ok && (pubsub_is_result(h->answer) || xerror_of(h->answer->root) == XERROR_ITEM_NOT_FOUND);
}

/* Without a service for nodes there is nobody here either. */
enum bookmark_outcome
bookmark_no_items(const struct hook *h, bool ok)
{
	return ok && xerror_of(h->answer->root) == XERROR_SERVICE_UNAVAILABLE ? BOOKMARK_NOBODY : BOOKMARK_UNAVAILABLE;
}

static bool
is_newer(const struct hook *h, const struct change *c, const char *id)
{
	return c->newer && c->newer(h, id);
}

static void
compare(struct hook *h, struct change *c, struct bookmarks *had)
{
	struct arena *memory = hook_memory(h);

	c->step = arena_zalloc(memory, (c->wanted.n + had->n + 1) * sizeof(*c->step));
	for (size_t i = 0; i < c->wanted.n; i++) {
		const struct bookmark *w = &c->wanted.list[i];
		struct bookmark *old = bookmark_find(had, w->id);

		if (old)
			old->seen = true;
		if (is_newer(h, c, w->id))
			continue;
		if (!old || (!c->add_only && !bookmark_is_unchanged(h->arena, w, old)))
			c->step[c->n++] = (struct step){ w->id, bookmark_payload(memory, h->arena, w, old) };
	}
	for (size_t i = 0; i < had->n && !c->add_only; i++)
		if (!had->list[i].seen && !is_newer(h, c, had->list[i].id))
			c->step[c->n++] = (struct step){ arena_strdup(memory, had->list[i].id), NULL };
}

static enum hook_verdict on_changed(struct hook *h, void *data, bool ok);

static enum hook_verdict
next(struct hook *h, struct change *c)
{
	const struct step *s = &c->step[c->at];
	struct stanza *iq, *conference;
	struct elem *item;

	if (c->at == c->n)
		return c->end(h, BOOKMARK_CHANGED);
	if (!s->conference)
		return hook_ask(h, h->account, pubsub_retract(NS_BOOKMARKS, s->id), 0, c, on_changed);
	conference = parser_one(s->conference, strlen(s->conference), NULL, NULL);
	iq = pubsub_publish(NS_BOOKMARKS, s->id, &item);
	if (conference)
		elem_add_copy(iq, item, conference->root);
	stanza_unref(conference);
	pubsub_publish_options(iq, &whitelist);
	return hook_ask(h, h->account, iq, 0, c, on_changed);
}

static enum hook_verdict
on_configured(struct hook *h, void *data, bool ok)
{
	struct change *c = data;

	return ok && pubsub_is_result(h->answer) ? next(h, c) : c->end(h, BOOKMARK_UNAVAILABLE);
}

static enum hook_verdict
on_changed(struct hook *h, void *data, bool ok)
{
	struct change *c = data;
	enum xerror e = ok ? xerror_of(h->answer->root) : XERROR_NONE;
	bool retracted = !c->step[c->at].conference;

	if (!ok)
		return c->end(h, BOOKMARK_UNAVAILABLE);
	/* XEP-0411 §6: the node is made private, once. */
	if (e != XERROR_NONE && pubsub_is_precondition(h->answer) && !c->configured) {
		c->configured = true;
		return hook_ask(h, h->account, pubsub_configure(NS_BOOKMARKS, &whitelist), 0, c, on_configured);
	}
	if (e != XERROR_NONE && !(retracted && e == XERROR_ITEM_NOT_FOUND)) {
		log_info(NULL, "bookmarks-not-changed", "account=%s done=%zu of=%zu why=%s", jid_bare(h->account), c->at, c->n,
			xerror_name(e));
		return c->end(h, BOOKMARK_REFUSED);
	}
	c->at++;
	return next(h, c);
}

static enum hook_verdict
on_old(struct hook *h, void *data, bool ok)
{
	struct change *c = data;
	struct bookmarks had;

	if (!bookmark_has_items(h, ok))
		return c->end(h, bookmark_no_items(h, ok));
	had = bookmark_read_items(h->answer, h->arena);
	compare(h, c, &had);
	return next(h, c);
}

enum hook_verdict
bookmark_change(struct hook *h, const struct bookmarks *wanted, bool add_only, bookmark_newer_fn newer, bookmark_end_fn end)
{
	struct change *c = arena_zalloc(hook_memory(h), sizeof(*c));

	c->wanted = *wanted;
	c->add_only = add_only;
	c->newer = newer;
	c->end = end;
	return hook_ask(h, h->account, pubsub_items_get(NS_BOOKMARKS, NULL, 0), 0, c, on_old);
}
