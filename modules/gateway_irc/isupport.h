/*
 * isupport: what a server says of itself in 005 (RPL_ISUPPORT), and what follows from it: which names are the same, what is a channel, what a sign
 * before a nick means. What a server says that cannot be is not taken over.
 */
#ifndef GATEWAY_IRC_ISUPPORT_H
#define GATEWAY_IRC_ISUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "line.h"

enum irc_casemapping { IRC_CASE_RFC1459, IRC_CASE_RFC1459_STRICT, IRC_CASE_ASCII };

#define IRC_RANKS 7 /* PREFIX has so many at most: q a o h v and two of the server's own */

struct irc_isupport {
	enum irc_casemapping casemapping;
	char chantypes[8];
	char rank_modes[IRC_RANKS + 1], rank_signs[IRC_RANKS + 1]; /* highest first */
	char statusmsg[8];
	/* CHANMODES: lists, with a parameter always, with one when set; others have none. */
	char modes_list[24], modes_always[24], modes_set[24];
	unsigned nicklen, topiclen, linelen, userlen, hostlen;
	unsigned monitor; /* so many it watches for us (MONITOR); 0: none, UINT_MAX: it does not say */
	char network[64];
};

/* As RFC 1459 has it. */
void irc_isupport_init(struct irc_isupport *is);
/* All tokens of a line 005. */
void irc_isupport_take(struct irc_isupport *is, const struct irc_line *l);

/* In lower case as the server sees it; `out` is cut to `size`. */
void irc_fold(enum irc_casemapping how, const char *s, char *out, size_t size);
bool irc_same(enum irc_casemapping how, const char *a, const char *b);
/* The same of the first n bytes of `a`. */
bool irc_same_n(enum irc_casemapping how, const char *a, size_t n, const char *b);
bool irc_is_channel(const struct irc_isupport *is, const char *name);
/* The ranks (bit 0: the highest) that the signs in front of a nick say; *nick moves behind them. */
uint8_t irc_ranks_of(const struct irc_isupport *is, const char **nick);
/* The rank that a mode gives, or 0. */
uint8_t irc_rank_of_mode(const struct irc_isupport *is, char mode);
/* Whether such a change has a parameter. */
bool irc_mode_has_param(const struct irc_isupport *is, char mode, bool set);

#endif
