/*
 * notice: a message of the server's to one account, in its own name and in the record, delivered as any message is.
 */
#ifndef CORE_NOTICE_H
#define CORE_NOTICE_H

#include "xmpp/jid.h"

/* Tells the account (an account of one of our hosts; for any other address it does nothing). Any thread. What the archive does not take is
 * logged and forgotten. */
void notice_send(const struct jid *to, const char *text);
/* The same about what somebody else did: in a minute the same is said once, three things about one person to another, and
 * ten to one account. */
void notice_send_about(const struct jid *to, const struct jid *whom, const char *text);

#endif
