/*
 * order: runs that fit into memory are sorted and written one behind the other, then merged.
 */
#include "export/order.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/mem.h"

#define RUN 131072      /* entries: 6 MiB */
#define READ_AHEAD 512  /* entries of a run while merging */
#define KEY (offsetof(struct order_entry, unused))
#define NAME_ROOM 64

_Static_assert(sizeof(struct order_entry) == 48, "entries have no holes");

struct order {
	int dir, fd;
	char name[NAME_ROOM], tmp[NAME_ROOM + 4];
	struct order_entry *entry; /* RUN of them */
	size_t n;
	uint64_t written;
};

/* A run while merging. */
struct run {
	uint64_t at, end;          /* entries that are still to be read */
	struct order_entry *entry; /* READ_AHEAD of them */
	size_t n, next;
};

bool
order_same_group(const struct order_entry *a, const struct order_entry *b)
{
	return memcmp(a, b, KEY) == 0;
}

void
order_set_key(struct order_entry *x, const char *name, uint32_t day)
{
	uint8_t sum[SHA256_SIZE];
	size_t n = strlen(name);

	memset(x->prefix, 0, sizeof(x->prefix));
	memcpy(x->prefix, name, n < sizeof(x->prefix) ? n : sizeof(x->prefix));
	crypt_sha256(name, n, sum);
	memcpy(x->hash, sum, sizeof(x->hash));
	x->day = htobe32(day);
	x->unused = 0;
}

static int
compare(const void *a, const void *b)
{
	const struct order_entry *x = a, *y = b;
	int rc = memcmp(x, y, KEY);

	return rc ? rc : (x->log_index > y->log_index) - (x->log_index < y->log_index);
}

struct order *
order_new(int dir, const char *name, struct err *e)
{
	struct order *o = NEW(struct order);

	assert(strlen(name) < NAME_ROOM);
	o->dir = dir;
	snprintf(o->name, sizeof(o->name), "%s", name);
	snprintf(o->tmp, sizeof(o->tmp), "%s.tmp", name);
	o->entry = mem_alloc(RUN * sizeof(*o->entry));
	o->fd = openat(dir, o->tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (o->fd >= 0)
		return o;
	err_set(e, errno, "the export's %s: %s", o->tmp, strerror(errno));
	order_free(o);
	return NULL;
}

void
order_free(struct order *o)
{
	if (!o)
		return;
	if (o->fd >= 0)
		(void)close(o->fd);
	free(o->entry);
	free(o);
}

static int
write_all(int fd, const void *p, size_t n, struct err *e)
{
	const char *s = p;

	while (n > 0) {
		ssize_t done = write(fd, s, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return err_set(e, errno, "the export cannot be written: %s", strerror(errno));
		s += done;
		n -= (size_t)done;
	}
	return 0;
}

static int
write_run(struct order *o, bool sort, struct err *e)
{
	if (sort)
		qsort(o->entry, o->n, sizeof(*o->entry), compare);
	if (write_all(o->fd, o->entry, o->n * sizeof(*o->entry), e))
		return -1;
	o->written += o->n;
	o->n = 0;
	return 0;
}

/* Full runs are sorted in any case: where the order is that of the log they are sorted already. */
int
order_add(struct order *o, const struct order_entry *x, struct err *e)
{
	if (o->n == RUN && write_run(o, true, e))
		return -1;
	o->entry[o->n++] = *x;
	return 0;
}

/* False: it is over. */
static int
run_fill(int fd, struct run *r, struct err *e)
{
	size_t want = r->end - r->at < READ_AHEAD ? (size_t)(r->end - r->at) : READ_AHEAD;
	long n = want ? order_read(fd, r->at, r->entry, want, e) : 0;

	if (n < 0 || (size_t)n != want)
		return n < 0 ? -1 : err_set(e, 0, "the export's order has become shorter");
	r->at += (uint64_t)n;
	r->n = (size_t)n;
	r->next = 0;
	return 0;
}

static struct run *
least(struct run *runs, size_t n)
{
	struct run *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (runs[i].next < runs[i].n && (!best || compare(&runs[i].entry[runs[i].next], &best->entry[best->next]) < 0))
			best = &runs[i];
	return best;
}

static int
merge_runs(struct order *o, int out, struct run *runs, size_t n, struct err *e)
{
	struct run *r;

	o->n = 0;
	while ((r = least(runs, n)) != NULL) {
		o->entry[o->n++] = r->entry[r->next++];
		if (r->next == r->n && run_fill(o->fd, r, e))
			return -1;
		if (o->n == RUN) {
			if (write_all(out, o->entry, o->n * sizeof(*o->entry), e))
				return -1;
			o->n = 0;
		}
	}
	return write_all(out, o->entry, o->n * sizeof(*o->entry), e);
}

/* Into an unnamed place behind the same name: the runs go when their descriptor is closed. */
static int
merge(struct order *o, struct err *e)
{
	size_t n = (size_t)((o->written + RUN - 1) / RUN);
	struct run *runs = mem_zalloc(n * sizeof(*runs));
	int out, rc = 0;

	(void)unlinkat(o->dir, o->tmp, 0);
	out = openat(o->dir, o->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		rc = err_set(e, errno, "the export's %s: %s", o->tmp, strerror(errno));
	for (size_t i = 0; i < n && !rc; i++) {
		runs[i].at = i * (uint64_t)RUN;
		runs[i].end = runs[i].at + RUN < o->written ? runs[i].at + RUN : o->written;
		runs[i].entry = mem_alloc(READ_AHEAD * sizeof(*runs[i].entry));
		rc = run_fill(o->fd, &runs[i], e);
	}
	if (!rc)
		rc = merge_runs(o, out, runs, n, e);
	for (size_t i = 0; i < n; i++)
		free(runs[i].entry);
	free(runs);
	if (out >= 0) {
		(void)close(o->fd);
		o->fd = out;
	}
	return rc;
}

int
order_end(struct order *o, bool sort, struct err *e)
{
	int rc = write_run(o, sort, e);

	if (!rc && sort && o->written > RUN)
		rc = merge(o, e);
	if (!rc && (fsync(o->fd) || renameat(o->dir, o->tmp, o->dir, o->name)))
		rc = err_set(e, errno, "the export's %s cannot be written: %s", o->name, strerror(errno));
	order_free(o);
	return rc;
}

int
order_open(int dir, const char *name, uint64_t *n, struct err *e)
{
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_set(e, errno, "the export's %s: %s", name, strerror(errno));
	if (fstat(fd, &st) || st.st_size % (off_t)sizeof(struct order_entry)) {
		(void)close(fd);
		return err_set(e, 0, "the export's %s is damaged", name);
	}
	*n = (uint64_t)st.st_size / sizeof(struct order_entry);
	return fd;
}

long
order_read(int fd, uint64_t from, struct order_entry *out, size_t max, struct err *e)
{
	size_t want = max * sizeof(*out), got = 0;

	while (got < want) {
		ssize_t n = pread(fd, (char *)out + got, want - got, (off_t)(from * sizeof(*out) + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "the export's order cannot be read: %s", strerror(errno));
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (long)(got / sizeof(*out));
}
