/*
 * kind: archives by their first bytes.
 *
 * Weak marks (two bytes and less) are believed only with more of their header: a picture that happens to begin like an old cpio archive must
 * not be refused as a damaged one.
 */
#include "scan/kind.h"

#include <archive.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK (1u << 20)
#define OVERLAP 64 /* between two chunks, so that no mark is cut */
#define TAR_BLOCK 512
#define FOOT 512
#define UDF_SECTOR 2048
#define UDF_FIRST 16
#define UDF_LAST 32
#define ISO_MARK 32769 /* ECMA-119 6.2.1: the first sixteen sectors are for anything */

/* A field of octal digits, spaces and NULs around them allowed; -1 when it is none. */
static long
tar_octal(const unsigned char *p, size_t n)
{
	long v = 0;
	size_t i = 0;

	while (i < n && p[i] == ' ')
		i++;
	if (i == n || p[i] < '0' || p[i] > '7')
		return -1;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v * 8 + (p[i] - '0');
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return -1;
	return v;
}

static bool
is_tar(const unsigned char *head, size_t n)
{
	long sum = 0, signed_sum = 0, told;

	if (n < TAR_BLOCK || !head[0])
		return false;
	told = tar_octal(head + 148, 8);
	if (told < 0)
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool field = i >= 148 && i < 156;

		sum += field ? ' ' : head[i];
		signed_sum += field ? ' ' : (signed char)head[i];
	}
	return sum == told || signed_sum == told;
}

static bool
is_gzip(const unsigned char *head, size_t n)
{
	return n >= 10 && !(head[3] & 0xe0);
}

static bool
is_bzip2(const unsigned char *head, size_t n)
{
	return n >= 10 && head[3] >= '1' && head[3] <= '9' &&
		(!memcmp(head + 4, "\x31\x41\x59\x26\x53\x59", 6) || !memcmp(head + 4, "\x17\x72\x45\x38\x50\x90", 6));
}

static bool
is_compress(const unsigned char *head, size_t n)
{
	return n >= 3 && !(head[2] & 0x60) && (head[2] & 0x1f) >= 9 && (head[2] & 0x1f) <= 16;
}

/* .lzma has no mark: properties, a dictionary of a whole power of two, a size that is unknown or sensible. */
static bool
is_lzma(const unsigned char *head, size_t n)
{
	uint32_t dictionary;
	uint64_t size;

	if (n < 14 || head[0] != 0x5d || head[13])
		return false;
	dictionary = le32(head + 1);
	size = le64(head + 5);
	return dictionary >= 4096 && !(dictionary & (dictionary - 1)) && (size == UINT64_MAX || size < (uint64_t)1 << 40);
}

/* mode and namesize of the old binary header, by shorts in the order of its machine */
static bool
is_old_cpio(const unsigned char *head, size_t n, bool big)
{
	unsigned mode, namesize, kind;

	if (n < 28)
		return false;
	mode = big ? (unsigned)(head[6] << 8 | head[7]) : le16(head + 6);
	namesize = big ? (unsigned)(head[20] << 8 | head[21]) : le16(head + 20);
	kind = mode & 0170000;
	if (namesize < 2 || namesize > 1024 || 26 + namesize > n || head[26 + namesize - 1])
		return false;
	/* TRAILER!!! has no mode. */
	return kind == 0100000 || kind == 0040000 || kind == 0120000 || kind == 0020000 || kind == 0060000 || kind == 0010000 || !mode;
}

static bool
is_cpio_le(const unsigned char *head, size_t n)
{
	return is_old_cpio(head, n, false);
}

static bool
is_cpio_be(const unsigned char *head, size_t n)
{
	return is_old_cpio(head, n, true);
}

static bool
is_lha(const unsigned char *head, size_t n)
{
	return n >= 21 && head[2] == '-' && head[3] == 'l' && (head[4] == 'h' || head[4] == 'z') && head[6] == '-' && head[20] <= 3;
}

/* The archive's main header: a size that is allowed, a file type of 2. */
static bool
is_arj(const unsigned char *head, size_t n)
{
	return n >= 34 && le16(head + 2) >= 30 && le16(head + 2) <= 2600 && head[10] == 2;
}

static bool
is_zstd_skippable(const unsigned char *head, size_t n)
{
	return n >= 8 && (head[0] & 0xf0) == 0x50;
}

/* The format of a compressed file: its one member. An empty one has none. */
static int
format_one(struct archive *a)
{
	int r = archive_read_support_format_empty(a);

	return r == ARCHIVE_OK ? archive_read_support_format_raw(a) : r;
}

static int
format_rar(struct archive *a)
{
	int r = archive_read_support_format_rar(a);

	return r == ARCHIVE_OK ? archive_read_support_format_rar5(a) : r;
}

#define MAGIC(at, text) at, sizeof(text) - 1, text

enum { ROW_ZIP, ROW_7Z, ROW_RAR };

static const struct kind kinds[] = {
	[ROW_ZIP] = { "zip", archive_read_support_format_zip_seekable, NULL, true, true, MAGIC(0, "PK\x03\x04"), NULL },
	[ROW_7Z] = { "7z", archive_read_support_format_7zip, NULL, true, false, MAGIC(0, "7z\xbc\xaf\x27\x1c"), NULL },
	[ROW_RAR] = { "rar", format_rar, NULL, false, false, MAGIC(0, "Rar!\x1a\x07"), NULL },
	{ "zip", archive_read_support_format_zip_seekable, NULL, true, true, MAGIC(0, "PK\x05\x06"), NULL },
	{ "zip", archive_read_support_format_zip_seekable, NULL, true, true, MAGIC(0, "PK\x07\x08PK\x03\x04"), NULL },
	{ "zip", archive_read_support_format_zip_seekable, NULL, true, true, MAGIC(0, "PK00PK\x03\x04"), NULL },
	{ "gzip", format_one, archive_read_support_filter_gzip, true, false, MAGIC(0, "\x1f\x8b\x08"), is_gzip },
	{ "bzip2", format_one, archive_read_support_filter_bzip2, true, false, MAGIC(0, "BZh"), is_bzip2 },
	{ "xz", format_one, archive_read_support_filter_xz, true, false, MAGIC(0, "\xfd" "7zXZ\0"), NULL },
	{ "zstd", format_one, archive_read_support_filter_zstd, false, false, MAGIC(0, "\x28\xb5\x2f\xfd"), NULL },
	{ "zstd", format_one, archive_read_support_filter_zstd, false, false, MAGIC(1, "\x2a\x4d\x18"), is_zstd_skippable },
	{ "lz4", format_one, archive_read_support_filter_lz4, false, false, MAGIC(0, "\x04\x22\x4d\x18"), NULL },
	{ "lz4", format_one, archive_read_support_filter_lz4, false, false, MAGIC(0, "\x02\x21\x4c\x18"), NULL },
	{ "lzip", format_one, archive_read_support_filter_lzip, false, false, MAGIC(0, "LZIP"), NULL },
	{ "compress", format_one, archive_read_support_filter_compress, false, false, MAGIC(0, "\x1f\x9d"), is_compress },
	{ "lzma", format_one, archive_read_support_filter_lzma, false, false, MAGIC(0, "\x5d"), is_lzma },
	{ "cab", archive_read_support_format_cab, NULL, true, false, MAGIC(0, "MSCF\0\0\0\0"), NULL },
	{ "ar", archive_read_support_format_ar, NULL, false, false, MAGIC(0, "!<arch>\n"), NULL },
	{ "cpio", archive_read_support_format_cpio, NULL, true, false, MAGIC(0, "070701"), NULL },
	{ "cpio", archive_read_support_format_cpio, NULL, true, false, MAGIC(0, "070702"), NULL },
	{ "cpio", archive_read_support_format_cpio, NULL, true, false, MAGIC(0, "070707"), NULL },
	{ "cpio", archive_read_support_format_cpio, NULL, true, false, MAGIC(0, "\xc7\x71"), is_cpio_le },
	{ "cpio", archive_read_support_format_cpio, NULL, true, false, MAGIC(0, "\x71\xc7"), is_cpio_be },
	{ "xar", archive_read_support_format_xar, NULL, true, false, MAGIC(0, "xar!"), NULL },
	{ "lha", archive_read_support_format_lha, NULL, false, false, MAGIC(2, "-l"), is_lha },
	{ "warc", archive_read_support_format_warc, NULL, false, false, MAGIC(0, "WARC/"), NULL },
	{ "tar", archive_read_support_format_tar, NULL, true, false, MAGIC(0, ""), is_tar },
	{ "iso9660", archive_read_support_format_iso9660, NULL, true, false, MAGIC(ISO_MARK, "CD001"), NULL },
	/* Archives that nothing here opens: what is in them has not been seen. */
	{ "lzop", NULL, NULL, false, false, MAGIC(0, "\x89LZO\0\r\n\x1a\n"), NULL },
	{ "lrzip", NULL, NULL, false, false, MAGIC(0, "LRZI"), NULL },
	{ "ARJ", NULL, NULL, false, false, MAGIC(0, "\x60\xea"), is_arj },
	{ "ACE", NULL, NULL, false, false, MAGIC(7, "**ACE**"), NULL },
	{ "StuffIt", NULL, NULL, false, false, MAGIC(0, "StuffIt (c)"), NULL },
	{ "StuffIt", NULL, NULL, false, false, MAGIC(0, "SIT!\0"), NULL },
	{ "ZOO", NULL, NULL, false, false, MAGIC(20, "\xdc\xa7\xc4\xfd"), NULL },
	{ "ZPAQ", NULL, NULL, false, false, MAGIC(0, "7kSt"), NULL },
	{ "ZPAQ", NULL, NULL, false, false, MAGIC(0, "zPQ\x01\x01"), NULL },
	{ "FreeArc", NULL, NULL, false, false, MAGIC(0, "ArC\x01"), NULL },
	{ "EGG", NULL, NULL, false, false, MAGIC(0, "EGGA"), NULL },
	{ "ALZ", NULL, NULL, false, false, MAGIC(0, "ALZ\x01"), NULL },
	{ "WIM", NULL, NULL, false, false, MAGIC(0, "MSWIM\0\0\0"), NULL },
	{ "SquashFS", NULL, NULL, false, false, MAGIC(0, "hsqs"), NULL },
	{ "QCOW", NULL, NULL, false, false, MAGIC(0, "QFI\xfb"), NULL },
	{ "VHD", NULL, NULL, false, false, MAGIC(0, "conectix"), NULL },
	{ "VMDK", NULL, NULL, false, false, MAGIC(0, "KDMV"), NULL },
	{ "VMDK", NULL, NULL, false, false, MAGIC(0, "COWD\x01\0\0\0"), NULL },
	{ "VHDX", NULL, NULL, false, false, MAGIC(0, "vhdxfile"), NULL },
};

const struct kind *
kind_of(const unsigned char *head, size_t n)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *k = &kinds[i];

		if (k->at + k->n > n || memcmp(head + k->at, k->magic, k->n))
			continue;
		if (!k->check || k->check(head, n))
			return k;
	}
	return NULL;
}

const struct kind *
kind_zip(void)
{
	return &kinds[ROW_ZIP];
}

bool
kind_is_rar(const struct kind *k)
{
	return k == &kinds[ROW_RAR];
}

bool
kind_is_program(const unsigned char *head, size_t n)
{
	return (n >= 2 && (!memcmp(head, "MZ", 2) || !memcmp(head, "#!", 2))) || (n >= 4 && !memcmp(head, "\x7f" "ELF", 4));
}

/* What follows the mark must look like it, too: these six bytes may stand in any program that writes such archives. */
static bool
embedded_is_real(const unsigned char *p, size_t n, const struct kind *k)
{
	if (k == &kinds[ROW_7Z]) /* version 0.2 … 0.4 and a header that has a size */
		return n >= 32 && p[6] == 0 && p[7] >= 2 && p[7] <= 9 && le64(p + 20) > 0 && le64(p + 20) < (uint64_t)1 << 40;
	if (n < 12)
		return false;
	return p[6] == 0 ? p[9] == 0x73 : p[6] == 1 && p[7] == 0; /* RAR 4: its main header; RAR 5 */
}

/* Which byte of the mark is seldom in texts, programs and documents: it is sought, and the others only where it stands. */
static const size_t seldom[] = { [ROW_7Z] = 2, [ROW_RAR] = 4 };

/* The first real mark of this row that begins in the first `most` bytes; NULL. */
static const unsigned char *
first_mark(const unsigned char *buf, size_t n, size_t most, int row)
{
	const struct kind *k = &kinds[row];
	const unsigned char *p = buf + seldom[row], *behind = buf + n - k->n + seldom[row] + 1, *mark;

	if (n < k->n)
		return NULL;
	for (; (p = memchr(p, (unsigned char)k->magic[seldom[row]], (size_t)(behind - p))); p++) {
		mark = p - seldom[row];
		if ((size_t)(mark - buf) >= most)
			return NULL;
		if (!memcmp(mark, k->magic, k->n) && embedded_is_real(mark, n - (size_t)(mark - buf), k))
			return mark;
	}
	return NULL;
}

int
kind_embedded(const struct source *s, uint64_t from, uint64_t to, const struct kind **found, uint64_t *at)
{
	unsigned char *room = s->map ? NULL : mem_alloc(CHUNK + OVERLAP);
	long n = 0;

	*found = NULL;
	to = to < s->size ? to : s->size;
	for (uint64_t pos = from; !*found && pos < to && n >= 0; pos += CHUNK) {
		size_t most = to - pos < CHUNK ? (size_t)(to - pos) : CHUNK;
		const unsigned char *buf = source_see(s, pos, room, most + OVERLAP, &n);

		for (int row = ROW_7Z; n > 0 && row <= ROW_RAR; row++) {
			const unsigned char *p = first_mark(buf, (size_t)n, most, row);

			if (p && (!*found || pos + (uint64_t)(p - buf) < *at)) {
				*found = &kinds[row];
				*at = pos + (uint64_t)(p - buf);
			}
		}
	}
	free(room);
	return n < 0 ? -1 : 0;
}

bool
kind_is_iso(const unsigned char *head, size_t n)
{
	return n >= ISO_MARK + 5 && !memcmp(head + ISO_MARK, "CD001", 5);
}

/* The volume recognition sequence (ECMA-167 2/8.3): the mark of UDF in one of its sectors, also beside those of ISO 9660. */
static int
is_udf(const struct source *s, bool *is)
{
	unsigned char mark[6];

	*is = false;
	for (uint64_t sector = UDF_FIRST; sector <= UDF_LAST && !*is; sector++) {
		long n = source_read(s, sector * UDF_SECTOR, mark, sizeof(mark));

		if (n < 0)
			return -1;
		*is = n == sizeof(mark) && (!memcmp(mark + 1, "NSR02", 5) || !memcmp(mark + 1, "NSR03", 5));
	}
	return 0;
}

int
kind_image(const struct source *s, const char **name)
{
	unsigned char foot[FOOT];
	bool udf;

	*name = NULL;
	if (s->size < FOOT)
		return 0;
	if (source_read(s, s->size - FOOT, foot, FOOT) != FOOT || is_udf(s, &udf))
		return -1;
	if (udf)
		*name = "UDF";
	else if (!memcmp(foot, "koly", 4))
		*name = "DMG";
	/* Old ones are a byte shorter. */
	else if (!memcmp(foot, "conectix", 8) || !memcmp(foot + 1, "conectix", 8))
		*name = "VHD";
	return 0;
}

int
kind_tar_hides(const struct source *s, uint64_t at)
{
	unsigned char head[TAR_BLOCK];
	long n, size;

	while ((n = source_read(s, at, head, TAR_BLOCK)) == TAR_BLOCK) {
		char type = (char)head[156];

		at += TAR_BLOCK;
		/* Zeros between tars that were put one behind another. */
		if (!head[0] && !type)
			continue;
		if (type == 'A')
			return 1;
		size = tar_octal(head + 124, 12);
		if (!type || !strchr("gxXKLVND", type))
			return 0;
		if (size < 0)
			return 1;
		at += ((uint64_t)size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	}
	return n < 0 ? -1 : 0;
}
