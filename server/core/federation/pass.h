/*
 * pass: what may pass between us and a partner, and how it is marked.
 *
 * A stanza needs some of the bits of enum partner_pass, by what it is and by what is in it (pass.c, a table). Whatever is not in the table is
 * of no kind, and passes with every partner: pings, discovery, vCards, answers. `who` and rates come after that.
 */
#ifndef CORE_PASS_H
#define CORE_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/federation/partner.h"
#include "core/route/packet.h"

struct user;

struct pass_refusal {
	enum xerror error;
	const char *type;  /* NULL: the usual one */
	const char *text;  /* in `words` */
	const char *why;   /* static: "files", "rate", "who", …: for counters and partner_refused */
	char words[384];
};

/* Which bits of enum partner_pass this stanza needs. Messages with links to files elsewhere (XEP-0066, 0363, 0385, 0447), in-band bytes (0047, 0231)
 * and offers of transfers (0096, 0234, 0065) need PASS_FILES; Jingle with other contents and 0353 PASS_CALLS; type groupchat, joins (muc), invitations
 * PASS_ROOMS; pubsub and its events PASS_PUBSUB; answers (IQ result, error) need nothing. */
unsigned pass_needs(const struct packet *p);
/* Going out, in the sender's lane, after partner_find. `u` NULL: a service's or component's. False: r says why. */
bool pass_out(const struct partner *pt, const struct packet *p, const struct user *u, struct pass_refusal *r);
/* The same for what has passed no lane (presence of accounts, what rooms and nodes tell): without rates. `u`: the sender's account where it is
 * in memory here, else NULL. */
bool pass_out_late(const struct partner *pt, const struct packet *p, const struct user *u, struct pass_refusal *r);
/* Coming in, at the home of the remote domain. Not sealed yet. */
bool pass_in(const struct partner *pt, const struct packet *p, struct pass_refusal *r);
/* The same at the recipient's home, where the groups of `u` are known: may its account be written to by the partner? Looks the
 * partner up; what comes from our own domains may. */
bool pass_to(const struct user *u, const struct packet *p, struct pass_refusal *r);
/* A presence that ends something (unavailable, unsubscribe, unsubscribed): it takes effect here, whether it may leave or not. */
bool pass_is_farewell(const struct packet *p);

/* Takes every label out that says what only we may say (urn:xmpp:sec-label:0 in our words, urn:chancery:external:0), on everything that comes in
 * from anybody; and marks a message from outside: <securitylabel/> (XEP-0258) with a display marking that names the domain, in the place of
 * whatever label its sender had put there. */
void pass_strip_marks(struct elem *root);
void pass_mark(struct stanza *st, const char *domain);

/* pass_rate: one more message of `who` in this direction of this partner (by its id), of which there may be so many a minute (and as many at
 * once after a pause). False: too many, and it is not counted. `who` "": all of them together. At most `max` are remembered; the one not
 * used for longest makes room, and what it had used up is used up for a new one of the same partner. Any thread. */
bool pass_rate_take(int64_t partner, enum partner_direction d, const char *who, uint64_t per_minute, uint64_t max);
/* Gives one back that another bound has refused. */
void pass_rate_return(int64_t partner, enum partner_direction d, const char *who, uint64_t per_minute);
void pass_rate_stop(void);

#endif
