/*
 * outbox: what was recorded for other servers, and for components whose messages are kept, comes there, or back to its sender, also across a
 * crash (P2).
 *
 * A packet with `deliverable` whose `to` is remote, or such a component's, is in the outbox from its commit on (store/outgoing.h). Whoever takes it out of its way
 * says so, once: outbox_settled when the other server has it, outbox_returned when its sender is told that it has not. What is
 * neither is sent again after the next start, with `delayed` (XEP-0203), in the order of the record and before anything new: the doors
 * are opened behind it. It then has a full federation.patience.
 */
#ifndef CORE_OUTBOX_H
#define CORE_OUTBOX_H

#include "base/err.h"
#include "core/route/packet.h"

struct config;

/* Does the record wait for this one? */
static inline bool
outbox_has(const struct packet *p)
{
	return p->deliverable && p->record_id;
}

/* It was confirmed (XEP-0198), or without that the kernel has taken it. Does nothing unless outbox_has. */
void outbox_settled(const struct packet *p);
/* Its sender has been told: a record of kind RETURNED follows, and only when that is committed it is out of the box. Does nothing unless
 * outbox_has. Keeps a reference meanwhile; on the reactor that has the packet. */
void outbox_returned(struct packet *p);

/* From main, when the archive writer and the homes have started, before the doors open: gives federation_deliver all that is open. */
int outbox_start(const struct config *c, struct err *e) MUST_CHECK;
/* On each home: its tables; the last writing back, when no more is settled; the end. */
void outbox_home_start(void);
void outbox_home_flush(void);
void outbox_home_stop(void);

#endif
