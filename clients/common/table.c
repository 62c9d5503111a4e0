/*
 * table: output of clients/chancery.
 */
#include "common/table.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

size_t
table_character(const char *s, uint32_t *out)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;

	*out = n == 1 ? u[0] : u[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		*out = *out << 6 | (u[i] & 0x3fu);
	return n;
}

/* Controls (C0, C1), line and paragraph separators, and what changes the direction of writing. */
static bool
is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void
add_text(struct buf *out, const char *s)
{
	while (*s != '\0') {
		uint32_t c;
		size_t n = table_character(s, &c);

		if (is_harmful(c))
			buf_addc(out, '?');
		else
			buf_add(out, s, n);
		s += n;
	}
}

/* Columns on a terminal. wcwidth knows the locale's characters; others count as one. */
static size_t
width(const char *s)
{
	size_t cells = 0;

	while (*s != '\0') {
		uint32_t c;
		int w;

		s += table_character(s, &c);
		w = wcwidth((wchar_t)c);
		cells += w < 0 ? 1 : (size_t)w;
	}
	return cells;
}

static void
pad(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

/* 2026-01-31T12:00:00.123Z: the server's way to write times, and nothing else looks so. */
static bool
is_time(const char *s)
{
	static const char like[] = "dddd-dd-ddTdd:dd:dd.dddZ";

	for (size_t i = 0; i < sizeof like; i++) {
		if (like[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != like[i])
			return false;
	}
	return true;
}

static void
add_list(const json_t *v, struct buf *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach(v, i, item)
	{
		if (i > 0)
			buf_addc(out, ' ');
		add_text(out, json_is_string(item) ? json_string_value(item) : "?");
	}
	if (json_array_size(v) == 0)
		buf_addc(out, '-');
}

void
table_value(const json_t *v, struct buf *out)
{
	const char *s = json_string_value(v);

	if (s != NULL && is_time(s)) {
		buf_add(out, s, 19);
		buf_addc(out, 'Z');
	} else if (s != NULL && *s != '\0') {
		add_text(out, s);
	} else if (json_is_integer(v)) {
		buf_addf(out, "%lld", (long long)json_integer_value(v));
	} else if (json_is_boolean(v)) {
		buf_adds(out, json_is_true(v) ? "yes" : "no");
	} else if (json_is_array(v)) {
		add_list(v, out);
	} else {
		buf_addc(out, '-');
	}
}

static size_t
value_width(const json_t *v, struct buf *scratch)
{
	buf_clear(scratch);
	table_value(v, scratch);
	return width(buf_str(scratch));
}

/* Each line ends with its last value, not with spaces. */
static void
add_cell(struct buf *out, const char *text, size_t wide, bool is_last)
{
	buf_adds(out, text);
	if (!is_last)
		pad(out, wide - width(text) + 2);
}

void
table_print(const json_t *rows, const struct table_column *columns, struct buf *out)
{
	size_t n = 0, i, *wide;
	struct buf cell = {0};
	const json_t *row;

	if (json_array_size(rows) == 0)
		return;
	while (columns[n].key != NULL)
		n++;
	wide = calloc(n, sizeof *wide);
	if (wide == NULL)
		abort();
	for (size_t k = 0; k < n; k++) {
		wide[k] = strlen(columns[k].head);
		json_array_foreach(rows, i, row)
		{
			size_t w = value_width(json_object_get(row, columns[k].key), &cell);

			wide[k] = w > wide[k] ? w : wide[k];
		}
	}
	for (size_t k = 0; k < n; k++)
		add_cell(out, columns[k].head, wide[k], k + 1 == n);
	buf_addc(out, '\n');
	json_array_foreach(rows, i, row)
	{
		for (size_t k = 0; k < n; k++) {
			buf_clear(&cell);
			table_value(json_object_get(row, columns[k].key), &cell);
			add_cell(out, buf_str(&cell), wide[k], k + 1 == n);
		}
		buf_addc(out, '\n');
	}
	buf_fini(&cell);
	free(wide);
}

void
table_print_row(const json_t *row, const struct table_column *columns, struct buf *out)
{
	size_t wide = 0;

	for (const struct table_column *c = columns; c->key != NULL; c++)
		if (json_object_get(row, c->key) != NULL && strlen(c->head) > wide)
			wide = strlen(c->head);
	for (const struct table_column *c = columns; c->key != NULL; c++) {
		const json_t *v = json_object_get(row, c->key);

		if (v == NULL)
			continue;
		buf_addf(out, "%s:", c->head);
		pad(out, wide - strlen(c->head) + 1);
		table_value(v, out);
		buf_addc(out, '\n');
	}
}

void
table_print_json(const json_t *rows, struct buf *out)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		char *text = json_dumps(row, JSON_COMPACT);

		if (text == NULL)
			continue;
		buf_adds(out, text);
		buf_addc(out, '\n');
		free(text);
	}
}
