/*
 * proxy: our own proxy of SOCKS5 bytestreams (XEP-0065) as clients see it: a service at proxy.HOST that says where it is, and what of an
 * offer leads through it. Everything else in offers is taken out: other proxies, and ways from client to client.
 */
#ifndef TRANSFER_PROXY_H
#define TRANSFER_PROXY_H

#include "stream.h"

/* In attach. No such service while nobody listens. */
void proxy_serve(struct module *m);
/* Is it the address of one of them? */
bool proxy_is(const struct hook *h, const struct jid *j);
/* May it be between these two? Not when one of them is met at a service (a room's occupant): who that is, and what they may send, is known there only. */
bool proxy_is_between(const struct jid *a, const struct jid *b);
/* Leaves the streamhosts of a <query/> (XEP-0065 §6.3.1) that are ours, with the name and the port that we say. How many there are. */
unsigned proxy_keep_streamhosts(const struct hook *h, struct stanza *st, struct elem *query);
/* The same with the candidates of a <transport/> (XEP-0260 §2.2). Were there any? */
bool proxy_keep_candidates(const struct hook *h, struct stanza *st, struct elem *transport);

#endif
