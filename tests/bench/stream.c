/*
 * stream: items of a stream (see stream.h). Nothing is kept between calls: an item that came in part is
 * looked at again from its beginning, which for stanzas of some hundred bytes costs nothing.
 */
#include "stream.h"

#include <stdio.h>
#include <string.h>

/* Length of the tag that begins at p, or 0 when its end has not come. */
static size_t
tag_length(const char *p, size_t n)
{
	char quote = 0;

	for (size_t i = 1; i < n; i++) {
		if (quote)
			quote = p[i] == quote ? 0 : quote;
		else if (p[i] == '"' || p[i] == '\'')
			quote = p[i];
		else if (p[i] == '>')
			return i + 1;
	}
	return 0;
}

bool
item_is(struct item it, const char *name)
{
	size_t k = strlen(name);

	return it.n > k + 1 && !memcmp(it.p + 1, name, k) && strchr(" />\t\r\n", it.p[k + 1]);
}

bool
item_has(struct item it, const char *text)
{
	return memmem(it.p, it.n, text, strlen(text)) != NULL;
}

size_t
item_length(const char *p, size_t n)
{
	const char *lt;
	int depth = 0;

	for (size_t i = 0; (lt = memchr(p + i, '<', n - i));) {
		size_t tag = tag_length(lt, n - (size_t)(lt - p));

		if (!tag)
			return 0;
		i = (size_t)(lt - p) + tag;
		if (lt[1] == '?' || item_is((struct item){lt, tag}, "stream:stream"))
			return i;
		if (lt[1] == '/')
			depth--;
		else if (lt[tag - 2] != '/')
			depth++;
		if (depth <= 0)
			return i;
	}
	return 0;
}

const char *
item_between(struct item it, const char *open, char end, char *out, size_t size)
{
	const char *from = memmem(it.p, it.n, open, strlen(open)), *to;

	out[0] = '\0';
	if (!from)
		return out;
	from += strlen(open);
	to = memchr(from, end, it.n - (size_t)(from - it.p));
	if (to && (size_t)(to - from) < size)
		snprintf(out, size, "%.*s", (int)(to - from), from);
	return out;
}

const char *
item_attribute(struct item it, const char *name, char *out, size_t size)
{
	struct item tag = {it.p, tag_length(it.p, it.n)};
	char open[32];

	snprintf(open, sizeof(open), " %s='", name);
	if (!item_has(tag, open))
		open[strlen(open) - 1] = '"';
	return item_between(tag, open, open[strlen(open) - 1], out, size);
}
