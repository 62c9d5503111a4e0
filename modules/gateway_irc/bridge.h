/*
 * bridge: what the framework's objects are at IRC: users and their sessions, rooms and who hears what happens in them, messages and what became of them. For
 * irc.c, account.c, room.c, contact.c and message.c.
 */
#ifndef GATEWAY_IRC_BRIDGE_H
#define GATEWAY_IRC_BRIDGE_H

#include "session.h"

/* gateway_user.net */
struct irc_user {
	struct gateway_user *u;
	struct list seats, sessions, contacts;
	char *away; /* NULL: there */
	/* Of the account that they brought; NULL: none. */
	char *network, *nick, *account, *password;
	struct irc_certificate *certificate;
	char *refused; /* the network does not take it: the framework is told in the next turn */
};

/* gateway_room.net: one channel. */
struct irc_room {
	struct gateway_room *r;
	struct irc_server *server;
	char *channel;
	struct list seats;
	struct irc_session *ear; /* whose connection tells what happens there; NULL: none */
};

/* gateway_seat.net */
struct irc_seat {
	struct gateway_seat *s;
	struct irc_room *room;
	struct irc_session *session;
	struct list in_room, in_user;
};

/* gateway_message.net, or an order that waits (gateway_ask). */
struct irc_message {
	struct list link; /* in its session's */
	struct irc_session *session;
	struct gateway_message *m; /* NULL: given up */
	struct gateway_ask *ask;
	struct gateway_seat *seat; /* whose ask it is, with which it goes */
	uint64_t ref; /* 0: it waits for the connection */
};

/* All of the program's: there is one gateway in it. */
struct irc {
	struct gateway *gateway;
	struct list servers;
	uv_timer_t *timer;
	bool held; /* no session reads: chanceryd has enough for now */
	bool refused; /* some user was */
	unsigned turns;
};
extern struct irc *irc;

/* irc.c */
struct irc_session *irc_session_for(struct irc_server *server, struct gateway_user *u, const char *wish);
void irc_session_event(struct irc_session *s, const struct irc_event *e);

/* account.c */
extern const struct network_field irc_account_fields[];
/* Of the credential that they brought. -1: it is of no use, and `e` says why. */
int irc_account_read(struct irc_user *iu, const json_t *login, struct err *e) MUST_CHECK;
void irc_account_free(struct irc_user *iu);
/* The table's (network.h). */
char *irc_account_certificate(const json_t *login);
int irc_account_certificate_change(json_t *login, bool make, struct err *e);

/* room.c */
void irc_room_join(struct gateway_seat *s, const char *password);
void irc_room_leave(struct gateway_seat *s, const char *status);
void irc_room_nick(struct gateway_seat *s, const char *nick);
void irc_room_change(struct gateway_seat *s, enum room_change what, const char *who, const char *reason, struct gateway_ask *ask);
void irc_room_own_nick(struct irc_session *s, const struct irc_event *e);
void irc_room_event(struct irc_session *s, const struct irc_event *e);
/* Somebody of this nick is in the channel, on IRC, as far as the session listens. */
bool irc_room_has(struct irc_session *s, const struct irc_channel *ch, const char *nick);
/* A user ends: nobody is told. */
void irc_seats_end(struct irc_user *u);
/* A session has a connection no more; `why`: and will have none. */
void irc_room_deaf(struct irc_session *s, const char *why);

/* contact.c */
void irc_contact_set(struct gateway_user *u, const char *foreign, bool on);
void irc_contact_event(struct irc_session *s, const struct irc_event *e);
void irc_contacts_end(struct irc_user *iu);

/* message.c */
void irc_message_send(struct gateway_message *m);
void irc_message_forget(struct gateway_message *m);
void irc_message_event(struct irc_session *s, const struct irc_event *e);
/* What waits and can be said now is said. */
void irc_messages_flush(struct irc_session *s);
void irc_messages_fail(struct irc_session *s, const char *why);
void irc_messages_end(struct irc_session *s);
/* Somebody's messages in a session that is not theirs alone; a seat's asks. Nobody is told. */
void irc_messages_forget(struct irc_session *s, const struct gateway_user *u);
void irc_asks_forget(struct irc_session *s, const struct gateway_seat *seat);
struct irc_message *irc_message_ask(struct irc_session *s, struct gateway_seat *seat, struct gateway_ask *ask);
enum xerror irc_error(unsigned code);

#endif
