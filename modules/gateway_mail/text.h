/*
 * text: of the text of a mail, what was said in it. Pure; UTF-8, lines ended by LF.
 */
#ifndef GATEWAY_MAIL_TEXT_H
#define GATEWAY_MAIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Adds the text with LF for CR LF, without blanks at the ends of lines; with `flowed` (RFC 3676) lines that were broken for mail are one again, and with
 * `delsp` without the blank at which that was done. NULs and what is not UTF-8 become U+FFFD. */
void mail_text_add(struct buf *out, const char *text, size_t n, bool flowed, bool delsp);

/* Where in an answer the text begins that it answers, quoted: n when nothing is quoted at the end. What is quoted with words behind it stays: it is part of
 * what is said. `lines`: how many lines begin there. */
size_t mail_text_quoted(const char *text, size_t n, unsigned *lines);

#endif
