/*
 * resume: stream management (XEP-0198) of a session: counters, the queue of what its client has not confirmed,
 * resumption. <a/> counts a stanza when it has left the lane: a message only after its commit (P2).
 *
 * Without stream management the queue holds only recorded messages, each until its bytes have been handed
 * to the kernel: that is then the best sign of delivery there is.
 */
#ifndef CORE_RESUME_H
#define CORE_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "net/reactor.h"
#include "xmpp/stanza.h"

struct buf;
struct c2s;
struct packet;
struct session;
struct user;

struct unconfirmed {
	struct packet *p;
	uint64_t upto; /* without stream management: position in the output behind it */
	size_t size;   /* packet_size when it was queued */
};

/* A resumption that waits. `run` is called once, when it is to be tried again. */
struct resume_wait {
	struct list link;
	void (*run)(struct resume_wait *w);
};

struct resume {
	bool enabled, resumable;
	uint32_t in;             /* handled by us, mod 2^32 */
	uint32_t out;            /* sent, mod 2^32 */
	struct unconfirmed *queue; /* ring */
	uint32_t cap, head, n;
	size_t bytes;
	bool asked;              /* an <r/> is on its way */
	bool owes, owes_again;   /* the client's <r/> waits for what it sent before */
	uint32_t owes_at, owes_again_at; /* `in` at which it is answered */
	uint32_t asked_at;       /* the same of the last one */
	uint32_t wish;           /* seconds that the client would be waited for at most; 0: it has not said */
	bool away;               /* no stream: the timeout runs */
	char id[33];             /* random, hex; "" when not resumable */
	UT_hash_handle hh;       /* the home's table by id */
	struct list waiting;     /* struct resume_wait, until the lane is empty */
	struct timer timeout;    /* detached: when it ends */
	int64_t detached_ms;
};

/* What a bound or binding stream sent in NS_SM. `s` is NULL before binding (only <resume/> is right then); `u` is the
 * stream's READY user. False: it told neither side anything new, and counts against the rate. */
bool resume_nonza(struct c2s *c, struct session *s, const struct elem *e);
/* In Bind 2: enables it for a new session; the answer goes to `out`. */
void resume_enable(struct session *s, const struct elem *e, struct buf *out);
/* Why not. `known`: there was such a session of the account, which had handled `h` stanzas when it was given up. */
struct resume_failure {
	const char *condition;
	bool known;
	uint32_t h;
};

/* The session that <resume/> means, if it can be resumed as it asks; else NULL, and why. Then resume_go, which writes
 * `before` and `after` around <resumed/>; or resume_add_failed. */
struct session *resume_find(struct user *u, const struct elem *e, struct resume_failure *why);
void resume_add_failed(struct buf *out, const struct resume_failure *why);
void resume_go(struct c2s *c, struct session *s, const struct elem *e, const char *before, const char *after);
/* <resume/> before binding, with the user loaded. True: the stream belongs to that session now. False: <failed/>
 * was sent, the client may bind. */
bool resume_try(struct c2s *c, struct user *u, const struct elem *e);
/* Asked before resume_try. What the old stream brought and what waits in the lane is not counted yet, and the client would
 * send it again: so the old stream ends now, and `h` is told when the lane is empty. True: `w` is kept until then. */
bool resume_must_wait(struct user *u, const struct elem *e, struct resume_wait *w);
/* The lane has become empty. */
void resume_lane_empty(struct session *s);
/* `p` is being sent. Without stream management `upto` is the output position behind it. False: the queue is over its
 * bound, the session must end. */
bool resume_sent(struct session *s, struct packet *p, uint64_t upto) __attribute__((warn_unused_result));
/* `in` has grown: an <r/> that waited for it is answered. */
void resume_handled(struct session *s);
/* The kernel took the output up to here. */
void resume_flushed(struct session *s, uint64_t upto);
/* The stream is gone; the session waits. */
void resume_detach(struct session *s);
void resume_init(struct resume *r);
/* The session ends. Where it was waited for, what it had handled is remembered for a client that comes too late, unless more is under way. */
void resume_ends(const struct session *s);
/* Empties and frees the queue; `left` gets every packet that no client has confirmed, oldest first. */
void resume_fini(struct session *s, void (*left)(struct session *s, struct packet *p));
void resume_home_start(void);
void resume_home_stop(void);

#endif
