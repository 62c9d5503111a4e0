/*
 * rsm: result set management (XEP-0059): what a request asks for, and the <set/> of an answer.
 */
#ifndef XMPP_RSM_H
#define XMPP_RSM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "xmpp/stanza.h"

struct rsm {
	bool given;          /* there was a <set/> */
	const char *after;   /* NULL: not said */
	const char *before;  /* NULL: not said; "": the last page (§2.5) */
	bool has_max, has_index;
	uint64_t max, index;
};

/* Looks for <set/> in `parent`. False: malformed (max or index not a number, both after and before). Strings in `a`. */
bool rsm_parse(const struct elem *parent, struct arena *a, struct rsm *out);
/* Adds <set/>; first and last NULL for an empty page; index and count below 0: not said. */
void rsm_write(struct stanza *st, struct elem *parent, const char *first, int64_t index, const char *last, int64_t count);

#endif
