/*
 * client: one connection to an IRC server, without I/O: bytes in, events out; what is to be done in, bytes out (RFC 1459, RFC 2812, IRCv3).
 *
 *     irc_client_connected(c, now);                 the transport is up, TLS included
 *     irc_client_input(c, bytes, n, now);           what came, as it came
 *     irc_client_tick(c, now);                      at irc_client_due(c), and behind whatever was asked of it
 *     … irc_client_output(c): written, and consumed as it is taken
 *     irc_client_lost(c, why, now);                 the transport has ended
 *
 * It outlives its connections: channels that are wanted are joined again with the next. It begins with nothing and believes little: what a server says
 * is bounded by the settings, and what makes no sense is counted and left out.
 *
 * Where many users of ours are in one channel, one connection's view of it is enough: the others do not listen (irc_channel.listen), which saves them
 * the list of who is there and nearly all work.
 *
 * A message counts as sent when the server has taken it: it came back (echo-message), or a PING behind it was answered and no error came first.
 */
#ifndef GATEWAY_IRC_CLIENT_H
#define GATEWAY_IRC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "channel.h"
#include "text.h"

/* Of a network; the same for all its clients. */
struct irc_settings {
	const char *pass;        /* of the server (PASS); NULL: none */
	const char *charset;     /* what is not UTF-8 comes in this one; NULL: ISO-8859-1 */
	const char *charset_out; /* NULL: UTF-8 */
	const char *version;     /* the answer to CTCP VERSION; NULL: none */
	bool plain_without_tls;  /* SASL PLAIN is said to a server without TLS, too */
	/* Lines are said as long as there are tokens: so many at first, and another one in so many milliseconds. */
	unsigned flood_burst, flood_ms;
	unsigned queue_lines;   /* wait for that; more are refused */
	unsigned message_lines; /* of one message */
	unsigned ping_ms;       /* nothing was heard for so long: PING */
	unsigned answer_ms;     /* and so long is waited for its answer, and for other answers */
	unsigned login_ms;      /* from the connection to the welcome */
	unsigned line_bytes;    /* of a line from the server, with its tags */
	unsigned channels;      /* that a client is in */
	unsigned members;       /* that are remembered of a channel */
	unsigned watched;       /* people that are watched */
	unsigned presence_ms;   /* between two questions after those that the server does not tell of by itself */
};

enum irc_sasl { IRC_SASL_NONE, IRC_SASL_PLAIN, IRC_SASL_EXTERNAL };

/* Of a client. */
struct irc_identity {
	const char *nick, *user, *realname;
	enum irc_sasl sasl;
	const char *account, *password; /* EXTERNAL: said by PLAIN, when the server does not take the certificate; password NULL: that ends the connection */
	const char *pass; /* its own PASS, instead of the network's; NULL: none */
};

enum irc_event_kind {
	IRC_UP,        /* logged in; nick */
	IRC_CLOSED,    /* over: text says why; forever: it makes no sense to try again */
	IRC_OWN_NICK,  /* other: the nick we have now; nick: had */
	IRC_NICK_REFUSED, /* nick cannot be had: text */
	IRC_ENTERED,   /* channel: we are in. Whoever is told decides now whether it listens */
	IRC_JOINED,    /* behind that: who is there and its topic are known */
	IRC_NAMED,     /* they are known again, see irc_client_listen */
	IRC_REFUSED,   /* channel could not be joined: code, text; it is gone behind the event */
	IRC_LEFT,      /* channel, on our own or kicked: other (NULL: on our own), text; it is gone behind the event */
	/* Of channels that listen. */
	IRC_IN,        /* nick has come into channel */
	IRC_OUT,       /* nick has left channel: other has kicked them, or NULL; text */
	IRC_RENAMED,   /* nick is other now, in channel */
	IRC_RANKED,    /* nick is something else in channel now, or away, or back */
	IRC_TOPIC,     /* of channel, set by nick: text */
	IRC_MESSAGE,   /* nick says text, in channel or (NULL) to us */
	/* Of all again. */
	IRC_SENT,      /* ref; id and at, if the server says them */
	IRC_FAILED,    /* ref: code (0: the connection was lost, it may have arrived), text */
	IRC_INVITED,   /* to text (a channel's name), by nick */
	IRC_PRESENT,   /* nick, who is watched, is there: or is away, perhaps with text, or back; what is watched must not be changed from inside */
	IRC_ABSENT,    /* or is not (any more), or nothing is known of them, as there is no connection */
	IRC_PASSWORD_INSTEAD, /* the certificate was not taken (text), so the password is said */
};

struct irc_event {
	enum irc_event_kind kind;
	struct irc_channel *channel;
	const char *nick, *other, *text;
	const char *address; /* user@host of nick; NULL: not said */
	enum irc_say say;
	const char *id; /* the network's (message-tags' msgid), NULL: none */
	int64_t at;     /* microseconds since 1970 (server-time), 0: now */
	uint64_t ref;
	unsigned code; /* the numeric of the server */
	bool forever, away;
};

/* Must not free the client, nor, while IRC_OUT, IRC_RENAMED or IRC_RANKED is told (of all channels that it is about), part channels. May ask anything else of it. */
typedef void (*irc_event_fn)(void *arg, const struct irc_event *e);

struct irc_client;

/* All but `fn`'s argument is borrowed and must outlive the client. */
struct irc_client *irc_client_new(const struct irc_settings *settings, const struct irc_identity *who, struct irc_people *people, irc_event_fn fn, void *arg);
void irc_client_free(struct irc_client *c);

void irc_client_connected(struct irc_client *c, bool tls, int64_t now);
void irc_client_input(struct irc_client *c, char *p, size_t n, int64_t now);
void irc_client_tick(struct irc_client *c, int64_t now);
void irc_client_lost(struct irc_client *c, const char *why, int64_t now);
/* Takes no more lines from the server for now: what comes is kept, and no answer is missed. Or again: with the next tick. */
void irc_client_hold(struct irc_client *c, bool hold, int64_t now);
/* INT64_MAX: never. */
int64_t irc_client_due(const struct irc_client *c);
struct buf *irc_client_output(struct irc_client *c);

bool irc_client_is_up(const struct irc_client *c);
/* The connection is to be closed: what is in the output may still go. */
bool irc_client_is_over(const struct irc_client *c);
const char *irc_client_nick(const struct irc_client *c);
const struct irc_isupport *irc_client_isupport(const struct irc_client *c);
/* Lines that made no sense or were too long, since the last call. */
unsigned irc_client_bad_lines(struct irc_client *c);

/* NULL: not wanted. */
struct irc_channel *irc_client_channel(struct irc_client *c, const char *name);
struct irc_channel *irc_client_channels(struct irc_client *c);

/* Orders. -1: it cannot be, `e` says why; nothing follows. */
int irc_client_join(struct irc_client *c, const char *channel, const char *key, void *arg, struct err *e);
/* The channel is not wanted any more, and is gone behind the call. No event follows. */
void irc_client_part(struct irc_client *c, struct irc_channel *ch, const char *why);
/* From now on it listens; in a channel that has been joined who is there is asked for: IRC_NAMED. */
void irc_client_listen(struct irc_client *c, struct irc_channel *ch);
/* IRC_SENT or IRC_FAILED follows with `ref`, before IRC_CLOSED at the latest. `text` may have many lines. */
int irc_client_say(struct irc_client *c, uint64_t ref, const char *target, enum irc_say say, const char *text, struct err *e);
/* What of it waits in the queue is not said any more. True: it had not been said as a whole, and no event follows. */
bool irc_client_take_back(struct irc_client *c, uint64_t ref);
/* So many bytes of text fit into a line to `target`. */
size_t irc_client_room(const struct irc_client *c, const char *target);
int irc_client_set_nick(struct irc_client *c, const char *nick, struct err *e);
/* Of these, too, IRC_SENT or IRC_FAILED is told. */
int irc_client_topic(struct irc_client *c, uint64_t ref, struct irc_channel *ch, const char *topic, struct err *e);
int irc_client_kick(struct irc_client *c, uint64_t ref, struct irc_channel *ch, const char *nick, const char *why, struct err *e);
/* "+b", "*!*@host"; "+o", "nick". */
int irc_client_mode(struct irc_client *c, uint64_t ref, struct irc_channel *ch, const char *change, const char *what, struct err *e);
/* NULL: there again. */
int irc_client_away(struct irc_client *c, const char *text, struct err *e);
/* Whether `nick` is there is told from now on: IRC_PRESENT, and IRC_ABSENT behind that. Each is undone by an unwatch of its own. -1: it is no nick, or too many are watched. */
int irc_client_watch(struct irc_client *c, const char *nick) MUST_CHECK;
void irc_client_unwatch(struct irc_client *c, const char *nick);
bool irc_client_is_there(const struct irc_client *c, const char *nick);
/* Known only where the server has extended-monitor. */
bool irc_client_is_away(const struct irc_client *c, const char *nick);
/* Says goodbye: the server closes. */
void irc_client_quit(struct irc_client *c, const char *why);

#endif
