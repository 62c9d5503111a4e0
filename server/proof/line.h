/*
 * line: the lines of a note's text, read strictly.
 */
#ifndef PROOF_LINE_H
#define PROOF_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

struct lines {
	const char *at, *end;
};

/* The next line without its newline; false: there is no whole one. */
static inline bool
line_next(struct lines *l, const char **s, size_t *n)
{
	const char *stop = l->at < l->end ? memchr(l->at, '\n', (size_t)(l->end - l->at)) : NULL;

	if (!stop)
		return false;
	*s = l->at;
	*n = (size_t)(stop - l->at);
	l->at = stop + 1;
	return true;
}

/* The next line is "WORD value": the value. */
static inline bool
line_word(struct lines *l, const char *word, const char **s, size_t *n)
{
	size_t len = strlen(word);

	if (!line_next(l, s, n) || *n <= len + 1 || memcmp(*s, word, len) != 0 || (*s)[len] != ' ')
		return false;
	*s += len + 1;
	*n -= len + 1;
	return true;
}

/* Decimal, without zeros in front. */
static inline bool
line_u64(const char *s, size_t n, uint64_t max, uint64_t *out)
{
	return text_u64(s, n, 0, max, out) && (n == 1 || s[0] != '0');
}

/* Exactly `size` bytes, 48 at most. */
static inline bool
line_base64(const char *s, size_t n, uint8_t *out, size_t size)
{
	uint8_t raw[51];

	if (n > 64 || text_base64_decode(s, n, raw) != (ssize_t)size)
		return false;
	memcpy(out, raw, size);
	return true;
}

#endif
