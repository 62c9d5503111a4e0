/*
 * source: see source.h.
 */
#include "scan/source.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int
source_map(struct source *s)
{
	void *p;

	if (!s->size)
		return 0;
	p = mmap(NULL, (size_t)s->size, PROT_READ, MAP_PRIVATE, s->fd, 0);
	if (p == MAP_FAILED)
		return -1;
	s->map = p;
	s->mapped = s->size;
	return 0;
}

void
source_unmap(struct source *s)
{
	if (s->map)
		munmap((void *)(uintptr_t)s->map, (size_t)s->mapped);
	s->map = NULL;
	s->mapped = 0;
}

bool
source_is_map(const struct source *s)
{
	return s->map && !s->off && s->size == s->mapped;
}

/* How many of n bytes at `pos` there are. */
static size_t
within(const struct source *s, uint64_t pos, size_t n)
{
	if (pos >= s->size)
		return 0;
	return n > s->size - pos ? (size_t)(s->size - pos) : n;
}

/* Where these bytes lie; NULL: not all of them are mapped. */
static const unsigned char *
place(const struct source *s, uint64_t pos, size_t n)
{
	return s->map && s->off + pos + n <= s->mapped ? s->map + s->off + pos : NULL;
}

static long
read_at(const struct source *s, uint64_t pos, void *out, size_t n)
{
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = pread(s->fd, (char *)out + have, n - have, (off_t)(s->off + pos + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		have += (size_t)got;
	}
	return (long)have;
}

long
source_read(const struct source *s, uint64_t pos, void *out, size_t n)
{
	const unsigned char *at;

	n = within(s, pos, n);
	at = place(s, pos, n);
	if (!at)
		return read_at(s, pos, out, n);
	memcpy(out, at, n);
	return (long)n;
}

const unsigned char *
source_see(const struct source *s, uint64_t pos, void *buf, size_t n, long *got)
{
	const unsigned char *at;

	n = within(s, pos, n);
	at = place(s, pos, n);
	*got = at ? (long)n : read_at(s, pos, buf, n);
	if (*got < 0)
		return NULL;
	return at ? at : buf;
}
