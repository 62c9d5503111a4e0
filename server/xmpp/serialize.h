/*
 * serialize: tree to bytes; the only place that escapes.
 *
 * Namespace declarations are written by scope: a child repeats xmlns only when it differs from its
 * parent's; foreign-namespaced attributes get a generated prefix declared on their element. Output is
 * bounded: amplification by crafted prefixes is impossible, as no prefix of the input survives.
 */
#ifndef XMPP_SERIALIZE_H
#define XMPP_SERIALIZE_H

#include <stddef.h>

#include "base/buf.h"
#include "xmpp/stanza.h"

/* What differs from the sealed stanza when it is written. Members left NULL change nothing. */
struct overlay {
	const char *to, *from, *id, *type; /* attributes of the root */
	const char *append;                /* raw XML put before the root's end tag; namespaces complete */
	size_t append_len;
};

/* Writes the stanza as it stands in a stream whose default namespace is `stream_ns` (NS_CLIENT):
 * elements of that namespace carry no xmlns. stream_ns NULL: complete by itself. `o` may be NULL. */
void serialize_stanza(struct buf *out, const struct stanza *st, const char *stream_ns, const struct overlay *o);
void serialize_elem(struct buf *out, const struct elem *e, const char *outer_ns);
/* Text of whoever knows where it goes. Escapes & < > ' " CR and, in attributes, also TAB LF. */
void serialize_text(struct buf *out, const char *s, size_t n);
void serialize_attr(struct buf *out, const char *s, size_t n);
/* The bytes serialize_elem would write, without writing them. */
size_t serialize_size(const struct elem *e, const char *outer_ns);

#endif
