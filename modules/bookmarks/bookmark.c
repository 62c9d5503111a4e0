/*
 * bookmark: reading and writing of both forms.
 */
#include "bookmark.h"

#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/pubsub.h"
#include "xmpp/serialize.h"

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

	b->name = name && *name ? name : NULL;
	b->autojoin = is_true(elem_get(e, "autojoin"));
	b->nick = child_text(e, "nick", a);
	b->password = child_text(e, "password", a);
	b->more = e->ns == NS_BOOKMARKS ? elem_child(e, NS_BOOKMARKS, "extensions") : e;
}

struct bookmarks
bookmark_read_items(const struct stanza *answer, struct arena *a)
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

struct bookmark *
bookmark_find(const struct bookmarks *all, const char *id)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->list[i].id, id))
			return &all->list[i];
	return NULL;
}

size_t
bookmark_count(const struct elem *storage)
{
	size_t n = 0;

	for (const struct elem *e = elem_child(storage, NS_STORAGE, "conference"); e; e = elem_next(e, NS_STORAGE, "conference"))
		n++;
	return n;
}

bool
bookmark_read_storage(const struct elem *storage, struct arena *a, struct bookmarks *out)
{
	out->n = 0;
	out->list = arena_zalloc(a, (bookmark_count(storage) + 1) * sizeof(*out->list));
	for (const struct elem *e = elem_child(storage, NS_STORAGE, "conference"); e; e = elem_next(e, NS_STORAGE, "conference")) {
		const char *text = elem_get(e, "jid");
		struct jid *j = text ? jid_parse_z(text) : NULL;
		const char *id = j ? arena_strdup(a, jid_bare(j)) : NULL;

		jid_unref(j);
		if (!id)
			return false;
		if (bookmark_find(out, id))
			continue;
		out->list[out->n].id = id;
		read_conference(e, a, &out->list[out->n++]);
	}
	return true;
}

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

void
bookmark_add_conferences(struct stanza *st, struct elem *storage, const struct bookmarks *all)
{
	for (size_t i = 0; i < all->n; i++)
		add_conference(st, storage, &all->list[i]);
}

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
bool
bookmark_is_unchanged(struct arena *a, const struct bookmark *wanted, const struct bookmark *had)
{
	const char *more = foreign_text(a, wanted->more);

	return same(wanted->name, had->name) && wanted->autojoin == had->autojoin && same(wanted->nick, had->nick) &&
		same(wanted->password, had->password) && (!*more || !strcmp(more, foreign_text(a, had->more)));
}

const char *
bookmark_payload(struct arena *memory, struct arena *scratch, const struct bookmark *wanted, const struct bookmark *had)
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

