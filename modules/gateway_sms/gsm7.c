/*
 * gsm7: see gsm7.h.
 */
#include "gateway_sms/gsm7.h"

#include "gateway_sms/utf8.h"

#define CR 0x0d
#define FULL_PART 133 /* octets behind the longer of the headers of long messages, and more */

/* 3GPP TS 23.038 §6.2.1. The escape itself is no character: 0. */
static const uint16_t alphabet[128] = {
	'@', 0xa3, '$', 0xa5, 0xe8, 0xe9, 0xf9, 0xec, 0xf2, 0xc7, '\n', 0xd8, 0xf8, '\r', 0xc5, 0xe5,
	0x394, '_', 0x3a6, 0x393, 0x39b, 0x3a9, 0x3a0, 0x3a8, 0x3a3, 0x398, 0x39e, 0, 0xc6, 0xe6, 0xdf, 0xc9,
	' ', '!', '"', '#', 0xa4, '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
	'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
	0xa1, 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
	'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 0xc4, 0xd6, 0xd1, 0xdc, 0xa7,
	0xbf, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
	'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 0xe4, 0xf6, 0xf1, 0xfc, 0xe0,
};

/* §6.2.1.1. The page break, which chat does not have, is read as a line break and not written. */
static const struct {
	uint8_t septet;
	uint16_t c;
} extension[] = {
	{ 0x14, '^' }, { 0x28, '{' }, { 0x29, '}' }, { 0x2f, '\\' }, { 0x3c, '[' },
	{ 0x3d, '~' }, { 0x3e, ']' }, { 0x40, '|' }, { 0x65, 0x20ac }, { 0x0a, '\n' },
};
#define EXTENSIONS (sizeof(extension) / sizeof(extension[0]))

/* The septets of a character: 1, or 2 of which the first is GSM7_ESCAPE; 0: the alphabet does not have it. */
static size_t
gsm7_char(uint32_t c, uint8_t out[2])
{
	/* Most text: letters and digits are where ASCII has them. */
	if (c < 128 && alphabet[c] == c) {
		out[0] = (uint8_t)c;
		return 1;
	}
	for (unsigned i = 0; i < 128; i++) {
		if (alphabet[i] == c && c) {
			out[0] = (uint8_t)i;
			return 1;
		}
	}
	for (unsigned i = 0; i < EXTENSIONS; i++) {
		if (extension[i].c == c) {
			out[0] = GSM7_ESCAPE;
			out[1] = extension[i].septet;
			return 2;
		}
	}
	return 0;
}

bool
gsm7_encode(const char *s, size_t n, struct buf *out)
{
	size_t before = buf_len(out);

	for (size_t at = 0; at < n;) {
		uint8_t septets[2];
		size_t k = gsm7_char(utf8_next(s, n, &at), septets);

		if (!k) {
			out->len -= buf_len(out) - before;
			return false;
		}
		buf_add(out, septets, k);
	}
	return true;
}

static uint32_t
extended(uint8_t septet)
{
	for (unsigned i = 0; i < EXTENSIONS; i++)
		if (extension[i].septet == septet)
			return extension[i].c;
	return 0;
}

void
gsm7_decode(const uint8_t *septets, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t c = 0;

		if (septets[i] == GSM7_ESCAPE) {
			/* At the end, or twice: "a space, reserved for another extension table". */
			if (i + 1 == n || septets[i + 1] == GSM7_ESCAPE) {
				buf_addc(out, ' ');
				i += i + 1 < n;
				continue;
			}
			c = extended(septets[++i]);
		}
		if (!c)
			c = septets[i] < 128 ? alphabet[septets[i]] : UTF8_REPLACEMENT;
		utf8_add(out, c);
	}
}

void
gsm7_pack(const uint8_t *septets, size_t n, unsigned fill, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = fill;

	for (size_t i = 0; i < n; i++) {
		bits |= (uint32_t)(septets[i] & 0x7f) << have;
		for (have += 7; have >= 8; have -= 8, bits >>= 8)
			buf_addc(out, (char)bits);
	}
	if (have == 1)
		bits |= CR << 1;
	if (have)
		buf_addc(out, (char)bits);
}

void
gsm7_unpack(const uint8_t *p, size_t n, unsigned fill, struct buf *out)
{
	size_t count = n * 8 < fill ? 0 : (n * 8 - fill) / 7;
	bool full = count && (n * 8 - fill) % 7 == 0;
	uint8_t last = 0;

	for (size_t i = 0; i < count; i++) {
		size_t bit = fill + i * 7;
		unsigned pair = p[bit / 8] | (bit / 8 + 1 < n ? p[bit / 8 + 1] << 8 : 0);

		last = pair >> (bit % 8) & 0x7f;
		buf_addc(out, (char)last);
	}
	/* Those who do not know of the carriage return leave zeros; in a part that is full this is an "@". */
	if (full && (last == CR || (last == 0 && n < FULL_PART)))
		out->len--;
}
