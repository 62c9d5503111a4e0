#include "gateway/text.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Length of the character at s, 0 when there is none that XML can carry (XML 1.0 §2.2, RFC 3629). */
static size_t
character(const unsigned char *s, size_t n)
{
	uint32_t c;
	size_t len;

	if (s[0] < 0x80)
		return s[0] >= 0x20 ? s[0] != 0x7f : s[0] == '\t' || s[0] == '\n';
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2, c = s[0] & 0x1fu;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3, c = s[0] & 0x0fu;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4, c = s[0] & 0x07u;
	else
		return 0;
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	/* Surrogates, non-characters at the end of a plane, and the C1 controls, which nothing shows. */
	if ((c >= 0xd800 && c <= 0xdfff) || (c & 0xfffe) == 0xfffe || (c >= 0x80 && c < 0xa0))
		return 0;
	return len;
}

static const char *
escaped(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '\'': return "&apos;";
	case '"': return "&quot;";
	default: return NULL;
	}
}

/* Printable ASCII that is written as it is. */
static bool
is_plain(unsigned char c)
{
	static const bool special[128] = { ['&'] = true, ['<'] = true, ['>'] = true, ['\''] = true, ['"'] = true };

	return c >= 0x20 && c < 0x7f && !special[c];
}

static bool
add(struct buf *out, const char *s, size_t n, size_t max, bool escape, bool line)
{
	size_t i = 0, plain, room = max;

	while (i < n) {
		const unsigned char *at = (const unsigned char *)s + i;
		size_t len = character(at, n - i), took = len ? len : 1, says;
		const char *instead = NULL;

		/* Runs of what needs nothing are copied at once. */
		for (plain = i; plain < n && plain - i < room && is_plain((unsigned char)s[plain]); plain++)
			;
		if (plain > i) {
			buf_add(out, s + i, plain - i);
			room -= plain - i;
			i = plain;
			continue;
		}
		if (*at == '\r')
			instead = i + 1 < n && s[i + 1] == '\n' ? "" : line ? " " : "\n";
		else if (line && *at < 0x20)
			instead = " ";
		else if (len == 0)
			instead = REPLACEMENT;
		else if (len == 1 && escape)
			instead = escaped(s[i]);
		says = instead ? strlen(instead) : len;
		if (says > room)
			return true;
		buf_add(out, instead ? instead : s + i, says);
		room -= says;
		i += took;
	}
	return false;
}

bool
gateway_text_add(struct buf *out, const char *s, size_t n, size_t max)
{
	return add(out, s, n, max, true, false);
}

char *
gateway_text_clean(const char *s, size_t max, bool line)
{
	struct buf b = { 0 };

	if (!s)
		return NULL;
	add(&b, s, strlen(s), max, false, line);
	buf_str(&b);
	return b.data;
}
