/*
 * table: rows for people: aligned columns under a head, or one name and value a line.
 *
 * What came from others is shown without control characters and direction marks, so that it cannot
 * rearrange the terminal or the line.
 */
#ifndef COMMON_TABLE_H
#define COMMON_TABLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct table_column {
	const char *key; /* in the row; NULL ends a list of columns */
	const char *head;
};

/* The rows of an array under a head; nothing at all when there are none. */
void table_print(const json_t *rows, const struct table_column *columns, struct buf *out);
/* One row, as "head: value" lines, aligned. Keys that the row does not have are left out. */
void table_print_row(const json_t *row, const struct table_column *columns, struct buf *out);
/* One object a line. */
void table_print_json(const json_t *rows, struct buf *out);
/* The character at s (UTF-8, as JSON strings are) and its length. */
size_t table_character(const char *s, uint32_t *out);
/* A value as people read it: "-" for null and "", times without fractions, lists with spaces. */
void table_value(const json_t *v, struct buf *out);

#endif
