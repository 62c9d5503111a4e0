/*
 * text: how mail programs write. None of it is a standard but format=flowed; so what is cut is only what every reader would call a quotation.
 */
#include "text.h"

#include <string.h>

#define ATTRIBUTION_LINES 3 /* "On Monday … wrote:" */
#define HEADER_LINES 3      /* so many of "From: …" one after another are a head */

/* Clean lines */

/* The length of the well-formed character at `p`, 0: it is none. */
static size_t
character(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	if (!len || len > n || !p[0])
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static void
add_mended(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		len = character(p + i, n - i);
		if (len)
			buf_add(out, p + i, len);
		else
			buf_adds(out, "\xef\xbf\xbd");
	}
}

static size_t
quote_depth(const char *p, size_t n)
{
	size_t depth = 0;

	while (depth < n && p[depth] == '>')
		depth++;
	return depth;
}

void
mail_text_add(struct buf *out, const char *text, size_t n, bool flowed, bool delsp)
{
	size_t open = SIZE_MAX; /* the depth of a line that goes on */

	for (size_t at = 0, next; at < n; at = next) {
		const char *p = text + at, *lf = memchr(p, '\n', n - at);
		size_t len = lf ? (size_t)(lf - p) : n - at, depth, end;
		bool more;

		next = at + len + 1;
		if (len > 0 && p[len - 1] == '\r')
			len--;
		depth = flowed ? quote_depth(p, len) : 0;
		end = len;
		while (end > 0 && (p[end - 1] == ' ' || p[end - 1] == '\t'))
			end--;
		/* RFC 3676 §4.3: the line in front of a signature is not flowed. */
		more = flowed && len > depth && p[len - 1] == ' ' && !(len - depth >= 3 && len - depth <= 4 && end - depth >= 2 && !memcmp(p + end - 2, "--", 2));
		if (open == depth && len > depth) {
			/* §4.4: what was put in front of it for mail's sake. */
			size_t skip = depth + (depth < len && p[depth] == ' ');

			add_mended(out, p + skip, end > skip ? end - skip : 0);
		} else {
			if (open != SIZE_MAX)
				buf_addc(out, '\n');
			if (flowed && !depth && end > 0 && p[0] == ' ')
				p++, end--;
			add_mended(out, p, end);
		}
		if (more && !delsp)
			buf_addc(out, ' ');
		if (more && lf) {
			open = depth;
		} else {
			open = SIZE_MAX;
			if (lf)
				buf_addc(out, '\n');
		}
	}
}

/* Quotations */

struct line {
	const char *p;
	size_t n;
};

/* The line in front of the one that begins at `at`; false: there is none. */
static bool
line_before(const char *text, size_t at, struct line *l)
{
	const char *lf;

	if (!at)
		return false;
	lf = at > 1 ? memrchr(text, '\n', at - 1) : NULL;
	l->p = lf ? lf + 1 : text;
	l->n = (size_t)(text + at - l->p) - (text[at - 1] == '\n');
	return true;
}

static bool
is_blank(const struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->p[i] != ' ' && l->p[i] != '\t')
			return false;
	return true;
}

/* "Am 3. Mai schrieb Julia <julia@capulet.example>:" over a quotation, perhaps on several lines: where it begins. */
static size_t
attribution(const char *text, size_t at)
{
	size_t start = at;
	bool dated = false, ends = false;
	struct line l;

	for (unsigned i = 0; i <= ATTRIBUTION_LINES && line_before(text, start, &l); i++) {
		if (is_blank(&l)) {
			if (ends)
				break;
		} else if (i == ATTRIBUTION_LINES) {
			return at;
		} else if (!ends && l.p[l.n - 1] != ':') {
			return at;
		} else {
			ends = true;
			for (size_t k = 0; k < l.n; k++)
				dated |= l.p[k] == '@' || (l.p[k] >= '0' && l.p[k] <= '9');
		}
		start = (size_t)(l.p - text);
	}
	return ends && dated ? start : at;
}

/* Lines that begin with ">", at the end. */
static size_t
trailing_quote(const char *text, size_t n)
{
	size_t at = n, first = n;
	struct line l;

	while (line_before(text, at, &l) && (is_blank(&l) || l.p[0] == '>')) {
		at = (size_t)(l.p - text);
		if (l.n && l.p[0] == '>')
			first = at;
	}
	return first < n ? attribution(text, first) : n;
}

/* "From: …", in whatever language. */
static bool
is_field(const char *p, size_t n, bool *address)
{
	const char *colon = memchr(p, ':', n < 30 ? n : 30);

	if (!colon || colon - p < 2 || memchr(p, '/', (size_t)(colon - p)) || (size_t)(colon - p) + 1 >= n || (colon[1] != ' ' && colon[1] != '\t'))
		return false;
	for (const char *c = p; c < colon; c++)
		if (*c == '>' || (*c == ' ' && c - p > 12))
			return false;
	*address |= memchr(p, '@', n) != NULL;
	return true;
}

/* A head of the mail that is answered, copied as text, as some programs do, perhaps with a ruler over it. */
static size_t
copied_head(const char *text, size_t n)
{
	size_t start = 0, fields = 0;
	bool address = false;
	struct line l;

	for (size_t at = 0, next; at < n; at = next) {
		const char *lf = memchr(text + at, '\n', n - at);
		size_t len = (lf ? (size_t)(lf - text) : n) - at;

		next = at + len + 1;
		if (!is_field(text + at, len, &address)) {
			fields = 0;
			address = false;
			continue;
		}
		if (!fields++)
			start = at;
		if (fields < HEADER_LINES || !address)
			continue;
		while (line_before(text, start, &l) && (is_blank(&l) || (l.n >= 3 && (!memcmp(l.p, "---", 3) || !memcmp(l.p, "___", 3)))))
			start = (size_t)(l.p - text);
		return start;
	}
	return n;
}

size_t
mail_text_quoted(const char *text, size_t n, unsigned *lines)
{
	size_t head = copied_head(text, n), at = trailing_quote(text, head);
	bool said = false;

	*lines = 0;
	for (size_t i = 0; i < at; i++)
		said |= !strchr(" \t\n", text[i]) || !text[i];
	/* Nothing but a quotation: then that is what was said. */
	if (!said)
		return n;
	for (size_t i = at; i < n; i++)
		*lines += text[i] == '\n' || i + 1 == n;
	return at;
}
