/*
 * session: an SMPP session that comes back: wire, smpp and their timers, bound again with back-off whenever it ends.
 */
#ifndef GATEWAY_SMS_SESSION_H
#define GATEWAY_SMS_SESSION_H

#include "gateway/gateway.h"
#include "gateway_sms/settings.h"
#include "gateway_sms/smpp.h"
#include "gateway_sms/wire.h"

struct session;

/* From the loop; none of them may free the session. */
struct session_calls {
	/* Bound: messages can go. */
	void (*up)(void *owner, struct session *s);
	void (*answered)(void *owner, uint64_t tag, uint32_t status, const char *message_id);
	/* `life`: which of the session's lives this is, for session_delivered. */
	void (*delivered)(void *owner, uint64_t life, const struct pdu *deliver_sm);
};

/* Settings and trust are borrowed. */
struct session *session_new(struct gateway *g, const struct sms_settings *settings, const struct wire_trust *trust, enum pdu_command bind,
	const struct session_calls *calls, void *owner);
/* Ends it, politely as far as that needs no waiting: what has no answer is `answered` with SMPP_LOST first. NULL is fine. */
void session_free(struct session *s);
/* For outbox_pump; NULL: it is not bound. session_flush behind it. */
struct smpp *session_smpp(struct session *s);
void session_flush(struct session *s);
/* Answers a deliver_sm in the life in which it came, or, when that is over, not at all. No two lives, also of other sessions, have the same number. */
void session_delivered(struct session *s, uint64_t life, uint32_t sequence, enum pdu_status status);
/* Takes no messages for a while: they stay with the provider. */
void session_hold(struct session *s, bool hold);

#endif
