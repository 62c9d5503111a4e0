/*
 * text: what others wrote, as HTML. Nothing of it is markup, nothing turns the direction of what is around it, and nothing is invisible:
 * such characters are named (conversation.h).
 */
#ifndef EXPORT_HTML_TEXT_H
#define EXPORT_HTML_TEXT_H

#include "base/buf.h"
#include "export/format.h"

/* As the content of an element that isolates (<bdi>, dir=auto). At most `most` bytes of it; 0: all. True: it was cut. */
bool html_text(struct buf *b, const char *s, size_t most);
/* "<bdi>…</bdi>", on one line. */
void html_word(struct buf *b, const char *s);
/* The address of a file of the bundle, relative to a page in html/. */
void html_link(struct buf *b, const char *path);
/* A name, and the address where that is another. `resource`: with it. */
void html_person(struct buf *b, const struct export_person *p);
/* "<time …>12:00:00</time>" */
void html_clock(struct buf *b, int64_t us);
/* The same with the day. */
void html_time(struct buf *b, int64_t us);
/* "12,345" */
void html_number(struct buf *b, uint64_t n);

#endif
