/* client_state: what the parts of the client share (client.c, login.c, incoming.c, order.c, outgoing.c). For them only. */
#ifndef GATEWAY_IRC_CLIENT_STATE_H
#define GATEWAY_IRC_CLIENT_STATE_H

#include "base/list.h"
#include "client.h"
#include "isupport.h"
#include "line.h"

enum irc_state {
	IRC_OFF,      /* no connection */
	IRC_LOGIN,    /* CAP, NICK, USER, SASL */
	IRC_WELCOMED, /* 001 has come; 005 and the message of the day follow */
	IRC_ON,
	IRC_OVER,     /* it is to be closed */
};

enum irc_cap {
	IRC_CAP_ECHO = 1 << 0,
	IRC_CAP_SASL = 1 << 1,
	/* Of these the effects are seen in the lines. */
	IRC_CAP_TAGS = 1 << 2,
	IRC_CAP_TIME = 1 << 3,
	IRC_CAP_PREFIX = 1 << 4,
	IRC_CAP_HOSTS = 1 << 5,
	IRC_CAP_AWAY = 1 << 6,
	IRC_CAP_ACCOUNT = 1 << 7,
	IRC_CAP_JOIN = 1 << 8,
	IRC_CAP_CHGHOST = 1 << 9,
	IRC_CAP_SETNAME = 1 << 10,
	IRC_CAP_BATCH = 1 << 11,
	IRC_CAP_LABEL = 1 << 12,
	IRC_CAP_MONITOR = 1 << 13,
};

/* A message whose fate is not known yet. */
struct irc_pending {
	struct list link;
	uint64_t ref;
	uint64_t ping;   /* the number of the PING behind it; 0: none yet */
	uint64_t label;  /* of its first line; each of the others has the next. 0: none (labeled-response) */
	int64_t written; /* 0: it waits in the queue */
	unsigned lines, answers; /* of them came back, or were refused */
	bool failed;
	bool order;      /* something to be done in the channel `target`: nothing comes back of it */
	char *id;        /* of its first line */
	int64_t at;
	char target[];
};

struct irc_queued {
	struct list link;
	struct irc_pending *of; /* it is a line of this one, */
	bool last;              /* the last one */
	uint64_t number;        /* of all lines that have been in the queue */
	size_t n;
	char line[];
};

struct irc_client {
	const struct irc_settings *set;
	const struct irc_identity *who;
	struct irc_people *people;
	irc_event_fn fn;
	void *arg;

	enum irc_state state;
	bool tls, forever;
	int64_t now, since, heard;
	struct irc_reader in;
	bool held;
	struct buf rest; /* what came and was not looked at, being held */
	struct buf out;
	struct irc_isupport is;
	unsigned bad;

	char *nick, *wanted; /* that we have; that we want */
	char *address;       /* our user@host as others see it; NULL: not known */
	unsigned nick_tries;
	int64_t regain;      /* when the wanted nick is asked for again */
	bool nick_asked;     /* by an order */

	unsigned caps, cap_offered, cap_asked; /* cap_asked: requests without an answer */
	bool cap_single, cap_over;
	enum irc_sasl sasl;    /* that is being tried */
	unsigned mechanisms;   /* that the server names, a bit for each irc_sasl; 0: it names none */

	struct irc_channel *channels;
	unsigned nchannels;

	struct list queue, pending;
	struct buf line; /* that is being made */
	unsigned queued;
	uint64_t lines;      /* so many have been in the queue */
	uint64_t labels;     /* so many were given */
	char batch[32];      /* the answer that is being told in several lines, */
	uint64_t batch_label; /* to this */
	int64_t credit, credit_at; /* milliseconds' worth of lines */
	uint64_t ping_said, ping_heard;
	int64_t ping_since; /* the oldest that was not answered; 0: none */
	int64_t ctcp_at;    /* the last answer to a CTCP request */

	struct list watches; /* watch.c's */
	struct irc_watch **watch_buckets; /* the same by nick */
	unsigned nwatch_buckets; /* a power of two, or 0 */
	unsigned nwatches, watches_new, monitored; /* all; those that nothing has been said about yet; those of MONITOR */
	bool ison_asked;     /* since ison_since */
	int64_t ison_since, ison_at; /* _at: when it is asked next */
};

/* client.c */
void irc_emit(struct irc_client *c, struct irc_event *e);
/* Ends the connection. */
void irc_over(struct irc_client *c, bool forever, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
struct irc_channel *irc_channel_find(struct irc_client *c, const char *name);
void irc_channel_drop(struct irc_client *c, struct irc_channel *ch);
void irc_set_own_nick(struct irc_client *c, const char *nick);
bool irc_is_us(const struct irc_client *c, const char *nick);

/* login.c */
void irc_login_begin(struct irc_client *c);
void irc_login_tick(struct irc_client *c);
int64_t irc_login_due(const struct irc_client *c);
/* It is the nick that we want, or as much of it as the server lets us have. */
bool irc_nick_is_wanted(const struct irc_client *c, const char *nick);
/* Somebody has given a nick free that may be the one we want. */
void irc_nick_free(struct irc_client *c, const char *nick);
bool irc_login_take(struct irc_client *c, const struct irc_line *l);

/* incoming.c */
bool irc_incoming_take(struct irc_client *c, struct irc_line *l);
/* Who is there is known, or the server does not say it. */
void irc_names_end(struct irc_client *c, struct irc_channel *ch);

/* order.c */
void irc_join_all(struct irc_client *c);
/* Tells it, and drops the channel. */
void irc_join_refused(struct irc_client *c, struct irc_channel *ch, unsigned code, const char *text);

/* watch.c */
void irc_watch_tick(struct irc_client *c);
int64_t irc_watch_due(const struct irc_client *c);
/* 303, 730, 731, 734. */
void irc_watch_take(struct irc_client *c, struct irc_line *l);
/* Somebody is away, with these words, or back (NULL). */
void irc_watch_away(struct irc_client *c, const char *nick, const char *text);
/* There is no connection any more: nothing is known. */
void irc_watch_lost(struct irc_client *c);
void irc_watch_end(struct irc_client *c);

/* outgoing.c */
/* At once, before whatever waits: for what a server waits for itself. */
#define irc_now(c, ...) ((void)!irc_line_write(&(c)->out, __VA_ARGS__, NULL))
/* What is written next goes with a label, if the server knows them. */
void irc_label(struct irc_client *c, struct buf *line);
/* In its turn. -1: it has what no line can have, or too many wait. */
#define irc_later(c, ...) irc_later_line(c, NULL, false, irc_line_write(irc_later_begin(c), __VA_ARGS__, NULL))
struct buf *irc_later_begin(struct irc_client *c);
int irc_later_line(struct irc_client *c, struct irc_pending *of, bool last, int written) MUST_CHECK;
void irc_flush(struct irc_client *c);
int64_t irc_flush_due(const struct irc_client *c);
void irc_ping(struct irc_client *c);
struct irc_pending *irc_pending_new(struct irc_client *c, uint64_t ref, const char *target, unsigned lines);
void irc_pending_free(struct irc_pending *p);
void irc_outgoing_pong(struct irc_client *c, const struct irc_line *l);
/* Whatever was said with this label (labeled-response); NULL: nothing. */
struct irc_pending *irc_outgoing_labelled(struct irc_client *c, uint64_t label);
/* The oldest of the messages to `target`, or orders there, that were said, of which a line has no answer yet. */
struct irc_pending *irc_outgoing_unanswered(struct irc_client *c, const char *target, bool order);
/* A line of it came back. */
void irc_outgoing_echo(struct irc_client *c, struct irc_pending *p, const char *id, int64_t at);
/* A line of it was refused. */
void irc_outgoing_error(struct irc_client *c, struct irc_pending *p, unsigned code, const char *text);
/* Nothing that waits will go any more: says so, or just forgets it. */
void irc_outgoing_end(struct irc_client *c);
void irc_outgoing_drop(struct irc_client *c);

#endif
