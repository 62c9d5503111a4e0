/*
 * buf: growable bytes with a reading and a writing end.
 *
 * Zero-initialised is empty and owns nothing. Growth never fails (see arena.h); whoever lets a
 * peer fill a buf checks a limit first.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *data;
	size_t off; /* first unread byte */
	size_t len; /* end of the written bytes */
	size_t cap;
};

/* Frees the memory and makes it empty. */
void buf_fini(struct buf *b);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);
/* Room for `n` more bytes; returns the writing end. The caller writes and calls buf_added. */
char *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addu(struct buf *b, uint64_t n); /* in decimal */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops `n` bytes from the reading end. */
void buf_consume(struct buf *b, size_t n);
/* NUL-terminates without counting the NUL; returns the reading end. */
const char *buf_str(struct buf *b);

static inline const char *
buf_data(const struct buf *b)
{
	/* Empty is a null pointer, to which C allows no offset, not even 0. */
	return b->off ? b->data + b->off : b->data;
}

static inline size_t
buf_len(const struct buf *b)
{
	return b->len - b->off;
}

#endif
