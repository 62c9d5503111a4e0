/*
 * stanza: an XML element tree in one arena, counted.
 *
 * While it is being built it belongs to one thread. Sealed, it is immutable and may be shared between
 * threads; changes are then made by overlay when it is written (serialize.h) or on a copy. Names and
 * namespaces of the core protocol are interned: the pointers in ns.h can be compared with ==, and the
 * parser, elem_new and elem_add intern what ns.h knows, so `e->ns == NS_CLIENT` is the usual test.
 *
 * No function here recurses: depth is bounded by the parser, and walks use parent pointers.
 */
#ifndef XMPP_STANZA_H
#define XMPP_STANZA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct attr {
	struct attr *next;
	const char *ns;   /* NULL: none; NS_XML for xml:lang; others are kept and written with a prefix */
	const char *name;
	const char *value;
};

/* An element, or a run of text when name is NULL. */
struct elem {
	const char *ns;
	const char *name;
	struct elem *parent, *next, *first, *last;
	struct attr *attrs;
	const char *text; /* text node only; NUL-terminated, no NUL inside */
	size_t text_len;
};

struct stanza {
	struct arena *arena;
	struct elem *root;
	uint32_t size;  /* bytes it took on the wire; 0 when made here */
	bool sealed;
	_Atomic unsigned refs;
};

struct stanza *stanza_new(const char *ns, const char *name);
/* For the parser: no root yet, and an arena whose first block holds `first` bytes. */
struct stanza *stanza_new_empty(size_t first);
struct stanza *stanza_ref(struct stanza *st);
void stanza_unref(struct stanza *st);
/* From now on immutable. Returns st. */
struct stanza *stanza_seal(struct stanza *st);
/* A deep copy, unsealed. */
struct stanza *stanza_copy(const struct stanza *st);
/* The same, sealed, in no more memory than it needs: for what is kept while nothing happens. Takes the reference to st. */
struct stanza *stanza_pack(struct stanza *st);

/* `ns` NULL: the parent's. */
struct elem *elem_add(struct stanza *st, struct elem *parent, const char *ns, const char *name);
void elem_add_text(struct stanza *st, struct elem *e, const char *text, size_t n);
/* Copies a subtree of any stanza below parent. */
struct elem *elem_add_copy(struct stanza *st, struct elem *parent, const struct elem *src);
/* Sets, replaces, or (value NULL) removes. */
void elem_set(struct stanza *st, struct elem *e, const char *name, const char *value);
void elem_set_ns(struct stanza *st, struct elem *e, const char *ns, const char *name, const char *value);
void elem_remove(struct elem *child);
/* Links an element of the same stanza that has no parent behind the last child. */
void elem_append(struct elem *parent, struct elem *child);

/* NULL when absent. Attributes without namespace. */
const char *elem_get(const struct elem *e, const char *name);
const char *elem_lang(const struct elem *e); /* xml:lang of this element */
/* First child by name and namespace; ns or name NULL matches any. */
struct elem *elem_child(const struct elem *e, const char *ns, const char *name);
struct elem *elem_next(const struct elem *e, const char *ns, const char *name); /* the next sibling that matches */
struct elem *elem_first(const struct elem *e); /* first child element, text skipped */
bool elem_is(const struct elem *e, const char *ns, const char *name);
/* The element's own text, concatenated in `a` ("" when none). */
const char *elem_text(const struct elem *e, struct arena *a);
/* Depth-first walk without recursion: the element or text after `e` below `root`; NULL at the end. */
struct elem *elem_walk(const struct elem *root, const struct elem *e);

#endif
