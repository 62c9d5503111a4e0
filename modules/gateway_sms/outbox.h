/*
 * outbox: messages on their way out: parts to submit_sm within the session's window and our rate, again when the other side is too busy or the session
 * ended, and one end for each message. No I/O; times are monotonic milliseconds of the caller.
 *
 * Parts of a message go in their order, messages in theirs. What is too much for the other side (ESME_RTHROTTLED, ESME_RMSGQFUL) goes again, before what is
 * behind it, after a pause that doubles; what was sent with it in the same window may be taken before. A part without an answer when the
 * session ended goes again too: nobody knows whether it was taken, and a message that arrives twice is better than none.
 */
#ifndef GATEWAY_SMS_OUTBOX_H
#define GATEWAY_SMS_OUTBOX_H

#include "gateway_sms/coding.h"
#include "gateway_sms/smpp.h"

struct outbox;
struct outbox_message;

struct outbox_settings {
	unsigned messages;       /* at most so many */
	unsigned rate;           /* submit_sm a second; 0: no bound of ours */
	int64_t pause_ms;        /* the first one; doubled up to pause_most_ms */
	int64_t pause_most_ms;
};

/* How it ended. Whoever owns the message must forget it behind this. */
struct outbox_end {
	uint32_t status;       /* ESME_ROK: all parts are taken; else what the first refusal said, or SMPP_NO_ANSWER */
	unsigned parts, taken; /* parts that are taken although the message is not */
	const char *const *ids; /* message_id of each part, when all are taken */
};

struct outbox_calls {
	void (*ended)(void *owner, void *message, const struct outbox_end *end);
};

struct outbox *outbox_new(const struct outbox_settings *settings, const struct outbox_calls *calls, void *owner);
/* Makes no calls. */
void outbox_free(struct outbox *o);
/* Other bounds, from here on. */
void outbox_set(struct outbox *o, const struct outbox_settings *settings);
/* Takes `text` over and fills the rest of the parts from `like`, a submit_sm with addresses. `message` is the owner's. NULL: full; `text` is freed. */
struct outbox_message *outbox_add(struct outbox *o, void *message, const struct pdu *like, struct coding_text *text);
/* No call follows. What has been submitted is on its way. */
void outbox_forget(struct outbox *o, struct outbox_message *m);
/* Submits what may go now. */
void outbox_pump(struct outbox *o, struct smpp *s, int64_t now);
/* smpp_calls.answered. True: it was too much for the other side, and goes again. */
bool outbox_answered(struct outbox *o, uint64_t tag, uint32_t status, const char *message_id, int64_t now);
/* When outbox_pump has something to do that no event tells; INT64_MAX: never. */
int64_t outbox_due(const struct outbox *o, int64_t now);
unsigned outbox_count(const struct outbox *o);

#endif
