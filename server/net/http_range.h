/*
 * http_range: which bytes of a file a request wants (RFC 9110 §14), and whether the client has them already (§13). Pure.
 */
#ifndef NET_HTTP_RANGE_H
#define NET_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/http_head.h"

enum http_range {
	HTTP_RANGE_WHOLE, /* all of it: nothing else was asked for, or something that is none of ours to answer: several ranges, another unit */
	HTTP_RANGE_PART,
	HTTP_RANGE_NONE,  /* nothing of it: 416 */
};

/* Of the value of a Range field (NULL: none), for `size` bytes; *first and *last (inclusive) of a part. */
enum http_range http_range_read(const char *value, uint64_t size, uint64_t *first, uint64_t *last);
/* Of a request for what has this strong entity tag, quotes included: If-Range is heeded (§13.1.5). */
enum http_range http_range_of(const struct http_head *h, const char *tag, uint64_t size, uint64_t *first, uint64_t *last);
/* If-None-Match (§13.1.2): has the client got what has this tag? */
bool http_range_is_known(const struct http_head *h, const char *tag);
/* If-Match (§13.1.1): does the client want something else than what has this tag (NULL: than nothing)? It comes before the others. */
bool http_range_is_other(const struct http_head *h, const char *tag);

#endif
