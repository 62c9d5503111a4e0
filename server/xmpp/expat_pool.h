/*
 * expat_pool: expat parsers to borrow, one pool per thread. Used by parser.c only.
 *
 * An expat parser costs some 11 kB and a few microseconds to make. A primed one stands behind the
 * start tag of a stream that declares nothing but the usual, and is good for any such stream.
 */
#ifndef XMPP_EXPAT_POOL_H
#define XMPP_EXPAT_POOL_H

#include <expat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* What a parser has read so far. */
enum expat_kind {
	EXPAT_BLANK,  /* nothing */
	EXPAT_CLIENT, /* the start tag of a stream whose default namespace is jabber:client, … */
	EXPAT_SERVER, /* … jabber:server, */
	EXPAT_COMPONENT, /* … jabber:component:accept, and which declares prefix stream only */
	EXPAT_FRAMED,    /* that of a root that declares nothing: elements that come in frames */
	EXPAT_OWN,       /* any other start tag: good for one stream only, never pooled */
};

/* Separates namespace and name in what expat reports: a byte that cannot occur in XML 1.0, not even
 * as a character reference. */
#define EXPAT_SEPARATOR '\001'

struct expat {
	XML_Parser xml;
	struct expat *next;
	enum expat_kind kind;
	bool heavy;      /* has grown: not worth keeping */
	size_t strange;  /* what unknown names have cost: expat never forgets one */
	uint64_t fed;    /* bytes since the kind's start tag began; expat's own count */
	struct buf text; /* of the element that is being read, not in its tree yet */
	struct buf held; /* part of an unfinished tag that expat has not seen yet */
};

/* EXPAT_CLIENT, … for a default namespace; EXPAT_OWN when there is none for it. */
enum expat_kind expat_kind_of(const char *ns);
/* Never NULL. `tag` is the start tag for EXPAT_OWN. `set_handlers` is called for a parser that has
 * none yet. The borrower sets the user data. */
struct expat *expat_take(enum expat_kind kind, const char *tag, void (*set_handlers)(XML_Parser));
/* Back to the pool as it is: the borrower has left it where it found it. */
void expat_give(struct expat *x);
/* Back in whatever state. NULL is fine. */
void expat_discard(struct expat *x);
/* Has it grown so that giving it back would free it? */
bool expat_is_worn(const struct expat *x);

#endif
