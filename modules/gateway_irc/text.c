#include "text.h"

#include <ctype.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define NAME_BYTES 128
#define CUT_BYTES 450
#define NEAR 60 /* a space so many bytes before the cut is good enough to be cut at */

/* The bytes at the end that begin a character of UTF-8 which is not there as a whole. */
static size_t
torn_bytes(const char *s, size_t n)
{
	for (size_t i = 1; i <= 3 && i <= n; i++) {
		uint8_t c = (uint8_t)s[n - i];
		size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if ((c & 0xc0) == 0x80)
			continue;
		return want > i ? i : 0;
	}
	return 0;
}

static bool
convert(const char *to, const char *from, const char *s, size_t n, struct buf *out)
{
	iconv_t cd = iconv_open(to, from);
	char *in = (char *)s;

	if (cd == (iconv_t)-1)
		return false;
	while (n) {
		char *p = buf_reserve(out, 4 * n + 16), *start = p;
		size_t room = 4 * n + 16;

		if (iconv(cd, &in, &n, &p, &room) == (size_t)-1 && n) {
			/* What is not of that charset costs one byte. */
			*p++ = '?';
			in++;
			n--;
		}
		buf_added(out, (size_t)(p - start));
	}
	iconv_close(cd);
	return true;
}

char *
irc_text_decode(char *line, const char *charset, struct buf *scratch)
{
	size_t n = strlen(line), torn;

	if (text_is_utf8(line, n))
		return line;
	/* Only long lines are cut: a short one that ends in the middle of a character ends in one of another charset. */
	torn = n >= CUT_BYTES ? torn_bytes(line, n) : 0;
	if (torn && text_is_utf8(line, n - torn)) {
		line[n - torn] = '\0';
		return line;
	}
	buf_clear(scratch);
	/* A charset of several bytes can have no character for some: then, too, the result is UTF-8. */
	if (!convert("UTF-8", charset ? charset : "ISO-8859-1", line, n, scratch))
		convert("UTF-8", "ISO-8859-1", line, n, scratch);
	buf_addc(scratch, '\0');
	return scratch->data + scratch->off;
}

void
irc_text_encode(const char *s, size_t n, const char *charset, struct buf *out)
{
	char to[64];

	snprintf(to, sizeof(to), "%s//TRANSLIT", charset ? charset : "UTF-8");
	if (charset && convert(to, "UTF-8", s, n, out))
		return;
	buf_add(out, s, n);
}

bool
irc_charset_is_known(const char *charset)
{
	iconv_t cd = iconv_open("UTF-8", charset);

	if (cd == (iconv_t)-1)
		return false;
	iconv_close(cd);
	return strlen(charset) <= 32;
}

/* Behind the digits of a colour: \x03[N[N][,N[N]]], \x04[RRGGBB[,RRGGBB]]. */
static const char *
skip_colour(const char *p, int (*is_digit)(int), int digits)
{
	for (int part = 0; part < 2; part++) {
		int n = 0;

		if (part && (*p != ',' || !is_digit((unsigned char)p[1])))
			break;
		p += part;
		for (; n < digits && is_digit((unsigned char)*p); n++)
			p++;
		if (!n)
			break;
	}
	return p;
}

void
irc_text_plain(char *s)
{
	const char *p = s;
	char *out = s;

	while (*p) {
		char c = *p++;

		if (c == '\x03')
			p = skip_colour(p, isdigit, 2);
		else if (c == '\x04')
			p = skip_colour(p, isxdigit, 6);
		else if (c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f))
			*out++ = c;
	}
	*out = '\0';
	text_mend(s);
}

char *
irc_text_ctcp(char *s, const char **command)
{
	size_t n = strlen(s);
	char *p;

	if (n < 2 || s[0] != '\x01')
		return NULL;
	if (s[n - 1] == '\x01')
		s[n - 1] = '\0';
	*command = s + 1;
	p = s + 1 + strcspn(s + 1, " ");
	if (*p)
		*p++ = '\0';
	return p;
}

size_t
irc_text_cut(const char *s, size_t n, size_t max, size_t *skip)
{
	size_t at = max;

	*skip = 0;
	if (n <= max)
		return n;
	while (at && ((uint8_t)s[at] & 0xc0) == 0x80)
		at--;
	if (!at) /* not even one character: it goes as a whole, and the server cuts it */
		for (at = 1; at < n && ((uint8_t)s[at] & 0xc0) == 0x80; at++)
			;
	for (size_t back = at; back && back + NEAR > at; back--) {
		if (s[back] == ' ') {
			*skip = 1;
			return back;
		}
	}
	return at;
}

void
irc_nick_make(const char *name, char *out, size_t max)
{
	size_t n = 0;

	for (; *name && n < max; name++) {
		if (isalpha((unsigned char)*name) || strchr("[]\\`_^{|}", *name))
			out[n++] = *name;
		else if (strchr(". +", *name))
			out[n++] = '_';
		else if (isdigit((unsigned char)*name) || *name == '-') {
			/* Not in front (RFC 2812 §2.3.1). */
			if (!n)
				out[n++] = '_';
			if (n < max)
				out[n++] = *name;
		}
	}
	out[n] = '\0';
	if (!n)
		snprintf(out, max + 1, "user");
}

bool
irc_text_join(char *out, size_t size, const char *a, char sign, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	bool fits = na + 1 + nb < size;

	na = na < size - 1 ? na : size - 1;
	memcpy(out, a, na);
	if (na < size - 1)
		out[na++] = sign;
	nb = nb < size - 1 - na ? nb : size - 1 - na;
	memcpy(out + na, b, nb);
	out[na + nb] = '\0';
	return fits;
}

bool
irc_name_is_sane(const char *name)
{
	if (!*name || *name == ':' || strlen(name) > NAME_BYTES)
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == 0x7f)
			return false;
	return true;
}
