/*
 * elsewhere: the clients of an account's contacts at other servers: which are there, and what they support, as their presence says. Their
 * own servers do not know what of us they want to hear (XEP-0163 §4.3.1), so we have to.
 *
 * Kept while the account is in memory, learnt from the presence that comes for it: after each login all contacts are probed.
 */
#ifndef CORE_ELSEWHERE_H
#define CORE_ELSEWHERE_H

#include "base/map.h"
#include "core/module/features.h"
#include "core/route/packet.h"

struct user;

struct elsewhere {
	UT_hash_handle hh; /* in struct user.elsewhere, by full address */
	struct jid *jid;
	struct announced announced;
};

/* A presence has come for the account from somebody who is not ours. Contacts' only are looked at. */
void elsewhere_presence(struct user *u, const struct packet *p);
/* NULL: not there. */
struct elsewhere *elsewhere_find(const struct user *u, const struct jid *full);
void elsewhere_free(struct user *u);

#endif
