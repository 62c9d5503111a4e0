/*
 * archive_query: what somebody looks for in the record, as the arguments of a verb say it: archive/query.h, and three that need the database or are
 * another word:
 *
 *     name      people by what they are called: the same as person       gateway   the same as domain; each one or an array
 *     network   gateways by name: the domains that they have or have had
 */
#ifndef ADMIN_ARCHIVE_QUERY_H
#define ADMIN_ARCHIVE_QUERY_H

#include <jansson.h>

#include "archive/search/search.h"
#include "base/arena.h"
#include "base/limits.h"

/* The query in `args` with the addresses of who is called so, for query_read, which checks it: what the verb takes besides (`also`, with a NULL
 * at the end) is left out. NULL: what is wrong. The caller's. */
json_t *archive_query_resolve(struct sql *db, const struct limits *l, const json_t *args, const char *const *also, struct err *e) MUST_CHECK;
/* The bounds of a search as the settings have them. */
struct search_limits archive_query_limits(const struct limits *l);

#endif
