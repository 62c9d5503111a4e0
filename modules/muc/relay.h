/*
 * relay: IQs from occupant to occupant (XEP-0045 §13.4), to oneself (XEP-0410), and presence probes.
 */
#ifndef MUC_RELAY_H
#define MUC_RELAY_H

#include "muc.h"

/* Any IQ to an occupant that no table answers, results and errors too. */
enum hook_verdict relay_on_iq(struct hook *h, struct room *r);
/* Presence of type probe, to the room or to an occupant. */
enum hook_verdict relay_on_probe(struct hook *h, struct room *r);

#endif
