/*
 * stanza: trees in an arena. See stanza.h for who may touch one when.
 *
 * A stanza and its elements, names and texts lie in the stanza's own arena; a known name or
 * namespace is the static string of ns.c. Strings handed in are always copied.
 */
#include "xmpp/stanza.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "xmpp/ns.h"

#define FIRST_BLOCK 1024 /* a usual answer of ours fits */

static const char *
keep_name(struct arena *a, const char *name)
{
	const char *known = ns_intern_name(name);

	return known != NULL ? known : arena_strdup(a, name);
}

static const char *
keep_ns(struct arena *a, const char *ns)
{
	const char *known = ns_intern(ns);

	return known != NULL ? known : arena_strdup(a, ns);
}

struct stanza *
stanza_new_empty(size_t first)
{
	struct arena *a = arena_new(first);
	struct stanza *st = arena_zalloc(a, sizeof(*st));

	st->arena = a;
	atomic_init(&st->refs, 1);
	return st;
}

struct stanza *
stanza_new(const char *ns, const char *name)
{
	struct stanza *st = stanza_new_empty(FIRST_BLOCK);

	st->root = arena_zalloc(st->arena, sizeof(*st->root));
	st->root->ns = keep_ns(st->arena, ns != NULL ? ns : "");
	st->root->name = keep_name(st->arena, name);
	return st;
}

struct stanza *
stanza_ref(struct stanza *st)
{
	atomic_fetch_add_explicit(&st->refs, 1, memory_order_relaxed);
	return st;
}

void
stanza_unref(struct stanza *st)
{
	if (st == NULL)
		return;
	if (atomic_fetch_sub_explicit(&st->refs, 1, memory_order_acq_rel) == 1)
		arena_free(st->arena);
}

struct stanza *
stanza_seal(struct stanza *st)
{
	/* What is sealed may be read by other threads already: nothing is written to it, not even this. */
	if (!st->sealed)
		st->sealed = true;
	return st;
}

void
elem_append(struct elem *parent, struct elem *child)
{
	child->parent = parent;
	child->next = NULL;
	if (parent->last != NULL)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

static struct elem *
text_new(struct arena *a, const char *text, size_t n)
{
	struct elem *e = arena_zalloc(a, sizeof(*e));

	e->text = arena_strndup(a, text, n);
	e->text_len = n;
	return e;
}

struct elem *
elem_add(struct stanza *st, struct elem *parent, const char *ns, const char *name)
{
	struct elem *e;

	assert(!st->sealed);
	e = arena_zalloc(st->arena, sizeof(*e));
	e->ns = ns != NULL && ns != parent->ns ? keep_ns(st->arena, ns) : parent->ns;
	e->name = keep_name(st->arena, name);
	elem_append(parent, e);
	return e;
}

void
elem_add_text(struct stanza *st, struct elem *e, const char *text, size_t n)
{
	assert(!st->sealed);
	if (n > 0)
		elem_append(e, text_new(st->arena, text, n));
}

static struct attr *
attr_copy(struct arena *a, const struct attr *from)
{
	struct attr *to = arena_zalloc(a, sizeof(*to));

	to->ns = from->ns != NULL ? keep_ns(a, from->ns) : NULL;
	to->name = keep_name(a, from->name);
	to->value = arena_strdup(a, from->value);
	return to;
}

/* One element without its children. `parent` is the copy of src's parent, NULL at the top: a
 * namespace that both share is kept once. */
static struct elem *
elem_clone(struct arena *a, const struct elem *parent, const struct elem *src)
{
	struct elem *e;
	struct attr **end;

	if (src->name == NULL)
		return text_new(a, src->text, src->text_len);
	e = arena_zalloc(a, sizeof(*e));
	if (parent != NULL && src->ns == src->parent->ns)
		e->ns = parent->ns;
	else
		e->ns = keep_ns(a, src->ns);
	e->name = keep_name(a, src->name);
	end = &e->attrs;
	for (const struct attr *at = src->attrs; at != NULL; at = at->next) {
		*end = attr_copy(a, at);
		end = &(*end)->next;
	}
	return e;
}

/* The copy has no parent, so that even an element's own ancestor may be copied below it. `to` is
 * always the copy of from's parent. */
static struct elem *
tree_clone(struct arena *a, const struct elem *src)
{
	const struct elem *from = src;
	struct elem *top = NULL, *to = NULL, *e;

	for (;;) {
		e = elem_clone(a, to, from);
		if (to != NULL)
			elem_append(to, e);
		else
			top = e;
		if (from->first != NULL) {
			to = e;
			from = from->first;
			continue;
		}
		while (from != src && from->next == NULL) {
			from = from->parent;
			to = to->parent;
		}
		if (from == src)
			return top;
		from = from->next;
	}
}

struct stanza *
stanza_copy(const struct stanza *st)
{
	struct stanza *copy = stanza_new_empty(arena_bytes(st->arena));

	copy->root = tree_clone(copy->arena, st->root);
	copy->size = st->size;
	return copy;
}

struct stanza *
stanza_pack(struct stanza *st)
{
	/* What was taken out of st is still in its memory; the first copy shows how much the rest needs. */
	struct stanza *loose = stanza_copy(st), *copy = stanza_new_empty(arena_used(loose->arena));

	copy->root = tree_clone(copy->arena, loose->root);
	copy->size = st->size;
	stanza_unref(loose);
	stanza_unref(st);
	return stanza_seal(copy);
}

struct elem *
elem_add_copy(struct stanza *st, struct elem *parent, const struct elem *src)
{
	struct elem *e;

	assert(!st->sealed);
	e = tree_clone(st->arena, src);
	elem_append(parent, e);
	return e;
}

/* Names are compared many times for each stanza, and mostly differ in their first two letters ("to" and "type", too). */
static inline bool
is_same(const char *a, const char *b)
{
	return a == b || (a[0] == b[0] && (a[0] == '\0' || (a[1] == b[1] && strcmp(a, b) == 0)));
}

static bool
attr_is(const struct attr *a, const char *ns, const char *name)
{
	return is_same(a->name, name) && (a->ns == ns || (a->ns != NULL && ns != NULL && strcmp(a->ns, ns) == 0));
}

void
elem_set_ns(struct stanza *st, struct elem *e, const char *ns, const char *name, const char *value)
{
	struct attr **pos = &e->attrs;
	const struct attr make = {.ns = ns, .name = name, .value = value};

	assert(!st->sealed);
	while (*pos != NULL && !attr_is(*pos, ns, name))
		pos = &(*pos)->next;
	if (value == NULL) {
		if (*pos != NULL)
			*pos = (*pos)->next;
	} else if (*pos != NULL) {
		(*pos)->value = arena_strdup(st->arena, value);
	} else {
		*pos = attr_copy(st->arena, &make);
	}
}

void
elem_set(struct stanza *st, struct elem *e, const char *name, const char *value)
{
	elem_set_ns(st, e, NULL, name, value);
}

void
elem_remove(struct elem *child)
{
	struct elem *parent = child->parent, *before = NULL;

	if (parent == NULL)
		return;
	for (struct elem *e = parent->first; e != child; e = e->next)
		before = e;
	if (before != NULL)
		before->next = child->next;
	else
		parent->first = child->next;
	if (parent->last == child)
		parent->last = before;
	child->parent = child->next = NULL;
}

const char *
elem_get(const struct elem *e, const char *name)
{
	for (const struct attr *a = e->attrs; a != NULL; a = a->next)
		if (attr_is(a, NULL, name))
			return a->value;
	return NULL;
}

const char *
elem_lang(const struct elem *e)
{
	for (const struct attr *a = e->attrs; a != NULL; a = a->next)
		if (attr_is(a, NS_XML, "lang"))
			return a->value;
	return NULL;
}

bool
elem_is(const struct elem *e, const char *ns, const char *name)
{
	if (e == NULL || e->name == NULL)
		return false;
	if (name != NULL && !is_same(e->name, name))
		return false;
	return ns == NULL || is_same(e->ns, ns);
}

static struct elem *
elem_match(struct elem *e, const char *ns, const char *name)
{
	while (e != NULL && !elem_is(e, ns, name))
		e = e->next;
	return e;
}

struct elem *
elem_child(const struct elem *e, const char *ns, const char *name)
{
	return elem_match(e->first, ns, name);
}

struct elem *
elem_next(const struct elem *e, const char *ns, const char *name)
{
	return elem_match(e->next, ns, name);
}

struct elem *
elem_first(const struct elem *e)
{
	return elem_match(e->first, NULL, NULL);
}

const char *
elem_text(const struct elem *e, struct arena *a)
{
	size_t n = 0;
	char *all, *w;

	for (const struct elem *t = e->first; t != NULL; t = t->next)
		if (t->name == NULL)
			n += t->text_len;
	if (n == 0)
		return "";
	all = w = arena_alloc(a, n + 1);
	for (const struct elem *t = e->first; t != NULL; t = t->next)
		if (t->name == NULL) {
			memcpy(w, t->text, t->text_len);
			w += t->text_len;
		}
	*w = '\0';
	return all;
}

struct elem *
elem_walk(const struct elem *root, const struct elem *e)
{
	if (e->first != NULL)
		return e->first;
	while (e != root && e->next == NULL)
		e = e->parent;
	return e == root ? NULL : e->next;
}
