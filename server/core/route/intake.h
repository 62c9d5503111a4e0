/*
 * intake: what every stanza must be that comes in, whoever sent it.
 */
#ifndef CORE_INTAKE_H
#define CORE_INTAKE_H

#include <stdbool.h>

#include "core/route/packet.h"

/* What only we may say in our name is taken out before anybody sees the stanza (XEP-0359 §5, XEP-0203 §5; labels that say what comes from
 * outside, pass.h; marks that say what a component has sent for a user, privilege.h; or who at a
 * network has said it, core/gateway). Not sealed yet. */
void intake_strip_forged(struct elem *root);
/* A known type; for an IQ also an id and, for get and set, exactly one child (RFC 6120 §8.2.3). */
bool intake_is_right(const struct packet *p);

#endif
