/*
 * smpp: what an SMSC says, at once, octet by octet and in pieces: the same calls and the same answers. What it delivers is read as a message, collected and put
 * together; what is written of a PDU that was read is read again the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway_sms/collect.h"
#include "gateway_sms/number.h"
#include "gateway_sms/receipt.h"
#include "gateway_sms/smpp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct smpp *s;
	struct collect *c;
	struct buf said; /* what was called and answered, in words */
	unsigned open;
};

static void
bound(void *owner, const char *smsc)
{
	struct seen *seen = owner;
	struct pdu p = { .short_message = (const uint8_t *)"x", .sm_length = 1 };

	buf_addf(&seen->said, "bound %s\n", smsc);
	while (smpp_room(seen->s))
		smpp_submit(seen->s, &p, seen->open++, 0);
}

static void
answered(void *owner, uint64_t tag, uint32_t status, const char *message_id)
{
	struct seen *seen = owner;
	char id[RECEIPT_ID];

	receipt_id_canonical(message_id, tag & 1, id);
	buf_addf(&seen->said, "answered %u %u %s\n", (unsigned)tag, status, id);
	assert(seen->open);
	seen->open--;
}

static void
text(struct seen *seen, enum coding coding, const struct buf *units)
{
	struct buf out = { 0 };

	coding_text(coding, buf_data(units), buf_len(units), &out);
	assert(!buf_len(&out) || text_is_utf8(buf_data(&out), buf_len(&out)));
	buf_add(&seen->said, buf_str(&out), buf_len(&out));
	buf_fini(&out);
}

static void
collected(struct seen *seen, const char *from, const char *to, const struct coding_piece *piece)
{
	struct collect_key key = { .reference = piece->reference, .total = piece->total };
	struct collect_message *m;
	enum collect_result r;

	snprintf(key.from, sizeof(key.from), "%s", from);
	snprintf(key.to, sizeof(key.to), "%s", to);
	r = collect_add(seen->c, &key, piece, 0, &m);
	buf_addf(&seen->said, "collected %d\n", r);
	if (r == COLLECT_WHOLE || r == COLLECT_REUSED) {
		struct buf out = { 0 };

		collect_text(m, &out);
		assert(!buf_len(&out) || text_is_utf8(buf_data(&out), buf_len(&out)));
		buf_fini(&out);
		collect_end(seen->c, m);
	}
}

static void
delivered(void *owner, const struct pdu *p)
{
	static const struct number_plan plan = { "33", "0" };
	struct seen *seen = owner;
	struct coding_piece piece;
	struct receipt receipt;
	char from[NUMBER_SIZE], to[NUMBER_SIZE];
	uint32_t status;

	if (receipt_is(p) && receipt_read(p, &receipt))
		buf_addf(&seen->said, "receipt %s %d %s\n", receipt.id, receipt.state, receipt.error);
	status = coding_read(p, p->protocol_id & 1 ? CODING_GSM7_PACKED : CODING_GSM7, &piece);
	if (!status && number_get(&plan, &p->source, from) && number_get(&plan, &p->destination, to)) {
		assert(text_is_utf8(from, strlen(from)));
		text(seen, piece.coding, &piece.units);
		if (piece.part)
			collected(seen, from, to, &piece);
	}
	buf_fini(&piece.units);
	/* Some are answered at once, some later, and some never. */
	if (p->sequence % 3)
		smpp_delivered(seen->s, p->sequence, status);
}

static const struct smpp_calls calls = { bound, answered, delivered };

/* A PDU that was read says the same when it is written and read. */
static void
again(const uint8_t *data, size_t size)
{
	struct pdu p, q;
	struct buf out = { 0 }, twice = { 0 };

	if (size < PDU_HEADER || pdu_read(data, size, &p))
		return;
	pdu_write(&p, &out);
	assert(buf_len(&out) <= size || p.command & PDU_RESPONSE);
	assert(pdu_read((const uint8_t *)buf_data(&out), buf_len(&out), &q) == ESME_ROK);
	pdu_write(&q, &twice);
	assert(buf_len(&out) == buf_len(&twice) && !memcmp(buf_data(&out), buf_data(&twice), buf_len(&out)));
	buf_fini(&out);
	buf_fini(&twice);
}

static void
run(const uint8_t *p, size_t n, size_t step, struct buf *out)
{
	static const struct smpp_settings settings = { .bind = BIND_TRANSCEIVER, .system_id = "me", .password = "", .system_type = "", .address_range = "",
		.window = 2, .incoming = 3, .pdu_bytes = 4096, .output_bytes = 4096, .answer_ms = 1000, .enquire_ms = 1000 };
	struct seen seen = { 0 };
	int rc = 0;

	seen.s = smpp_new(&settings, &calls, &seen);
	seen.c = collect_new(4, 65536, 1000);
	smpp_connected(seen.s, 0);
	for (size_t at = 0; at < n && !rc; at += step)
		rc = smpp_take(seen.s, p + at, n - at < step ? n - at : step, 0);
	assert(buf_len(smpp_output(seen.s)) <= settings.output_bytes + 64);
	buf_add(&seen.said, buf_str(smpp_output(seen.s)), buf_len(smpp_output(seen.s)));
	smpp_closed(seen.s);
	assert(!seen.open);
	*out = seen.said;
	collect_free(seen.c);
	smpp_free(seen.s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 3, 64 };
	struct buf whole, pieces;

	again(data, size);
	run(data, size, size ? size : 1, &whole);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		run(data, size, steps[i], &pieces);
		assert(buf_len(&whole) == buf_len(&pieces) && !memcmp(buf_str(&whole), buf_str(&pieces), buf_len(&whole)));
		buf_fini(&pieces);
	}
	buf_fini(&whole);
	return 0;
}
