/*
 * bytestream: our own proxy of SOCKS5 bytestreams (XEP-0065), which is no relay: what one end sends is collected in a spool, and goes to the
 * other end when somebody who has had it judged says so.
 *
 * Connections live on a thread of their own, where a file may be written and read. They come in pairs by the hash that both say (§5.3.2), in
 * any order. Whoever minds a bytestream (modules/transfer, at an account's home) asks by orders, one at a time for each of them:
 *
 *     ACTIVATE: both ends are there; from here on nobody else joins
 *     COLLECT:  whichever end sends first is its sender; done when it has closed its side, or has sent as much as was announced
 *     GIVE:     to the other end, then its connection is closed; done when the recipient's system has all of it
 *
 * What is sent before the activation is dropped (§9.1). Bytes from both ends end it: the second end's could not be judged before the first
 * end's have arrived. An end that does not get all of the file is reset, so that it does not take what it has for the whole.
 */
#ifndef CORE_BYTESTREAM_H
#define CORE_BYTESTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/file/socks.h"
#include "core/file/spool.h"
#include "net/listener.h"
#include "net/mailbox.h"
#include "xmpp/digest.h"

enum bytestream_act { BYTESTREAM_ACTIVATE, BYTESTREAM_COLLECT, BYTESTREAM_GIVE };

enum bytestream_outcome {
	BYTESTREAM_DONE = 1,
	BYTESTREAM_NOBODY,    /* ACTIVATE: neither end is connected */
	BYTESTREAM_ONE_END,   /* ACTIVATE: only one is */
	BYTESTREAM_TAKEN,     /* ACTIVATE: it is active already */
	BYTESTREAM_BROKEN,    /* a connection was lost, or closed too early */
	BYTESTREAM_IDLE,      /* nothing has moved for idle_ms, or less than pace_bytes */
	BYTESTREAM_TOO_LARGE, /* more than max_bytes */
	BYTESTREAM_BOTH_SEND,
	BYTESTREAM_NO_ROOM,   /* for the spool */
	BYTESTREAM_ENDED,     /* by bytestream_end, or the server stops */
};

struct bytestream_order {
	/* The caller's, or hook_bytestream's: `done` runs at `home`, once. Till then nobody else touches the order */
	struct reactor *home;
	void (*done)(struct bytestream_order *o);
	void *owner;
	enum bytestream_act act;
	char address[SOCKS_ADDRESS + 1];
	uint64_t number;          /* of this bytestream, among all that there have been: out of ACTIVATE, in for the others */
	/* ACTIVATE, in */
	unsigned idle_ms;
	uint64_t pace_bytes;
	uint64_t max_bytes;
	bool announced;           /* it has as many exactly: the last one is the end */
	/* COLLECT: in and out, taken over meanwhile; what has come is added. NULL: none */
	struct digest_sum *sum;
	/* COLLECT: out; the caller's */
	struct spool *spool;
	bool first_sent;          /* COLLECT: out: of the two ends the one that connected first; in: who closes without a byte has sent an empty
	                             file if it is that one */
	int file;                 /* GIVE: in: a descriptor to read from, the spool's, which stays until `done` */
	uint64_t size;
	enum bytestream_outcome outcome;
	struct mail mail;
};

/* Starts the thread. 0 or -1. */
int bytestream_start(void);
/* listener_fn of listen.proxy65, and its listeners. */
void bytestream_accept(int fd, const struct sockaddr *peer, void *unused);
void bytestream_listen(struct listener *l);
/* All bytestreams end, and there will be no others: nobody waits for an order from here on. */
void bytestream_quiet(void);
void bytestream_stop(void);

/* From a reactor. Where nobody listens the outcome is BYTESTREAM_NOBODY. */
void bytestream_order(struct bytestream_order *o);
/* Both connections are closed; an order that is under way gets BYTESTREAM_ENDED. Nothing happens when it is over. Any thread. */
void bytestream_end(const char *address, uint64_t number);

#endif
