/*
 * archive: what was said in a room, for those who may read it (XEP-0313 §6.1.2).
 */
#ifndef MUC_ARCHIVE_H
#define MUC_ARCHIVE_H

#include "muc.h"

enum hook_verdict archive_on_query(struct hook *h, struct room *r);
enum hook_verdict archive_on_form(struct hook *h, struct room *r);
enum hook_verdict archive_on_metadata(struct hook *h, struct room *r);

#endif
