/*
 * delivery: the delivery mark of a user and what lies beyond it (P2, XEP-0160).
 *
 * Offline storage is the record: every deliverable record for the user with an id above the mark has not yet
 * reached a client. In memory we keep the ids given to sessions since the mark, each until a client has it (its
 * <a/>, or for a stream without stream management the bytes handed to the kernel); the mark is the end of the
 * unbroken run of those. `backlog` says that the database holds messages which no session was given; they are read
 * in pages when a session becomes available with non-negative priority, and while that goes on new messages
 * wait behind the page or are left in the record for the next one, so that order holds. Marks are written in
 * batches, lazily: after a crash some messages come again, none is lost.
 *
 * Ids come in the order of the record, but not to a user: what one sender sent may wait in its lane, committed, behind a
 * change of its roster, while a later message of somebody else arrives. So a message at or below the mark moves the
 * mark back, and a mark is written to the database only when it is a tick old and no lane is held.
 */
#ifndef CORE_DELIVERY_H
#define CORE_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/reactor.h"

struct packet;
struct session;
struct user;

struct delivery_item {
	uint64_t id;
	uint32_t holders; /* sessions that were given it and have neither confirmed it nor ended */
	bool done;
	bool fetched;     /* a client got it by asking (XEP-0313); no session was given it */
};

/* What the mark stands on. */
enum mark_kind {
	MARK_GIVEN,   /* a record that a session was given (or that was settled long ago) */
	MARK_FETCHED, /* one that a client fetched, and no session was given */
	MARK_BETWEEN, /* the place below a record that came late: no record at all, or one of which we know nothing */
};

struct delivery {
	uint64_t mark;          /* in memory: everything up to here is done */
	uint64_t stable;        /* the mark a tick ago: what may be written */
	uint64_t stored;        /* what the database knows */
	enum mark_kind mark_kind;
	struct delivery_item *item; /* ids above the mark that sessions were given, ascending */
	uint32_t n, first, cap;
	bool backlog;           /* the record holds undelivered ones that no session was given */
	bool fetching;          /* pages are being read and delivered */
	bool paused;            /* … but the client has to take the last one first */
	bool failed;            /* … or PostgreSQL to come back: what is not in the record does not wait for that */
	bool again;             /* something below the cursor was left meanwhile: the pages begin anew */
	bool forgot;            /* too many items: what was given is not all remembered, the mark must not pass it */
	bool dirty;             /* in the home's list of marks to write */
	bool writing;           /* a job with its mark is out */
	uint64_t from, cursor;  /* the pages have given all ids above `from` up to `cursor` */
	uint64_t upto;          /* … and go as far as this, if nothing was left meanwhile */
	unsigned page;          /* rows of the next page; 0: as many as usual */
	uint64_t left;          /* highest id left in the record: to see whether a page was the last */
	struct packet **held;   /* arrived while a page is being read */
	uint32_t nheld;
	size_t held_bytes;
	unsigned withheld;      /* sessions that fetch it themselves: it does not come by itself */
	struct timer retry;
	struct user *next_dirty;
};

void delivery_init(struct delivery *d, uint64_t mark);
void delivery_fini(struct user *u);
/* The record `id` is being given to a session. */
void delivery_given(struct user *u, uint64_t id);
/* A client has it. */
void delivery_done(struct user *u, uint64_t id);
/* A client has it because it asked for it: it need not come from the backlog. */
void delivery_fetched(struct user *u, uint64_t id);
/* Nobody was there: it stays in the record. */
void delivery_left(struct user *u, uint64_t id);
/* The session that was given `id` ended without having it. True: nobody else has it either; it has to be given to
 * somebody or left in the record. */
bool delivery_taken_back(struct user *u, uint64_t id) MUST_CHECK;
/* A session became available with priority >= 0: give it the backlog. */
void delivery_catch_up(struct user *u, struct session *s);
/* A client has taken what it was given: the next page may come. */
void delivery_continue(struct user *u);
/* A session takes what it wants of the backlog (XEP-0013 §2.2): it comes to none by itself until each of them has ended. */
void delivery_withhold(struct user *u);
void delivery_let_come(struct user *u);
/* All that waits up to `upto` has been taken out of the backlog. */
void delivery_skip(struct user *u, uint64_t upto);
/* A page of the backlog has come to `id`, which a session was given already, or a client has fetched. */
void delivery_pass_over(struct user *u, uint64_t id);
/* True when the message came to a session already: by a page that was read while it was on its way. */
bool delivery_came(struct user *u, uint64_t id);
/* While the backlog is being delivered a new message waits behind it: kept, or left to the next page. False: it
 * may be given now. */
bool delivery_hold(struct user *u, struct packet *p);
/* The same for what is not in the record (presence, IQs, typing …), when a message of the same sender is held: behind it
 * (RFC 6120 §10.1). False: it may go on. */
bool delivery_hold_behind(struct user *u, struct packet *p);
/* True while the user must stay in memory for our sake. */
bool delivery_is_busy(const struct user *u);
/* Writes all marks of this home; at stop, when lanes are empty. */
void delivery_flush(void);
void delivery_home_start(void);
void delivery_home_stop(void);

#endif
