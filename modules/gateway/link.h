/*
 * link: the stream to chanceryd (XEP-0114 with XEP-0198): connects, counts both ways, sends again what was not acknowledged, and comes back when it was lost.
 *
 * What is sent is kept until chanceryd has acknowledged it, in order, whether there is a stream or not. Bounds are the callers' (link_waiting).
 */
#ifndef GATEWAY_LINK_H
#define GATEWAY_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "xmpp/parser.h"

struct gateway;

/* chanceryd has acknowledged what was sent. */
typedef void link_stored_fn(void *arg);

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_HEADER, LINK_HANDSHAKE, LINK_ENABLING, LINK_OPEN };

struct link {
	enum link_state state;
	struct link_socket *socket; /* NULL: none */
	struct parser *parser;
	uv_timer_t timer;           /* until the next try, or for the handshake */
	unsigned tries;
	struct list sent;           /* not acknowledged */
	size_t waiting, waiting_bytes;
	uint64_t given, confirmed;  /* of all that were ever sent: how many, and how many of them are acknowledged */
	uint32_t acked;             /* of this stream */
	uint32_t written;           /* of this stream */
	uint32_t asked_at;          /* written, when the last question was asked */
	bool asking;
	uint64_t asked_ms, heard_ms; /* when it was, and when chanceryd said anything last */
	struct buf out;             /* for the end of the turn */
};

void link_init(struct gateway *g);
void link_start(struct gateway *g);
/* One stanza, complete. `fn` may be NULL. */
void link_send(struct gateway *g, const char *xml, size_t n, link_stored_fn *fn, void *arg);
/* The same stanza to several, kept once, in this order: `head` ends where the value of the attribute `to` begins, `tail` begins behind it, and `to` has `n` such values as they are
 * written, each with a NUL. Copied. `fn` is told when all of them are acknowledged. */
struct link_copies {
	const struct buf *head, *tail, *to;
	unsigned n; /* at least 1 */
};
void link_send_copies(struct gateway *g, const struct link_copies *c, link_stored_fn *fn, void *arg);
/* A stream that has been silent for too long is lost. */
void link_tick(struct gateway *g);
/* At the end of a turn: questions, answers, and what is to be written. */
void link_turn(struct gateway *g);
/* Says good-bye and closes, at once. Whatever is not acknowledged is forgotten. */
void link_stop(struct gateway *g);

#endif
