/*
 * http_head: the head of a request (RFC 9112), strictly; and the chunks of a body. Pure: knows no connection.
 *
 * What two programs could read in two ways is refused: bare line feeds, folded lines, spaces before a colon, several
 * lengths, a length beside a transfer coding. The path is decoded once, here, and has no empty segment, no dot segment
 * and no byte that is special to anybody: what routes look at is what files are opened by.
 */
#ifndef NET_HTTP_HEAD_H
#define NET_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_FIELDS_MAX 64

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_METHODS };

struct http_field {
	const char *name; /* in lower case */
	const char *value;
};

struct http_head {
	enum http_method method;
	const char *path;  /* decoded, begins with '/' */
	const char *query; /* as it came, behind the '?'; NULL */
	const char *authority; /* of a target in absolute form, and then the value of Host, too; NULL */
	struct http_field field[HTTP_FIELDS_MAX];
	unsigned nfields;
	uint64_t length;   /* of the body; 0 when chunked */
	bool chunked;
	bool old;          /* HTTP/1.0 */
	bool keep;         /* the connection may go on after it */
	bool proceed;      /* the client waits for "100 Continue" */
};

/* Parses in place: `text` of `n` bytes ends with the empty line; the head points into it. 0, or the status to refuse with. */
int http_head_parse(char *text, size_t n, struct http_head *h);
/* `name` in lower case. NULL when there is none, or when there are several: no field that we look at may be given twice. */
const char *http_head_get(const struct http_head *h, const char *name);
/* Is `token` in the comma-separated list of the field? Case does not matter. */
bool http_head_lists(const struct http_head *h, const char *name, const char *token);
const char *http_method_name(enum http_method m);

/* RFC 9112 §7.1. Zero-initialised is at the start. */
struct http_chunks {
	uint64_t left;     /* of the chunk */
	uint32_t overhead; /* bytes of extensions and trailers, which are bounded */
	uint8_t state, digits;
};

/* Takes some of `n` bytes. *data, *len: a piece of the body among them, or none. Returns how many were taken; -1: not
 * chunks. *done: the body has ended. */
ptrdiff_t http_chunks_take(struct http_chunks *c, const char *p, size_t n, const char **data, size_t *len, bool *done);

#endif
