/*
 * route: what is on its way from one of our domains to a remote one, and the stream that takes it there. At the home of the remote
 * domain, one route for each pair (local domain, remote domain); it is made when there is something to send, and forgotten when there is
 * nothing left and no stream.
 *
 * Order (P8): everything of a pair goes through the one queue. A stanza is at any time in `waiting` (no stream is ready) or in the
 * stream's `unconfirmed` (written, and not known to have arrived: with XEP-0198 until <a/>, without it until the kernel has taken it).
 * When a stream dies its unconfirmed go back to the head of `waiting` and a new stream is tried; what has waited for longer than
 * federation.patience goes back to its sender: remote-server-not-found when there is no such domain, else remote-server-timeout. Bounds:
 * limits.s2s_queue_stanzas, limits.s2s_queue_bytes; beyond them new ones are refused (resource-constraint, wait).
 */
#ifndef CORE_ROUTE_S2S_H
#define CORE_ROUTE_S2S_H

#include <stdbool.h>
#include <stdint.h>

#include "core/route/packet.h"
#include "xmpp/jid.h"
#include "xmpp/xerror.h"

struct s2s;
struct route;

/* At home. Takes the reference. */
void route_send(struct packet *p);
/* A stream for this pair is ready for stanzas: one we made, or (XEP-0288) an incoming one that is used both ways; s->route is set. The route takes
 * the first that comes; false: it has one already. What waited is written, in order, once its passing is in the record. */
bool route_ready(struct s2s *s);
/* The stream can no longer take stanzas: it ends, or died. Its unconfirmed go back to the queue. */
void route_lost(struct s2s *s);
/* The attempt to make a stream failed. `no_such`, and the words for senders (static or copied). Tries again by itself, later each time, while
 * something waits. `final`: not before something changes (certificate, policy): all that waits goes back now. */
void route_failed(struct route *r, bool no_such, bool final, enum xerror e, const char *why);
/* The kernel has taken all output up to here; the peer has confirmed the first n unconfirmed. */
void route_flushed(struct s2s *s, uint64_t upto);
/* How many have been written on it that are not confirmed. */
uint32_t route_written(const struct s2s *s);
/* `over`: the RECORD_PEER of the stream that they were written to, which may be one before s. */
void route_confirmed(struct s2s *s, uint64_t over, uint32_t n);

/* On each home, after a new snapshot: streams of partners who are no more, or no longer in that direction, or whose trust has changed are ended
 * (policy-violation), and what waited for them goes back to its senders (not-allowed). */
void route_partners_changed(void);

/* Each reactor. */
void route_home_start(void);
/* The server stops: nothing more is tried. What waits and is in the record stays there and goes out after the next start (outbox.h); what
 * is not goes back to its sender. Streams are ended before. */
void route_home_shutdown(void);
void route_home_stop(void);

#endif
