/*
 * page: what the files of this folder share. html.c is the format; record.c shows a record; page.c puts pages together; index.c makes the pages that
 * lead to them; style.c has what all look like; text.c escapes.
 *
 * A page is written when it is full, or its conversation is over: until then its body is in a scratch file, as who takes part comes above it. Only
 * one page is in the making at a time.
 */
#ifndef EXPORT_HTML_PAGE_H
#define EXPORT_HTML_PAGE_H

#include "base/buf.h"
#include "export/format.h"
#include "export/links.h"
#include "export/parties.h"

#define HTML_FOLDER "html/"
#define HTML_PEOPLE 200000     /* of the whole export that are listed */

struct html {
	struct export_context *x;
	struct arena *record;      /* emptied after each record */
	/* All of it. */
	struct parties *all;
	FILE *rows;                /* of conversations, for the index: a line each */
	uint64_t conversations, records, erased;
	int64_t first_us, last_us; /* 0: none yet */
	/* The conversation. */
	char *stem, *name;         /* NULL: none is begun */
	enum export_place place;
	uint64_t in_conversation;  /* records */
	int64_t begin_us, end_us;
	uint64_t *first;           /* log index of each page's first record */
	size_t pages, pages_room;
	/* The page. */
	FILE *body;
	size_t page_bytes, page_records;
	uint64_t last;             /* log index */
	struct parties *here;
	char day[16];              /* whose section is open; "" */
};

/* page.c */

/* Text for the body of the page. */
int html_put(struct html *h, struct buf *b, struct err *e) MUST_CHECK;
/* Opens the section of a day; audience is markup for its beginning, "" for none. */
int html_open_day(struct html *h, const char *day, bool again, const char *audience, struct err *e) MUST_CHECK;
int html_close_day(struct html *h, struct err *e) MUST_CHECK;
/* Has the page as much as it should? */
bool html_is_full(const struct html *h);
/* Writes the page into the bundle, and begins another. `more`: there is a next one. */
int html_flush(struct html *h, bool more, struct err *e) MUST_CHECK;
/* "html/STEM.html", "html/STEM-2.html"; page counts from 1. In `a`. */
const char *html_page_name(struct arena *a, const char *stem, size_t page);
/* A link to the page that has this record, if it is shown on one so far; to a later one of the page that is being made; else only its number. */
int html_reference(struct html *h, struct buf *b, uint64_t log_index, struct err *e) MUST_CHECK;
/* Head and foot of every page. `title` is text. */
void html_begin(struct html *h, struct buf *b, const char *title);
void html_end(struct html *h, struct buf *b);
/* "romeo@example.org and juliet@example.org" */
void html_conversation(struct buf *b, enum export_place place, const char *name);
/* A table of who takes part, down from `p`, at most `most`. Returns who is next. */
const struct party *html_people(struct buf *b, const struct party *p, size_t most);

/* record.c */

/* One record: an <article/>. */
int html_record(struct html *h, struct buf *b, struct export_group *g, const struct export_record *r, struct links *l, struct err *e) MUST_CHECK;
/* Who was in the room: a <details/>, "" when there is nothing to say. */
int html_audience(struct html *h, struct buf *b, struct export_group *g, struct err *e) MUST_CHECK;

/* index.c */

/* The row of the conversation that is over. */
int html_note_conversation(struct html *h, struct err *e) MUST_CHECK;
int html_index(struct html *h, struct err *e) MUST_CHECK;

/* style.c */

const char *html_style(void);
/* The Content-Security-Policy of every page. */
void html_policy(struct buf *b);

#endif
