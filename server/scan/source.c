/*
 * source: see source.h.
 */
#include "scan/source.h"

#include <errno.h>
#include <unistd.h>

long
source_read(const struct source *s, uint64_t pos, void *out, size_t n)
{
	size_t have = 0;
	ssize_t got;

	if (pos >= s->size)
		return 0;
	if (n > s->size - pos)
		n = (size_t)(s->size - pos);
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
