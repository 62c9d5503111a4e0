/*
 * people: whom the connections to one IRC network see. A thousand users of ours in one channel see the same thousand people: each of these is kept
 * once, and a channel is a sorted list of pointers to them.
 */
#ifndef GATEWAY_IRC_PEOPLE_H
#define GATEWAY_IRC_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "isupport.h"

struct irc_people;

struct irc_person {
	char *nick;
	char *address; /* user@host, NULL: not known */
	char *account; /* at the network's services; NULL: none, or not known */
	bool away;
	unsigned refs;
	struct irc_people *all;
	struct irc_person *next; /* in its bucket */
	uint64_t hash;
	char folded[];
};

/* All of one network. It must outlive the persons, whose references the channels hold. */
struct irc_people *irc_people_new(void);
void irc_people_free(struct irc_people *all);
/* So many are known. */
unsigned irc_people_count(const struct irc_people *all);

/* Whoever has this nick; NULL: nobody knows. */
struct irc_person *irc_person_find(struct irc_people *all, enum irc_casemapping how, const char *nick);
/* The same, with a reference; made if need be. */
struct irc_person *irc_person_get(struct irc_people *all, enum irc_casemapping how, const char *nick);
void irc_person_unref(struct irc_person *p);
/* Keeps what a source says of them. */
void irc_person_learn(struct irc_person *p, const char *user, const char *host);
/* NULL or "*": no account. */
void irc_person_set_account(struct irc_person *p, const char *account);

#endif
