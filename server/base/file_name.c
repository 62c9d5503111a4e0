/* file_name: see file_name.h. */
#include "base/file_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

#define ENDING_MAX 20 /* ".tar.gz" and longer */
#define NAMELESS "file"

/* Characters that change how others are read, or that nobody sees. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x00ad, 0x00ad }, { 0x061c, 0x061c }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 },
	{ 0x180b, 0x180f }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xffff }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

/* What parsers let pass is well-formed UTF-8. */
static const char *
next_character(const char *s, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;

	*c = more == 3 ? *p & 7u : more == 2 ? *p & 15u : more == 1 ? *p & 31u : *p;
	for (p++; more && (*p & 0xc0) == 0x80; more--, p++)
		*c = *c << 6 | (*p & 0x3fu);
	return (const char *)p;
}

static bool
is_unseen(uint32_t c)
{
	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return true;
	return false;
}

/* Other systems give these a meaning in names. */
static bool
is_special(uint32_t c)
{
	return c < 0x80 && strchr("\"*:<>?|", (int)c);
}

/* Where what is at most `n` bytes long and ends with a whole character ends. */
static size_t
cut(const char *s, size_t n)
{
	while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static bool
is_edge(char c)
{
	return c == ' ' || c == '.';
}

/* The last dot's, unless all of the name is before it or behind it. */
static const char *
ending_of(const char *name, size_t n)
{
	const char *dot = memrchr(name, '.', n);

	return dot && dot > name && (size_t)(name + n - dot) <= ENDING_MAX ? dot : name + n;
}

static const char *
shorten(struct arena *a, const char *name, size_t n)
{
	const char *ending = ending_of(name, n);
	size_t rest = (size_t)(name + n - ending), stem;

	if (n <= FILE_NAME_CLEAN_MAX)
		return arena_strndup(a, name, n);
	stem = cut(name, FILE_NAME_CLEAN_MAX - rest);
	while (stem && is_edge(name[stem - 1]))
		stem--;
	return arena_printf(a, "%.*s%.*s", (int)stem, name, (int)rest, ending);
}

const char *
file_name_clean(struct arena *a, const char *said)
{
	struct buf b = { 0 };
	const char *next, *out;
	uint32_t c;
	size_t n;

	for (const char *s = said; *s; s = next) {
		next = next_character(s, &c);
		if (c == '/' || c == '\\')
			buf_clear(&b);
		else if (is_special(c))
			buf_addc(&b, '_');
		else if (!is_unseen(c))
			buf_add(&b, s, (size_t)(next - s));
	}
	while (buf_len(&b) && is_edge(*buf_data(&b)))
		buf_consume(&b, 1);
	for (n = buf_len(&b); n && is_edge(buf_data(&b)[n - 1]);)
		n--;
	out = n ? shorten(a, buf_data(&b), n) : NAMELESS;
	buf_fini(&b);
	return out;
}
