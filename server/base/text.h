/*
 * text: UTF-8, base64, hex and numbers, all strict: what is not exactly right is refused.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* Well-formed UTF-8 without surrogates and over-long forms (RFC 3629). NUL is not well-formed here. */
bool text_is_utf8(const char *s, size_t n);
/* Puts '?' for each byte that is not of well-formed UTF-8, or that XML cannot carry: for words that may have been cut, or that somebody else chose. */
void text_mend(char *s);
/* RFC 4648 §4, padded. `out` holds text_base64_size(n) bytes with the NUL; returns the length. */
#define text_base64_size(n) (((n) + 2) / 3 * 4 + 1)
size_t text_base64_encode(const void *p, size_t n, char *out);
/* Strict: no white space, right padding, zero trailing bits. Returns the length or -1. `out` holds
 * n / 4 * 3 bytes at least. */
ssize_t text_base64_decode(const char *s, size_t n, void *out);
/* The same where lines are allowed (RFC 2045 §6.8): white space anywhere. `out` holds n bytes at least. */
ssize_t text_base64_decode_lines(const char *s, size_t n, void *out);
/* Lower case; out holds 2n + 1. */
void text_hex(const void *p, size_t n, char *out);
ssize_t text_unhex(const char *s, size_t n, void *out);
/* Decimal digits only, no sign, no space, within [min, max]. */
bool text_u64(const char *s, size_t n, uint64_t min, uint64_t max, uint64_t *out);
/* Optional minus sign. */
bool text_i64(const char *s, size_t n, int64_t min, int64_t max, int64_t *out);
/* RFC 3986 §2.1: all that is not unreserved is percent-encoded. */
void text_percent(struct buf *out, const char *s);
/* RFC 9110 §8.3.1: type/subtype of at most 127 bytes, parameters perhaps; nothing that could be more than one field. */
bool text_is_media_type(const char *s);
/* One line of at most `most` bytes for people to read: it says something. */
bool text_is_line(const char *s, size_t most);
/* ASCII only. */
bool text_equal_nocase(const char *a, const char *b);

#endif
