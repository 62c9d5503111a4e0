/*
 * pdu: see pdu.h. Bodies are tables of fields, which are read and written by the same order.
 */
#include "gateway_sms/pdu.h"

#include <stdio.h>
#include <string.h>

enum kind { STRING, OCTET, MESSAGE };

struct field {
	enum kind kind;
	size_t at, size;
};

#define S(name) { STRING, offsetof(struct pdu, name), sizeof(((struct pdu *)0)->name) }
#define O(name) { OCTET, offsetof(struct pdu, name), 1 }
#define END { STRING, 0, 0 }

/* §4.1 */
static const struct field bind[] = { S(system_id), S(password), S(system_type), O(interface_version), O(addr_ton), O(addr_npi), S(address_range), END };
static const struct field bind_resp[] = { S(system_id), END };
static const struct field outbind[] = { S(system_id), S(password), END };
/* §4.4.1, §4.6.1 */
static const struct field message[] = {
	S(service_type), O(source.ton), O(source.npi), S(source.digits),
	O(destination.ton), O(destination.npi), S(destination.digits),
	O(esm_class), O(protocol_id), O(priority_flag), S(schedule_delivery_time), S(validity_period),
	O(registered_delivery), O(replace_if_present), O(data_coding), O(sm_default_msg_id),
	{ MESSAGE, offsetof(struct pdu, short_message), 255 }, END,
};
static const struct field message_resp[] = { S(message_id), END };
static const struct field nothing[] = { END };

static const struct {
	uint32_t command;
	const struct field *fields;
	bool tlvs, opaque; /* has optional parameters; is not read */
} bodies[] = {
	{ GENERIC_NACK, nothing, false, false },
	{ BIND_RECEIVER, bind, false, false },
	{ BIND_TRANSMITTER, bind, false, false },
	{ BIND_TRANSCEIVER, bind, false, false },
	{ BIND_RECEIVER | PDU_RESPONSE, bind_resp, true, false },
	{ BIND_TRANSMITTER | PDU_RESPONSE, bind_resp, true, false },
	{ BIND_TRANSCEIVER | PDU_RESPONSE, bind_resp, true, false },
	{ OUTBIND, outbind, false, false },
	{ UNBIND, nothing, false, false },
	{ UNBIND | PDU_RESPONSE, nothing, false, false },
	{ SUBMIT_SM, message, true, false },
	{ SUBMIT_SM | PDU_RESPONSE, message_resp, true, false },
	{ DELIVER_SM, message, true, false },
	{ DELIVER_SM | PDU_RESPONSE, message_resp, true, false },
	{ ENQUIRE_LINK, nothing, false, false },
	{ ENQUIRE_LINK | PDU_RESPONSE, nothing, false, false },
	{ ALERT_NOTIFICATION, nothing, false, true },
	{ DATA_SM, nothing, false, true },
	{ DATA_SM | PDU_RESPONSE, message_resp, true, true },
};
#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

static const struct {
	uint16_t tag, shortest, longest;
} tags[PDU_TAGS] = {
	[TLV_ADDITIONAL_STATUS_INFO_TEXT] = { 0x001d, 0, 256 },
	[TLV_RECEIPTED_MESSAGE_ID] = { 0x001e, 1, 65 },
	[TLV_SAR_MSG_REF_NUM] = { 0x020c, 2, 2 },
	[TLV_SAR_TOTAL_SEGMENTS] = { 0x020e, 1, 1 },
	[TLV_SAR_SEGMENT_SEQNUM] = { 0x020f, 1, 1 },
	[TLV_SC_INTERFACE_VERSION] = { 0x0210, 1, 1 },
	[TLV_NETWORK_ERROR_CODE] = { 0x0423, 3, 3 },
	[TLV_MESSAGE_PAYLOAD] = { 0x0424, 0, 65535 },
	[TLV_MESSAGE_STATE] = { 0x0427, 1, 1 },
};

static const struct {
	uint32_t status;
	const char *name;
} names[] = {
#define N(x) { x, #x }
	N(ESME_ROK), N(ESME_RINVMSGLEN), N(ESME_RINVCMDLEN), N(ESME_RINVCMDID), N(ESME_RINVBNDSTS), N(ESME_RALYBND),
	N(ESME_RSYSERR), N(ESME_RINVSRCADR), N(ESME_RINVDSTADR), N(ESME_RBINDFAIL), N(ESME_RINVPASWD), N(ESME_RINVSYSID),
	N(ESME_RMSGQFUL), N(ESME_RINVESMCLASS), N(ESME_RSUBMITFAIL), N(ESME_RTHROTTLED), N(ESME_RX_T_APPN),
	N(ESME_RX_P_APPN), N(ESME_RX_R_APPN), N(ESME_ROPTPARNOTALLWD), N(ESME_RINVOPTPARSTREAM), N(ESME_RINVPARLEN),
	N(ESME_RDELIVERYFAILURE), N(ESME_RUNKNOWNERR),
#undef N
};

const char *
pdu_status_name(uint32_t status, char hex[11])
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status)
			return names[i].name;
	snprintf(hex, 11, "0x%08x", status);
	return hex;
}

static uint32_t
number(const uint8_t *p, unsigned size)
{
	uint32_t n = 0;

	while (size--)
		n = n << 8 | *p++;
	return n;
}

static void
add_number(struct buf *out, uint32_t n, unsigned size)
{
	while (size--)
		buf_addc(out, (char)(n >> size * 8));
}

uint32_t
pdu_length(const uint8_t *p)
{
	return number(p, 4);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *p;
	size_t left;
};

static uint32_t
read_field(struct reader *r, const struct field *f, struct pdu *out)
{
	char *to = (char *)out + f->at;
	size_t n;

	if (!r->left)
		return ESME_RINVCMDLEN;
	if (f->kind == STRING) {
		const uint8_t *end = memchr(r->p, 0, r->left < f->size ? r->left : f->size);

		/* Without its end within what it may take, the rest cannot be told apart either. */
		if (!end)
			return r->left < f->size ? ESME_RINVCMDLEN : ESME_RINVPARLEN;
		n = (size_t)(end - r->p) + 1;
		memcpy(to, r->p, n);
	} else if (f->kind == OCTET) {
		n = 1;
		*to = (char)*r->p;
	} else {
		n = 1u + *r->p;
		if (n > r->left)
			return ESME_RINVMSGLEN;
		out->sm_length = *r->p;
		out->short_message = r->p + 1;
	}
	r->p += n;
	r->left -= n;
	return ESME_ROK;
}

/* §3.2.4.1. A parameter that we read may be there once: of two, which one others see is anybody's guess. */
static uint32_t
read_tlv(struct reader *r, struct pdu *out)
{
	size_t length;
	uint32_t tag;

	if (r->left < 4)
		return ESME_RINVOPTPARSTREAM;
	tag = number(r->p, 2);
	length = number(r->p + 2, 2);
	if (length > r->left - 4)
		return ESME_RINVOPTPARSTREAM;
	for (unsigned i = 0; i < PDU_TAGS; i++) {
		if (tags[i].tag != tag)
			continue;
		if (out->tlv[i].present)
			return ESME_RINVOPTPARSTREAM;
		if (length < tags[i].shortest || length > tags[i].longest)
			return ESME_RINVPARLEN;
		out->tlv[i] = (struct pdu_tlv){ true, (uint16_t)length, r->p + 4 };
	}
	r->p += 4 + length;
	r->left -= 4 + length;
	return ESME_ROK;
}

static uint32_t
read_body(struct reader *r, const struct field *fields, bool tlvs, struct pdu *out)
{
	uint32_t status = ESME_ROK;

	/* An answer that says no may come without its body (§4.4.2). */
	if (!r->left && out->command & PDU_RESPONSE && out->status)
		return ESME_ROK;
	for (const struct field *f = fields; f->size && !status; f++)
		status = read_field(r, f, out);
	while (tlvs && !status && r->left)
		status = read_tlv(r, out);
	if (!status && r->left)
		status = ESME_RINVCMDLEN;
	/* §5.3.2.32: one or the other. */
	if (!status && out->sm_length && out->tlv[TLV_MESSAGE_PAYLOAD].present)
		status = ESME_RINVMSGLEN;
	return status;
}

uint32_t
pdu_read(const uint8_t *p, size_t n, struct pdu *out)
{
	struct reader r = { p + PDU_HEADER, n - PDU_HEADER };

	memset(out, 0, sizeof(*out));
	out->command = number(p + 4, 4);
	out->status = number(p + 8, 4);
	out->sequence = number(p + 12, 4);
	for (size_t i = 0; i < BODIES; i++) {
		if (bodies[i].command == out->command)
			return bodies[i].opaque ? ESME_ROK : read_body(&r, bodies[i].fields, bodies[i].tlvs, out);
	}
	return ESME_RINVCMDID;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void
write_field(const struct pdu *p, const struct field *f, struct buf *out)
{
	const char *from = (const char *)p + f->at;

	if (f->kind == STRING) {
		buf_add(out, from, strnlen(from, f->size - 1));
		buf_addc(out, 0);
	} else if (f->kind == OCTET) {
		buf_addc(out, *from);
	} else {
		buf_addc(out, (char)p->sm_length);
		if (p->sm_length)
			buf_add(out, p->short_message, p->sm_length);
	}
}

void
pdu_write(const struct pdu *p, struct buf *out)
{
	size_t before = buf_len(out);
	const struct field *fields = nothing;
	uint32_t length;
	char *head;

	for (size_t i = 0; i < BODIES; i++)
		if (bodies[i].command == p->command)
			fields = bodies[i].fields;
	add_number(out, 0, 4);
	add_number(out, p->command, 4);
	add_number(out, p->status, 4);
	add_number(out, p->sequence, 4);
	for (const struct field *f = fields; f->size; f++)
		write_field(p, f, out);
	for (unsigned i = 0; i < PDU_TAGS; i++) {
		if (!p->tlv[i].present)
			continue;
		add_number(out, tags[i].tag, 2);
		add_number(out, p->tlv[i].length, 2);
		buf_add(out, p->tlv[i].value, p->tlv[i].length);
	}
	length = (uint32_t)(buf_len(out) - before);
	head = out->data + out->len - length;
	for (unsigned i = 0; i < 4; i++)
		head[i] = (char)(length >> (3 - i) * 8);
}

unsigned
pdu_tlv_number(const struct pdu_tlv *t)
{
	return t->present ? number(t->value, t->length > 2 ? 2 : t->length) : 0;
}

void
pdu_set_tlv(struct pdu *p, enum pdu_tag tag, const void *value, size_t n)
{
	p->tlv[tag] = (struct pdu_tlv){ true, (uint16_t)n, value };
}

const uint8_t *
pdu_message(const struct pdu *p, size_t *n)
{
	const struct pdu_tlv *payload = &p->tlv[TLV_MESSAGE_PAYLOAD];

	*n = payload->present ? payload->length : p->sm_length;
	return payload->present ? payload->value : p->short_message;
}
