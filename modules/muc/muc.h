/*
 * muc: Multi-User Chat (XEP-0045): which part of the module answers for what. The tables are in muc.c.
 */
#ifndef MUC_MUC_H
#define MUC_MUC_H

#include "room.h"
#include "xmpp/ns.h"

#define MUC_ROOMCONFIG "http://jabber.org/protocol/muc#roomconfig"
#define MUC_REQUEST "http://jabber.org/protocol/muc#request"
#define MUC_REGISTER "http://jabber.org/protocol/muc#register"

/* Status codes (§15.6.2). */
enum muc_status {
	MUC_NON_ANONYMOUS = 100,
	MUC_AFFILIATION_ABSENT = 101,
	MUC_CONFIG_CHANGED = 104,
	MUC_SELF = 110,
	MUC_LOGGED = 170,
	MUC_NOT_LOGGED = 171,
	MUC_NOW_NON_ANONYMOUS = 172,
	MUC_NOW_SEMI_ANONYMOUS = 173,
	MUC_CREATED = 201,
	MUC_NICK_CHANGED_BY_ROOM = 210,
	MUC_BANNED = 301,
	MUC_NEW_NICK = 303,
	MUC_KICKED = 307,
	MUC_NO_LONGER_AFFILIATED = 321,
	MUC_NOW_MEMBERS_ONLY = 322,
	MUC_SHUTDOWN = 332,
	MUC_TECHNICAL = 333,
};

/* What a part is called with: r is NULL at the service itself (conference.example). Verdicts as for HOOK_SERVICE. */
typedef enum hook_verdict (*muc_fn)(struct hook *h, struct room *r);

enum muc_where { MUC_SERVICE = 1, MUC_ROOM = 2, MUC_OCCUPANT = 4 };
enum muc_type { MUC_GET = 1, MUC_SET = 2 };

/* An IQ to the service, a room, or an occupant. Those to a room that does not exist are refused before (item-not-found) but with
 * `absent`; those to occupants that nobody here answers go to the occupant (relay). */
struct muc_iq {
	unsigned types;   /* enum muc_type */
	unsigned where;   /* enum muc_where */
	const char *ns, *name;
	bool absent;
	muc_fn fn;
};

/* A message that is not groupchat to the room itself, by a child element. */
struct muc_message {
	const char *ns, *name;
	muc_fn fn;
};

#endif
