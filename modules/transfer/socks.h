/*
 * socks: SOCKS5 bytestreams (XEP-0065, XEP-0260) through our own proxy: offers of them, their activation, and how what came over them is
 * judged and given.
 *
 * A bytestream is minded at the home of its requester, an account of ours, in both directions. Whose connection is whose the proxy cannot
 * know, as both ends say the same hash: when a file was announced, who sends is taken for its sender; else for the target if the connection
 * that sends came first. So nothing passes that not both of them may send, whatever was announced.
 */
#ifndef TRANSFER_SOCKS_H
#define TRANSFER_SOCKS_H

#include "stream.h"

/* A <query/> of either side passes: an offer. */
enum hook_verdict socks_offered(struct hook *h, struct transfers *t, enum side from, const struct elem *query);
/* Something else is asked of our proxy by h->account: the activation. */
enum hook_verdict socks_asked(struct hook *h, struct transfers *t, const struct elem *query);
/* The answer to an offer, of this stream. */
void socks_answered(const struct hook *h, struct stream *s, enum side from);
/* What `from` has sent passed. */
void socks_give(struct hook *h, struct stream *s, enum side from);
/* Why it did not arrive, when no Jingle session tells. */
void socks_tell(struct hook *h, const struct stream *s, enum side from, const char *text);

#endif
