/*
 * type: libmagic on the beginning of a file; on all of it where the type is told by a directory that may lie anywhere (CFB).
 */
#include "scan/type.h"

#include <magic.h>
#include <stdbool.h>
#include <string.h>

#include "scan/finding.h"

#define HEAD 65536 /* of texts libmagic reads all that it is given, which takes longer than to scan them */
#define HEAD_BINARY 40960 /* within HEAD the farthest mark that libmagic has a media type for is that of a disc image of raw sectors, at 37633 */

/* For what may be text, and for what cannot be: to try all encodings, each time in a copy of four bytes a character, is half of the work. */
static magic_t magic, magic_binary;

static int
load(magic_t *m, int flags, struct err *e)
{
	*m = magic_open(MAGIC_MIME_TYPE | flags);
	if (!*m)
		return err_set(e, 0, "libmagic cannot be opened");
	if (magic_load(*m, NULL))
		return err_set(e, magic_errno(*m), "libmagic's table cannot be loaded: %s", magic_error(*m));
	return 0;
}

int
type_load(struct err *e)
{
	return load(&magic, 0, e) || load(&magic_binary, MAGIC_NO_CHECK_ENCODING | MAGIC_NO_CHECK_TEXT, e) ? -1 : 0;
}

/* No encoding has NUL in a text but UTF-16 and UTF-32, which libmagic knows by their byte-order marks. */
static bool
is_binary(const unsigned char *p, size_t n)
{
	static const unsigned char marks[][2] = { { 0xff, 0xfe }, { 0xfe, 0xff }, { 0, 0 } };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (n >= 2 && !memcmp(p, marks[i], 2))
			return false;
	return memchr(p, 0, n);
}

/* From the mapping: libmagic would move the place in the file, which others share. */
void
type_of(const struct source *s, char *out, size_t size)
{
	static const unsigned char compound[8] = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
	size_t n = s->size < HEAD ? (size_t)s->size : HEAD;
	const char *type;
	bool binary;

	out[0] = '\0';
	if (!s->size) {
		finding_copy(out, size, "application/x-empty");
		return;
	}
	if (!source_is_map(s))
		return;
	binary = is_binary(s->map, n);
	if (s->size >= 8 && !memcmp(s->map, compound, 8))
		n = (size_t)s->size;
	else if (binary && n > HEAD_BINARY)
		n = HEAD_BINARY;
	type = magic_buffer(binary ? magic_binary : magic, s->map, n);
	if (type && strchr(type, '/'))
		finding_copy(out, size, type);
}
