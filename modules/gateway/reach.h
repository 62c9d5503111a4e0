/*
 * reach: from which addresses a file may be fetched of which a stranger says that it is there. Pure. (A file of its own, as its network is another than network.h's.)
 */
#ifndef GATEWAY_REACH_H
#define GATEWAY_REACH_H

#include <stdbool.h>
#include <sys/socket.h>

#define REACH_MAX 16
#define REACH_TEXT 64

struct reach {
	char private[REACH_MAX][REACH_TEXT]; /* networks that are not of the public internet, and may be all the same */
	unsigned nprivate, ports[REACH_MAX], nports;
};

/* Adds "10.0.0.0/8". False: it is no network, or there are too many. */
bool reach_add(struct reach *r, const char *network);
/* An address of the public internet, or of those networks; at one of the ports. */
bool reach_may(const struct reach *r, const struct sockaddr *sa);

#endif
