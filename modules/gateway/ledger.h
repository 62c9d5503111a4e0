/*
 * ledger: what came on the stream and has been handled (XEP-0198 §4). A stanza counts when everything before it has been handled too, so that what is not
 * acknowledged when the stream ends is exactly what may have to come again.
 */
#ifndef GATEWAY_LEDGER_H
#define GATEWAY_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct ticket {
	struct list link;
	struct ticket **owner; /* who has it, and is told by NULL that the stream is gone */
	bool done;
};

struct ledger {
	struct list open;   /* in the order in which they came */
	uint32_t handled, told;
	uint32_t before;    /* of open: what came before counting began. The first answer confirms it, so there is none before it is done */
	bool counting;
	bool asked;         /* a question waits for its answer */
	uint64_t asked_ms;
};

void ledger_init(struct ledger *l);
/* A stanza came. `*owner` is set to the ticket, and to NULL when the stream ends before it is done; ledger_own changes who that is. */
struct ticket *ledger_take(struct ledger *l);
void ledger_own(struct ticket *t, struct ticket **owner);
/* NULL is fine. */
void ledger_done(struct ledger *l, struct ticket *t);
/* <enabled/>: what comes from now on counts. */
void ledger_begin(struct ledger *l);
/* The stream ended: nothing of it can be acknowledged any more. */
void ledger_reset(struct ledger *l);
/* <r/>. */
void ledger_asked(struct ledger *l, uint64_t now_ms);
/* Is <a h='*h'/> to be written now? When there is something to say, or the question has waited. */
bool ledger_answers(struct ledger *l, uint64_t now_ms, uint32_t *h);

#endif
