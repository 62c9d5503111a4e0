/* route_priv: what the files of the routes (route, route_try, peer_table) share. */
#ifndef CORE_ROUTE_PRIV_H
#define CORE_ROUTE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "core/federation/peer_record.h"
#include "core/federation/route.h"
#include "core/federation/route_queue.h"
#include "core/federation/s2s_priv.h"
#include "net/reactor.h"

/* Why the last attempt failed, or the stream was lost: what senders are told. */
struct route_reason {
	enum xerror error;
	const char *type;   /* NULL: the error's usual one */
	char words[400];
};

struct route {
	UT_hash_handle hh;
	struct jid *local, *remote;
	struct route_queue q;
	unsigned written;          /* the first so many of q have been written to `stream` */
	unsigned passed;           /* and so many may be, as the record knows their stream */
	uint64_t doubted;          /* RECORD_PEER of that last one */
	unsigned doubtful;         /* there is no stream: so many were written to the last one, which may be resumed */
	unsigned forgotten;        /* of those, how many have been returned meanwhile */
	struct s2s *stream;        /* ready; NULL */
	struct peer_record *naming; /* those up to `named` are being named to the record; NULL */
	unsigned named;
	struct {
		bool set;
		int64_t since_ms;
		uint64_t upto, given; /* a place in the output, and in TCP's: when that has been acknowledged, it was there */
	} probe;
	struct timer tick;         /* without XEP-0198: for the probe */
	struct timer patience;     /* for the oldest that waits */
	/* Attempts */
	struct attempt *attempt;
	struct list line;          /* in the line of those that wait for their turn */
	struct timer retry;        /* set: not before that */
	bool closed;               /* and what comes until then goes back at once */
	bool returns;        /* the peer may resume the stream that broke: none is made until it has had time for that */
	uint64_t version;          /* of the partner's entry, as of the last attempt */
	unsigned failures;
	int64_t ready_ms;
	bool confirmed;            /* something has arrived over `stream` */
	struct route_reason reason;
	size_t key_len;
	char key[];                /* local, NUL, remote */
};

/* Room for a domain of 1023 bytes twice. */
#define ROUTE_KEY_SIZE 2048
/* The key of a pair of domains; its length. */
size_t route_key(const struct jid *local, const struct jid *remote, char key[ROUTE_KEY_SIZE]);

/* route_try */

/* Something waits and there is no stream: makes one, now or when its turn comes. */
void route_want(struct route *r);
/* No more of that: there is a stream, made by the attempt `done`, or of another's making (NULL); or nothing waits. Another attempt that is under
 * way ends. */
void route_stop_trying(struct route *r, struct attempt *done);
/* The stream was lost: when the next one may be made. */
void route_try_later(struct route *r, bool peer_returns);
void route_try_home_start(void);
void route_try_home_stop(void);

/* route */

/* Not a partner, or no longer, or not now: the words. */
void route_denied(const struct jid *remote, struct route_reason *r);
/* All that waits goes back to its senders for this reason. */
void route_return_all(struct route *r, const struct route_reason *why);
/* Frees it when it is of no more use. The last thing that is done with it. */
void route_settle(struct route *r);

/* peer_table: federation_peer_record; 0: forget. */
void peer_table_set(const struct route *r, uint64_t record);

#endif
