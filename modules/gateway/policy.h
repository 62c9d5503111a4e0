/*
 * policy: what chanceryd says by itself (README.md, "Between chanceryd and a gateway"): other settings; that other people may use the network; that
 * somebody's account is gone; that the network is switched off.
 */
#ifndef GATEWAY_POLICY_H
#define GATEWAY_POLICY_H

#include "gateway/network.h"
#include "xmpp/stanza.h"

/* True: it was one of these, from the host, and has been answered. */
bool policy_came(struct gateway *g, const struct stanza *st, const struct elem *e, const struct jid *from);
/* Everybody who uses the network is asked about again: may they still? Also when the stream is back, as what was said meanwhile is lost. */
void policy_review(struct gateway *g);
/* chanceryd has let something of theirs through: it may have been given back what was taken, a moment ago. */
void policy_lets(struct gateway_user *u);
/* What has no answer yet is asked again, after a while. */
void policy_tick(struct gateway *g);

#endif
