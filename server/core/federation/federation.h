/*
 * federation: what the rest of the core knows of other servers.
 *
 * Every remote domain has one home (home_of its JID), where its partner's streams end up when they are authenticated, and where what
 * is to go there waits (route.h). What comes from there passes a lane of its stream; what goes there has left its sender's lane, so it is
 * committed (P1).
 */
#ifndef CORE_FEDERATION_H
#define CORE_FEDERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "core/route/packet.h"
#include "xmpp/jid.h"

struct config;
struct user;

/* An address at none of our domains: not a host's, a service's or a component's. Any thread. */
bool federation_is_remote(const struct jid *j);
/* In a sender's lane, before the record: may this leave? `u`: the sender's account, NULL for a service or a component. False: the sender
 * has been answered (not-allowed with a text that says whom to ask; remote-server-not-found where federation is off), refused and counted. */
bool federation_may_leave(struct packet *p, const struct user *u);
/* Out of the lane, towards the remote domain; from any home. Takes the reference. */
void federation_deliver(struct packet *p);
/* The record (RECORD_PEER) of the stream that carries what goes from the one's domain to the other's at the moment; 0: none. Any thread. */
uint64_t federation_peer_record(const struct jid *from, const struct jid *to);

/* From main, when the reactors, the homes and the archive writer run, before the doors open; and when the homes have ended their streams. */
int federation_start(const struct config *c, struct err *e) MUST_CHECK;
/* Settings have been read again, and are not yet in force. */
int federation_reload(const struct config *c, struct err *e) MUST_CHECK;
void federation_stop(void);

/* listener_fn; arg points to a bool: direct TLS. */
void federation_accept(int fd, const struct sockaddr *peer, void *arg);
/* On each reactor, like those of c2s. */
void federation_home_start(void);
void federation_home_reload(void);
void federation_home_quiet(void);
/* Streams are told; what waits goes back to its senders. Returns how many streams are left. */
unsigned federation_home_shutdown(void);
/* What is known to have arrived is written down: before the workers stop. */
void federation_home_flush(void);
void federation_home_stop(void);

#endif
