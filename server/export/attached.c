/*
 * attached: see attached.h.
 */
#include "export/attached.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct attached {
	uint8_t sha256[ATTACHED_MAX][SHA256_SIZE];
	size_t n;
	uint64_t bytes;
};

struct attached *
attached_new(void)
{
	return NEW(struct attached);
}

void
attached_free(struct attached *a)
{
	free(a);
}

enum attached_how
attached_take(struct attached *a, struct export_context *x, const struct export_file *f, int *fd)
{
	struct err e = {0};

	for (size_t i = 0; i < a->n; i++)
		if (!memcmp(a->sha256[i], f->sha256, SHA256_SIZE))
			return ATTACHED_BEFORE;
	if (!f->path || a->n == ATTACHED_MAX || f->size > ATTACHED_BYTES - a->bytes)
		return ATTACHED_NOT;
	*fd = export_file_open(x, f, &e);
	if (*fd < 0)
		return ATTACHED_NOT;
	memcpy(a->sha256[a->n++], f->sha256, SHA256_SIZE);
	a->bytes += f->size;
	return ATTACHED_NOW;
}
