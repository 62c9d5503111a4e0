#include "gateway/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/priv.h"

static int
open_unnamed(void)
{
	char name[] = "/tmp/chancery-gateway-XXXXXX";
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Not every file system has such files. */
	if (fd < 0 && (fd = mkostemp(name, O_CLOEXEC)) >= 0)
		(void)unlink(name);
	return fd;
}

struct spool *
spool_new(struct gateway *g, uint64_t room)
{
	struct spool *s;
	int fd;

	if (room > g->limits->files_bytes || g->spooled > g->limits->files_bytes - room)
		return NULL;
	fd = open_unnamed();
	if (fd < 0) {
		log_error(NULL, "spool-failed", "why=%s", strerror(errno));
		return NULL;
	}
	s = NEW(struct spool);
	*s = (struct spool){ .g = g, .fd = fd, .room = room };
	g->spooled += room;
	return s;
}

int
spool_add(struct spool *s, const void *p, size_t n)
{
	const char *at = p;

	if (n > s->room - s->size)
		return -1;
	while (n) {
		ssize_t done = write(s->fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		at += done;
		n -= (size_t)done;
		s->size += (size_t)done;
	}
	return 0;
}

void
spool_close(struct spool *s)
{
	s->g->spooled -= s->room - s->size;
	s->room = s->size;
}

const void *
spool_map(struct spool *s)
{
	void *p;

	if (s->map || !s->size)
		return s->map;
	p = mmap(NULL, (size_t)s->size, PROT_READ, MAP_PRIVATE, s->fd, 0);
	s->map = p == MAP_FAILED ? NULL : p;
	return s->map;
}

void
spool_free(struct spool *s)
{
	if (!s)
		return;
	if (s->map)
		(void)munmap(s->map, (size_t)s->size);
	s->g->spooled -= s->room;
	(void)close(s->fd);
	free(s);
}
