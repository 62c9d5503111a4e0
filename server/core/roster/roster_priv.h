/*
 * roster_priv: what roster.c, roster_item.c and roster_change.c share. Nobody else includes it.
 *
 * roster_item: one item, its forms (row, XML) and its rules; pure.
 * roster: the table of a user, and pushes. roster_get: the answers to roster gets.
 * roster_change: whatever alters it, written before it takes effect.
 */
#ifndef CORE_ROSTER_PRIV_H
#define CORE_ROSTER_PRIV_H

#include "base/arena.h"
#include "base/limits.h"
#include "core/route/iq.h"
#include "core/roster/roster.h"
#include "xmpp/stanza.h"
#include "xmpp/xerror.h"

struct roster {
	uint64_t version;
	uint64_t loaded, floor; /* when it was read: its version, and up to which removals were forgotten */
	unsigned removals;      /* since then */
	struct roster_item *items; /* by full JID as listed */
	unsigned nlisted, nrequests;
	size_t bytes;         /* of all items as XML: a roster result has to fit a session's output */
	size_t request_bytes; /* of all requests: they are sent in one go at initial presence */
};

/* roster_item.c */

struct roster_item *roster_item_new(struct jid *jid);
struct roster_item *roster_item_copy(const struct roster_item *i);
void roster_item_free(struct roster_item *i);
/* NULL when the row's JID is malformed. */
struct roster_item *roster_item_from_row(const struct roster_row *row);
/* Strings are copied into `a`. */
void roster_item_to_row(const struct roster_item *i, struct arena *a, struct roster_row *out);
struct subscription roster_item_state(const struct roster_item *i); /* NULL: no item */
void roster_item_set_state(struct roster_item *i, struct subscription s);
/* Name and groups of `from` move to `i`. */
void roster_item_take_text(struct roster_item *i, struct roster_item *from);
/* <item/> of a roster set (§2.1.2, §2.3.3): a new item with JID, name and groups, and whether it is to be
 * removed. What a client says of its subscription otherwise is ignored (§2.1.2.5). `own`: the account. */
enum xerror roster_item_parse(const struct elem *e, const struct jid *own, const struct limits *l, struct arena *scratch,
	struct roster_item **out, bool *remove);
/* Adds <item/>; `removed`: subscription='remove' and nothing else. */
void roster_item_write(struct stanza *st, struct elem *query, const struct roster_item *i);
void roster_item_write_removed(struct stanza *st, struct elem *query, const char *jid);
/* Bytes as XML, at most. */
size_t roster_item_bytes(const struct roster_item *i);

/* Roster versions as clients see them (§2.6): "ACCOUNT-VERSION", so that what a client remembers of an account
 * that was deleted does not fit the one that has its name now. */
#define ROSTER_VERSION_TEXT 48
char *roster_version_write(char out[ROSTER_VERSION_TEXT], int64_t account, uint64_t version);
/* False: not one of ours, or from the future; the whole roster is due. */
bool roster_version_read(const char *s, int64_t account, uint64_t current, uint64_t *since);

/* True when the database still holds every removal after `since`: it forgets old ones as new ones come. */
bool roster_knows_since(const struct roster *r, uint64_t since);

/* roster.c */

/* By the JID as listed, resource included. */
struct roster_item *roster_lookup(const struct roster *r, const struct jid *j);
/* Adds or replaces; takes the item. */
void roster_put(struct roster *r, struct roster_item *i);
void roster_drop(struct roster *r, const struct jid *j);
/* To all interested resources: the item, or (NULL) that `jid` has left. */
void roster_push(struct user *u, const struct roster_item *i, const struct jid *jid);
/* To one session, under this version. */
void roster_push_one(struct user *u, struct session *s, uint64_t version, const struct roster_item *i, const char *left);
/* A subscription stanza in the user's name. */
void roster_send_subscription(struct user *u, struct jid *to, const char *type);

/* roster_get.c, roster_change.c */

enum xerror roster_on_get(const struct iq_call *c);
enum xerror roster_on_set(const struct iq_call *c);

#endif
