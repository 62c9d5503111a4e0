/*
 * session: somebody's place at an IRC network: the client and its connections, one after the other: begun in turn, so that a network never sees a thousand at
 * once, and again with back-off when they are lost.
 */
#ifndef GATEWAY_IRC_SESSION_H
#define GATEWAY_IRC_SESSION_H

#include "gateway/gateway.h"
#include "server.h"

struct irc_session;

/* What happens in a session is told to `fn`, see client.h; IRC_CLOSED when it is known whether it will be tried again (forever: not). */
typedef void irc_session_fn(struct irc_session *s, const struct irc_event *e);

struct irc_session {
	irc_session_fn *fn;
	struct list link;       /* in the server's */
	struct list turn;       /* in its waiting */
	struct list of_user;    /* in the user's; whoever made it puts it there */
	struct irc_server *server;
	struct gateway *gateway;
	struct gateway_user *user; /* NULL: it is for all */
	struct irc_identity who;
	const struct irc_certificate *certificate; /* that it shows; NULL: none */
	bool told_password; /* its user has heard that the password was said instead */
	char *nick, *account, *password, *pass; /* what `who` points to, when they are its own */
	struct irc_client *client;
	struct irc_conn *conn;
	uv_timer_t *timer;
	int64_t due;      /* when it goes off; 0: it is not set */
	struct list stirred; /* in the server's */
	enum { IRC_SESSION_IDLE, IRC_SESSION_WAITING, IRC_SESSION_CONNECTING, IRC_SESSION_OPEN, IRC_SESSION_RETRYING } state;
	bool beginning;   /* counted in the server's */
	bool closing, in_client, held;
	int64_t connect_by;
	unsigned tries;
	char why[200];    /* of the last end */
	struct list messages; /* irc_message: all that has no answer yet */
	struct list contacts; /* irc_contact: whose presence it tells */
	uint64_t refs;
	struct gateway_seat *nick_asked; /* who wanted another nick last */
};

/* What somebody logs in with. */
struct irc_login {
	const char *account, *password; /* account NULL: the nick; password NULL: none */
	const struct irc_certificate *certificate; /* NULL: none; outlives the session */
};

/* `login` NULL: nothing of their own. */
struct irc_session *irc_session_new(struct gateway *g, struct irc_server *server, struct gateway_user *user, const char *nick, const struct irc_login *login, irc_session_fn *fn);
/* Says goodbye and frees it; nothing is told any more. */
void irc_session_close(struct irc_session *s, const char *why);
/* It is needed: connects, when it has not begun to. */
void irc_session_want(struct irc_session *s);
/* Behind whatever was asked of its client: what is to be said is said. */
void irc_session_stir(struct irc_session *s);
/* Reads no more, or again. */
void irc_session_hold(struct irc_session *s, bool hold);
/* The next of those that wait for their turn. Called now and then. */
void irc_session_turns(struct irc_server *server);

#endif
