/*
 * zip: the structure of a ZIP archive (APPNOTE 6.3), without unpacking anything. See zip.h.
 */
#include "scan/zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scan/kind.h"

#define END_SIZE 22
#define END64_SIZE 56
#define LOCATOR_SIZE 20
#define CENTRAL_SIZE 46
#define LOCAL_SIZE 30
#define TAIL (END_SIZE + 65535)
#define DIRECTORY_MAX (64u << 20)
#define CHUNK 65536
#define LINK_MAX_BYTES 4096
#define MADE_ON_UNIX 3
#define METHOD_DEFLATED 8

static const unsigned char end_mark[4] = "PK\x05\x06", end64_mark[4] = "PK\x06\x06", locator_mark[4] = "PK\x06\x07",
	central_mark[4] = "PK\x01\x02", local_mark[4] = "PK\x03\x04";

/* Where the archive says that its directory is. */
struct end {
	uint64_t at;         /* of the end record, or of the 64-bit one before it: the directory must end here */
	uint64_t size, off;  /* of the directory */
	uint64_t entries;
};

struct member {
	unsigned flags, method, name_n;
	bool link;
	uint32_t crc;
	uint64_t packed, size, local;
	const unsigned char *name;
};

struct extent {
	uint64_t start, data, end;
};

static int
unlike(struct finding *f, const char *why)
{
	return finding_damaged(f, "the ZIP archive is damaged: %s", why);
}

/* The end of the archive */

/* The last place below `before` where the mark of an end record begins; -1. */
static long
mark_before(const unsigned char *tail, size_t before)
{
	const size_t last = sizeof(end_mark) - 1;
	const unsigned char *p;

	while (before > 0 && (p = memrchr(tail + last, end_mark[last], before))) {
		before = (size_t)(p - tail) - last;
		if (!memcmp(tail + before, end_mark, sizeof(end_mark)))
			return (long)before;
	}
	return -1;
}

/* The last end record whose comment fits; what follows it must be zeros. -1: none. *twice: there is another that some reader may take
 * for it: a later one, even cut, or an earlier one that claims to be the last. */
static long
end_find(const unsigned char *tail, size_t n, bool *twice)
{
	long found = -1, at = n >= sizeof(end_mark) ? (long)(n - sizeof(end_mark) + 1) : 0;

	*twice = false;
	while ((at = mark_before(tail, (size_t)at)) >= 0) {
		size_t i = (size_t)at, end = i + END_SIZE <= n ? i + END_SIZE + le16(tail + i + 20) : n + 1;

		if (found < 0 && end <= n)
			found = at;
		else if (found < 0 || end == n)
			*twice = true;
	}
	return found;
}

static bool
all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* The 64-bit record, which the locator before the end record points to. 0: there is none; 1; -1: it is wrong. */
static int
end_read64(const struct source *s, uint64_t at, struct end *e)
{
	unsigned char locator[LOCATOR_SIZE], end64[END64_SIZE];
	uint64_t where;

	if (at < LOCATOR_SIZE || source_read(s, at - LOCATOR_SIZE, locator, LOCATOR_SIZE) != LOCATOR_SIZE ||
	    memcmp(locator, locator_mark, 4) != 0)
		return 0;
	where = le64(locator + 8);
	if (le32(locator + 4) || le32(locator + 16) > 1 || where > at - LOCATOR_SIZE ||
	    source_read(s, where, end64, END64_SIZE) != END64_SIZE || memcmp(end64, end64_mark, 4) != 0)
		return -1;
	if (where + 12 + le64(end64 + 4) != at - LOCATOR_SIZE || le32(end64 + 16) || le32(end64 + 20) || le64(end64 + 24) != le64(end64 + 32))
		return -1;
	e->at = where;
	e->entries = le64(end64 + 32);
	e->size = le64(end64 + 40);
	e->off = le64(end64 + 48);
	return 1;
}

/* Both records say the same, or the small one says "see there". */
static bool
end_agrees(const unsigned char *end, const struct end *e)
{
	return (le16(end + 10) == 0xffff || le16(end + 10) == e->entries) && (le32(end + 12) == 0xffffffff || le32(end + 12) == e->size) &&
		(le32(end + 16) == 0xffffffff || le32(end + 16) == e->off);
}

static int
end_read(const struct source *s, struct end *e, struct finding *f)
{
	size_t n = s->size < TAIL ? (size_t)s->size : TAIL;
	unsigned char *tail = mem_alloc(TAIL), *end;
	bool twice;
	long i;
	int rc = 0, big;

	if (source_read(s, s->size - n, tail, n) != (long)n) {
		free(tail);
		return finding_error(f, "the file cannot be read");
	}
	i = end_find(tail, n, &twice);
	end = tail + (i < 0 ? 0 : i);
	if (i < 0) {
		rc = unlike(f, "it has no end; it may have been cut");
	} else if (twice) {
		rc = unlike(f, "it has two ends");
	} else if (!all_zero(end + END_SIZE + le16(end + 20), n - (size_t)i - END_SIZE - le16(end + 20))) {
		rc = unlike(f, "something follows its end");
	} else {
		e->at = s->size - n + (uint64_t)i;
		e->entries = le16(end + 10);
		e->size = le32(end + 12);
		e->off = le32(end + 16);
		big = end_read64(s, e->at, e);
		if (big < 0 || (big > 0 && !end_agrees(end, e)))
			rc = unlike(f, "its end contradicts itself");
		else if (le16(end + 4) || le16(end + 6) || (!big && le16(end + 8) != le16(end + 10)))
			rc = unlike(f, "it is a part of several");
	}
	free(tail);
	return rc;
}

int
zip_at_tail(const struct source *s, uint64_t *start, uint64_t *end)
{
	size_t n = s->size < TAIL ? (size_t)s->size : TAIL;
	unsigned char *tail = mem_alloc(TAIL), central[4];
	long mark = n >= END_SIZE ? (long)(n - END_SIZE + 1) : 0;
	int found = 0;

	if (source_read(s, s->size - n, tail, n) != (long)n) {
		free(tail);
		return -1;
	}
	while (!found && (mark = mark_before(tail, (size_t)mark)) >= 0) {
		size_t i = (size_t)mark;
		uint64_t at, size, off;

		at = s->size - n + i;
		size = le32(tail + i + 12);
		off = le32(tail + i + 16);
		*end = at + END_SIZE + le16(tail + i + 20);
		if (*end > s->size)
			*end = s->size;
		/* 64-bit records in between: where the directory is is of no interest when it is that large a polyglot. */
		if (i >= LOCATOR_SIZE && !memcmp(tail + i - LOCATOR_SIZE, locator_mark, 4)) {
			*start = 0;
			found = 1;
		} else if (size && size <= at && source_read(s, at - size, central, 4) == 4 && !memcmp(central, central_mark, 4)) {
			/* Offsets count from where the archive begins, or from the beginning of the file. */
			*start = off <= at - size ? at - size - off : 0;
			found = 1;
		}
	}
	free(tail);
	return found;
}

/* Members */

/* The 64-bit field of an extra area (0x0001): those values of which the 32-bit field is all ones, in this order. */
static bool
extra64(const unsigned char *extra, size_t n, uint64_t *values[], size_t nvalues)
{
	size_t need = 0;

	for (size_t i = 0; i < nvalues; i++)
		need += *values[i] == 0xffffffff;
	if (!need)
		return true;
	while (n >= 4) {
		size_t size = le16(extra + 2);

		if (size > n - 4)
			return false;
		if (le16(extra) == 0x0001) {
			const unsigned char *p = extra + 4;

			if (size < need * 8)
				return false;
			for (size_t i = 0; i < nvalues; i++)
				if (*values[i] == 0xffffffff) {
					*values[i] = le64(p);
					p += 8;
				}
			return true;
		}
		extra += 4 + size;
		n -= 4 + size;
	}
	return false;
}

/* One entry of the directory; returns its size, 0 when it is wrong. */
static size_t
central_read(const unsigned char *p, size_t n, struct member *m)
{
	uint64_t *values[] = { &m->size, &m->packed, &m->local };
	size_t extra, comment;

	if (n < CENTRAL_SIZE || memcmp(p, central_mark, 4) != 0)
		return 0;
	m->flags = le16(p + 8);
	m->method = le16(p + 10);
	m->crc = le32(p + 16);
	m->packed = le32(p + 20);
	m->size = le32(p + 24);
	m->name_n = le16(p + 28);
	extra = le16(p + 30);
	comment = le16(p + 32);
	/* Attributes mean what they do on Unix when the archive was made there. */
	m->link = p[5] == MADE_ON_UNIX && (le32(p + 38) >> 16 & 0170000) == 0120000;
	m->local = le32(p + 42);
	m->name = p + CENTRAL_SIZE;
	if (CENTRAL_SIZE + m->name_n + extra + comment > n || le16(p + 34))
		return 0;
	if (!extra64(m->name + m->name_n, extra, values, 3))
		return 0;
	return CENTRAL_SIZE + m->name_n + extra + comment;
}

/* What the member is, by the directory alone. */
static int
member_check(const struct member *m, struct finding *f)
{
	bool folder = m->name_n && m->name[m->name_n - 1] == '/';

	if (m->flags & 0x2041 || m->method == 99)
		return finding_encrypted(f, "a member of the archive");
	if (memchr(m->name, '\0', m->name_n))
		return unlike(f, "a name in it has a NUL");
	if (!m->method && m->packed != m->size)
		return unlike(f, "a stored member has two sizes");
	if (folder && m->size)
		return unlike(f, "a folder in it has content");
	/* Its target is seen by libclamav alone, which knows these methods. */
	if (m->link && (m->size > LINK_MAX_BYTES || m->packed > LINK_MAX_BYTES || (m->method && m->method != METHOD_DEFLATED)))
		return unlike(f, "a link in it has content");
	/* libarchive takes the lower byte for all of it. */
	if (m->method > 0xff)
		return unlike(f, "a member is packed in an unknown way");
	return 0;
}

/* A size or checksum of the local header against the directory's. With a descriptor (bit 3) the header may leave it out. */
static bool
same(uint64_t local, uint64_t central, bool descriptor)
{
	return local == central || (descriptor && !local);
}

/* The local header against the directory; fills where the member lies. */
static int
local_check(const struct source *s, const struct member *m, struct extent *x, struct finding *f)
{
	unsigned char head[LOCAL_SIZE], *rest;
	uint64_t packed, size, *values[] = { &size, &packed };
	size_t name_n, extra;
	bool descriptor, right;

	if (source_read(s, m->local, head, LOCAL_SIZE) != LOCAL_SIZE || memcmp(head, local_mark, 4) != 0)
		return unlike(f, "its directory names a member that is not there");
	name_n = le16(head + 26);
	extra = le16(head + 28);
	packed = le32(head + 18);
	size = le32(head + 22);
	descriptor = le16(head + 6) & 8;
	if (name_n != m->name_n || le16(head + 8) != m->method || (le16(head + 6) ^ m->flags) & 0x2041)
		return unlike(f, "its directory contradicts a member");
	rest = mem_alloc(name_n + extra + 1);
	right = source_read(s, m->local + LOCAL_SIZE, rest, name_n + extra) == (long)(name_n + extra) && !memcmp(rest, m->name, name_n);
	/* A writer of streams may promise 64 bits and leave out the field. */
	if (right && !extra64(rest + name_n, extra, values, 2))
		right = descriptor;
	free(rest);
	if (descriptor) {
		packed = packed == 0xffffffff ? 0 : packed;
		size = size == 0xffffffff ? 0 : size;
	}
	if (!right || !same(le32(head + 14), m->crc, descriptor) || !same(packed, m->packed, descriptor) || !same(size, m->size, descriptor))
		return unlike(f, "its directory contradicts a member");
	x->start = m->local;
	if (m->packed > s->size)
		return unlike(f, "a member is longer than the archive");
	x->data = m->local + LOCAL_SIZE + name_n + extra;
	x->end = x->data + m->packed;
	return 0;
}

/* Nothing between `from` and `to` looks like a member. */
static int
gap_check(const struct source *s, uint64_t from, uint64_t to, struct finding *f)
{
	unsigned char *buf;
	int rc = 0;

	if (from + 4 > to)
		return 0;
	buf = mem_alloc(CHUNK);
	while (!rc && from + 4 <= to) {
		size_t n = to - from < CHUNK ? (size_t)(to - from) : CHUNK;

		if (source_read(s, from, buf, n) != (long)n)
			rc = finding_error(f, "the file cannot be read");
		else if (memmem(buf, n, local_mark, 4))
			rc = unlike(f, "it has a member that is not in its directory");
		from += n < CHUNK ? n : n - 3;
	}
	free(buf);
	return rc;
}

/* No archive of another kind begins where no member is: in headers, comments, gaps. Programs that look for one would find it. */
static int
marks_check(const struct source *s, uint64_t from, uint64_t to, struct finding *f)
{
	const struct kind *kind;
	uint64_t at;

	if (kind_embedded(s, from, to, &kind, &at))
		return finding_error(f, "the file cannot be read");
	return kind ? finding_damaged(f, "an archive (%s) is hidden in the ZIP archive", kind->name) : 0;
}

static int
by_start(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* In the order of their places: none into another, none into the directory, no member between them. */
static int
extents_check(const struct source *s, struct extent *x, size_t n, uint64_t directory, bool led, struct finding *f)
{
	uint64_t last = 0;
	int rc = 0;

	qsort(x, n, sizeof(*x), by_start);
	for (size_t i = 0; i < n && !rc; i++) {
		if (x[i].start < last)
			rc = unlike(f, "members of it overlap");
		else if (i || !led)
			rc = gap_check(s, last, x[i].start, f);
		/* The marks of an archive that was to be split (4 bytes) may come first. */
		if (!rc && !i && !led && x[i].start > 4)
			rc = unlike(f, "something comes before its first member");
		if (!rc)
			rc = marks_check(s, last, x[i].data, f);
		last = x[i].end;
	}
	if (rc)
		return rc;
	if (last > directory)
		return unlike(f, "members of it overlap");
	/* Without members nothing is walked: then there must be nothing else. */
	if (!n && (directory > 4 || led))
		return unlike(f, "it is empty, but for what comes before its end");
	return gap_check(s, last, directory, f) || marks_check(s, last, s->size, f) ? -1 : 0;
}

static int
directory_check(const struct source *s, const struct end *e, const unsigned char *directory, bool led, uint64_t *bytes, struct finding *f)
{
	struct extent *x = mem_alloc((size_t)(e->entries + 1) * sizeof(*x));
	size_t left = (size_t)e->size, n = 0;
	int rc = 0;

	while (left && !rc) {
		struct member m;
		size_t size = central_read(directory, left, &m);

		if (!size || n == e->entries) {
			rc = unlike(f, "its directory is not one");
			break;
		}
		rc = member_check(&m, f);
		if (!rc)
			rc = local_check(s, &m, &x[n++], f);
		if (!rc && !m.link && __builtin_add_overflow(*bytes, m.size, bytes))
			rc = unlike(f, "its members are larger than anything");
		directory += size;
		left -= size;
	}
	if (!rc && n != e->entries)
		rc = unlike(f, "its directory has not as many members as it says");
	if (!rc)
		rc = extents_check(s, x, n, e->off, led, f);
	free(x);
	return rc;
}

int
zip_check(const struct source *s, unsigned most, bool led, struct zip_promise *p, struct finding *f)
{
	struct end e = { 0 };
	unsigned char *directory;
	int rc;

	if (end_read(s, &e, f))
		return -1;
	if (e.entries > most)
		return finding_limit(f, "the archive has more than %u members", most);
	*p = (struct zip_promise){ .members = e.entries };
	if (e.size > DIRECTORY_MAX)
		return finding_limit(f, "the directory of the archive is too large");
	if (e.size > e.at || e.off != e.at - e.size)
		return unlike(f, "its directory is not where it should be");
	directory = mem_alloc((size_t)e.size + 1);
	if (source_read(s, e.off, directory, (size_t)e.size) != (long)e.size)
		rc = finding_error(f, "the file cannot be read");
	else
		rc = directory_check(s, &e, directory, led, &p->bytes, f);
	free(directory);
	return rc;
}
