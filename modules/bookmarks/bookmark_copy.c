/*
 * bookmark_copy: the list as one item of the node storage:bookmarks (XEP-0048 in XEP-0223), for clients that keep it there
 * (`#compat-pep`, XEP-0411).
 *
 * Events of the account's own nodes say what has changed. Of the items: the copy is made anew, when it differs. Of the copy, by a
 * client: the items are made what it says. What this module publishes has no address to reply to, as it comes from the bare
 * address, so it is not taken for a client's. One such walk at a time for an account, lists that clients set first; each
 * event is followed by a walk that begins after it, so the last walk sees what there is.
 *
 * A copy that is older than this, or that an interrupted walk left behind, is looked at once when a client comes that
 * follows the node: rooms that only it has become items, and nothing is taken away.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "bookmark.h"
#include "module.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/pubsub.h"
#include "xmpp/serialize.h"

#define COMPAT_PEP "urn:xmpp:bookmarks:1#compat-pep"
#define CONVERSION "urn:xmpp:bookmarks-conversion:0"
#define INTEREST "storage:bookmarks+notify"
#define NS_ADDRESS "http://jabber.org/protocol/address"
#define CURRENT "current" /* XEP-0223 §3: the id of an item that is the only one */

/* Nobody else's; clients may have configured the rest in their way. */
static const struct pubsub_config whitelist = { .access_model = "whitelist" };

/* Kept with the account from its first event on. */
struct memory {
	bool busy;
	bool copy;            /* the copy may have to be made anew */
	bool look, looked;    /* the copy may have rooms that the items have not */
	struct stanza *list;  /* the event with the last list that a client has set; NULL: it is in effect */
	struct stanza *said;  /* that one, until the copy has been looked at again: a walk may have written over it */
	char **newer;         /* items that clients have published, or retracted, since the last list was set, until it is in effect */
	size_t nnewer;
};

static void
forget_newer(struct memory *m)
{
	while (m->nnewer)
		free(m->newer[--m->nnewer]);
	free(m->newer);
	m->newer = NULL;
}

static void
memory_free(void *data)
{
	struct memory *m = data;

	stanza_unref(m->list);
	stanza_unref(m->said);
	forget_newer(m);
	free(m);
}

static struct memory *
memory_of(struct hook *h)
{
	if (!module_data(h))
		module_set_data(h, mem_zalloc(sizeof(struct memory)));
	return module_data(h);
}

static enum hook_verdict begin(struct hook *h, void *data, bool ok);

/* Another walk in a chain of its own: the memory of this one has grown enough. */
static enum hook_verdict
end(struct hook *h)
{
	struct memory *m = module_data(h);

	if (m) {
		m->busy = false;
		hook_aside(h, begin, NULL);
	}
	return HOOK_NEXT;
}

static enum hook_verdict
failed(struct hook *h, const char *why)
{
	log_info(NULL, "bookmarks-not-converted", "account=%s why=%s", jid_bare(h->account), why);
	metric_add(METRIC_PROFILE_REFUSED, 1);
	return end(h);
}

static void
unref(void *st)
{
	stanza_unref(st);
}

/* It lasts as long as hook_memory(h). */
static const struct stanza *
hold(struct hook *h, const struct stanza *st)
{
	arena_on_free(hook_memory(h), unref, stanza_ref((struct stanza *)st));
	return st;
}

/* From the copy to the items */

static enum hook_verdict
changed(struct hook *h, enum bookmark_outcome o)
{
	return o == BOOKMARK_CHANGED ? end(h) : failed(h, o == BOOKMARK_REFUSED ? "refused" : "unavailable");
}

static bool
is_newer(const struct hook *h, const char *id)
{
	const struct memory *m = module_data(h);

	for (size_t i = 0; m && i < m->nnewer; i++)
		if (!strcmp(m->newer[i], id))
			return true;
	return false;
}

/* What a client does to items while its list, or another client's, is still being taken over comes after that. */
static void
note_newer(struct hook *h, struct memory *m)
{
	const struct elem *event = elem_child(h->stanza->root, NS_PUBSUB_EVENT, "event");
	const struct elem *items = event ? elem_child(event, NS_PUBSUB_EVENT, "items") : NULL;
	const struct elem *e = items ? elem_first(items) : NULL;
	const char *id = e ? elem_get(e, "id") : NULL;

	if (!id || (!m->list && !m->said) || m->nnewer >= module_limits()->bookmarks || is_newer(h, id))
		return;
	m->newer = mem_realloc(m->newer, (m->nnewer + 1) * sizeof(*m->newer));
	m->newer[m->nnewer++] = mem_strdup(id);
}

static enum hook_verdict
take_list(struct hook *h, const struct elem *storage, bool add_only)
{
	struct bookmarks wanted;

	if (bookmark_count(storage) > module_limits()->bookmarks)
		return failed(h, "too-many");
	if (!bookmark_read_storage(storage, hook_memory(h), &wanted))
		return failed(h, "malformed");
	return bookmark_change(h, &wanted, add_only, is_newer, changed);
}

static const struct elem *
storage_of_item(const struct elem *item)
{
	return item ? elem_child(item, NS_STORAGE, "storage") : NULL;
}

static const struct elem *
storage_of_event(const struct stanza *st)
{
	const struct elem *event = elem_child(st->root, NS_PUBSUB_EVENT, "event");
	const struct elem *items = event ? elem_child(event, NS_PUBSUB_EVENT, "items") : NULL;

	return storage_of_item(items ? elem_child(items, NS_PUBSUB_EVENT, "item") : NULL);
}

static enum hook_verdict
on_looked(struct hook *h, void *data, bool ok)
{
	const struct elem *storage = ok ? storage_of_item(pubsub_first_item(h->answer)) : NULL;

	(void)data;
	if (!storage)
		return end(h);
	(void)hold(h, h->answer);
	return take_list(h, storage, true);
}

/* From the items to the copy */

struct copy {
	const struct elem *had;  /* what the node has; NULL: nothing */
	const struct elem *more; /* what has the web pages (XEP-0048 §2.2) and whatever else is no room; NULL: nothing */
	const char *storage;    /* to publish */
	bool configured;
};

static enum hook_verdict on_published(struct hook *h, void *data, bool ok);

static enum hook_verdict
publish(struct hook *h, struct copy *c)
{
	struct stanza *storage = parser_one(c->storage, strlen(c->storage), NULL, NULL), *iq;
	struct elem *item;

	iq = pubsub_publish(NS_STORAGE, CURRENT, &item);
	if (storage)
		elem_add_copy(iq, item, storage->root);
	stanza_unref(storage);
	pubsub_publish_options(iq, &whitelist);
	return hook_ask(h, h->account, iq, 0, c, on_published);
}

static enum hook_verdict
on_configured(struct hook *h, void *data, bool ok)
{
	return ok && pubsub_is_result(h->answer) ? publish(h, data) : failed(h, "unavailable");
}

static enum hook_verdict
on_published(struct hook *h, void *data, bool ok)
{
	struct copy *c = data;

	if (!ok)
		return failed(h, "unavailable");
	if (pubsub_is_result(h->answer))
		return end(h);
	if (!pubsub_is_precondition(h->answer) || c->configured)
		return failed(h, "refused");
	c->configured = true; /* XEP-0411 §6: others could read it */
	return hook_ask(h, h->account, pubsub_configure(NS_STORAGE, &whitelist), 0, c, on_configured);
}

static size_t
count_more(const struct elem *storage)
{
	size_t n = 0;

	for (const struct elem *e = storage ? elem_first(storage) : NULL; e; e = elem_next(e, NULL, NULL))
		n += !elem_is(e, NS_STORAGE, "conference");
	return n;
}

/* In whatever order. */
static bool
is_same(struct hook *h, const struct copy *c, const struct bookmarks *all)
{
	struct bookmarks had = { 0 };

	if (count_more(c->had) != count_more(c->more))
		return false;
	if (!c->had)
		return !all->n;
	if (!bookmark_read_storage(c->had, h->arena, &had) || had.n != all->n)
		return false;
	for (size_t i = 0; i < had.n; i++) {
		const struct bookmark *b = bookmark_find(all, had.list[i].id);

		if (!b || !bookmark_is_unchanged(h->arena, &had.list[i], b))
			return false;
	}
	return true;
}

static const char *
storage_text(struct hook *h, const struct copy *c, const struct bookmarks *all)
{
	struct stanza *st = stanza_new(NS_STORAGE, "storage");
	struct buf b = { 0 };
	const char *s;

	for (const struct elem *e = c->more ? elem_first(c->more) : NULL; e; e = elem_next(e, NULL, NULL))
		if (!elem_is(e, NS_STORAGE, "conference"))
			elem_add_copy(st, st->root, e);
	bookmark_add_conferences(st, st->root, all);
	serialize_elem(&b, st->root, NULL);
	s = arena_strndup(hook_memory(h), buf_str(&b), buf_len(&b));
	buf_fini(&b);
	stanza_unref(st);
	return s;
}

/* By a list that a client has set meanwhile: that comes first. */
static bool
is_overtaken(struct hook *h)
{
	const struct memory *m = module_data(h);

	return m && m->list;
}

static enum hook_verdict
on_items(struct hook *h, void *data, bool ok)
{
	struct copy *c = data;
	struct bookmarks all;

	if (!bookmark_has_items(h, ok))
		return failed(h, "unavailable");
	all = bookmark_read_items(h->answer, h->arena);
	if (is_same(h, c, &all) || is_overtaken(h))
		return end(h);
	c->storage = storage_text(h, c, &all);
	return publish(h, c);
}

static enum hook_verdict
on_copy(struct hook *h, void *data, bool ok)
{
	struct copy *c = data;

	if (!bookmark_has_items(h, ok))
		return failed(h, "unavailable");
	c->had = storage_of_item(pubsub_first_item(h->answer));
	if (c->had)
		(void)hold(h, h->answer);
	if (!c->more)
		c->more = c->had;
	return hook_ask(h, h->account, pubsub_items_get(NS_BOOKMARKS, NULL, 0), 0, c, on_items);
}

/* Which walk is next */

static void
set_stanza(struct stanza **at, const struct stanza *st)
{
	stanza_unref(*at);
	*at = st ? stanza_ref((struct stanza *)st) : NULL;
}

static enum hook_verdict
begin_list(struct hook *h, struct memory *m)
{
	const struct stanza *list = hold(h, m->list);

	set_stanza(&m->said, list);
	set_stanza(&m->list, NULL);
	m->copy = true; /* something of it may be refused, or have been written over */
	return take_list(h, storage_of_event(list), false);
}

static enum hook_verdict
begin_copy(struct hook *h, struct memory *m)
{
	struct copy *c = arena_zalloc(hook_memory(h), sizeof(*c));

	if (m->said)
		c->more = storage_of_event(hold(h, m->said));
	set_stanza(&m->said, NULL);
	forget_newer(m);
	m->copy = false;
	return hook_ask(h, h->account, pubsub_items_get(NS_STORAGE, NULL, 1), 0, c, on_copy);
}

static enum hook_verdict
begin(struct hook *h, void *data, bool ok)
{
	struct memory *m = module_data(h);

	(void)data;
	(void)ok;
	if (!m || m->busy || !(m->list || m->look || m->copy))
		return HOOK_NEXT;
	m->busy = true;
	if (m->list)
		return begin_list(h, m);
	if (!m->look)
		return begin_copy(h, m);
	m->look = false;
	return hook_ask(h, h->account, pubsub_items_get(NS_STORAGE, NULL, 1), 0, NULL, on_looked);
}

/* Events of the account's own nodes, as it gets them itself. The message goes on. */
static enum hook_verdict
on_event(struct hook *h)
{
	struct memory *m;
	const char *node;

	if (!h->account_id || !h->from || !jid_is_bare(h->from) || !jid_equal(h->from, h->account))
		return HOOK_NEXT;
	node = pubsub_event_node(h->stanza);
	if (!node || (strcmp(node, NS_BOOKMARKS) && strcmp(node, NS_STORAGE)))
		return HOOK_NEXT;
	m = memory_of(h);
	if (m && !strcmp(node, NS_BOOKMARKS)) {
		m->copy = true;
		if (elem_child(h->stanza->root, NS_ADDRESS, "addresses"))
			note_newer(h, m);
	} else if (m && elem_child(h->stanza->root, NS_ADDRESS, "addresses") && storage_of_event(h->stanza)) {
		set_stanza(&m->list, h->stanza);
		forget_newer(m);
	}
	hook_aside(h, begin, NULL);
	return HOOK_NEXT;
}

static enum hook_verdict
on_caps(struct hook *h)
{
	struct memory *m;

	if (!h->account_id || !h->bound || !module_session_supports(h->bound, INTEREST))
		return HOOK_NEXT;
	m = memory_of(h);
	if (m && !m->looked) {
		m->looked = m->look = m->copy = true;
		hook_aside(h, begin, NULL);
	}
	return HOOK_NEXT;
}

int
bookmark_copy_attach(struct module *m)
{
	static const struct module_account account = { .free = memory_free };

	module_keep(m, &account);
	module_offers(m, COMPAT_PEP, MODULE_ACCOUNT);
	module_offers(m, CONVERSION, MODULE_ACCOUNT);
	return module_on_stanza(m, HOOK_RECV_DELIVER, MODULE_MESSAGE, NS_PUBSUB_EVENT, on_event) || module_on(m, HOOK_CAPS_KNOWN, on_caps) ? -1 : 0;
}
