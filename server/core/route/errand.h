/*
 * errand: an IQ that a thread which is not a reactor sends in the name of a host of ours, and waits for the answer to. Called by
 * server/admin.
 */
#ifndef CORE_ERRAND_H
#define CORE_ERRAND_H

#include "base/err.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

/* Takes `iq` (unsealed, get or set; from, to and id are set). 0: the answer is a result. -1: it is an error, or there was none; `e` says
 * which. */
int errand_run(struct jid *to, struct stanza *iq, struct err *e) MUST_CHECK;

#endif
