/*
 * give: what has been collected is judged, and given to whom it is for, piece after piece, each when the one before has been answered; or
 * both are told why not.
 */
#ifndef TRANSFER_GIVE_H
#define TRANSFER_GIVE_H

#include "stream.h"

/* All that `from` sends is there. */
void give_judge(struct hook *h, struct stream *s, enum side from);
/* The recipient has answered what was given last (`ok`: by a result). */
void give_answered(struct hook *h, struct stream *s, enum side from, bool ok);
/* All of it has reached the recipient. */
void give_arrived(struct hook *h, struct stream *s, enum side from);
/* All was given, and the sender has closed: now the recipient's end is closed. */
void give_close(struct hook *h, struct stream *s, enum side from);
/* What `from` sends does not arrive: both are told, the stream is over. The error answers the sender's <close/>, if that waits. */
void give_up(struct hook *h, struct stream *s, enum side from, enum xerror e, const char *type, const char *text);

#endif
