/*
 * search_priv: what the files of a search share (search.c: pages and rows; search_query.c: what the index is asked; search_audience.c:
 * who was in which room when). Nobody else includes it.
 */
#ifndef ARCHIVE_SEARCH_PRIV_H
#define ARCHIVE_SEARCH_PRIV_H

#include "archive/search/search.h"
#include "archive/search/search_words.h"
#include "base/arena.h"
#include "base/buf.h"

/* While somebody was in a room. Indexes of the log, both inclusive. */
struct search_stay {
	const char *room;
	uint64_t first, last;
};

struct search {
	struct sql *db;
	struct arena *arena;
	struct search_limits limits;
	int64_t until_ms;         /* monotonic: all of it is over */

	/* What search.find is asked. */
	struct buf found;         /* tsquery; empty: any */
	const char *has, *lacks;  /* arrays of phrases */
	const char *since, *until;
	bool backwards;
	uint64_t first, last;     /* not looked at yet, inclusive */
	unsigned most, chunks;    /* of the next page */
	bool complete;            /* behind the page there is nothing */

	/* What it has answered: ids, in order, those from `next` on not read yet. */
	uint64_t *id, *index;
	size_t nids, next, ids_cap;
	PGresult *rows;           /* records of some of these */
	int row;

	/* Who it is about, when what they could read is wanted too. */
	const char *const *person;
	size_t npersons;
	struct search_stay *stay;
	size_t nstays;
};

/* search_query.c: fills what search.find is asked. 0; -1 and what makes no sense. */
int search_compile(struct search *s, const struct search_query *q, struct err *e) MUST_CHECK;
/* `also` is one more lexeme that has to be there. */
struct search *search_open_also(struct sql *db, const struct search_query *q, const struct search_limits *l, const char *also, struct err *e) MUST_CHECK;
/* `(a | b)` of the marks of addresses; behind `&`. */
void search_any(struct buf *out, const char *kinds, const char *const *address, size_t n);

/* search_audience.c: when these people were in which rooms. 0 or -1. */
int search_stays(struct search *s, const struct search_query *q, struct err *e) MUST_CHECK;
/* Is it from or to one of them, or was one there? Rooms come in s->stay, by first. */
bool search_was_heard(const struct search *s, const struct search_row *r);

#endif
