/*
 * type: libmagic on the beginning of a file; on all of it where the type is told by a directory that may lie anywhere (CFB).
 */
#include "scan/type.h"

#include <magic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scan/finding.h"

#define HEAD 65536 /* of texts libmagic reads all that it is given, which takes longer than to scan them */

static magic_t magic;

int
type_load(struct err *e)
{
	magic = magic_open(MAGIC_MIME_TYPE);
	if (!magic)
		return err_set(e, 0, "libmagic cannot be opened");
	if (magic_load(magic, NULL))
		return err_set(e, magic_errno(magic), "libmagic's table cannot be loaded: %s", magic_error(magic));
	return 0;
}

/* From a mapping: libmagic would move the place in the file, which others share. */
void
type_of(const struct source *s, char *out, size_t size)
{
	static const unsigned char compound[8] = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
	size_t n = s->size < HEAD ? (size_t)s->size : HEAD;
	const char *type;
	void *p;

	out[0] = '\0';
	if (!s->size) {
		finding_copy(out, size, "application/x-empty");
		return;
	}
	p = mmap(NULL, (size_t)s->size, PROT_READ, MAP_PRIVATE, s->fd, 0);
	if (p == MAP_FAILED)
		return;
	if (s->size >= 8 && !memcmp(p, compound, 8))
		n = (size_t)s->size;
	type = magic_buffer(magic, p, n);
	if (type && strchr(type, '/'))
		finding_copy(out, size, type);
	munmap(p, (size_t)s->size);
}
