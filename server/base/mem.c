/*
 * mem: allocation that does not fail.
 *
 * A server that is out of memory cannot keep its promises by going on half-way in every function;
 * it says so, ends, and is started again with the record intact (nothing acknowledged is only in
 * memory). Whatever a peer can size has met its limit before it comes here.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

void
mem_exhausted(size_t n)
{
	log_error(NULL, "out-of-memory", "bytes=%zu", n);
	/* No exit handlers: they might allocate. */
	_exit(EXIT_FAILURE);
}

void *
mem_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		mem_exhausted(n);
	return p;
}

void *
mem_zalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		mem_exhausted(n);
	return p;
}

void *
mem_realloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		mem_exhausted(n);
	return p;
}

char *
mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *
mem_strndup(const char *s, size_t n)
{
	char *p;

	if (n == SIZE_MAX)
		mem_exhausted(n);
	p = mem_alloc(n + 1);
	if (n)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}
