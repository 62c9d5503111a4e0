/*
 * rar: see rar.h.
 *
 * Services are blocks like files: comments, tables for quick opening, recovery records. Others hold what is put on the disc as well
 * (STM: alternate streams of a file), and libarchive does not give it.
 */
#include "scan/rar.h"

#include <stdbool.h>
#include <string.h>

#define HEAD 192        /* of a block: all but the end of a long name */
#define HEAD5_MAX (2u << 20)

struct block {
	uint64_t size, packed, unpacked; /* of the header, of what follows it, and what that becomes */
	bool file, service, folder, part, encrypted, last;
	const unsigned char *name;       /* of a service */
	size_t name_n;
};

static int
unlike(struct finding *f, const char *why)
{
	return finding_damaged(f, "the RAR archive is damaged: %s", why);
}

/* RAR 4 */

enum { MAIN4 = 0x73, FILE4, COMMENT4, AUTHOR4, OLD_SERVICE4, RECOVERY4, SIGN4, SERVICE4, END4 };

#define MAIN4_VOLUME 0x0001
#define MAIN4_ENCRYPTED 0x0080
#define FILE4_PART 0x0003
#define FILE4_FOLDER 0x00e0
#define FILE4_LARGE 0x0100
#define HAS_DATA4 0x8000

static bool
read_file4(const unsigned char *p, size_t n, unsigned flags, struct block *b)
{
	bool large = flags & FILE4_LARGE;
	size_t fixed = large ? 40 : 32;

	if (n < fixed || b->size < fixed)
		return false;
	b->packed = le32(p + 7) | (large ? (uint64_t)le32(p + 32) << 32 : 0);
	b->unpacked = le32(p + 11) | (large ? (uint64_t)le32(p + 36) << 32 : 0);
	b->file = p[2] == FILE4;
	b->service = !b->file;
	b->folder = b->file && (flags & FILE4_FOLDER) == FILE4_FOLDER;
	b->part = flags & FILE4_PART;
	b->name = p + fixed;
	b->name_n = le16(p + 26);
	if (b->name_n > n - fixed)
		b->name_n = 0;
	return true;
}

static bool
read_block4(const unsigned char *p, size_t n, struct block *b)
{
	unsigned flags, type;

	if (n < 7)
		return false;
	type = p[2];
	flags = le16(p + 3);
	b->size = le16(p + 5);
	if (b->size < 7 || type < MAIN4 || type > END4)
		return false;
	if (type == FILE4 || type == SERVICE4)
		return read_file4(p, n, flags, b);
	if (flags & HAS_DATA4) {
		if (n < 11 || b->size < 11)
			return false;
		b->packed = le32(p + 7);
	}
	b->part = type == MAIN4 && flags & MAIN4_VOLUME;
	b->encrypted = type == MAIN4 && flags & MAIN4_ENCRYPTED;
	b->service = type == OLD_SERVICE4; /* without a name */
	b->last = type == END4;
	return true;
}

/* RAR 5 */

enum { MAIN5 = 1, FILE5, SERVICE5, ENCRYPTED5, END5 };

#define HAS_EXTRA5 0x0001
#define HAS_DATA5 0x0002
#define PART5 0x0018
#define MAIN5_VOLUME 0x0001
#define FILE5_FOLDER 0x0001
#define FILE5_TIME 0x0002
#define FILE5_CHECKSUM 0x0004

struct reader {
	const unsigned char *p;
	size_t left;
	bool failed;
};

static uint64_t
number(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; r->left && shift < 64; shift += 7) {
		unsigned char byte = *r->p++;

		r->left--;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	r->failed = true;
	return 0;
}

static void
skip(struct reader *r, size_t n)
{
	if (n > r->left) {
		r->failed = true;
		return;
	}
	r->p += n;
	r->left -= n;
}

static void
read_file5(struct reader *r, struct block *b)
{
	uint64_t flags = number(r);

	b->unpacked = number(r);
	b->folder = flags & FILE5_FOLDER;
	(void)number(r); /* attributes */
	skip(r, (flags & FILE5_TIME ? 4 : 0) + (flags & FILE5_CHECKSUM ? 4 : 0));
	(void)number(r); /* method */
	(void)number(r); /* system */
	b->name_n = (size_t)number(r);
	b->name = r->p;
	if (b->name_n > r->left)
		b->name_n = 0;
}

static bool
read_block5(const unsigned char *p, size_t n, struct block *b)
{
	struct reader r = { .p = p + 4, .left = n < 4 ? 0 : n - 4 };
	uint64_t size = number(&r), type, flags;

	if (r.failed || !size || size > HEAD5_MAX)
		return false;
	b->size = (uint64_t)(r.p - p) + size;
	r.left = size < r.left ? (size_t)size : r.left;
	type = number(&r);
	flags = number(&r);
	if (flags & HAS_EXTRA5)
		(void)number(&r);
	if (flags & HAS_DATA5)
		b->packed = number(&r);
	b->file = type == FILE5;
	b->service = type == SERVICE5;
	b->encrypted = type == ENCRYPTED5;
	b->last = type == END5;
	b->part = flags & PART5;
	if (b->file || b->service)
		read_file5(&r, b);
	else if (type == MAIN5)
		b->part = b->part || number(&r) & MAIN5_VOLUME;
	return !r.failed && type >= MAIN5 && type <= END5;
}

/* Both */

static bool
service_is_harmless(const struct block *b)
{
	return (b->name_n == 3 && !memcmp(b->name, "CMT", 3)) || (b->name_n == 2 && (!memcmp(b->name, "QO", 2) || !memcmp(b->name, "RR", 2)));
}

static int
block_check(const struct block *b, struct finding *f)
{
	if (b->encrypted)
		return finding_encrypted(f, "the archive");
	if (b->part)
		return unlike(f, "it is a part of several");
	if (b->service && !service_is_harmless(b))
		return unlike(f, "it holds more than files");
	if (b->file && b->packed && (b->folder || !b->unpacked))
		return unlike(f, "a member has content that is not unpacked");
	if (b->folder && b->unpacked)
		return unlike(f, "a folder in it has content");
	return 0;
}

int
rar_check(const struct source *s, unsigned most, uint64_t *end, struct finding *f)
{
	unsigned char head[HEAD];
	bool five = source_read(s, 0, head, 8) == 8 && head[6] == 1;
	uint64_t pos = five ? 8 : 7;

	for (unsigned i = 0; i < most; i++) {
		struct block b = { 0 };
		long n = source_read(s, pos, head, sizeof(head));

		if (n < 0)
			return finding_error(f, "the file cannot be read");
		*end = pos;
		/* Those of version 4 may do without an end. */
		if (!n && !five)
			return 0;
		if (!(five ? read_block5(head, (size_t)n, &b) : read_block4(head, (size_t)n, &b)))
			return unlike(f, "it may have been cut");
		if (block_check(&b, f))
			return -1;
		if (b.size > s->size - pos || b.packed > s->size - pos - b.size)
			return unlike(f, "it has been cut");
		pos += b.size + b.packed;
		*end = pos;
		if (b.last)
			return 0;
	}
	return finding_limit(f, "the archive has more than %u members", most);
}
