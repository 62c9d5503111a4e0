/*
 * ibb: In-Band Bytestreams (XEP-0047): what each end may say, and the collecting of what it sends.
 *
 * Called for every stanza of theirs that passes the account's home; `from` says who sent it. The verdict is the stage's.
 */
#ifndef TRANSFER_IBB_H
#define TRANSFER_IBB_H

#include "stream.h"

enum hook_verdict ibb_open(struct hook *h, struct transfers *t, enum side from, const struct elem *open);
enum hook_verdict ibb_data(struct hook *h, struct transfers *t, enum side from, const struct elem *data);
enum hook_verdict ibb_close(struct hook *h, struct transfers *t, enum side from, const struct elem *close);
/* An answer to an <open/> or an offer. */
void ibb_answered(struct stream *s, bool accepted);
/* Its sender (a session of ours) has gone: whoever collects it shall not take what came for the whole. */
void ibb_abort(struct hook *h, const struct stream *s);

#endif
