/* http_range: see http_range.h. */
#include "net/http_range.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Digits to a number that stays at its highest; where they end. NULL: there are none. */
static const char *
number(const char *s, uint64_t *out)
{
	const char *p = s;

	for (*out = 0; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		*out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
	}
	return p == s ? NULL : p;
}

/* §14.1.2: "-N", the last N bytes. */
static enum http_range
suffix(const char *s, uint64_t size, uint64_t *first, uint64_t *last)
{
	uint64_t n;
	const char *end = number(s, &n);

	if (!end || *end)
		return HTTP_RANGE_WHOLE;
	if (!n || !size)
		return HTTP_RANGE_NONE;
	*first = n < size ? size - n : 0;
	*last = size - 1;
	return HTTP_RANGE_PART;
}

enum http_range
http_range_read(const char *value, uint64_t size, uint64_t *first, uint64_t *last)
{
	const char *p;

	if (!value || strncasecmp(value, "bytes=", 6) != 0)
		return HTTP_RANGE_WHOLE;
	value += 6;
	if (*value == '-')
		return suffix(value + 1, size, first, last);
	p = number(value, first);
	if (!p || *p++ != '-')
		return HTTP_RANGE_WHOLE;
	*last = UINT64_MAX;
	/* §14.1.1: an invalid range is as good as none; several are left out, which §14.2 allows. */
	if (*p && (!(p = number(p, last)) || *p || *last < *first))
		return HTTP_RANGE_WHOLE;
	if (*first >= size)
		return HTTP_RANGE_NONE;
	if (*last >= size)
		*last = size - 1;
	return HTTP_RANGE_PART;
}

enum http_range
http_range_of(const struct http_head *h, const char *tag, uint64_t size, uint64_t *first, uint64_t *last)
{
	bool asked = false;
	const char *known;

	for (unsigned i = 0; i < h->nfields; i++)
		asked |= !strcmp(h->field[i].name, "if-range");
	known = http_head_get(h, "if-range");
	if (asked && (!known || strcmp(known, tag) != 0))
		return HTTP_RANGE_WHOLE;
	return http_range_read(http_head_get(h, "range"), size, first, last);
}

/* RFC 9110 §8.8.3, §5.6.1: is it, or any ("*"), in the list? In quotes a comma is a tag's. What is no tag ends the list. */
static bool
names(const char *s, const char *tag, bool weak)
{
	if (!strcmp(s, "*"))
		return true;
	for (;;) {
		bool is_weak;
		size_t n;

		s += strspn(s, ", \t");
		is_weak = !strncmp(s, "W/", 2);
		s += is_weak ? 2 : 0;
		n = *s == '"' ? strcspn(s + 1, "\"") + 1 : 0;
		if (!n || s[n++] != '"')
			return false;
		if (n == strlen(tag) && !memcmp(s, tag, n) && (weak || !is_weak))
			return true;
		s += n;
	}
}

/* *given: there is such a field. */
static bool
field_names(const struct http_head *h, const char *field, const char *tag, bool weak, bool *given)
{
	bool found = false;

	*given = false;
	for (unsigned i = 0; i < h->nfields; i++) {
		if (strcmp(h->field[i].name, field))
			continue;
		*given = true;
		found = found || names(h->field[i].value, tag, weak);
	}
	return found;
}

bool
http_range_is_known(const struct http_head *h, const char *tag)
{
	bool given;

	return field_names(h, "if-none-match", tag, true, &given);
}

bool
http_range_is_other(const struct http_head *h, const char *tag)
{
	bool given, found = field_names(h, "if-match", tag ? tag : "", false, &given);

	return given && !(tag && found);
}
