/*
 * mam: Message Archive Management (XEP-0313): what a query asks, and what its answers look like; for the archives of accounts
 * and of rooms. Where the messages come from is theirs. An id is a record's, which is its time in µs since 1970.
 */
#ifndef XMPP_MAM_H
#define XMPP_MAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "xmpp/stanza.h"
#include "xmpp/xerror.h"

struct mam_query {
	const char *queryid;        /* NULL when none */
	bool flip;                  /* the page's last message first */
	const char *with_bare, *with_resource; /* prepared; NULL: whoever; whatever resource */
	uint64_t first, last;       /* only these ids, both inclusive */
	const uint64_t *must_exist; /* else item-not-found */
	size_t nmust_exist;
	bool by_ids;                /* only the must_exist ones */
	bool backwards;             /* the last of what matches, not the first */
	bool count;                 /* only how many there are */
	unsigned max;
};

/* Reads <query/> of a set. `usual` messages a page when the client does not say, at most `most`, of ids too. XERROR_NONE, or what it is
 * answered with: item-not-found for an id that cannot be one of ours; *why is static or NULL. Strings in `a`. */
enum xerror mam_read(const struct elem *query, struct arena *a, uint64_t most, uint64_t usual, struct mam_query *out,
	const char **why);

/* §4.1.5: the form, in the answer `st` to a get. */
void mam_write_form(struct stanza *st);
/* §4.3: <fin/> of a page of the ids `first` to `last` (0: it is empty), or of a count. */
void mam_write_fin(struct stanza *st, const struct mam_query *q, uint64_t first, uint64_t last, bool complete, int64_t total);
/* §5: <metadata/> of an archive from `first` to `last`; 0: it is empty. */
void mam_write_metadata(struct stanza *st, uint64_t first, uint64_t last);

/* §4.2: one result as text, in a stream of jabber:client: what is between mam_begin and mam_end is the message. */
struct mam_result {
	const char *from, *to;      /* the archive, who asked */
	const char *queryid;
	uint64_t id;
};
void mam_begin(struct buf *out, const struct mam_result *r);
void mam_end(struct buf *out);
/* As it stood in a stream of jabber:client. */
void mam_write_recorded(struct buf *out, const char *xml, size_t n);

#endif
