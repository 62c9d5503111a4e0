/*
 * parser_state: what parser.c (bytes, slices, the owner) and parser_tree.c (what expat tells) share.
 */
#ifndef XMPP_PARSER_STATE_H
#define XMPP_PARSER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xmpp/expat_pool.h"
#include "xmpp/parser.h"

#define PARSER_TAG_KEPT 8192 /* an expat that has seen a longer tag is not kept */

struct parser {
	const struct parser_ops *ops;
	void *owner;
	struct parser_limits limits;
	struct expat *x;        /* NULL while nothing is half-received */
	char *tag_text;         /* EXPAT_OWN: the stream's start tag, as it came */
	const char *content_ns; /* interned; "" when unknown */

	struct stanza *st; /* being read, and where in it */
	struct elem *at;
	size_t size;              /* bytes of it, or of the header, so far */
	size_t pending;           /* of these, in a token that expat has not finished */
	size_t rescanned;         /* bytes of that token that were scanned again */
	size_t declared, written; /* bytes of namespaces that came, and that serialize will write */
	const char *ns;           /* the namespace met last, its length, what it costs to declare */
	size_t ns_len, ns_cost;

	struct arena *header_arena; /* while the header waits to be told */
	struct parser_header *header;
	struct stanza *done; /* complete, waits to be told */

	unsigned depth;        /* open elements, the stream's root included */
	unsigned declarations; /* of the tag that is being read */
	uint8_t kind;          /* enum expat_kind */
	uint8_t error;         /* enum parser_error, for good */
	char tag;
	bool odd;      /* the root declares more than the usual */
	bool prefixed; /* the stanza declares prefixes */
	bool cdata;
	bool opened, ended; /* <stream:stream>, </stream:stream> waits to be told */
	bool closed;
	bool feeding, stopped, restarted, freed;
	bool framed;   /* there is no header, and no end */
};

/* The stream ends with this; the first one counts. Inside a handler it is the last. */
void parser_fail(struct parser *p, enum parser_error e);
bool parser_is_space(const char *s, size_t n);
/* parser_quick.c: between two stanzas, with nothing half-received. A whole stanza of the plain kind at the beginning of n bytes: it is `done`, and so many
 * bytes were taken. 0: nothing has happened, and it is for expat. */
size_t parser_quick(struct parser *p, const char *bytes, size_t n);
/* For a parser whose user data is a struct parser. */
void parser_set_handlers(XML_Parser xml);

#endif
