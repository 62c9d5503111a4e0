/*
 * receipt: what a delivery receipt says (§2.11, appendix B), in parameters or in the text form that providers agree on. No I/O.
 */
#ifndef GATEWAY_SMS_RECEIPT_H
#define GATEWAY_SMS_RECEIPT_H

#include "gateway_sms/pdu.h"

/* §5.2.28 */
enum receipt_state {
	RECEIPT_UNREADABLE = 0,
	RECEIPT_ENROUTE = 1,
	RECEIPT_DELIVERED = 2,
	RECEIPT_EXPIRED = 3,
	RECEIPT_DELETED = 4,
	RECEIPT_UNDELIVERABLE = 5,
	RECEIPT_ACCEPTED = 6,
	RECEIPT_UNKNOWN = 7,
	RECEIPT_REJECTED = 8,
};

#define RECEIPT_ID 65

struct receipt {
	char id[RECEIPT_ID];   /* of the message, as the other side writes it here */
	enum receipt_state state;
	char error[16];        /* "err:" as it came, printable; "" none */
};

/* Whether this deliver_sm is one, and not a message of somebody's. */
bool receipt_is(const struct pdu *deliver_sm);
/* False when it does not say which message it is about. */
bool receipt_read(const struct pdu *deliver_sm, struct receipt *out);
/* "undeliverable"; for the sender to read. */
const char *receipt_state_text(enum receipt_state s);
/* It will not arrive any more. */
bool receipt_is_failure(enum receipt_state s);
/* One spelling for an id: providers give the same number in hexadecimal with the answer and in decimal in the receipt. `hex`: it is hexadecimal. What is
 * no number of 64 bits stays as it is, in small letters. */
void receipt_id_canonical(const char *id, bool hex, char out[RECEIPT_ID]);

#endif
