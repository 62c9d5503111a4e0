/*
 * source: a range of bytes of a regular file, read by position: the descriptor may be shared with others, whose place in the file
 * is not moved.
 */
#ifndef SCAN_SOURCE_H
#define SCAN_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct source {
	int fd;       /* borrowed */
	uint64_t off; /* where it begins in the file */
	uint64_t size;
};

/* Up to n bytes at `pos`: less only at the end. 0 or more, or -1 (the file is shorter than it was said to be, or cannot be read). */
long source_read(const struct source *s, uint64_t pos, void *out, size_t n);

static inline uint16_t
le16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
le32(const unsigned char *p)
{
	return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static inline uint64_t
le64(const unsigned char *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

#endif
