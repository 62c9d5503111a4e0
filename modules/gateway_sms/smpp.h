/*
 * smpp: our side (ESME) of an SMPP 3.4 session: bytes in, calls and bytes out. No I/O, no clock: times are monotonic milliseconds of the caller.
 *
 *     s = smpp_new(&settings, &calls, owner);
 *     smpp_connected(s, now);                      the bind is in smpp_output
 *     smpp_take(s, p, n, now)                      as bytes come; -1: say what is in smpp_output and close
 *     smpp_tick(s, now)                            at smpp_due; -1 as above
 *     smpp_closed(s);                              gives back what has no answer
 *
 * Each submit_sm is answered by one call of `answered`, each deliver_sm by one of smpp_delivered, whenever the message is archived: both in any order.
 * Sequence numbers of ours are never used twice in a session. One of the other side's that is still open may come again with the same words, which
 * is a repetition and has the same answer; with others the session ends, so that what is open is delivered again.
 */
#ifndef GATEWAY_SMS_SMPP_H
#define GATEWAY_SMS_SMPP_H

#include "base/err.h"
#include "gateway_sms/pdu.h"

struct smpp;

enum smpp_state { SMPP_CLOSED, SMPP_BINDING, SMPP_BOUND, SMPP_UNBINDING };

/* What is not a command_status of the other side. */
#define SMPP_NO_ANSWER 0xffffffffu /* none within answer_ms */
#define SMPP_LOST 0xfffffffeu      /* the session ended first: nobody knows whether it was taken */

/* Strings are borrowed, for as long as the session. */
struct smpp_settings {
	enum pdu_command bind; /* BIND_TRANSCEIVER, BIND_TRANSMITTER or BIND_RECEIVER */
	const char *system_id, *password, *system_type, *address_range;
	uint8_t addr_ton, addr_npi;
	unsigned window;     /* submit_sm without an answer */
	unsigned incoming;   /* deliver_sm that we have not answered; more are told to come later */
	size_t pdu_bytes;    /* the longest PDU */
	size_t output_bytes; /* what the other side has not read yet */
	int64_t answer_ms;   /* for an answer of the other side */
	int64_t enquire_ms;  /* of silence, then it is asked whether it is there */
};

struct smpp_calls {
	/* Bound; `smsc` is what it calls itself. */
	void (*bound)(void *owner, const char *smsc);
	/* What became of smpp_submit's `tag`. message_id: "" where there is none. */
	void (*answered)(void *owner, uint64_t tag, uint32_t status, const char *message_id);
	/* A message or a receipt, valid during the call. smpp_delivered, now or later, answers it. */
	void (*delivered)(void *owner, const struct pdu *deliver_sm);
};

/* What was not as it should be. */
struct smpp_counts {
	uint64_t stray;    /* answers to what we did not ask, or have an answer to */
	uint64_t refused;  /* requests that were wrong, unknown, or not for now */
	uint64_t repeated; /* deliver_sm that came again before its answer */
	uint64_t full;     /* deliver_sm beyond `incoming`, or while they are held */
};

struct smpp *smpp_new(const struct smpp_settings *settings, const struct smpp_calls *calls, void *owner);
/* Makes no calls. */
void smpp_free(struct smpp *s);
/* The connection is there, and what is said is the bind. */
void smpp_connected(struct smpp *s, int64_t now);
/* -1: the session is over; smpp_why says why. */
int smpp_take(struct smpp *s, const void *p, size_t n, int64_t now) MUST_CHECK;
int smpp_tick(struct smpp *s, int64_t now) MUST_CHECK;
/* When smpp_tick has something to do next. */
int64_t smpp_due(const struct smpp *s);
/* The connection is gone: `answered` with SMPP_LOST for each open one, in their order. */
void smpp_closed(struct smpp *s);
/* Says good-bye; the session ends with the other side's answer. */
void smpp_unbind(struct smpp *s, int64_t now);

/* How many submit_sm may be sent now. */
unsigned smpp_room(const struct smpp *s);
/* Sends `submit_sm`, whose header is filled in here. There must be room. */
void smpp_submit(struct smpp *s, struct pdu *submit_sm, uint64_t tag, int64_t now);
/* For now no message is taken: each is told to come later. All else goes on, so the session lives. */
void smpp_hold(struct smpp *s, bool hold);
/* Answers a deliver_sm; nothing when the session in which it came is over. */
void smpp_delivered(struct smpp *s, uint32_t sequence, enum pdu_status status);

enum smpp_state smpp_state(const struct smpp *s);
/* What is to be written; whoever writes consumes it. */
struct buf *smpp_output(struct smpp *s);
/* Plain words, static or of the session. */
const char *smpp_why(const struct smpp *s);
/* The command_status with which the bind was refused; ESME_ROK: it was not. */
uint32_t smpp_bind_status(const struct smpp *s);
const struct smpp_counts *smpp_counts(const struct smpp *s);

#endif
