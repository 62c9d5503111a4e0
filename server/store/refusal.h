/*
 * refusal: what was refused, in the audit trail and in bounded numbers: wrong passwords and tokens, what somebody may not do, what is not theirs to decide.
 *
 * A refusal is no action: it happens whether it can be recorded or not, on any thread, and waits for nothing. It is counted here, by what was refused,
 * who asked and from where, and a thread of this file records it (store/audit.h): the first one at once, and what follows within the minute as one more
 * record, with how many they were and whom or what they were about. So a flood is a record a minute from each source; sources beyond
 * limits.refusal_sources are counted as one. A record is about one person, and says from where they came if that was from several places. While the
 * archive is away counting goes on, and the records are written when it is back. What succeeds too often to be recorded one by one is counted here as
 * well (core/stream/c2s_noted).
 */
#ifndef STORE_REFUSAL_H
#define STORE_REFUSAL_H

#include <stdint.h>

#include "base/err.h"

struct refusal {
	const char *action;   /* "login.refused" */
	const char *person;   /* who asked, where that is proved; NULL: "unknown" */
	const char *role;     /* as in struct audit_event */
	long uid, login;
	const char *source;   /* from where, as it is counted: an address, "control" */
	const char *origin;   /* the same as it is recorded */
	const char *target;   /* whom or what it was about; NULL */
	const char *why;
};

/* Behind record_start. */
int refusal_start(uint64_t sources_max, struct err *e) MUST_CHECK;
/* Records what has been counted, if the archive is there. Before record_stop. */
void refusal_stop(void);
/* From any thread, a reactor's too; texts are borrowed. */
void refusal_note(const struct refusal *r);

#endif
