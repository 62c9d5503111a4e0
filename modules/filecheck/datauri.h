/*
 * datauri: files written as data: URIs (RFC 2397). Pure.
 */
#ifndef DATAURI_H
#define DATAURI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct datauri {
	const char *type;  /* the media type that it says, without parameters; NULL: none */
	const void *data;
	size_t n;
	bool base64;
};

enum datauri_result {
	DATAURI_OK,
	DATAURI_NONE,  /* it is something else that begins so */
	DATAURI_BROKEN /* it says base64, and is not */
};

/* Does an address among words end here (RFC 3986 appendix C)? */
static inline bool
datauri_ends(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '"' || c == '<' || c == '>';
}

/* Is what is before the comma as RFC 2397 has it? "Data: 5, 6" is no URI. `s` begins behind "data:". */
bool datauri_is_one(const char *s, size_t n);
/* `s` begins behind "data:". In prose the URI ends where a word ends, and punctuation behind it is not its; else all of it is the URI, and
 * white space in base64 means nothing, as in browsers. What is out is in `a`. */
enum datauri_result datauri_read(struct arena *a, const char *s, size_t n, bool prose, struct datauri *out);

#endif
