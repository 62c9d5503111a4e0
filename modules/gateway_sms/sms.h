/*
 * sms: the network as its own files see it: what is one program's.
 *
 *     network.c    the table; start, change and stop
 *     out.c        what people here write: gateway_message to outbox to submit_sm
 *     receipts.c   which message a receipt is about
 *     writers.c    who wrote to a number last
 *     in.c         deliver_sm to text, and to whom
 *     parts.c      the parts of long messages, kept at chanceryd until all are there
 */
#ifndef GATEWAY_SMS_SMS_H
#define GATEWAY_SMS_SMS_H

#include "base/list.h"
#include "gateway/gateway.h"
#include "gateway_sms/collect.h"
#include "gateway_sms/outbox.h"
#include "gateway_sms/session.h"

struct sms {
	struct gateway *g;
	struct sms_settings *settings;
	struct wire_trust *trust;    /* NULL: no TLS */
	struct session *transmitter, *receiver; /* the same, where one does both; receiver NULL: only out */
	struct outbox *outbox;
	struct collect *collect;
	struct receipts *receipts;
	struct writers *writers;
	uv_timer_t *timer;
	struct list arrivals;        /* messages on their way to chanceryd */
	struct list keeping;         /* parts that are not answered (parts.c) */
	uint16_t reference;          /* of the last long message */
	bool held;
};

/* One program is one network. */
extern struct sms sms;

/* out.c */
void out_send(struct gateway_message *m);
void out_forget(struct gateway_message *m);
void out_user_open(struct gateway_user *u);
void out_user_close(struct gateway_user *u);
/* Submits what may go now, and looks again when that changes. */
void out_pump(void);
void out_answered(uint64_t tag, uint32_t status, const char *message_id);
extern const struct outbox_calls out_calls;

/* receipts.c */
/* At most `most_kept` outlive the program. */
struct receipts *receipts_new(unsigned most, unsigned most_kept, int64_t keep_s);
/* Takes up what was kept, then calls `done`. */
void receipts_read(struct receipts *r, void (*done)(void));
void receipts_free(struct receipts *r);
/* `ids`: one for each part; the message has arrived when all parts have. It is known to the framework by `foreign_id`. */
void receipts_expect(struct receipts *r, const char *const *ids, unsigned n, const char *user, const char *to, const char *foreign_id);
/* A receipt came. False: nobody waits for it. */
bool receipts_came(struct receipts *r, const struct pdu *deliver_sm);

/* writers.c */
struct writers *writers_new(unsigned most);
void writers_free(struct writers *w);
/* `jid` has written to `number`: known here, and kept at chanceryd. */
void writers_note(struct writers *w, const char *number, const char *jid);
/* Tells who wrote to it within `hours`, NULL: nobody; `known` false: chanceryd cannot say it now. Also from inside; not told when the program ends before. */
typedef void writers_fn(void *arg, bool known, const char *jid);
void writers_find(struct writers *w, const char *number, unsigned hours, writers_fn *fn, void *arg);

/* in.c */
void in_delivered(uint64_t life, const struct pdu *deliver_sm);
/* Answers one, if the session in which it came is still there. */
void in_answer(uint64_t life, uint32_t sequence, enum pdu_status status);
void in_end(void); /* nothing is told any more of what is on its way */

/* A message that is whole, or all that there will be of it. `done` is told once, unless in_end comes before: ESME_ROK when it is in the record. */
typedef void in_done_fn(void *arg, enum pdu_status status);
/* `raw`: who it is from as the provider has it. Takes `text` over. */
void in_arrived(const char *from, const char *raw, struct buf *text, in_done_fn *done, void *arg);

/* parts.c */
/* Takes up what was kept, then calls `done`. */
void parts_read(void (*done)(void));
/* Takes a part, and answers it when it is kept or, the last one, when the message is in the record. */
void parts_came(uint64_t life, uint32_t sequence, const struct collect_key *key, const struct coding_piece *piece);
/* Delivers those whose time is over, as far as they came. */
void parts_tick(void);
void parts_end(void);

#endif
