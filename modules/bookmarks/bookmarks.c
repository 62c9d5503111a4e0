/*
 * bookmarks: PEP Native Bookmarks (XEP-0402) for clients that know only private XML (XEP-0048 over XEP-0049).
 *
 * There is one list: the items of the node urn:xmpp:bookmarks:1. The module private asks for it as
 * <storage xmlns='storage:bookmarks'/>, and hands over a new list in the same way; then items are published that differ, and
 * those that are missing are retracted. Items that are the same are left alone: nobody is told of them (§4.3.2).
 */
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "module.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/pubsub.h"
#include "xmpp/serialize.h"

#define COMPAT "urn:xmpp:bookmarks:1#compat"

/* §3.3, and XEP-0223: nobody else's. */
static const struct pubsub_config whitelist = { .access_model = "whitelist", .max_items = "max",
	.send_last_published_item = "never" };

struct bookmark {
	const char *id;          /* the room */
	const char *name, *nick, *password; /* NULL: not said */
	bool autojoin;
	const struct elem *more; /* what holds elements of other namespaces: <extensions/>, or the old <conference/>; or NULL */
	const struct elem *conference;
	bool seen;
};

struct bookmarks {
	struct bookmark *list;
	size_t n;
};

static bool
is_internal(const struct hook *h)
{
	return module_relation(h) == MODULE_SELF && jid_is_bare(h->from);
}

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_PROFILE_REFUSED, 1);
	return hook_reject(h, e, text);
}

/* Reading. What an answer holds is gone with the turn: nothing of it is kept. */

static const char *
child_text(const struct elem *e, const char *name, struct arena *a)
{
	const struct elem *c = elem_child(e, e->ns, name);
	const char *s = c ? elem_text(c, a) : "";

	return *s ? s : NULL;
}

static bool
is_true(const char *s)
{
	return s && (!strcmp(s, "true") || !strcmp(s, "1"));
}

static void
read_conference(const struct elem *e, struct arena *a, struct bookmark *b)
{
	const char *name = elem_get(e, "name");

	b->conference = e;
	b->name = name && *name ? name : NULL;
	b->autojoin = is_true(elem_get(e, "autojoin"));
	b->nick = child_text(e, "nick", a);
	b->password = child_text(e, "password", a);
	b->more = e->ns == NS_BOOKMARKS ? elem_child(e, NS_BOOKMARKS, "extensions") : e;
}

static struct bookmarks
read_items(const struct stanza *answer, struct arena *a)
{
	struct bookmarks out = { 0 };
	const struct elem *first = pubsub_first_item(answer);
	size_t n = 0;

	for (const struct elem *i = first; i; i = elem_next(i, NS_PUBSUB, "item"))
		n++;
	out.list = arena_zalloc(a, (n + 1) * sizeof(*out.list));
	for (const struct elem *i = first; i; i = elem_next(i, NS_PUBSUB, "item")) {
		const struct elem *conference = elem_child(i, NS_BOOKMARKS, "conference");
		struct bookmark *b = &out.list[out.n];

		if (!conference || !elem_get(i, "id"))
			continue;
		b->id = elem_get(i, "id");
		read_conference(conference, a, b);
		out.n++;
	}
	return out;
}

static struct bookmark *
find(const struct bookmarks *all, const char *id)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->list[i].id, id))
			return &all->list[i];
	return NULL;
}

/* XEP-0048 §2.1: the jid is required. The same room again says nothing new: the first counts. False: malformed. */
static bool
read_storage(const struct elem *storage, struct arena *a, struct bookmarks *out)
{
	size_t n = 0;

	for (const struct elem *e = elem_child(storage, NS_STORAGE, "conference"); e; e = elem_next(e, NS_STORAGE, "conference"))
		n++;
	out->list = arena_zalloc(a, (n + 1) * sizeof(*out->list));
	for (const struct elem *e = elem_child(storage, NS_STORAGE, "conference"); e; e = elem_next(e, NS_STORAGE, "conference")) {
		const char *text = elem_get(e, "jid");
		struct jid *j = text ? jid_parse_z(text) : NULL;
		const char *id = j ? arena_strdup(a, jid_bare(j)) : NULL;

		jid_unref(j);
		if (!id)
			return false;
		if (find(out, id))
			continue;
		out->list[out->n].id = id;
		read_conference(e, a, &out->list[out->n++]);
	}
	return true;
}

/* Get: the items as one <storage/> */

static bool
is_foreign(const struct elem *e)
{
	return e->ns != NS_STORAGE && e->ns != NS_BOOKMARKS;
}

static void
add_text(struct stanza *st, struct elem *parent, const char *name, const char *text)
{
	if (text)
		elem_add_text(st, elem_add(st, parent, NULL, name), text, strlen(text));
}

static void
add_foreign(struct stanza *st, struct elem *parent, const struct elem *from)
{
	for (const struct elem *e = from ? elem_first(from) : NULL; e; e = elem_next(e, NULL, NULL))
		if (is_foreign(e))
			elem_add_copy(st, parent, e);
}

static void
add_conference(struct stanza *st, struct elem *storage, const struct bookmark *b)
{
	struct elem *e = elem_add(st, storage, NULL, "conference");

	elem_set(st, e, "jid", b->id);
	elem_set(st, e, "name", b->name);
	elem_set(st, e, "autojoin", b->autojoin ? "true" : NULL);
	add_text(st, e, "nick", b->nick);
	add_text(st, e, "password", b->password);
	add_foreign(st, e, b->more);
}

/* No node is an empty list. Without a service for nodes there is nobody here either. */
static enum hook_verdict
no_items(struct hook *h, bool ok)
{
	if (!ok)
		return hook_unavailable(h);
	if (xerror_of(h->answer->root) == XERROR_SERVICE_UNAVAILABLE)
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	return hook_unavailable(h);
}

static bool
has_items(const struct hook *h, bool ok)
{
	return ok && (pubsub_is_result(h->answer) || xerror_of(h->answer->root) == XERROR_ITEM_NOT_FOUND);
}

static enum hook_verdict
on_items(struct hook *h, void *data, bool ok)
{
	struct bookmarks all;
	struct stanza *st;
	struct elem *storage;

	(void)data;
	if (!has_items(h, ok))
		return no_items(h, ok);
	all = read_items(h->answer, h->arena);
	st = hook_result(h);
	storage = elem_add(st, st->root, NS_STORAGE, "storage");
	for (size_t i = 0; i < all.n; i++)
		add_conference(st, storage, &all.list[i]);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_get(struct hook *h)
{
	if (!is_internal(h))
		return HOOK_NEXT;
	return hook_ask(h, h->account, pubsub_items_get(NS_BOOKMARKS, NULL, 0), 0, NULL, on_items);
}

/* Set: the difference, item by item */

struct change {
	const char *id;
	const char *conference; /* its payload; NULL: retract it */
};

struct set {
	struct bookmarks wanted;
	struct change *change;
	size_t n, at;
	bool configured; /* the node has been made private */
};

static bool
same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static const char *
foreign_text(struct arena *a, const struct elem *from)
{
	struct buf b = { 0 };
	const char *s;

	for (const struct elem *e = from ? elem_first(from) : NULL; e; e = elem_next(e, NULL, NULL))
		if (is_foreign(e))
			serialize_elem(&b, e, NULL);
	s = arena_strndup(a, buf_str(&b), buf_len(&b));
	buf_fini(&b);
	return s;
}

/* A client that has dropped what it does not know has not changed it (§4.3.2, §3.4). */
static bool
is_unchanged(struct arena *a, const struct bookmark *wanted, const struct bookmark *had)
{
	const char *more = foreign_text(a, wanted->more);

	return same(wanted->name, had->name) && wanted->autojoin == had->autojoin && same(wanted->nick, had->nick) &&
		same(wanted->password, had->password) && (!*more || !strcmp(more, foreign_text(a, had->more)));
}

static const char *
payload(struct arena *memory, struct arena *scratch, const struct bookmark *wanted, const struct bookmark *had)
{
	bool has_more = *foreign_text(scratch, wanted->more);
	const struct elem *more = has_more ? wanted->more : had ? had->more : NULL;
	struct stanza *st = stanza_new(NS_BOOKMARKS, "conference");
	struct buf b = { 0 };
	const char *s;

	elem_set(st, st->root, "name", wanted->name);
	elem_set(st, st->root, "autojoin", wanted->autojoin ? "true" : NULL);
	add_text(st, st->root, "nick", wanted->nick);
	add_text(st, st->root, "password", wanted->password);
	if (more && *foreign_text(scratch, more))
		add_foreign(st, elem_add(st, st->root, NULL, "extensions"), more);
	serialize_elem(&b, st->root, NULL);
	s = arena_strndup(memory, buf_str(&b), buf_len(&b));
	buf_fini(&b);
	stanza_unref(st);
	return s;
}

static void
compare(struct hook *h, struct set *s, struct bookmarks *had)
{
	struct arena *memory = hook_memory(h);

	s->change = arena_zalloc(memory, (s->wanted.n + had->n + 1) * sizeof(*s->change));
	for (size_t i = 0; i < s->wanted.n; i++) {
		const struct bookmark *w = &s->wanted.list[i];
		struct bookmark *old = find(had, w->id);

		if (old)
			old->seen = true;
		if (!old || !is_unchanged(h->arena, w, old))
			s->change[s->n++] = (struct change){ w->id, payload(memory, h->arena, w, old) };
	}
	for (size_t i = 0; i < had->n; i++)
		if (!had->list[i].seen)
			s->change[s->n++] = (struct change){ arena_strdup(memory, had->list[i].id), NULL };
}

static enum hook_verdict on_changed(struct hook *h, void *data, bool ok);

static enum hook_verdict
next(struct hook *h, struct set *s)
{
	const struct change *c = &s->change[s->at];
	struct stanza *iq, *conference;
	struct elem *item;

	if (s->at == s->n)
		return hook_done(h);
	if (!c->conference)
		return hook_ask(h, h->account, pubsub_retract(NS_BOOKMARKS, c->id), 0, s, on_changed);
	conference = parser_one(c->conference, strlen(c->conference), NULL, NULL);
	iq = pubsub_publish(NS_BOOKMARKS, c->id, &item);
	if (conference)
		elem_add_copy(iq, item, conference->root);
	stanza_unref(conference);
	pubsub_publish_options(iq, &whitelist);
	return hook_ask(h, h->account, iq, 0, s, on_changed);
}

static enum hook_verdict
on_configured(struct hook *h, void *data, bool ok)
{
	if (!ok || !pubsub_is_result(h->answer))
		return hook_unavailable(h);
	return next(h, data);
}

static enum hook_verdict
on_changed(struct hook *h, void *data, bool ok)
{
	struct set *s = data;
	enum xerror e = ok ? xerror_of(h->answer->root) : XERROR_NONE;
	bool retracted = !s->change[s->at].conference;

	if (!ok)
		return hook_unavailable(h);
	/* XEP-0411 §6: the node is made private, once. */
	if (e != XERROR_NONE && pubsub_is_precondition(h->answer) && !s->configured) {
		s->configured = true;
		return hook_ask(h, h->account, pubsub_configure(NS_BOOKMARKS, &whitelist), 0, s, on_configured);
	}
	if (e != XERROR_NONE && !(retracted && e == XERROR_ITEM_NOT_FOUND)) {
		log_info(NULL, "bookmarks-not-changed", "account=%s done=%zu of=%zu why=%s", jid_bare(h->account), s->at, s->n,
			xerror_name(e));
		return refuse(h, XERROR_NOT_ACCEPTABLE, "a bookmark was refused");
	}
	s->at++;
	return next(h, s);
}

static enum hook_verdict
on_old(struct hook *h, void *data, bool ok)
{
	struct bookmarks had;

	if (!has_items(h, ok))
		return no_items(h, ok);
	had = read_items(h->answer, h->arena);
	compare(h, data, &had);
	return next(h, data);
}

static enum hook_verdict
on_set(struct hook *h)
{
	struct set *s;
	size_t n = 0;

	if (!is_internal(h))
		return HOOK_NEXT;
	for (const struct elem *e = elem_child(h->payload, NS_STORAGE, "conference"); e; e = elem_next(e, NS_STORAGE, "conference"))
		n++;
	if (n > module_limits()->bookmarks)
		return refuse(h, XERROR_POLICY_VIOLATION, "too many bookmarks");
	s = arena_zalloc(hook_memory(h), sizeof(*s));
	if (!read_storage(h->payload, hook_memory(h), &s->wanted))
		return refuse(h, XERROR_BAD_REQUEST, "a bookmark needs the address of a room");
	return hook_ask(h, h->account, pubsub_items_get(NS_BOOKMARKS, NULL, 0), 0, s, on_old);
}

static int
attach(struct module *m)
{
	module_offers(m, COMPAT, MODULE_ACCOUNT);
	return module_on_iq(m, MODULE_IQ_GET, NS_STORAGE, "storage", MODULE_ACCOUNT, on_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_STORAGE, "storage", MODULE_ACCOUNT, on_set) ? -1 : 0;
}

const struct module_def bookmarks_module = {
	.name = "bookmarks",
	.about = "PEP Native Bookmarks (XEP-0402) from and to private XML (XEP-0048, XEP-0049)",
	.attach = attach,
};
