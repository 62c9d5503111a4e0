/*
 * coding: see coding.h.
 */
#include "gateway_sms/coding.h"

#include <string.h>

#include "gateway_sms/gsm7.h"
#include "gateway_sms/utf8.h"

/* §5.2.19 */
#define DATA_DEFAULT 0
#define DATA_ASCII 1
#define DATA_LATIN1 3
#define DATA_UCS2 8

/* TS 23.040 §9.2.3.24 */
#define IE_CONCAT8 0x00
#define IE_CONCAT16 0x08
#define IE_SINGLE_SHIFT 0x24
#define IE_LOCKING_SHIFT 0x25

#define PAYLOAD_MAX 65535

/* ---- out: which alphabet --------------------------------------------------------------------------------- */

static bool
encode_8bit(const char *s, size_t n, uint32_t last, struct buf *out)
{
	size_t before = out->len;

	for (size_t at = 0; at < n;) {
		uint32_t c = utf8_next(s, n, &at);

		/* ISO 8859-1 has controls from 0x80 to 0x9f. */
		if (c > last || (c >= 0x7f && c < 0xa0)) {
			out->len = before;
			return false;
		}
		buf_addc(out, (char)c);
	}
	return true;
}

static void
encode_ucs2(const char *s, size_t n, struct buf *out)
{
	for (size_t at = 0; at < n;) {
		uint32_t c = utf8_next(s, n, &at);
		uint32_t high = 0xd800 + ((c - 0x10000) >> 10);

		if (c > 0xffff) {
			buf_addc(out, (char)(high >> 8));
			buf_addc(out, (char)high);
			c = 0xdc00 + (c & 0x3ff);
		}
		buf_addc(out, (char)(c >> 8));
		buf_addc(out, (char)c);
	}
}

static bool
encode(enum coding coding, const char *s, size_t n, struct buf *out)
{
	switch (coding) {
	case CODING_GSM7:
	case CODING_GSM7_PACKED:
		return gsm7_encode(s, n, out);
	case CODING_ASCII:
		return encode_8bit(s, n, 0x7e, out);
	case CODING_LATIN1:
		return encode_8bit(s, n, 0xff, out);
	case CODING_UCS2:
		encode_ucs2(s, n, out);
		return true;
	}
	return false;
}

static void
choose(struct coding_text *t, const struct coding_way *way, const char *s, size_t n)
{
	t->coding = way->alphabet;
	t->data_coding = DATA_DEFAULT;
	if (encode(t->coding, s, n, &t->units))
		return;
	if (way->latin1 && encode(CODING_LATIN1, s, n, &t->units)) {
		t->coding = CODING_LATIN1;
		t->data_coding = DATA_LATIN1;
		return;
	}
	t->coding = CODING_UCS2;
	t->data_coding = DATA_UCS2;
	encode(CODING_UCS2, s, n, &t->units);
}

/* ---- out: parts ------------------------------------------------------------------------------------------ */

static bool
is_gsm(enum coding c)
{
	return c == CODING_GSM7 || c == CODING_GSM7_PACKED;
}

/* Octets of the header in front of each part; with sar_* it is the other side that makes one, of whichever kind. */
static unsigned
header_octets(enum coding_long how)
{
	return how == LONG_UDH8 ? 6 : 7;
}

/* Units of a message that has `header` octets in front. */
static size_t
capacity(enum coding coding, unsigned header)
{
	unsigned octets = CODING_MESSAGE - header;

	if (is_gsm(coding))
		return octets * 8 / 7;
	return coding == CODING_UCS2 ? octets & ~1u : octets;
}

/* A cut at `at` would go through a character: an escape and what it escapes, or a pair of surrogates. */
static bool
splits(const struct coding_text *t, size_t at)
{
	const uint8_t *u = (const uint8_t *)buf_data(&t->units);

	/* The alphabet has no escape that is escaped, so the one before is not itself behind one. */
	if (is_gsm(t->coding))
		return u[at - 1] == GSM7_ESCAPE;
	return t->coding == CODING_UCS2 && (u[at] & 0xfc) == 0xdc;
}

static bool
cut(struct coding_text *t, size_t room, unsigned most)
{
	size_t n = buf_len(&t->units), at = 0;

	while (at < n) {
		size_t to = at + room < n ? at + room : n;

		if (to < n && splits(t, to))
			to -= t->coding == CODING_UCS2 ? 2 : 1;
		if (t->count == most)
			return false;
		t->end[t->count++] = (uint16_t)to;
		at = to;
	}
	return true;
}

int
coding_split(struct coding_text *t, const struct coding_way *way, const char *s, size_t n, uint16_t reference, struct err *e)
{
	size_t whole;

	memset(t, 0, sizeof(*t));
	choose(t, way, s, n);
	t->how = way->how;
	t->reference = reference;
	whole = capacity(t->coding, 0);
	if (buf_len(&t->units) <= whole || t->how == LONG_PAYLOAD) {
		size_t bound = whole * way->parts < PAYLOAD_MAX ? whole * way->parts : PAYLOAD_MAX;

		if (buf_len(&t->units) <= bound) {
			t->end[0] = (uint16_t)buf_len(&t->units);
			t->count = 1;
			return 0;
		}
	} else if (cut(t, capacity(t->coding, header_octets(t->how)), way->parts)) {
		return 0;
	}
	coding_fini(t);
	return err_set(e, 0, "longer than %u short messages", way->parts);
}

static void
add_header(struct coding_text *t, unsigned i)
{
	const uint8_t ref = (uint8_t)t->reference, high = (uint8_t)(t->reference >> 8);
	const uint8_t part = (uint8_t)(i + 1), total = (uint8_t)t->count;

	if (t->how == LONG_UDH8)
		buf_add(&t->octets, (const uint8_t[]){ 5, IE_CONCAT8, 3, ref, total, part }, 6);
	else
		buf_add(&t->octets, (const uint8_t[]){ 6, IE_CONCAT16, 4, high, ref, total, part }, 7);
}

static void
add_sar(struct coding_text *t, unsigned i, struct pdu *p)
{
	t->sar[0] = (uint8_t)(t->reference >> 8);
	t->sar[1] = (uint8_t)t->reference;
	t->sar[2] = (uint8_t)t->count;
	t->sar[3] = (uint8_t)(i + 1);
	pdu_set_tlv(p, TLV_SAR_MSG_REF_NUM, t->sar, 2);
	pdu_set_tlv(p, TLV_SAR_TOTAL_SEGMENTS, t->sar + 2, 1);
	pdu_set_tlv(p, TLV_SAR_SEGMENT_SEQNUM, t->sar + 3, 1);
}

/* Bits between a header and the septets behind it. */
static unsigned
fill_bits(size_t octets)
{
	return (unsigned)((7 - octets * 8 % 7) % 7);
}

void
coding_part(struct coding_text *t, unsigned i, struct pdu *submit_sm)
{
	size_t begin = i ? t->end[i - 1] : 0, n = t->end[i] - begin;
	const uint8_t *units = (const uint8_t *)buf_data(&t->units) + begin;
	bool headed = t->count > 1 && (t->how == LONG_UDH8 || t->how == LONG_UDH16);

	buf_clear(&t->octets);
	if (headed) {
		submit_sm->esm_class |= ESM_UDHI;
		add_header(t, i);
	} else if (t->count > 1) {
		add_sar(t, i, submit_sm);
	}
	if (t->coding == CODING_GSM7_PACKED)
		gsm7_pack(units, n, fill_bits(buf_len(&t->octets)), &t->octets);
	else if (n)
		buf_add(&t->octets, units, n);
	submit_sm->data_coding = t->data_coding;
	if (buf_len(&t->octets) > 254 || (t->count == 1 && t->end[0] > capacity(t->coding, 0))) {
		pdu_set_tlv(submit_sm, TLV_MESSAGE_PAYLOAD, buf_data(&t->octets), buf_len(&t->octets));
		return;
	}
	submit_sm->short_message = (const uint8_t *)buf_data(&t->octets);
	submit_sm->sm_length = (uint8_t)buf_len(&t->octets);
}

void
coding_fini(struct coding_text *t)
{
	buf_fini(&t->units);
	buf_fini(&t->octets);
	t->count = 0;
}

/* ---- in -------------------------------------------------------------------------------------------------- */

/* False: no text, or an alphabet that we do not have. */
static bool
coding_of(uint8_t data_coding, enum coding alphabet, enum coding *out)
{
	static const enum coding gsm = CODING_GSM7;

	switch (data_coding) {
	case DATA_DEFAULT:
		*out = alphabet;
		return true;
	case DATA_ASCII:
		*out = CODING_ASCII;
		return true;
	case DATA_LATIN1:
		*out = CODING_LATIN1;
		return true;
	case DATA_UCS2:
		*out = CODING_UCS2;
		return true;
	}
	/* TS 23.038 §4: message waiting in the default alphabet and in UCS-2, message class with text. "Octet" is how the other side packs it, as for 0. */
	if ((data_coding & 0xf0) == 0xd0 || (data_coding & 0xf4) == 0xf0)
		*out = alphabet == CODING_GSM7_PACKED ? alphabet : gsm;
	else if ((data_coding & 0xf0) == 0xe0)
		*out = CODING_UCS2;
	else
		return false;
	return true;
}

/* Of a concatenation that makes no sense the element is overlooked (TS 23.040 §9.2.3.24.1). */
static void
set_part(struct coding_piece *out, unsigned kind, unsigned reference, unsigned total, unsigned part)
{
	if (!total || !part || part > total)
		return;
	out->part = total > 1;
	out->reference = (uint32_t)kind << 16 | reference;
	out->total = total;
	out->number = part;
}

/* The octets of the header with its length, 0 when it is not one. `shifted`: septets are of a national table (TS 23.038 §6.2.1.2), which we do not have. */
static size_t
read_header(const uint8_t *p, size_t n, struct coding_piece *out, bool *shifted)
{
	size_t end, at = 1;

	if (!n || p[0] >= n)
		return 0;
	end = 1u + p[0];
	while (at < end) {
		if (end - at < 2 || p[at + 1] > end - at - 2)
			return 0;
		if (p[at] == IE_CONCAT8 && p[at + 1] == 3)
			set_part(out, 1, p[at + 2], p[at + 3], p[at + 4]);
		else if (p[at] == IE_CONCAT16 && p[at + 1] == 4)
			set_part(out, 2, (unsigned)p[at + 2] << 8 | p[at + 3], p[at + 4], p[at + 5]);
		*shifted |= p[at] == IE_SINGLE_SHIFT || p[at] == IE_LOCKING_SHIFT;
		at += 2u + p[at + 1];
	}
	return end;
}

uint32_t
coding_read(const struct pdu *p, enum coding alphabet, struct coding_piece *out)
{
	size_t n, header = 0;
	const uint8_t *octets = pdu_message(p, &n);
	bool shifted = false;

	memset(out, 0, sizeof(*out));
	if (!coding_of(p->data_coding, alphabet, &out->coding))
		return ESME_RX_R_APPN;
	if (p->esm_class & ESM_UDHI) {
		header = read_header(octets, n, out, &shifted);
		if (!header)
			return ESME_RINVMSGLEN;
		if (shifted && is_gsm(out->coding))
			return ESME_RX_R_APPN;
	} else if (p->tlv[TLV_SAR_MSG_REF_NUM].present) {
		set_part(out, 3, pdu_tlv_number(&p->tlv[TLV_SAR_MSG_REF_NUM]), pdu_tlv_number(&p->tlv[TLV_SAR_TOTAL_SEGMENTS]),
			pdu_tlv_number(&p->tlv[TLV_SAR_SEGMENT_SEQNUM]));
	}
	if (out->coding == CODING_GSM7_PACKED) {
		out->coding = CODING_GSM7;
		gsm7_unpack(octets + header, n - header, fill_bits(header), &out->units);
	} else if (n > header) {
		buf_add(&out->units, octets + header, n - header);
	}
	return ESME_ROK;
}

static void
decode_ucs2(const uint8_t *u, size_t n, struct buf *out)
{
	for (size_t i = 0; i + 1 < n; i += 2) {
		uint32_t c = (uint32_t)u[i] << 8 | u[i + 1];

		if (c >= 0xd800 && c < 0xdc00 && i + 3 < n && (u[i + 2] & 0xfc) == 0xdc) {
			c = 0x10000 + ((c & 0x3ff) << 10) + ((u[i + 2] & 3u) << 8 | u[i + 3]);
			i += 2;
		}
		utf8_add(out, c);
	}
	if (n % 2)
		utf8_add(out, UTF8_REPLACEMENT);
}

void
coding_text(enum coding coding, const void *units, size_t n, struct buf *out)
{
	const uint8_t *u = units;

	if (coding == CODING_GSM7 || coding == CODING_GSM7_PACKED) {
		gsm7_decode(u, n, out);
	} else if (coding == CODING_UCS2) {
		decode_ucs2(u, n, out);
	} else {
		for (size_t i = 0; i < n; i++)
			utf8_add(out, coding == CODING_ASCII && u[i] > 127 ? UTF8_REPLACEMENT : u[i]);
	}
}
