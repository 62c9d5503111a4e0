/*
 * http: a request's head up to its empty line, and what follows as chunks, at once and byte by byte. What is accepted has a
 * path that nothing can climb out of.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct http_head *h)
{
	const char *p = h->path;

	assert(p[0] == '/' && h->method < HTTP_METHODS && h->nfields <= HTTP_FIELDS_MAX && !(h->chunked && h->length));
	assert(!strstr(p, "//") && !strchr(p, '\\') && !strpbrk(p, "\r\n"));
	for (const char *dots = strstr(p, "/.."); dots; dots = strstr(dots + 1, "/.."))
		assert(dots[3] != '/' && dots[3] != '\0');
	for (unsigned i = 0; i < h->nfields; i++)
		assert(*h->field[i].name && !strpbrk(h->field[i].name, " :\r\n") && !strpbrk(h->field[i].value, "\r\n"));
	assert(!h->authority || (*h->authority && !strpbrk(h->authority, "/?#@ ")));
	(void)http_head_lists(h, "connection", "close");
}

static size_t
chunks(const char *p, size_t n, size_t step, int *end)
{
	struct http_chunks c = {0};
	size_t at = 0, total = 0, len;
	const char *data;
	bool done = false;

	*end = 0;
	while (at < n && !done) {
		ptrdiff_t used = http_chunks_take(&c, p + at, n - at < step ? n - at : step, &data, &len, &done);

		if (used < 0) {
			*end = -1;
			return 0;
		}
		assert(used > 0 && (size_t)used <= n - at && len <= (size_t)used);
		at += (size_t)used;
		total += len;
	}
	*end = done;
	return total;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_strndup((const char *)data, size), *end;
	struct http_head h;
	int a, b;
	size_t n, m;

	memcpy(text, data, size);
	end = memmem(text, size, "\r\n\r\n", 4);
	n = end ? (size_t)(end - text) + 4 : size;
	m = chunks((const char *)data + n, size - n, SIZE_MAX, &a);
	assert(chunks((const char *)data + n, size - n, 1, &b) == m && a == b);
	if (end && !http_head_parse(text, n, &h))
		check(&h);
	free(text);
	return 0;
}
