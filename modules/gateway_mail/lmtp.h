/*
 * lmtp: the server's side of LMTP (RFC 2033), without sockets: bytes in, replies out, mails to its owner.
 *
 * The mail system in front of us keeps a mail until each recipient has been answered, and it is answered when what became of it is known: that is
 * what makes nothing acknowledged get lost. Until all recipients of a mail are answered no further command is looked at.
 *
 * PIPELINING, 8BITMIME, ENHANCEDSTATUSCODES and SIZE are offered (RFC 2033 §5 asks for the first two). A mail ends with CR LF . CR LF only: neither a
 * bare LF nor a bare CR ends a line, so no mail can carry a second one in it. One thread.
 */
#ifndef GATEWAY_MAIL_LMTP_H
#define GATEWAY_MAIL_LMTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct lmtp_limits {
	size_t line_bytes; /* of a command; RFC 5321 §4.5.3.1.4 asks for 512 at least */
	size_t mail_bytes; /* of a mail; of a larger one nothing is kept, and its recipients are refused (552) */
	size_t recipients; /* of a mail; further ones are told to come again (452) */
	unsigned errors;   /* commands that were none, or came out of order, before the connection ends */
};

/* A mail as it came; its texts live until the last recipient is answered. */
struct lmtp_mail {
	const char *from; /* the envelope's; "" for a bounce */
	const char *const *to;
	size_t nto;
	const char *data;
	size_t n;
};

struct lmtp;

struct lmtp_calls {
	/* May this one get mail? NULL: yes; else the reply, of static text: "550 5.1.1 …". */
	const char *(*recipient)(void *owner, const char *to);
	/* A mail is there; the owner calls lmtp_answer for each recipient, within this call or later. */
	void (*mail)(void *owner, const struct lmtp_mail *m);
};

/* `calls` is borrowed. The greeting is in the output at once. */
struct lmtp *lmtp_new(const char *name, const struct lmtp_limits *limits, const struct lmtp_calls *calls, void *owner);
/* A mail whose recipients are not all answered is forgotten with it. NULL is fine. */
void lmtp_free(struct lmtp *l);
/* Any number of bytes. What comes while a mail waits is kept: who reads a socket stops when lmtp_wants is false. */
void lmtp_take(struct lmtp *l, const char *p, size_t n);
bool lmtp_wants(const struct lmtp *l);
/* What is to be written; who has written it consumes it. */
struct buf *lmtp_out(struct lmtp *l);
/* Once for each recipient of the mail, in any order; `reply` is "250 2.1.5 …", made one line of printable ASCII. Goes on with what waited. */
void lmtp_answer(struct lmtp *l, size_t recipient, const char *reply);
/* Of a mail whose recipients are not all answered. */
bool lmtp_is_waiting(const struct lmtp *l);
/* The connection is to be closed when the output is written. */
bool lmtp_is_over(const struct lmtp *l);
/* Says 421 with this text, and is over: a time limit, or the program stops. */
void lmtp_end(struct lmtp *l, const char *why);

#endif
