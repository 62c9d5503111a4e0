/*
 * canvas: paragraphs on pages, as a PDF that goes into the bundle while it is being made. What is above and below on each page, breaks of lines and
 * pages, and the tags by which programs read the text aloud are its business.
 *
 * The same calls make the same bytes with the same fonts. Texts are UTF-8 without NUL; what must not be shown as it is is the caller's to see to.
 * A text that is longer than a page is broken; memory is bounded by a page and by what the file knows of its pages.
 */
#ifndef EXPORT_PDF_CANVAS_H
#define EXPORT_PDF_CANVAS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "export/bundle_out.h"

enum canvas_style {
	CANVAS_TITLE,    /* of a file */
	CANVAS_HEADING,  /* of a conversation */
	CANVAS_DAY,
	CANVAS_TEXT,
	CANVAS_NAME,     /* bold */
	CANVAS_SOFT,     /* small and grey */
	CANVAS_OLD,      /* what was there before */
	CANVAS_WARN,
	CANVAS_CODE,
	CANVAS_STYLES,
};

struct canvas_about {
	const char *title, *author, *subject;
	const char *head;        /* above each page, on the left */
	int64_t at_us;           /* date of the document */
};

struct canvas;

/* Begins the member `name` of the bundle. NULL. */
struct canvas *canvas_new(struct bundle_out *out, const char *name, const struct canvas_about *about, struct err *e) MUST_CHECK;
/* Ends the member, when it is not ended yet because of an error; frees. NULL is fine. */
int canvas_close(struct canvas *c, struct err *e) MUST_CHECK;
void canvas_free(struct canvas *c);

/* Above the pages from now on, on the right. */
void canvas_section(struct canvas *c, const char *text);
/* A mark in the list of contents: level 0 is a conversation, 1 a day in it. */
void canvas_outline(struct canvas *c, int level, const char *text);
/* A paragraph, indented by points. */
void canvas_paragraph(struct canvas *c, enum canvas_style style, double indent, const char *text);
/* Pieces of a line, each by itself, so that none changes how its neighbours are written: begun, added, ended. `margin` is text on the left of it. */
void canvas_line_begin(struct canvas *c, double indent, const char *margin);
void canvas_line_add(struct canvas *c, enum canvas_style style, const char *text);
void canvas_line_end(struct canvas *c);
void canvas_space(struct canvas *c, double points);
void canvas_rule(struct canvas *c);
/* A new page, unless this one is empty. */
void canvas_page(struct canvas *c);
/* So many have something on them. For tests. */
unsigned canvas_pages(const struct canvas *c);
/* The first error of all that was drawn so far; 0. */
int canvas_error(struct canvas *c, struct err *e) MUST_CHECK;

#endif
