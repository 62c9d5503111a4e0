/*
 * moderate: messages that are taken back, by who said them (XEP-0424) or by a moderator (XEP-0425). The room does not show them any
 * more; the record keeps everything, with who took what back when.
 */
#ifndef MUC_MODERATE_H
#define MUC_MODERATE_H

#include "muc.h"

#define NS_MODERATE "urn:xmpp:message-moderate:1"

/* <moderate/> */
enum hook_verdict moderate_on_set(struct hook *h, struct room *r);
/* A message that has been reflected, and is in the record as `id`, may take back one of its sender's (h->from). */
void moderate_reflected(struct hook *h, const struct stanza *st, uint64_t id);

#endif
