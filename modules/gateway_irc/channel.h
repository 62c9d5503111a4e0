/*
 * channel: one that a connection is in or wants to be in: its topic and who is there.
 */
#ifndef GATEWAY_IRC_CHANNEL_H
#define GATEWAY_IRC_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "people.h"

enum irc_channel_state {
	IRC_CHANNEL_WANTED,  /* to be joined when there is a connection */
	IRC_CHANNEL_JOINING, /* JOIN has been said */
	IRC_CHANNEL_NAMES,   /* joined; who is there is being told */
	IRC_CHANNEL_JOINED,
};

struct irc_channel {
	struct irc_channel *next;
	enum irc_channel_state state;
	bool listen;   /* what happens there is told; else only what happens to us (irc_client_listen) */
	bool naming;   /* who is there is being told again */
	int64_t since; /* when this state, or the naming, began */
	uint64_t asked; /* the line in the queue that asks for it: time begins when it has gone. 0: it has */
	char *name;
	char *key;   /* NULL: none */
	char *topic; /* NULL: none */
	struct irc_person **who; /* sorted by their addresses in memory */
	uint8_t *ranks;          /* of each of them */
	unsigned n, cap;
	void *arg; /* whoever made it */
};

struct irc_channel *irc_channel_new(const char *name, const char *key);
void irc_channel_free(struct irc_channel *ch);
/* Nobody is there, and there is no topic: what is known from the last connection is not true any more. */
void irc_channel_clear(struct irc_channel *ch);
void irc_channel_set_topic(struct irc_channel *ch, const char *topic);
/* Takes over a reference to `p`; false, and it is given back: they are there already. */
bool irc_channel_add(struct irc_channel *ch, struct irc_person *p, uint8_t ranks);
/* false: they were not there. Gives the reference back, which may be the last. */
bool irc_channel_remove(struct irc_channel *ch, struct irc_person *p);
/* What they are there; NULL: not there. */
uint8_t *irc_channel_ranks(const struct irc_channel *ch, const struct irc_person *p);
/* Room that is not needed any more is given back. */
void irc_channel_trim(struct irc_channel *ch);

#endif
