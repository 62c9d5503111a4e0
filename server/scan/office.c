/*
 * office: marks of encryption in a compound file ([MS-CFB]), sought sector by sector: streams begin at sectors, names of streams lie
 * in entries of 128 bytes. No chain of sectors is followed, so none can be a trap.
 */
#include "scan/office.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK (1u << 20)
#define OVERLAP 64 /* so that no word is cut */
#define SECTOR 512
#define ENTRY 128
#define RECORDS 16 /* FILEPASS comes within the first few ([MS-XLS] 2.1.7.20.1) */

/* [MS-OFFCRYPTO] 2.3.4, 2.3.5: storages of a document with a password, in UTF-16 with their end. */
static const struct {
	size_t n;
	const char *name;
} names[] = {
	{ 34, "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0\0\0" },
	{ 34, "E\0n\0c\0r\0y\0p\0t\0e\0d\0S\0u\0m\0m\0a\0r\0y\0\0\0" },
};

static bool
entry_says_so(const unsigned char *entry)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (le16(entry + 64) == names[i].n && !memcmp(entry, names[i].name, names[i].n))
			return true;
	return false;
}

/* The FIB of Word 97 and later ([MS-DOC] 2.5.2): wIdent, nFib, then flags of which 0x0100 is fEncrypted. */
static bool
is_word(const unsigned char *p)
{
	return le16(p) == 0xa5ec && le16(p + 2) >= 0x0065 && le16(p + 2) <= 0x0112 && le16(p + 10) & 0x0100;
}

/* The stream of a workbook: BOF of its globals, and soon after it FILEPASS. */
static bool
is_sheet(const unsigned char *p, size_t n)
{
	if (le16(p) != 0x0809 || (le16(p + 2) != 16 && le16(p + 2) != 8) || le16(p + 6) != 0x0005)
		return false;
	for (int i = 0; i < RECORDS && n >= 4; i++) {
		size_t size = 4 + (size_t)le16(p + 2);

		if (le16(p) == 0x002f)
			return true;
		if (size > n)
			break;
		p += size;
		n -= size;
	}
	return false;
}

static bool
chunk_says_so(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i + ENTRY <= n; i += ENTRY) {
		if (entry_says_so(p + i))
			return true;
		if (i % SECTOR == 0 && (is_word(p + i) || is_sheet(p + i, n - i)))
			return true;
	}
	return false;
}

/* In UTF-8, or in UTF-16 of either order. */
static bool
has_encryption_data(const unsigned char *p, size_t n)
{
	static const char words[] = "encryption-data", wide[] = "e\0n\0c\0r\0y\0p\0t\0i\0o\0n\0-\0d\0a\0t\0a";

	return memmem(p, n, words, sizeof(words) - 1) || memmem(p, n, wide, sizeof(wide) - 1);
}

static int
manifest_says_so(const struct source *s)
{
	unsigned char *buf = mem_alloc(CHUNK + OVERLAP);
	int found = 0;

	for (uint64_t pos = 0; pos < s->size && !found; pos += CHUNK) {
		long n = source_read(s, pos, buf, CHUNK + OVERLAP);

		found = n < 0 ? -1 : has_encryption_data(buf, (size_t)n);
	}
	free(buf);
	return found;
}

int
office_member_is_encrypted(const char *name, const struct source *s)
{
	if (name && strcmp(name, "encrypted-package") == 0)
		return 1;
	return name && strcmp(name, "META-INF/manifest.xml") == 0 ? manifest_says_so(s) : 0;
}

bool
office_is_compound(const unsigned char *head, size_t n)
{
	return n >= 8 && !memcmp(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
}

int
office_is_encrypted(const struct source *s)
{
	unsigned char head[8], *buf;
	int found = 0;
	long n = source_read(s, 0, head, 8);

	if (n != 8 || !office_is_compound(head, 8))
		return n < 0 ? -1 : 0;
	buf = mem_alloc(CHUNK);
	for (uint64_t pos = 0; pos < s->size && !found; pos += CHUNK) {
		n = source_read(s, pos, buf, CHUNK);
		found = n < 0 ? -1 : chunk_says_so(buf, (size_t)n);
	}
	free(buf);
	return found;
}
