/*
 * bundle_zip: the directory of a bundle's ZIP (see bundle_zip.h; APPNOTE 6.3.3 for the numbers).
 */
#include "proof/bundle_zip.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "proof/bundle.h"
#include "proof/bundle_zip_priv.h"

#define LOCAL 0x04034b50u
#define CENTRAL 0x02014b50u
#define END 0x06054b50u
#define END64 0x06064b50u
#define LOCATOR64 0x07064b50u
#define VERSION 45
#define MADE_BY (3 << 8 | VERSION)
#define UTF8_NAMES 0x0800
#define MODE (0100644u << 16)
#define EXTRA64 0x0001

#define CENTRAL_BYTES 46
#define CENTRAL_MOST (CENTRAL_BYTES + BUNDLE_NAME_MAX + 4 + 3 * 8)
#define END_BYTES 22
#define LOCATOR_BYTES 20
#define END64_BYTES 56
#define NAMES_READ 65536

struct member {
	struct bundle_member is;
	UT_hash_handle hh;      /* by the name in lower case */
};

struct bundle_zip {
	int fd;
	uint64_t bytes, content;
	struct arena *arena;    /* names */
	struct member *member, *by_name;
	size_t n;
	uint32_t time;          /* one for all */
};

/* Where the directory is. */
struct end {
	uint64_t n, bytes, at;
};

static uint16_t
le16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return le16toh(v);
}

static uint32_t
le32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static uint64_t
le64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

static void
put16(struct buf *b, unsigned v)
{
	uint16_t le = htole16((uint16_t)v);

	buf_add(b, &le, 2);
}

static void
put32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	buf_add(b, &v, 4);
}

static void
put64(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_add(b, &v, 8);
}

/* What does not fit says that it is elsewhere. */
static uint32_t
short32(uint64_t v)
{
	return v >= UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static unsigned
short16(uint64_t v)
{
	return v >= UINT16_MAX ? UINT16_MAX : (unsigned)v;
}

static void
put_common(struct buf *b, const struct bundle_zip *z, const struct bundle_member *m)
{
	put16(b, VERSION);
	put16(b, UTF8_NAMES);
	put16(b, m->deflated ? 8 : 0);
	put32(b, z->time);
	put32(b, m->crc);
}

static void
make_local(struct buf *b, const struct bundle_zip *z, const struct bundle_member *m)
{
	put32(b, LOCAL);
	put_common(b, z, m);
	put32(b, UINT32_MAX);
	put32(b, UINT32_MAX);
	put16(b, (unsigned)strlen(m->name));
	put16(b, 20);
	buf_adds(b, m->name);
	put16(b, EXTRA64);
	put16(b, 16);
	put64(b, m->size);
	put64(b, m->packed);
}

static void
make_central(struct buf *b, const struct bundle_zip *z, const struct bundle_member *m)
{
	const uint64_t values[] = { m->size, m->packed, m->at };
	unsigned large = 0;

	for (int i = 0; i < 3; i++)
		large += values[i] >= UINT32_MAX;
	put32(b, CENTRAL);
	put16(b, MADE_BY);
	put_common(b, z, m);
	put32(b, short32(m->packed));
	put32(b, short32(m->size));
	put16(b, (unsigned)strlen(m->name));
	put16(b, large ? 4 + 8 * large : 0);
	put16(b, 0); /* comment */
	put16(b, 0); /* disk */
	put16(b, 0); /* internal attributes */
	put32(b, MODE);
	put32(b, short32(m->at));
	buf_adds(b, m->name);
	if (!large)
		return;
	put16(b, EXTRA64);
	put16(b, 8 * large);
	for (int i = 0; i < 3; i++)
		if (values[i] >= UINT32_MAX)
			put64(b, values[i]);
}

static bool
needs_end64(const struct end *d)
{
	return d->n >= UINT16_MAX || d->bytes >= UINT32_MAX || d->at >= UINT32_MAX;
}

static void
make_end(struct buf *b, const struct end *d)
{
	if (needs_end64(d)) {
		put32(b, END64);
		put64(b, END64_BYTES - 12);
		put16(b, MADE_BY);
		put16(b, VERSION);
		put64(b, 0); /* two numbers of disks */
		put64(b, d->n);
		put64(b, d->n);
		put64(b, d->bytes);
		put64(b, d->at);
		put32(b, LOCATOR64);
		put32(b, 0);
		put64(b, d->at + d->bytes);
		put32(b, 1);
	}
	put32(b, END);
	put32(b, 0);
	put16(b, short16(d->n));
	put16(b, short16(d->n));
	put32(b, short32(d->bytes));
	put32(b, short32(d->at));
	put16(b, 0); /* comment */
}

int
bundle_zip_pread(const struct bundle_zip *z, void *p, size_t n, uint64_t at, struct err *e)
{
	char *out = p;

	while (n) {
		ssize_t got = pread(z->fd, out, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(e, errno, "it cannot be read: %s", strerror(errno));
		if (!got)
			return err_set(e, 0, "it ends too early");
		out += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

/* Are these the bytes at `at`? */
static int
compare(const struct bundle_zip *z, const struct buf *want, uint64_t at, bool *same, struct err *e)
{
	char got[CENTRAL_MOST + END_BYTES + LOCATOR_BYTES + END64_BYTES];
	size_t n = buf_len(want);

	*same = false;
	if (at > z->bytes || n > z->bytes - at)
		return 0;
	if (bundle_zip_pread(z, got, n, at, e) != 0)
		return -1;
	*same = !memcmp(got, buf_data(want), n);
	return 0;
}

/* The end, believed only when it is what should be there. */
static int
read_end(const struct bundle_zip *z, struct end *d, struct err *e)
{
	char end[END_BYTES], end64[END64_BYTES];
	struct buf want = { 0 };
	bool same = false;
	int rc = 0;

	if (z->bytes < END_BYTES)
		return err_set(e, 0, "it is no ZIP: it is too short");
	if (bundle_zip_pread(z, end, sizeof(end), z->bytes - END_BYTES, e) != 0)
		return -1;
	if (le32(end) != END)
		return err_set(e, 0, "it is no ZIP, it was cut, or something was added at its end");
	*d = (struct end){ le16(end + 10), le32(end + 12), le32(end + 16) };
	if (d->n == UINT16_MAX || d->bytes == UINT32_MAX || d->at == UINT32_MAX) {
		if (z->bytes < END_BYTES + LOCATOR_BYTES + END64_BYTES)
			return err_set(e, 0, "its end is none");
		if (bundle_zip_pread(z, end64, sizeof(end64), z->bytes - END_BYTES - LOCATOR_BYTES - END64_BYTES, e) != 0)
			return -1;
		*d = (struct end){ le64(end64 + 32), le64(end64 + 40), le64(end64 + 48) };
	}
	if (d->n > BUNDLE_FILES_MAX)
		return err_set(e, 0, "it has more than %d files", BUNDLE_FILES_MAX);
	if (d->at > z->bytes || d->bytes > z->bytes - d->at || d->bytes > d->n * CENTRAL_MOST)
		return err_set(e, 0, "its directory is not where it says");
	make_end(&want, d);
	if (d->at + d->bytes + buf_len(&want) == z->bytes)
		rc = compare(z, &want, d->at + d->bytes, &same, e);
	buf_fini(&want);
	return rc ? rc : same ? 0 : err_set(e, 0, "its end is not as a bundle's must be");
}

/* The 64-bit values of a row, where the short ones say so. False: the extra field has not so many. */
static bool
take_large(const char *extra, size_t n, uint64_t *values[3])
{
	size_t at = 4;

	for (int i = 0; i < 3; i++) {
		if (*values[i] != UINT32_MAX)
			continue;
		if (at + 8 > n)
			return false;
		*values[i] = le64(extra + at);
		at += 8;
	}
	return true;
}

/* One row of the directory from the bytes at p. Returns its length, 0: it is none. */
static size_t
read_row(struct bundle_zip *z, const char *p, size_t n, struct bundle_member *m)
{
	uint64_t *values[] = { &m->size, &m->packed, &m->at };
	struct buf want = { 0 };
	size_t name_n, extra_n, len;

	if (n < CENTRAL_BYTES)
		return 0;
	name_n = le16(p + 28);
	extra_n = le16(p + 30);
	len = CENTRAL_BYTES + name_n + extra_n;
	if (len > n || !bundle_name_is_safe(p + CENTRAL_BYTES, name_n))
		return 0;
	m->deflated = le16(p + 10) != 0;
	if (!z->n)
		z->time = le32(p + 12);
	m->crc = le32(p + 16);
	m->packed = le32(p + 20);
	m->size = le32(p + 24);
	m->at = le32(p + 42);
	m->name = arena_strndup(z->arena, p + CENTRAL_BYTES, name_n);
	if (!take_large(p + CENTRAL_BYTES + name_n, extra_n, values))
		return 0;
	make_central(&want, z, m);
	if (buf_len(&want) != len || memcmp(buf_data(&want), p, len) != 0)
		len = 0;
	buf_fini(&want);
	return len;
}

/* Where it lies, and that its local header says the same. */
static int
check_place(struct bundle_zip *z, const struct bundle_member *m, const struct end *d, uint64_t *at, struct err *e)
{
	struct buf want = { 0 };
	bool same = false;
	uint64_t head;
	int rc;

	make_local(&want, z, m);
	head = buf_len(&want);
	rc = compare(z, &want, *at, &same, e);
	buf_fini(&want);
	if (rc)
		return rc;
	if (m->at != *at || !same)
		return err_set(e, 0, "the directory and the file %.100s in it contradict each other, or something lies between", m->name);
	*at += head;
	if (*at > d->at || m->packed > d->at - *at || (!m->deflated && m->packed != m->size))
		return err_set(e, 0, "the file %.100s in it is longer than it can be", m->name);
	*at += m->packed;
	return 0;
}

static void
fold_case(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s += 'a' - 'A';
}

static int
add_member(struct bundle_zip *z, const struct bundle_member *is, struct err *e)
{
	struct member *m = &z->member[z->n], *other;
	char *key = arena_strdup(z->arena, is->name);

	fold_case(key);
	HASH_FIND(hh, z->by_name, key, strlen(key), other);
	if (other)
		return err_set(e, 0, "two files in it have the name %.100s", is->name);
	if (__builtin_add_overflow(z->content, is->size, &z->content) || z->content > INT64_MAX)
		return err_set(e, 0, "its files are larger than anything");
	m->is = *is;
	HASH_ADD_KEYPTR(hh, z->by_name, key, strlen(key), m);
	z->n++;
	return 0;
}

static int
read_directory(struct bundle_zip *z, const struct end *d, struct err *e)
{
	char *p = mem_alloc(NAMES_READ);
	uint64_t read = 0, place = 0;
	size_t have = 0, used = 0;
	int rc = 0;

	while (!rc && z->n < d->n) {
		struct bundle_member m = { 0 };
		size_t len, more;

		if (have - used < CENTRAL_MOST && read < d->bytes) {
			memmove(p, p + used, have - used);
			have -= used;
			used = 0;
			more = d->bytes - read < NAMES_READ - have ? (size_t)(d->bytes - read) : NAMES_READ - have;
			rc = bundle_zip_pread(z, p + have, more, d->at + read, e);
			if (rc)
				break;
			have += more;
			read += more;
		}
		len = read_row(z, p + used, have - used, &m);
		used += len;
		if (!len)
			rc = err_set(e, 0, "row %zu of its directory is not as a bundle's must be", z->n + 1);
		else
			rc = check_place(z, &m, d, &place, e);
		if (!rc)
			rc = add_member(z, &m, e);
	}
	if (!rc && (used != have || read != d->bytes || place != d->at))
		rc = err_set(e, 0, "it has something that is no file of its directory");
	free(p);
	return rc;
}

struct bundle_zip *
bundle_zip_open(int fd, struct err *e)
{
	struct bundle_zip *z = NEW(struct bundle_zip);
	struct end d = { 0 };
	struct stat st;

	e->code = 0;
	z->fd = fd;
	z->arena = arena_new(0);
	if (fstat(fd, &st) != 0) {
		err_set(e, errno, "it cannot be read: %s", strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, EINVAL, "it is no file");
		goto fail;
	}
	z->bytes = (uint64_t)st.st_size;
	if (read_end(z, &d, e) != 0)
		goto fail;
	z->member = mem_zalloc((size_t)(d.n + 1) * sizeof(*z->member));
	if (read_directory(z, &d, e) != 0)
		goto fail;
	return z;
fail:
	bundle_zip_close(z);
	return NULL;
}

void
bundle_zip_close(struct bundle_zip *z)
{
	if (!z)
		return;
	HASH_CLEAR(hh, z->by_name);
	free(z->member);
	arena_free(z->arena);
	close(z->fd);
	free(z);
}

size_t
bundle_zip_members(const struct bundle_zip *z)
{
	return z->n;
}

const struct bundle_member *
bundle_zip_member(const struct bundle_zip *z, size_t i)
{
	return &z->member[i].is;
}

const struct bundle_member *
bundle_zip_find(const struct bundle_zip *z, const char *name)
{
	char key[BUNDLE_NAME_MAX + 1];
	struct member *m;
	size_t n = strlen(name);

	if (n > BUNDLE_NAME_MAX)
		return NULL;
	memcpy(key, name, n + 1);
	fold_case(key);
	HASH_FIND(hh, z->by_name, key, n, m);
	return m && !strcmp(m->is.name, name) ? &m->is : NULL;
}

uint64_t
bundle_zip_bytes(const struct bundle_zip *z)
{
	return z->bytes;
}

uint64_t
bundle_zip_content(const struct bundle_zip *z)
{
	return z->content;
}

uint64_t
bundle_zip_data(const struct bundle_member *m)
{
	return m->at + 30 + strlen(m->name) + 20;
}
