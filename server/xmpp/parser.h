/*
 * parser: expat to stanzas, within bounds.
 *
 * An xmpp stream is one long document; a parser gives its header, its top-level elements (complete, as
 * stanzas) and its end. What RFC 6120 §11.1 forbids (comments, processing instructions, DTD, entity
 * references other than the five) and what exceeds a bound ends it with a reason that maps to a stream error.
 *
 * Memory: between two stanzas a stream needs no expat parser of its own, when its header declared nothing
 * but the usual (default namespace jabber:client, prefix stream): such parsers are interchangeable. So a
 * `struct parser` is small; it borrows an expat parser from its thread's pool (parser_pool) when bytes come and
 * gives it back when they end between stanzas. Streams with other declarations keep their own. An
 * expat parser that has grown or met many unknown names is discarded, as expat never forgets a name: a
 * stream with its own then gets a new one, which is shown the stream's start tag again.
 *
 * A stanza whose prefixes would make it more than twice as large when written (serialize.h) is too big.
 * A parser may be fed by one thread at a time and move to another between calls. expat: created with encoding "UTF-8", reparse deferral off (CVE-2023-52425's fix stalls complete stanzas).
 */
#ifndef XMPP_PARSER_H
#define XMPP_PARSER_H

#include <stddef.h>
#include <stdint.h>

#include "xmpp/stanza.h"

struct parser;

enum parser_error {
	PARSER_OK,
	PARSER_NOT_WELL_FORMED,
	PARSER_RESTRICTED,       /* comment, PI, DTD, entity: restricted-xml */
	PARSER_BAD_NAMESPACE,    /* stream element in a wrong namespace, or unbound prefix: invalid-namespace / bad-namespace-prefix below */
	PARSER_BAD_PREFIX,
	PARSER_BAD_FORMAT,       /* root is not stream, text between stanzas: bad-format / invalid-xml */
	PARSER_TOO_BIG,          /* stanza, token, depth, attributes: policy-violation */
	PARSER_BAD_ENCODING,     /* declared another encoding than UTF-8: unsupported-encoding */
};

struct parser_limits {
	size_t stanza_bytes, token_bytes, memory_bytes;
	unsigned depth, attributes, namespaces;
};

struct parser_header {
	const char *ns;       /* default namespace declared on the root (content namespace); NULL when none */
	const char *to, *from, *id, *version, *lang; /* NULL when absent; valid during the call */
};

struct parser_ops {
	void (*opened)(void *owner, const struct parser_header *h);
	/* A complete top-level element. The callee owns one reference. */
	void (*stanza)(void *owner, struct stanza *st);
	/* </stream:stream> */
	void (*closed)(void *owner);
};

struct parser *parser_new(const struct parser_ops *ops, void *owner, const struct parser_limits *limits);
/* For streams whose elements come in frames, each complete by itself (RFC 7395 §3.3): no header, no end tag, no
 * namespace or prefix in scope; `opened` and `closed` are not called. parser_is_idle tells whether a frame was complete. */
struct parser *parser_new_framed(const struct parser_ops *ops, void *owner, const struct parser_limits *limits);
/* Allowed inside a callback, as the last thing. */
void parser_free(struct parser *p);
/* Forgets everything: the next bytes begin a new stream (restart). Allowed inside a callback of
 * parser_feed: the rest of that call's bytes is then not consumed (see `used`). */
void parser_restart(struct parser *p);
void parser_set_limits(struct parser *p, const struct parser_limits *limits);
/* Feeds bytes. *used is how many were taken: less than n only when a callback called parser_stop or
 * parser_restart (the owner feeds the rest later, or refuses it) or on an error. */
enum parser_error parser_feed(struct parser *p, const char *data, size_t n, size_t *used);
/* Inside a callback: no further callback from this feed; parser_feed returns after the element just
 * finished, with *used behind it. Used to pause, and before STARTTLS. */
void parser_stop(struct parser *p);
/* What went wrong, for the log. Static text. */
const char *parser_error_text(enum parser_error e);
/* True when between stanzas (or before the header) with nothing half-received. */
int parser_is_idle(const struct parser *p);

/* Frees the calling thread's pool of expat parsers. Happens by itself when a thread ends. */
void parser_pool_clear(void);

/* One complete element from text, for stored stanzas and tests: default namespace `ns` (NULL: none),
 * prefix stream bound as in a stream. NULL when not well-formed or over the limits. `limits` NULL: none,
 * for what was within the limits when we wrote it ourselves. Any thread. */
struct stanza *parser_one(const char *xml, size_t n, const char *ns, const struct parser_limits *limits);

#endif
