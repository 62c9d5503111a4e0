/*
 * links: addresses of files that are not on a server of ours (files.links).
 */
#ifndef LINKS_H
#define LINKS_H

#include "found.h"

/* An address without the white space around it; in `a`. */
const char *links_trim(const char *text, size_t n, struct arena *a);
/* Not https or http to a host of ours. What is no address of a file (cid:, xmpp:, …) is not foreign. */
bool links_is_foreign(const struct found *f, struct arena *a);
/* Is there a foreign one among them? */
bool links_any_foreign(const struct found *list, struct arena *a);
/* A copy of the stanza without what offers foreign files. NULL: nothing that people can read would be left of it, or it is an IQ. */
struct stanza *links_strip(const struct stanza *st, struct arena *a);

#endif
