/*
 * stream: just enough XML to read what our own server writes: where an element ends, and what it says.
 */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* One element of a stream as it came, or the stream's header or end tag. */
struct item {
	const char *p;
	size_t n;
};

/* Length of the first whole item at p, which is a '<'; 0 when more must come. */
size_t item_length(const char *p, size_t n);

/* Its name, as it is written, is `name`. */
bool item_is(struct item it, const char *name);
bool item_has(struct item it, const char *text);

/* What stands between `open` and the next `end`, copied into out; "" when it is not there or too long. */
const char *item_between(struct item it, const char *open, char end, char *out, size_t size);
const char *item_attribute(struct item it, const char *name, char *out, size_t size);

#endif
