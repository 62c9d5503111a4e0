/*
 * lane: what one sender has sent, first in, first out, from arrival to delivery (P1, P2, P8).
 *
 * A stanza enters, passes SEND_CHECK, is recorded when it is a message with content (core/route/content), an IQ to somebody's
 * client (core/route/exchange) or presence with words in it (core/route/saying), and leaves in the order of entry: then it is counted as handled
 * (XEP-0198) and routed. A stanza behind one that waits for its commit waits too; only an IQ to the server or the sender's own account runs at once
 * when nothing but messages and requests to others is before it, or, of type get, presence that waits for its commit (ping and roster answer while the
 * database is away), and still is counted in its place. The lane is bounded; full, it pauses its reader.
 *
 * A module may let a stanza wait at SEND_CHECK (a file in it is scanned). What is behind it waits unchecked then, neither recorded nor
 * sent, so that the record has the sender's order. An IQ for us passes under the condition above (nothing but messages and requests
 * to others is before it), and one of type set only when none of these is still unchecked; behind presence or another IQ for us, all wait. How long,
 * the module bounds (limits.stanza_file_seconds).
 *
 * What a service records itself (core/service) is handed over in its turn, and counted when it has ended there.
 *
 * A lane outlives its session: what was on its way to the record is delivered after the sender has gone.
 * Belongs to the sender's home.
 */
#ifndef CORE_LANE_H
#define CORE_LANE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "core/route/packet.h"

struct lane;
struct session;
struct user;

struct lane *lane_new(struct session *s);
/* The lane of somebody who is not a user of ours (a component, another server). Its policy hooks see no account. */
struct lane_owner {
	void (*changed)(void *owner); /* it is full, or has room again */
	void (*left)(void *owner);    /* one more has left in its turn (XEP-0198), or is about to; may be NULL */
	uint64_t peer;                /* another server: what it sends is RECORD_IN and about this record (RECORD_PEER); 0: a component */
	uint64_t stanzas;             /* entries at which it is full; 0: limits.lane_stanzas */
};
struct lane *lane_new_for(const struct lane_owner *o, void *owner);
/* The lane of what somebody else sends in the name of an account of ours, on its home: policy and copies are as for what a session of it sends. */
struct lane *lane_new_of(struct user *u, const struct lane_owner *o, void *owner);
/* From now on it is `owner`'s, who is told by o->changed and o->left; the rest of it stays as it was. */
void lane_set_owner(struct lane *l, const struct lane_owner *o, void *owner);
/* Does unavailable presence wait in it? Whoever read it would not hear its words if the session ended now. */
bool lane_says_farewell(const struct lane *l);
/* The session (or the owner) is gone; the lane empties itself and disappears. */
void lane_orphan(struct lane *l);
/* Takes the packet (one reference). */
void lane_push(struct lane *l, struct packet *p);
/* The same for a stanza that gets this error and goes nowhere: it is counted in its turn. */
void lane_push_refused(struct lane *l, struct packet *p, enum xerror e, const char *text);
/* The same for one that has been answered already, or is not to be. */
void lane_push_done(struct lane *l, struct packet *p);
bool lane_is_full(const struct lane *l);
unsigned lane_depth(const struct lane *l);

/* Nothing leaves while held: for a handler that waits for the database. Each hold keeps the lane alive
 * until its release. May be called from the handler of the entry that is leaving. */
void lane_hold(struct lane *l);
void lane_release(struct lane *l);

/* Is any lane of this process held? What is behind a hold may be committed already. */
bool lane_any_held(void);
/* Entries in all lanes of this process: main waits for 0 when it stops. */
unsigned lane_total(void);

#endif
