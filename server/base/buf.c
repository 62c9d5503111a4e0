/*
 * buf: growable bytes with a reading and a writing end.
 *
 * Read bytes leave a hole at the front. It is closed only when that costs less than what was read
 * since the last time, so that a long queue drained in small pieces stays linear.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

#define BUF_MIN 256

void
buf_fini(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void
buf_clear(struct buf *b)
{
	b->off = b->len = 0;
}

static void
buf_close_hole(struct buf *b)
{
	if (!b->off)
		return;
	memmove(b->data, b->data + b->off, b->len - b->off);
	b->len -= b->off;
	b->off = 0;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap;

	if (n <= b->cap - b->len && b->data)
		return b->data + b->len;
	if (!limits_add(buf_len(b), n, &need))
		mem_exhausted(n);
	if (b->data && need <= b->cap && b->off >= buf_len(b)) {
		buf_close_hole(b);
		return b->data + b->len;
	}
	cap = b->cap ? b->cap : BUF_MIN;
	while (cap < need || cap == b->cap)
		if (!limits_mul(cap, 2, &cap))
			mem_exhausted(n);
	buf_close_hole(b);
	b->data = mem_realloc(b->data, cap);
	b->cap = cap;
	return b->data + b->len;
}

void
buf_added(struct buf *b, size_t n)
{
	b->len += n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->len += n;
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}

void
buf_addu(struct buf *b, uint64_t n)
{
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	char *end = buf_reserve(b, 64);
	size_t room = b->cap - b->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(end, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_exhausted(room);
	if ((size_t)n >= room) {
		end = buf_reserve(b, (size_t)n + 1);
		va_start(ap, fmt);
		vsnprintf(end, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void
buf_consume(struct buf *b, size_t n)
{
	b->off += n;
	if (b->off >= b->len)
		buf_clear(b);
}

const char *
buf_str(struct buf *b)
{
	*buf_reserve(b, 1) = '\0';
	return buf_data(b);
}
