/*
 * server: an IRC network as the administrator has set it: where it is, who we are there, how fast we may be. In a program there are several; each has a name,
 * which stands behind the % of addresses: `#channel%libera`, `nick%libera`.
 */
#ifndef GATEWAY_IRC_SERVER_H
#define GATEWAY_IRC_SERVER_H

#include <jansson.h>

#include "base/list.h"
#include "client.h"
#include "conn.h"

struct irc_session;

struct irc_server {
	struct list link;
	char *name;
	json_t *json; /* its settings, to which the strings below belong */
	const char *host;
	unsigned port;
	struct irc_tls tls;
	struct irc_certificate *certificate; /* of the connection that is for all; NULL: none */
	bool pass_login;     /* who brings an account says it by PASS, not by SASL */
	bool each;           /* a connection for each user; else one for all, which says who says what */
	bool eager;          /* whoever uses the gateway is there from then on; else when they enter a channel, or write */
	bool free_nicks;     /* people choose theirs; else it is their account's */
	const char *nick;    /* "%u" stands for the account's name */
	const char *realname, *user;
	enum irc_sasl sasl;  /* of the same one */
	const char *account, *password;
	struct irc_settings set;
	unsigned connect_ms; /* between two connections that begin, and */
	unsigned logins;     /* so many that are not logged in yet at a time */
	unsigned address_ms; /* an address is tried so long when there is another */
	/* From here on session.c's. */
	struct irc_people *people;
	struct list sessions, waiting; /* all; those that wait for their turn to connect */
	struct list stirred; /* those that have something to say in the next turn, */
	uv_timer_t *soon;    /* which is when this goes off; NULL: there was no session yet */
	struct ready *ready; /* which of their connections have something to say; NULL: there was none yet */
	unsigned beginning;
	int64_t next_begin;
	struct irc_session *shared; /* of all users; NULL: none */
};

/* All networks of the settings' object "network", appended to `all`. -1: what is wrong, and `all` stays as it was. */
int irc_servers_read(struct list *all, const json_t *settings, struct err *e) MUST_CHECK;
void irc_server_free(struct irc_server *s);
struct irc_server *irc_server_find(const struct list *all, const char *name, size_t n);
/* Takes `#channel%server` or `nick%server` apart: the server, and the length of what is before the %. NULL: there is no such network. */
struct irc_server *irc_server_of(const struct list *all, const char *foreign, size_t *name);

#endif
