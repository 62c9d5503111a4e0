#include "datauri.h"

#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include "base/text.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static size_t
word(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && !datauri_ends(s[i]))
		i++;
	return i;
}

/* ";base64" at the end of the head, whatever spaces are around it. */
static bool
says_base64(const char *head, size_t *n)
{
	size_t end = *n, at;

	while (end && is_space(head[end - 1]))
		end--;
	if (end < 6 || strncasecmp(head + end - 6, "base64", 6))
		return false;
	at = end - 6;
	while (at && is_space(head[at - 1]))
		at--;
	if (!at || head[at - 1] != ';')
		return false;
	*n = at - 1;
	return true;
}

/* "data:a,b" is no URI; with nothing before the comma, or a media type, or base64, it is. */
static bool
is_head(const char *head, size_t n, bool base64)
{
	return base64 || !n || head[0] == ';' || memchr(head, '/', n);
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 §2.1; a percent sign that begins nothing stands for itself. */
static size_t
unescape(const char *s, size_t n, char *out)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%' && i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
			out[o++] = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
			i += 2;
		} else {
			out[o++] = s[i];
		}
	}
	return o;
}

/* Padding may be missing. In place. */
static ssize_t
decode(char *s, size_t n, bool prose)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_space(s[i]))
			s[o++] = s[i];
	while (prose && o && strchr(".,;:!?)]}'*_~`", s[o - 1]))
		o--;
	while (o && s[o - 1] == '=')
		o--;
	while (o % 4)
		s[o++] = '='; /* there is room: datauri_read */
	return text_base64_decode(s, o, s);
}

static const char *
media_type(struct arena *a, const char *head, size_t n)
{
	const char *end = memchr(head, ';', n);
	size_t len = end ? (size_t)(end - head) : n;

	return len && memchr(head, '/', len) ? arena_strndup(a, head, len) : NULL;
}

bool
datauri_is_one(const char *s, size_t n)
{
	const char *comma = memchr(s, ',', n);
	size_t head = comma ? (size_t)(comma - s) : 0;
	bool base64 = comma && says_base64(s, &head);

	return comma && is_head(s, head, base64);
}

enum datauri_result
datauri_read(struct arena *a, const char *s, size_t n, bool prose, struct datauri *out)
{
	size_t all = prose ? word(s, n) : n, head;
	const char *comma = memchr(s, ',', all), *mark;
	char *data;
	bool base64;
	ssize_t got;

	if (!comma)
		return DATAURI_NONE;
	head = (size_t)(comma - s);
	base64 = says_base64(s, &head);
	if (prose && !is_head(s, head, base64))
		return DATAURI_NONE;
	all -= (size_t)(comma + 1 - s);
	mark = memchr(comma + 1, '#', all); /* what is behind it is not content */
	if (mark)
		all = (size_t)(mark - comma - 1);
	data = arena_alloc(a, all + 4);
	out->type = media_type(a, s, head);
	out->data = data;
	got = (ssize_t)unescape(comma + 1, all, data);
	if (base64)
		got = decode(data, (size_t)got, prose);
	if (got < 0)
		return DATAURI_BROKEN;
	out->n = (size_t)got;
	out->base64 = base64;
	return DATAURI_OK;
}
