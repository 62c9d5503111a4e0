/*
 * utf8: characters out of well-formed UTF-8 (base/text.h checks it) and into it.
 */
#ifndef GATEWAY_SMS_UTF8_H
#define GATEWAY_SMS_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define UTF8_REPLACEMENT 0xfffd

/* The character at `*at`, which moves behind it. */
uint32_t utf8_next(const char *s, size_t n, size_t *at);
/* Adds a character; surrogates, what is no character, and NUL become U+FFFD. */
void utf8_add(struct buf *out, uint32_t c);

#endif
