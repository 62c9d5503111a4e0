/*
 * router: from stanza to home to hooks to delivery. The page where the life of a message is read as code.
 */
#ifndef CORE_ROUTER_H
#define CORE_ROUTER_H

#include "core/route/packet.h"
#include "core/session.h"

struct user;

/* Sends a packet towards p->to, wherever that lives (takes the reference). For everything that need not be
 * recorded or has been; from any home. */
void router_send(struct packet *p);
/* At the home of p->to: as if it had just come there. Takes the reference. */
void router_arrive(struct packet *p);
/* The same as router_send for a reply that may be NULL. */
void router_reply(struct packet *p);
/* Sends the error to p's sender, when it may be answered. Borrows p. */
void router_refuse(const struct packet *p, enum xerror e, const char *type, const char *text);
/* A stanza has left its sender's lane: it is committed where it had to be. `s` is NULL when the session has ended.
 * Takes the reference. */
void router_leave_lane(struct session *s, struct packet *p);
/* The same for a message that a component has sent in the name of `u` (packet.via), at the home of `u`. Takes the reference. */
void router_leave_delegated(struct user *u, struct packet *p);
/* Gives a packet that may arrive to the user's sessions by RFC 6121 §8.5.2 and §8.5.3, or to the server in the account's name, or
 * leaves it in the record; while a page of the backlog is being read, messages wait, and what the same sender sent after them
 * waits with them (P8). Borrows p. */
void router_give(struct user *u, struct packet *p);
/* HOOK_RECV_GIVEN, once for each message, when it is new: by router_give; also when its audience will have it from the backlog
 * only, which has just come by or is still before it. Borrows p. */
void router_tell_given(struct user *u, struct packet *p);
/* HOOK_RECV_AWAY, when a room's message has been given to a session that waits to be resumed: modules may wake the client. */
void router_tell_away(struct session *s, const struct packet *p);
/* HOOK_RECV_CHECK: false when a module has refused the packet (the sender was told, if it said so) or taken it; then it does not
 * come again from the record. Borrows p. */
bool router_may_arrive(struct user *u, struct packet *p);
/* True while the sessions that would be given messages have much to read: the backlog waits. */
bool router_is_clogged(const struct user *u);
/* Asks nobody but the server: an IQ to a host or to the sender's own account. */
bool router_is_for_us(const struct packet *p);

#endif
