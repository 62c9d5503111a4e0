/*
 * text: UTF-8, base64, hex and numbers. Everything here reads what peers sent, so nothing is
 * guessed: white space, missing padding, spare bits and signs are errors.
 */
#include "base/text.h"

#include <string.h>

#define MEDIA_TYPE_MAX 127

/* All of eight bytes are ASCII and none is NUL. */
static inline bool
ascii_word(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return ((v | (v - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) == 0;
}

/* The length of the well-formed sequence at p, or 0 (RFC 3629 §4: the second byte's range rules
 * out over-long forms, surrogates and what lies beyond U+10FFFF). */
static size_t
utf8_sequence(const unsigned char *p, size_t left)
{
	unsigned char lowest = 0x80, highest = 0xBF;
	size_t n;

	if (*p >= 0x01 && *p <= 0x7F)
		return 1;
	if (*p < 0xC2 || *p > 0xF4)
		return 0;
	n = *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
	if (left < n)
		return 0;
	switch (*p) {
	case 0xE0:
		lowest = 0xA0;
		break;
	case 0xED:
		highest = 0x9F;
		break;
	case 0xF0:
		lowest = 0x90;
		break;
	case 0xF4:
		highest = 0x8F;
		break;
	}
	if (p[1] < lowest || p[1] > highest)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

bool
text_is_utf8(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t left = n, step;

	while (left > 0) {
		if (left >= 8 && ascii_word(p)) {
			step = 8;
		} else {
			step = utf8_sequence(p, left);
			if (!step)
				return false;
		}
		p += step;
		left -= step;
	}
	return true;
}

/* XML 1.0 §2.2: no controls but TAB, LF and CR, no U+FFFE and U+FFFF. */
static bool
xml_carries(const unsigned char *p, size_t n)
{
	if (n == 1)
		return *p >= 0x20 || *p == '\t' || *p == '\n' || *p == '\r';
	return n != 3 || memcmp(p, "\xef\xbf", 2) || p[2] < 0xbe;
}

void
text_mend(char *s)
{
	unsigned char *p = (unsigned char *)s;
	size_t left = strlen(s), step;

	while (left > 0) {
		step = utf8_sequence(p, left);
		if (!step || !xml_carries(p, step)) {
			step = step ? step : 1;
			memset(p, '?', step);
		}
		p += step;
		left -= step;
	}
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
text_base64_encode(const void *p, size_t n, char *out)
{
	const unsigned char *in = p;
	char *o = out;
	uint32_t v;

	for (; n >= 3; n -= 3, in += 3) {
		v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
		*o++ = base64_digits[v >> 18];
		*o++ = base64_digits[v >> 12 & 63];
		*o++ = base64_digits[v >> 6 & 63];
		*o++ = base64_digits[v & 63];
	}
	if (n > 0) {
		v = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0);
		*o++ = base64_digits[v >> 18];
		*o++ = base64_digits[v >> 12 & 63];
		*o++ = n > 1 ? base64_digits[v >> 6 & 63] : '=';
		*o++ = '=';
	}
	*o = '\0';
	return (size_t)(o - out);
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t
text_base64_decode(const char *s, size_t n, void *out)
{
	unsigned char *o = out;
	size_t pad = 0, digits;
	uint32_t v = 0;
	int d;

	if (n % 4)
		return -1;
	while (pad < 2 && pad < n && s[n - 1 - pad] == '=')
		pad++;
	digits = n - pad;
	for (size_t i = 0; i < digits; i++) {
		d = base64_value(s[i]);
		if (d < 0)
			return -1;
		v = v << 6 | (uint32_t)d;
		if (i % 4 == 3) {
			*o++ = (unsigned char)(v >> 16);
			*o++ = (unsigned char)(v >> 8);
			*o++ = (unsigned char)v;
			v = 0;
		}
	}
	/* The last digits of a short group carry bits that must be 0: one value, one form. */
	if (pad == 1) {
		if (v & 3)
			return -1;
		*o++ = (unsigned char)(v >> 10);
		*o++ = (unsigned char)(v >> 2);
	} else if (pad == 2) {
		if (v & 15)
			return -1;
		*o++ = (unsigned char)(v >> 4);
	}
	return o - (unsigned char *)out;
}

ssize_t
text_base64_decode_lines(const char *s, size_t n, void *out)
{
	char *o = out;

	for (size_t i = 0; i < n; i++)
		if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r' && s[i] != '\n')
			*o++ = s[i];
	/* In place: three bytes are written where four have been read. */
	return text_base64_decode(out, (size_t)(o - (char *)out), out);
}

void
text_hex(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

/* What digits are worth, and one more; nothing for all else. By table, as whole tiles of the log come in hexadecimal. */
static const unsigned char hex_values[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

ssize_t
text_unhex(const char *s, size_t n, void *out)
{
	const unsigned char *in = (const unsigned char *)s;
	unsigned char *o = out;

	if (n % 2)
		return -1;
	for (size_t i = 0; i < n; i += 2) {
		unsigned high = hex_values[in[i]], low = hex_values[in[i + 1]];

		if (!high || !low)
			return -1;
		*o++ = (unsigned char)((high - 1) << 4 | (low - 1));
	}
	return (ssize_t)(n / 2);
}

bool
text_u64(const char *s, size_t n, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return false;
	}
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool
text_i64(const char *s, size_t n, int64_t min, int64_t max, int64_t *out)
{
	bool negative = n > 0 && s[0] == '-';
	uint64_t u;
	int64_t v;

	if (!text_u64(s + negative, n - negative, 0, (uint64_t)INT64_MAX + negative, &u))
		return false;
	/* -2^63 has no positive twin: go by way of -1 - (u - 1). */
	v = !negative ? (int64_t)u : u == 0 ? 0 : -1 - (int64_t)(u - 1);
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
text_is_line(const char *s, size_t most)
{
	return s[strspn(s, " \t")] && strlen(s) <= most && !strpbrk(s, "\r\n");
}

bool
text_equal_nocase(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

void
text_percent(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* RFC 9110 §5.6.2 */
static size_t
token_length(const char *s)
{
	return strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

bool
text_is_media_type(const char *s)
{
	size_t n = token_length(s), m;

	if (!n || s[n] != '/' || strlen(s) > MEDIA_TYPE_MAX)
		return false;
	m = token_length(s + n + 1);
	s += n + 1 + m;
	s += strspn(s, " ");
	if (!m || (*s && *s != ';'))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s > '~')
			return false;
	return true;
}
