/*
 * archive: what was said in a room, for those who may read it (XEP-0313 §6.1.2).
 */
#ifndef MUC_ARCHIVE_H
#define MUC_ARCHIVE_H

#include "muc.h"

enum hook_verdict archive_on_query(struct hook *h, struct room *r);
enum hook_verdict archive_on_form(struct hook *h, struct room *r);
enum hook_verdict archive_on_metadata(struct hook *h, struct room *r);

/* HOOK_NEXT, or why h->from may not read what was said. */
enum hook_verdict archive_allowed(struct hook *h, const struct room *r);
/* What is left of a reflected message (of the record `id`) that the record `by` of the stanza `retraction` (NULL: it is not known any
 * more) took back: st without its contents (XEP-0424 §5, XEP-0425 §5). `st` is unsealed. */
void archive_bury(struct stanza *st, uint64_t by, const struct stanza *retraction);

#endif
