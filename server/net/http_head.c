/*
 * http_head: see http_head.h. Called by http, for each request, with text that is within limits.http_head_bytes.
 */
#include "net/http_head.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define OVERHEAD_MAX 4096
#define CHUNK_DIGITS 15

static const char *const methods[HTTP_METHODS] = {
	[HTTP_GET] = "GET",   [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",   [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

const char *
http_method_name(enum http_method m)
{
	return methods[m];
}

/* RFC 9110 §5.6.2 */
static bool
is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
is_token(const char *s)
{
	if (!*s)
		return false;
	while (is_token_char(*s))
		s++;
	return !*s;
}

/* The path */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 §2.1, once: what a percent sign hides is not looked at again. */
static bool
decode(char *s)
{
	char *out = s;

	for (; *s; s++) {
		int a, b;

		if (*s != '%') {
			*out++ = *s;
			continue;
		}
		a = hex(s[1]);
		b = a < 0 ? -1 : hex(s[2]);
		if (b < 0 || a * 16 + b == 0)
			return false;
		*out++ = (char)(a * 16 + b);
		s += 2;
	}
	*out = '\0';
	return true;
}

static bool
segments_are_right(const char *path)
{
	for (const char *s = path; *s;) {
		size_t n = strcspn(++s, "/");

		if ((!n && s[n]) || (n == 1 && *s == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return true;
}

/* Control characters, a backslash, or something that is not UTF-8 has no business in a path of ours. */
static bool
characters_are_right(const char *path)
{
	if (!text_is_utf8(path, strlen(path)))
		return false;
	for (; *path; path++)
		if ((unsigned char)*path < 0x20 || *path == 0x7f || *path == '\\')
			return false;
	return true;
}

/* RFC 3986 §3.2: a name or an address, and a port; nothing at all is a host, too. */
static bool
is_host(const char *s)
{
	size_t n;

	if (*s == '[') {
		n = strspn(s + 1, "0123456789abcdefABCDEF:.");
		if (n < 2 || s[n + 1] != ']')
			return false;
		s += n + 2;
	} else {
		s += strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%!$&'()*+,;=");
	}
	return !*s || (*s == ':' && !s[1 + strspn(s + 1, "0123456789")]);
}

/* RFC 9112 §3.2.2: behind the scheme. Where its path begins; NULL: it is none. */
static char *
read_authority(char *s, struct http_head *h)
{
	size_t n = strcspn(s, "/?#");
	char *end = s + n;

	if (!n)
		return NULL;
	/* Two to the left, where the scheme was: there is room for a NUL, and for the path where it is empty. */
	h->authority = memmove(s - 2, s, n);
	end[-2] = '\0';
	if (!is_host(h->authority))
		return NULL;
	if (*end != '/')
		*--end = '/';
	return end;
}

/* RFC 9112 §3.2: origin form, or absolute form. */
static bool
read_target(char *target, struct http_head *h)
{
	char *query;

	if (!strncasecmp(target, "https://", 8)) {
		target = read_authority(target + 8, h);
	}
	if (!target || *target != '/' || strchr(target, '#'))
		return false;
	query = strchr(target, '?');
	if (query) {
		*query = '\0';
		h->query = query + 1;
	}
	h->path = target;
	return decode(target) && characters_are_right(target) && segments_are_right(target);
}

/* RFC 9112 §2.3 */
static bool
is_version(const char *s)
{
	return !strncmp(s, "HTTP/", 5) && s[5] >= '0' && s[5] <= '9' && s[6] == '.' && s[7] >= '0' && s[7] <= '9' && !s[8];
}

/* "GET /path HTTP/1.1", single spaces. */
static int
read_request_line(char *line, struct http_head *h)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
	int m = 0;

	if (!version || strchr(version + 1, ' '))
		return 400;
	*target++ = '\0';
	*version++ = '\0';
	if (!is_token(line))
		return 400;
	for (const char *c = target; *c; c++)
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
			return 400;
	if (!is_version(version))
		return 400;
	if (version[5] != '1')
		return 505;
	h->old = version[7] == '0'; /* RFC 9110 §2.5: what is newer than 1.1 is read as 1.1 */
	while (m < HTTP_METHODS && strcmp(line, methods[m]))
		m++;
	if (m == HTTP_METHODS)
		return 501;
	h->method = (enum http_method)m;
	return read_target(target, h) ? 0 : 400;
}

static int
read_field(char *line, struct http_head *h)
{
	char *colon = strchr(line, ':'), *end;

	if (!colon)
		return 400;
	*colon++ = '\0';
	if (!is_token(line)) /* a space before the colon, or a folded line, is none */
		return 400;
	if (h->nfields == HTTP_FIELDS_MAX)
		return 431;
	for (char *c = line; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	while (*colon == ' ' || *colon == '\t')
		colon++;
	end = colon + strlen(colon);
	while (end > colon && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	for (const char *c = colon; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return 400;
	h->field[h->nfields++] = (struct http_field){ line, colon };
	return 0;
}

static unsigned
count(const struct http_head *h, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->nfields; i++)
		n += !strcmp(h->field[i].name, name);
	return n;
}

const char *
http_head_get(const struct http_head *h, const char *name)
{
	const char *found = NULL;

	for (unsigned i = 0; i < h->nfields; i++) {
		if (strcmp(h->field[i].name, name))
			continue;
		if (found)
			return NULL;
		found = h->field[i].value;
	}
	return found;
}

static bool
list_has(const char *list, const char *token)
{
	size_t want = strlen(token);

	while (*list) {
		size_t n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == want && !strncasecmp(list, token, n))
			return true;
		list += n;
	}
	return false;
}

bool
http_head_lists(const struct http_head *h, const char *name, const char *token)
{
	for (unsigned i = 0; i < h->nfields; i++)
		if (!strcmp(h->field[i].name, name) && list_has(h->field[i].value, token))
			return true;
	return false;
}

/* RFC 9112 §6: how long the body is must have one answer. */
static int
read_length(struct http_head *h)
{
	const char *length = http_head_get(h, "content-length"), *coding = http_head_get(h, "transfer-encoding");

	if (count(h, "content-length") > 1 || count(h, "transfer-encoding") > 1)
		return 400;
	if (coding) {
		if (length || h->old)
			return 400;
		h->chunked = true;
		return strcasecmp(coding, "chunked") ? 501 : 0;
	}
	return length && !text_u64(length, strlen(length), 0, INT64_MAX, &h->length) ? 400 : 0;
}

/* RFC 9112 §3.2: one, which is that of the target if it has its own. */
static bool
read_host(struct http_head *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->nfields; i++) {
		struct http_field *f = &h->field[i];

		if (strcmp(f->name, "host"))
			continue;
		if (n++ || !is_host(f->value))
			return false;
		f->value = h->authority ? h->authority : f->value;
	}
	return n || h->old;
}

static int
read_rest(struct http_head *h)
{
	const char *expect = h->old ? NULL : http_head_get(h, "expect"); /* RFC 9110 §10.1.1 */
	int status = read_length(h);

	if (status)
		return status;
	if (!read_host(h))
		return 400;
	if (expect && strcasecmp(expect, "100-continue"))
		return 417;
	h->proceed = expect != NULL;
	h->keep = !http_head_lists(h, "connection", "close") &&
		  (!h->old || http_head_lists(h, "connection", "keep-alive"));
	return 0;
}

int
http_head_parse(char *text, size_t n, struct http_head *h)
{
	char *line = text, *end = text + n;
	bool first = true;
	int status = 0;

	memset(h, 0, sizeof(*h));
	if (memchr(text, '\0', n))
		return 400;
	while (!status && line < end) {
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop || stop == line || stop[-1] != '\r' || memchr(line, '\r', (size_t)(stop - line - 1)))
			return 400;
		stop[-1] = '\0';
		if (!*line) /* the empty line */
			break;
		status = first ? read_request_line(line, h) : read_field(line, h);
		first = false;
		line = stop + 1;
	}
	return status ? status : first ? 400 : read_rest(h);
}

/* Chunks */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LINE, TRAILER_LF, END_LF, OVER };

/* A byte that is not data. False: it may not stand there. */
static bool
step(struct http_chunks *c, char byte)
{
	int digit = hex(byte);

	switch (c->state) {
	case SIZE:
		if (digit >= 0 && c->digits < CHUNK_DIGITS) {
			c->left = c->left << 4 | (unsigned)digit;
			c->digits++;
			return true;
		}
		if (!c->digits || digit >= 0)
			return false;
		c->state = byte == '\r' ? SIZE_LF : EXTENSION;
		return byte == '\r' || byte == ';';
	case EXTENSION:
		c->state = byte == '\r' ? SIZE_LF : EXTENSION;
		return byte != '\n' && ++c->overhead <= OVERHEAD_MAX;
	case SIZE_LF:
		c->state = c->left ? DATA : TRAILER;
		c->digits = 0;
		return byte == '\n';
	case DATA_CR:
		c->state = DATA_LF;
		return byte == '\r';
	case DATA_LF:
		c->state = SIZE;
		return byte == '\n';
	case TRAILER:
		c->state = byte == '\r' ? END_LF : TRAILER_LINE;
		return byte != '\n';
	case TRAILER_LINE:
		c->state = byte == '\r' ? TRAILER_LF : TRAILER_LINE;
		return byte != '\n' && ++c->overhead <= OVERHEAD_MAX;
	case TRAILER_LF:
		c->state = TRAILER;
		return byte == '\n';
	case END_LF:
		c->state = OVER;
		return byte == '\n';
	default:
		return false;
	}
}

ptrdiff_t
http_chunks_take(struct http_chunks *c, const char *p, size_t n, const char **data, size_t *len, bool *done)
{
	size_t at = 0;

	*len = 0;
	*done = false;
	while (at < n && c->state != DATA && c->state != OVER)
		if (!step(c, p[at++]))
			return -1;
	if (c->state == DATA && at < n) {
		*data = p + at;
		*len = n - at < c->left ? n - at : (size_t)c->left;
		c->left -= *len;
		at += *len;
		if (!c->left)
			c->state = DATA_CR;
	}
	*done = c->state == OVER;
	return (ptrdiff_t)at;
}
