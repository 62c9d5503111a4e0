/*
 * text: what strangers sent, made fit for XML. All that comes from a network passes here before it is written to the stream.
 */
#ifndef GATEWAY_TEXT_H
#define GATEWAY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends s as UTF-8 that XML 1.0 can carry, escaped for element text and attributes alike: each byte that is not of well-formed UTF-8, each control
 * character but tab and line feed, and what XML has no way to say becomes U+FFFD; CR LF and CR become LF. At most `max` bytes are added, so that what is escaped is not
 * longer than it may be; cut between characters. True when it was cut. */
bool gateway_text_add(struct buf *out, const char *s, size_t n, size_t max);
/* The same without escaping, as a string of the caller's (free), and on one line when `line`: control characters, tabs and line ends are spaces. NULL gives NULL. */
char *gateway_text_clean(const char *s, size_t max, bool line);

#endif
