/*
 * view: what a record is to a reader of pages: something said, something that happened, or the place of something erased. HTML and PDF
 * show the same.
 */
#ifndef EXPORT_VIEW_H
#define EXPORT_VIEW_H

#include "export/format.h"

enum view_shape {
	VIEW_SAID,     /* in words of a person's own */
	VIEW_EVENT,    /* one line, perhaps with words below */
	VIEW_ERASED,
};

struct view {
	enum view_shape shape;
	const char *does;      /* behind the name of who did it: "took back a message"; NULL: they said something */
	const char *what;      /* of others' making, behind that: a nickname; NULL */
	const char *subject;   /* NULL */
	const char *words;     /* NULL */
	const char *label;     /* the marking of a security label (XEP-0258); NULL */
	const char *note;      /* what a reader has to know of the words; NULL */
	const char *reply_to;  /* the id of what its sender answers (XEP-0461); NULL */
	bool raw;              /* what it says is in the stanza only */
};

/* Texts are those of `r` or in `a`. Of others' making, that is, to be shown by conversation.h, are all but `note`. */
void view_make(struct arena *a, const struct export_record *r, struct view *v);
/* The address with the resource, in `a`. "": none. */
const char *view_address(struct arena *a, const struct export_person *p);
/* "Saturday, 31 January 2026", of "2026-01-31"; "" of what is no day. `out` holds 64 bytes. */
char *view_day(const char *day, char out[64]);
/* "12:00:00", UTC; `out` holds 32 bytes. */
char *view_clock(int64_t us, char out[32]);

#endif
