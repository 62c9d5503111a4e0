/*
 * archive_query: what somebody looks for in the record, as the arguments of a verb say it: for searches, exports and holds alike.
 *
 * Arguments, each of which may be left out; several values of one are alternatives, and all that are given have to hold:
 *   person, room, domain   addresses: one or an array          name        people by what they are called: the same
 *   between                an array of two addresses           gateway     the same as domain
 *   partner                domain of another server            federated   true: from or to other servers
 *   kind                   names (archive_kind_name): one or an array
 *   since, until           times (XEP-0082), or days: 2026-01-31; until is exclusive
 *   words                  archive/search_words.h              file, file_hash, has_file, encrypted
 *   audience               true: what the persons could read in rooms, too
 */
#ifndef ADMIN_ARCHIVE_QUERY_H
#define ADMIN_ARCHIVE_QUERY_H

#include <jansson.h>

#include "archive/search.h"
#include "base/arena.h"
#include "base/limits.h"

/* Fills `q` from those of `args` that are above; the names of others that the verb takes are in `also`, with a NULL at the end, and any that is neither
 * is refused. Addresses are prepared, and people looked up by name over `db`. What `q` refers to is in `a`. 0; -1 and what is wrong. */
int archive_query_read(struct sql *db, struct arena *a, const struct limits *l, const json_t *args, const char *const *also, struct search_query *q,
	struct err *e) MUST_CHECK;
/* The bounds of a search as the settings have them. */
struct search_limits archive_query_limits(const struct limits *l);

/* "message", "room-enter"; "?" for a number that has none. */
const char *archive_kind_name(int kind);

#endif
