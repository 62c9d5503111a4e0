/*
 * announce: one message from the server to many accounts, each recorded before it is delivered (P1).
 *
 * For every recipient there is a record of kind ANNOUNCEMENT that belongs to the backlog: who is offline gets it at
 * the next login, who is online at once. Called from threads that are not reactors; so many at a time are under way, and the
 * next follow when those have been committed: people's messages do not wait behind all of them.
 */
#ifndef CORE_ANNOUNCE_H
#define CORE_ANNOUNCE_H

#include <stddef.h>

#include "base/err.h"

#define ANNOUNCE_BATCH 100

struct announcement {
	const char *text;    /* valid in XML */
	const char *subject; /* NULL: none */
	const char *id;      /* of the message; the same for all */
};

/* To these bare JIDs of ours, n up to ANNOUNCE_BATCH; what is no address is left out. *sent counts those that were committed. -1: the
 * archive did not take the others. */
int announce_send(const struct announcement *a, const char *const *bare, size_t n, unsigned *sent, struct err *e) MUST_CHECK;

#endif
