/*
 * subscription: the states of a presence subscription and how stanzas move them (RFC 6121 §3 and
 * Appendix A). A pure function over two tables: no user, no roster, no time. core/roster_change
 * asks it what a stanza means and does what it says.
 */
#ifndef CORE_SUBSCRIPTION_H
#define CORE_SUBSCRIPTION_H

#include <stdbool.h>

#include "core/route/packet.h"

/* A state is a set of these bits. SUB_TO: I receive the contact's presence; SUB_FROM: the contact
 * receives mine; SUB_ASK: I have asked, "pending out"; SUB_ASKED: the contact has, "pending in". */
enum { SUB_NONE = 0, SUB_TO = 1, SUB_FROM = 2, SUB_BOTH = 3, SUB_ASK = 4, SUB_ASKED = 8 };

struct subscription {
	unsigned state;
	bool approved; /* pre-approved (§3.4): the contact's next request is granted without asking */
};

struct subscription_step {
	struct subscription next;
	bool pass;  /* outbound: route the stanza to the contact; inbound: deliver it to the user */
	bool grant; /* inbound: answer `subscribed` in the user's name */
};

/* What an outbound stanza of this type (subscribe, subscribed, unsubscribe, unsubscribed) does. */
struct subscription_step subscription_out(enum packet_type type, struct subscription now);
/* The same for an inbound one. */
struct subscription_step subscription_in(enum packet_type type, struct subscription now);
/* Whether the user's clients can see the difference: a request that waits is not part of the
 * roster (§3.1.3). */
bool subscription_differs(struct subscription a, struct subscription b);
/* Bits that contradict each other do not come from us; what a database holds is brought to one of
 * the nine states: who is subscribed asks no more. */
unsigned subscription_normal(unsigned state);
/* "none", "to", "from", "both" */
const char *subscription_name(unsigned state);

#endif
