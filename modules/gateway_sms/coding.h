/*
 * coding: how text becomes short messages and back: the alphabets of data_coding, and the ways of carrying what is longer than one. No I/O.
 *
 * Between text and octets are *units*: septets (one in each byte) for the GSM alphabet, octets otherwise. Parts of a long message are joined as units,
 * because senders cut where they like, also inside a character.
 */
#ifndef GATEWAY_SMS_CODING_H
#define GATEWAY_SMS_CODING_H

#include "base/err.h"
#include "gateway_sms/pdu.h"

enum coding { CODING_GSM7, CODING_GSM7_PACKED, CODING_ASCII, CODING_LATIN1, CODING_UCS2 };

/* How a long message goes: with a header in front of each part (TS 23.040 §9.2.3.24.1, §9.2.3.24.8), with sar_* parameters (§5.3.2.22 to 24), or in one PDU (§5.3.2.32). */
enum coding_long { LONG_UDH8, LONG_UDH16, LONG_SAR, LONG_PAYLOAD };

#define CODING_PARTS 255
#define CODING_MESSAGE 140 /* octets of one short message, as the telephone gets it */

/* What the administrator has learnt from the provider. */
struct coding_way {
	enum coding alphabet;  /* what data_coding 0 means: CODING_GSM7, CODING_GSM7_PACKED, CODING_ASCII or CODING_LATIN1 */
	bool latin1;           /* data_coding 3 is taken too */
	enum coding_long how;
	unsigned parts;        /* at most so many */
};

/* A text cut to parts. */
struct coding_text {
	enum coding coding;
	uint8_t data_coding;
	enum coding_long how;
	unsigned count;             /* of parts */
	uint16_t reference;         /* of the message, for all its parts */
	struct buf units;
	uint16_t end[CODING_PARTS]; /* of each part, in units */
	struct buf octets;          /* of the part that was asked for last */
	uint8_t sar[4];             /* the values of its sar_* */
};

/* Cuts `n` bytes of well-formed UTF-8, in the first alphabet that has all of it. -1: more parts than allowed; `t` is empty then. */
int coding_split(struct coding_text *t, const struct coding_way *way, const char *s, size_t n, uint16_t reference, struct err *e) MUST_CHECK;
/* Puts part `i` (from 0) into a submit_sm: esm_class, data_coding, short_message or message_payload, sar_*; they live until the next call. */
void coding_part(struct coding_text *t, unsigned i, struct pdu *submit_sm);
void coding_fini(struct coding_text *t);

/* What came: one whole message, or a part. */
struct coding_piece {
	enum coding coding;   /* never CODING_GSM7_PACKED: it is unpacked */
	bool part;
	uint32_t reference;   /* what was given, and which kind of reference it is: of different kinds never equal */
	unsigned total, number; /* number from 1 to total */
	struct buf units;
};

/* Reads a deliver_sm. ESME_ROK, or what it is refused with: an alphabet that we do not know or that is no text, a header that is none. The caller frees
 * `out->units` by buf_fini whatever is returned. */
uint32_t coding_read(const struct pdu *deliver_sm, enum coding alphabet, struct coding_piece *out);
/* Units as UTF-8, behind what is in `out`. */
void coding_text(enum coding coding, const void *units, size_t n, struct buf *out);

#endif
