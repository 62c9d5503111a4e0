/*
 * pass: what may pass between us and a partner, and how it is marked.
 */
#ifndef CORE_PASS_H
#define CORE_PASS_H

#include <stdbool.h>

#include "core/federation/partner.h"
#include "core/route/packet.h"

struct user;

struct pass_refusal {
	enum xerror error;
	const char *type;  /* NULL: the usual one */
	const char *text;  /* static, or in the stanza's arena */
	const char *why;   /* static: "files", "rate", "hours", …: for counters and partner_refused */
};

/* Which bits of enum partner_pass this stanza needs. Messages with links to files elsewhere (XEP-0066, 0363, 0385, 0447), in-band bytes (0047, 0231)
 * and offers of transfers (0096, 0234, 0065) need PASS_FILES; Jingle with other contents and 0353 PASS_CALLS; type groupchat, joins (muc), invitations
 * PASS_ROOMS; pubsub and its events PASS_PUBSUB; answers (IQ result, error) need nothing. */
unsigned pass_needs(const struct packet *p);
/* Going out, in the sender's lane, after partner_find. `u` NULL: a service's or component's. False: r says why. */
bool pass_out(const struct partner *pt, const struct packet *p, const struct user *u, struct pass_refusal *r);
/* Coming in, at the home of the remote domain. Not sealed yet. */
bool pass_in(const struct partner *pt, const struct packet *p, struct pass_refusal *r);

/* Takes every label out that says what only we may say (urn:xmpp:sec-label:0 in our words, urn:chancery:external), on everything that comes in
 * from anybody; and marks a message from outside: <securitylabel/> (XEP-0258) with a display marking that names the domain. */
void pass_strip_marks(struct elem *root);
void pass_mark(struct stanza *st, const char *domain);

#endif
