/*
 * bookmark: one list of rooms in its two forms: items of a node (XEP-0402), and a <storage/> of all of them (XEP-0048).
 */
#ifndef BOOKMARKS_BOOKMARK_H
#define BOOKMARKS_BOOKMARK_H

#include <stdbool.h>
#include <stddef.h>

#include "hook.h"

struct bookmark {
	const char *id;          /* the room */
	const char *name, *nick, *password; /* NULL: not said */
	bool autojoin;
	const struct elem *more; /* what holds elements of other namespaces: <extensions/>, or the old <conference/>; or NULL */
	bool seen;
};

struct bookmarks {
	struct bookmark *list;
	size_t n;
};

/* The lists borrow from what they were read of. */
struct bookmarks bookmark_read_items(const struct stanza *answer, struct arena *a);
/* XEP-0048 §2.1: the jid is required. The same room again says nothing new: the first counts. False: malformed. */
bool bookmark_read_storage(const struct elem *storage, struct arena *a, struct bookmarks *out);
size_t bookmark_count(const struct elem *storage);
struct bookmark *bookmark_find(const struct bookmarks *all, const char *id);
/* The items as conferences of a <storage/>. */
void bookmark_add_conferences(struct stanza *st, struct elem *storage, const struct bookmarks *all);
/* Does an old client that says `wanted` leave `had` as it is? */
bool bookmark_is_unchanged(struct arena *a, const struct bookmark *wanted, const struct bookmark *had);
/* The payload of the item; `had` NULL: it is new. */
const char *bookmark_payload(struct arena *memory, struct arena *scratch, const struct bookmark *wanted, const struct bookmark *had);

/* Making the items what a <storage/> says (XEP-0402 §5.3.2): bookmark_change.c */

/* Has this item been published after the list was set? Then the item is right. */
typedef bool (*bookmark_newer_fn)(const struct hook *h, const char *id);
enum bookmark_outcome { BOOKMARK_CHANGED, BOOKMARK_REFUSED, BOOKMARK_UNAVAILABLE, BOOKMARK_NOBODY };
typedef enum hook_verdict (*bookmark_end_fn)(struct hook *h, enum bookmark_outcome o);

/* `wanted` is in hook_memory(h), with what it borrows from. Items that differ are published, those that are missing are retracted;
 * `add_only`: what is missing is published, and nothing else done. `newer` may be NULL. */
enum hook_verdict bookmark_change(struct hook *h, const struct bookmarks *wanted, bool add_only, bookmark_newer_fn newer,
	bookmark_end_fn end);
/* Of the answer to a question for items: is it a list (no node is an empty one), and if not, what is it? */
bool bookmark_has_items(const struct hook *h, bool ok);
enum bookmark_outcome bookmark_no_items(const struct hook *h, bool ok);

/* The copy at the node storage:bookmarks: bookmark_copy.c */

int bookmark_copy_attach(struct module *m);

#endif
