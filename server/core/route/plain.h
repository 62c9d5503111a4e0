/*
 * plain: does a stanza have nobody's words in it? It has the shape that standard services give it, and names and numbers for values.
 */
#ifndef CORE_PLAIN_H
#define CORE_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xmpp/stanza.h"

/* Of an IQ or a presence. Only elements and attributes of the table, in their places, and no more than `bytes` of values in them. */
bool plain_is(const struct stanza *st, uint64_t bytes);
/* The same of one child of it, and of the stanza itself without its children: addresses are what they are, an id is a token. What they have in values
 * is taken off `left`. */
bool plain_is_child(const struct elem *e, uint64_t *left);
bool plain_is_root(const struct elem *root, uint64_t *left);
/* A name, number or id: short, printable ASCII without a space. */
bool plain_is_token(const char *s, size_t n);

#endif
