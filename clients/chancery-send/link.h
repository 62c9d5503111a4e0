/*
 * link: a connection to a server by libstrophe, as a script wants it: TLS always, certificate and host name
 * checked, one deadline for everything, and at the end the reason in plain words.
 */
#ifndef CHANCERY_SEND_LINK_H
#define CHANCERY_SEND_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <strophe.h>

#include "base/err.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct link_settings {
	const char *jid;       /* with or without a resource */
	const char *password;
	char *host;            /* NULL: found by DNS */
	unsigned short port;   /* 0: by DNS, or the usual one */
	const char *ca;        /* file of trusted authorities; NULL: the system's */
	bool direct_tls;
	bool verbose;          /* the whole conversation on standard error */
	unsigned timeout_s;    /* 0: none */
};

struct link {
	const struct link_settings *set;
	xmpp_ctx_t *ctx;
	xmpp_conn_t *conn;
	xmpp_log_t log;
	void (*ready)(struct link *l);  /* the session is bound */
	void *owner;
	bool bound, done, gone;
	int result;            /* exit code once done */
	bool timed_out;
	int connect_error;     /* errno */
	bool refused_login, refused_certificate;
	struct err why;
};

/* Connects and runs until link_finish or the end of the connection. Returns the exit code; the reason of a failure is in
 * l->why. */
int link_run(struct link *l, const struct link_settings *set, void (*ready)(struct link *l), void *owner);
/* The work is done, well (NULL) or not; the stream is closed in order. */
void link_finish(struct link *l, int result, const char *why);
/* Asks `to` (NULL: our own server) for an answer; `answered` runs once, whatever the answer is. */
void link_ping(struct link *l, const char *to, void (*answered)(struct link *l));

#endif
