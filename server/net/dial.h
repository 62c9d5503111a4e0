/*
 * dial: a TCP connection to the first of several addresses that answers (RFC 8305: happy eyeballs): the next one is tried when
 * the last has failed or has not answered for DIAL_NEXT_MS, without giving that one up.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "net/reactor.h"

#define DIAL_WHY 128
#define DIAL_NEXT_MS 250
#define DIAL_EACH_MS 10000 /* an address that does not answer is given up */

struct dial_target {
	struct sockaddr_storage address; /* with its port */
	bool direct_tls;                 /* not dial's business: for who asked */
	unsigned host;                   /* index of the name that it belongs to */
};

struct dial;
/* `fd`: connected, non-blocking, now the caller's, and `which` of the targets; or -1, then `why` says how the last one failed
 * ("127.0.0.1 port 5269: Connection refused"). The dial is gone when this is called. */
typedef void (*dial_fn)(void *owner, int fd, const struct dial_target *which, const char *why);

/* On the current reactor; never calls back within this call. Targets are copied; they are tried in their order, but families take turns
 * within the addresses of one host (RFC 8305 §4). */
struct dial *dial_new(const struct dial_target *targets, size_t n, unsigned deadline_ms, dial_fn fn, void *owner);
/* No call follows. */
void dial_cancel(struct dial *d);

#endif
