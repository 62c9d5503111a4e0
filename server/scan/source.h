/*
 * source: a range of bytes of a regular file, read by position: the descriptor may be shared with others, whose place in the file
 * is not moved.
 *
 * The file that was sent is mapped while it is looked at: its type is told from there, the walk reads there and libclamav, too, without a call or
 * a copy for each piece. Whoever made it shorter meanwhile would end the worker (SIGBUS), and the file would be an error: it has no name yet, or is
 * read only. Members of archives are read from their descriptors: their files are written anew for each.
 */
#ifndef SCAN_SOURCE_H
#define SCAN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source {
	int fd;       /* borrowed */
	uint64_t off; /* where it begins in the file */
	uint64_t size;
	const unsigned char *map; /* of the file's first bytes; NULL: it is not mapped */
	uint64_t mapped;          /* how many */
};

/* All of the file: a source that begins at 0. 0, or -1 with errno: then it is read. An empty one has nothing to map. */
int source_map(struct source *s);
void source_unmap(struct source *s);

/* Up to n bytes at `pos`: less only at the end. 0 or more, or -1 (the file is shorter than it was said to be, or cannot be read). */
long source_read(const struct source *s, uint64_t pos, void *out, size_t n);
/* The same where they lie, if that is mapped, else read into `buf`, for which there is room for n. NULL where source_read gives -1. */
const unsigned char *source_see(const struct source *s, uint64_t pos, void *buf, size_t n, long *got);
/* Is all of its file mapped, and nothing but it? */
bool source_is_map(const struct source *s);

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
