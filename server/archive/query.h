/*
 * query: what to search for, as JSON: of requests, and of what is kept with an export or a hold, to be asked again.
 *
 * An object of these members, none of them needed, nothing else; where several are allowed, one or an array:
 *
 *     person, room, domain, foreign, kind   several   between  an array of two addresses   partner  a domain   federated, audience, has_file, encrypted  bool
 *     since, until  times   words, file, file_hash  text
 *
 * A time is XEP-0082's, or a day ("2026-01-31": its beginning, UTC). Audit records are the auditors': they are of no kind that can be asked for here.
 */
#ifndef ARCHIVE_QUERY_H
#define ARCHIVE_QUERY_H

#include <jansson.h>

#include "archive/search/search.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define QUERY_LIST_MAX 1000 /* members of a list */
#define QUERY_TEXT_MAX 65536 /* bytes of a text */

/* Checks, prepares addresses, and fills `q`, whose texts are in `a`. -1: what is wrong with it. */
int query_read(const json_t *from, struct arena *a, struct search_query *q, struct err *e) MUST_CHECK;
/* The same in words, for people: "from or to romeo@example.org, from 2026-01-01, with the words …". "everything" where nothing is asked. */
void query_describe(const json_t *query, struct buf *out);
/* A time, or the beginning of a day, as above. -1: it is neither. */
int query_time(const char *s, int64_t *us, struct err *e) MUST_CHECK;

/* What no query of these means, although the search finds it: audit records. */
bool query_leaves_out(int kind);
/* "message", "correction"…; "" is unknown. */
const char *query_kind_name(int kind);
/* 0: there is none of that name, or it cannot be asked for. */
int query_kind_find(const char *name);

#endif
