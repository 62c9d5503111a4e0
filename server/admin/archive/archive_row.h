/*
 * archive_row: records as searches show them.
 */
#ifndef ADMIN_ARCHIVE_ROW_H
#define ADMIN_ARCHIVE_ROW_H

#include <jansson.h>

#include "archive/search/search.h"
#include "archive/search/search_words.h"

/* What a search shows: who, when, and of the words so much as is around the first hit. `hits` in it are pairs [first, count], in characters. `t` may be
 * NULL: the beginning, and no hits. */
json_t *archive_row_brief(struct search_words *w, const struct search_terms *t, const struct search_row *r);
/* All that the record has, and its words in full. */
json_t *archive_row_full(const struct search_row *r);
/* There is no such record: -1, and in words whether it may have gone with what was erased of its month. */
int archive_row_missing(struct sql *db, uint64_t id, struct err *e);

#endif
