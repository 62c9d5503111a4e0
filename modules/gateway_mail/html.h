/*
 * html: the text of a mail that is HTML: what a person would read, and where its links really lead. By libxml2; nothing is fetched. Pure.
 */
#ifndef GATEWAY_MAIL_HTML_H
#define GATEWAY_MAIL_HTML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define HTML_DEPTH 500 /* elements within elements: what is deeper is not read */

/* `html` is UTF-8, whatever it says of itself. Adds the text, UTF-8, lines ended by LF, quotations with "> " in front. At most `max` bytes: false when
 * there was more, or when it was too deep. */
bool html_text(struct buf *out, const char *html, size_t n, size_t max);

#endif
